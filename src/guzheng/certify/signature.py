"""The electronic signature of a certificate: PAdES B-T (ETSI EN 319 142-1).

One certification signature over the whole file, no change allowed after it (DocMDP 1), with an
RFC 3161 timestamp over the signature, so that its time is the authority's word and not ours.
Long-term levels add validation data and an archive timestamp, which DocMDP 1 permits later;
they are not made here, since a local root publishes no revocation lists and a certificate must
not depend on the network (docs/spec/certificate.md).

pyHanko appends the signature's field and dictionary to the PDF, `cades` writes what goes into
it. The private key is used as the object it was given as: never written out, never parsed
again. Times are arguments: pyHanko's habit of stamping the wall clock into the metadata is
switched off, so the pages and metadata of a certificate stay as the press made them.
"""

import io
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from asn1crypto import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import ExternalSigner
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner

from guzheng.certify.cades import Cades, PrivateKey
from guzheng.proof import der, timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable

Respond = Callable[[bytes], bytes]  # TimeStampReq → TimeStampResp, both DER

FIELD_NAME: Final = "guzheng"
_DIGEST: Final = "sha256"
_NONCE_BITS: Final = 63
# Room beside the estimate, in hexadecimal digits. Tokens differ by a few octets (the DER of an
# ECDSA signature, a serial, the fraction of a second): the first is for those. The second is
# for an authority that sends another chain than the one it sent when first asked.
_ROOM: Final = (40, 16_384)


@dataclass(frozen=True)
class DocumentSigner:
    """Who signs certificates, and the authority that says when. Made once, used by threads."""

    key: PrivateKey = field(repr=False)
    certificate_der: bytes = field(repr=False)
    respond: Respond = field(repr=False)
    chain_ders: Sequence[bytes] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The subject, as a reader's signature panel shows it."""
        return str(self.certificate.subject.human_friendly)

    @cached_property
    def certificate(self) -> x509.Certificate:
        return x509.Certificate.load(self.certificate_der)

    @cached_property
    def _cades(self) -> Cades:
        return Cades(self.key, self.certificate_der, self.chain_ders)

    @cached_property
    def _estimate(self) -> int:
        """Hexadecimal digits of a signature; costs one token, and is asked for once."""
        trial = self._cades.longest_signature()
        attributes = self._cades.attributes(bytes(32))
        return 2 * len(self._cades.assembled(attributes, trial, self._stamped(trial)))

    def sign(self, pdf: bytes, *, signed_at: datetime) -> bytes:
        """The PDF with the signature appended. `Unavailable` when no sound timestamp is had."""
        enough, ample = (self._estimate + room for room in _ROOM)
        try:
            return self._signed(pdf, signed_at, enough)
        except SigningError:  # the signature did not fit
            return self._signed(pdf, signed_at, ample)

    def _signed(self, pdf: bytes, signed_at: datetime, reserved: int) -> bytes:
        metadata = PdfSignatureMetadata(
            field_name=FIELD_NAME,
            md_algorithm=_DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        # It is asked for nothing but whose signature this will be.
        signer = PdfSigner(metadata, signer=ExternalSigner(self.certificate, None))
        session = signer.init_signing_session(_Writer(io.BytesIO(pdf)))
        session.system_time = signed_at
        prepared = session.prepare_tbs_document(None, bytes_reserved=reserved)
        output = io.BytesIO()
        digested, _ = prepared.digest_tbs_document(output=output)
        attributes = self._cades.attributes(digested.document_digest)
        signature = self._cades.signature_over(attributes)
        token = self._stamped(signature)
        digested.fill_with_cms(output, self._cades.assembled(attributes, signature, token))
        return output.getvalue()

    def _stamped(self, signature: bytes) -> bytes:
        """The authority's token over it, if granted, signed, for our digest and nonce."""
        digest, nonce = sha256(signature), secrets.randbits(_NONCE_BITS)
        answer = self.respond(timestamp.encode_request(digest, nonce))
        try:
            token = timestamp.parse(answer)
            timestamp.require_imprint(token, digest.value)
            timestamp.require_nonce(token, nonce)
            timestamp.require_signature(token)
            whole = der.parse(answer, der.SEQUENCE, "TimeStampResp").reader("TimeStampResp")
            whole.take(der.SEQUENCE)  # granted: parse saw to it
            return whole.take(der.SEQUENCE).encoded
        except ProofError as error:
            raise _unsound(error.expected, f"{error.found} ({error.code})") from error


class _Writer(IncrementalPdfFileWriter):
    """Appends the signature; leaves the metadata alone (ISO 19005-3 §6.6: they must agree)."""

    def _update_meta(self) -> None:
        return


def _unsound(expected: str, found: str) -> Unavailable:
    return Unavailable(
        "certify.timestamp-unsound",
        expected=expected,
        found=found,
        act="ask the operator of the timestamp authority",
    )
