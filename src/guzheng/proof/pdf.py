"""Whether a signed PDF is whole: its byte ranges, its signatures, their times.

PAdES as certificates use it (ETSI EN 319 142-1, levels B-T and B-LTA; ISO 32000-2 §12.8).
Nothing of the pages is read: what is checked is that no octet has changed since the signer
signed, that a timestamp shows when that was, and of which certificate.json the signed
metadata says it is the print.
"""

import hashlib
import re
from datetime import datetime

from cryptography import x509

from guzheng.proof import chain, cms, timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import Inconsistent, Malformed, Refuted

_RANGE = re.compile(rb"/ByteRange\s*\[\s*0\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]")
_HEX = re.compile(rb"<([0-9A-F]*|[0-9a-f]*)>")  # one case throughout: one spelling
_SPEAKS_OF = re.compile(rb"certificate\.json (sha256:[0-9a-f]{64})")
MAX_SIGNATURES = 16  # each is hashed over the whole document


def require_speaks_of(pdf: bytes, facts_json: bytes) -> None:
    """The page is the print of these facts: its keywords name them, in every place.

    The signature alone would let the certificate of one exhibit stand in for another's.
    """
    wanted = str(sha256(facts_json))
    found = sorted({one.decode() for one in _SPEAKS_OF.findall(pdf)})
    if found != [wanted]:
        raise Inconsistent(
            "certificate.differs", expected=wanted, found=", ".join(found[:2]) or "no keywords"
        )


def require_signed(pdf: bytes, roots: tuple[x509.Certificate, ...]) -> datetime:
    """When the whole document was signed, by a certificate under one of the roots."""
    covered, signed_at = 0, None
    forms = list(_RANGE.finditer(pdf))
    if len(forms) > MAX_SIGNATURES:
        raise Malformed(
            "pdf.byte-range",
            expected=f"at most {MAX_SIGNATURES} signatures",
            found=str(len(forms)),
        )
    for form in forms:
        before, resume, after = (int(one) for one in form.groups())
        gap = _HEX.fullmatch(pdf, before, resume) if before < resume <= len(pdf) else None
        if gap is None or resume + after > len(pdf):
            raise Malformed(
                "pdf.byte-range",
                expected="a range that leaves out one hex string",
                found=form[0][:60].decode(),
            )
        octets = pdf[:before] + pdf[resume : resume + after]
        signature = bytes.fromhex(gap[1].decode() if len(gap[1]) % 2 == 0 else "")
        at = _require_one(octets, _unpadded(signature), roots)
        if at is not None:
            signed_at = at
        covered = max(covered, resume + after)
    if signed_at is None:
        raise Refuted("pdf.unsigned", expected="a document signature", found="none")
    # The last signature must reach the end, or something was added that nobody signed.
    if covered != len(pdf):
        raise Refuted(
            "pdf.not-covered", expected=f"{len(pdf)} octets signed", found=str(covered)
        )
    return signed_at


def _unpadded(contents: bytes) -> bytes:
    """The one DER element at the start; signers reserve more room and fill it with zeros."""
    if len(contents) < 4 or contents[1] not in {0x82, 0x83}:
        raise Malformed("pdf.signature", expected="a signature", found=contents[:4].hex())
    width = contents[1] & 0x7F
    end = 2 + width + int.from_bytes(contents[2 : 2 + width], "big")
    if contents[end:].strip(b"\0"):
        raise Malformed(
            "pdf.signature", expected="zeros after the signature", found="something else"
        )
    return contents[:end]


def _require_one(
    octets: bytes, signature: bytes, roots: tuple[x509.Certificate, ...]
) -> datetime | None:
    """The signing time of a document signature; None for a document timestamp."""
    signed = cms.parse(signature)
    if signed.content_type == timestamp.TST_INFO:
        token = timestamp.parse(signature)
        timestamp.require_imprint(
            token, hashlib.new(token.imprint_name, octets).digest(), token.imprint_name
        )
        timestamp.require_trusted(token, timestamp.require_signature(token), roots)
        return None
    signer = cms.require_signature(signed, hashlib.new(signed.digest_name, octets).digest())
    # B-T: the signature's own time comes from a token over the signature, not from the signer.
    if signed.signature_token is None:
        raise Refuted("pdf.no-time", expected="a timestamp over the signature", found="none")
    token = timestamp.parse(signed.signature_token)
    timestamp.require_imprint(
        token, hashlib.new(token.imprint_name, signed.signature).digest(), token.imprint_name
    )
    timestamp.require_trusted(token, timestamp.require_signature(token), roots)
    chain.require_path(signer, signed.readable_certificates, roots, token.attested_at)
    return token.attested_at
