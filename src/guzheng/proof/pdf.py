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
from guzheng.proof.errors import Inconsistent, Malformed, Refuted, require

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
    shown = ", ".join(found[:2]) or "no keywords"
    require(found == [wanted], Inconsistent, "certificate.differs", wanted, shown)


def require_signed(pdf: bytes, roots: tuple[x509.Certificate, ...]) -> datetime:
    """When the whole document was signed, by a certificate under one of the roots."""
    covered, signed_at = 0, None
    forms = list(_RANGE.finditer(pdf))
    few, wanted = len(forms) <= MAX_SIGNATURES, f"at most {MAX_SIGNATURES} signatures"
    require(few, Malformed, "pdf.byte-range", wanted, len(forms))
    for form in forms:
        before, resume, after = (int(one) for one in form.groups())
        gap = _HEX.fullmatch(pdf, before, resume) if before < resume <= len(pdf) else None
        if gap is None or resume + after > len(pdf):
            wanted = "a range that leaves out one hex string"
            raise Malformed("pdf.byte-range", wanted, form[0][:60].decode())
        octets = pdf[:before] + pdf[resume : resume + after]
        signature = bytes.fromhex(gap[1].decode() if len(gap[1]) % 2 == 0 else "")
        signed_at = _require_one(octets, _unpadded(signature), roots) or signed_at
        covered = max(covered, resume + after)
    if signed_at is None:
        raise Refuted("pdf.unsigned", "a document signature", "none")
    # The last signature must reach the end, or something was added that nobody signed.
    size = len(pdf)
    require(covered == size, Refuted, "pdf.not-covered", f"{size} octets signed", covered)
    return signed_at


def _unpadded(contents: bytes) -> bytes:
    """The one DER element at the start; signers reserve more room and fill it with zeros."""
    long = len(contents) >= 4 and contents[1] in {0x82, 0x83}
    require(long, Malformed, "pdf.signature", "a signature", contents[:4])
    width = contents[1] & 0x7F
    end = 2 + width + int.from_bytes(contents[2 : 2 + width], "big")
    padded = not contents[end:].strip(b"\0")
    require(padded, Malformed, "pdf.signature", "zeros after the signature", "something else")
    return contents[:end]


def _require_one(
    octets: bytes, signature: bytes, roots: tuple[x509.Certificate, ...]
) -> datetime | None:
    """The signing time of a document signature; None for a document timestamp."""
    signed = cms.parse(signature)
    if signed.content_type == timestamp.TST_INFO:
        _require_time(signature, octets, roots)
        return None
    signer = cms.require_signature(signed, hashlib.new(signed.digest_name, octets).digest())
    # B-T: the signature's own time comes from a token over the signature, not from the signer.
    if signed.signature_token is None:
        raise Refuted("pdf.no-time", "a timestamp over the signature", "none")
    at = _require_time(signed.signature_token, signed.signature, roots)
    chain.require_path(signer, signed.readable_certificates, roots, at)
    return at


def _require_time(
    token_octets: bytes, over: bytes, roots: tuple[x509.Certificate, ...]
) -> datetime:
    token = timestamp.parse(token_octets)
    hashed = hashlib.new(token.imprint_name, over).digest()
    timestamp.require_imprint(token, hashed, token.imprint_name)
    timestamp.require_trusted(token, timestamp.require_signature(token), roots)
    return token.attested_at
