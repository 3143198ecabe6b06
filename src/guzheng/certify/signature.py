"""The electronic signature of a certificate: PAdES B-T (ETSI EN 319 142-1), by pyHanko.

One certification signature over the whole file, no change allowed after it (DocMDP 1), with an
RFC 3161 timestamp over the signature, so that its time is the authority's word and not ours.
Long-term levels add validation data and an archive timestamp, which DocMDP 1 permits later;
they are not made here, since a local root publishes no revocation lists and a certificate must
not depend on the network (docs/spec/certificate.md).

The private key is used as the object it was given as: never written out, never parsed again.
Times are arguments: pyHanko's habit of stamping the wall clock into the metadata is switched
off, so the pages and metadata of a certificate stay as the press made them.
"""

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from asn1crypto import cms, tsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from guzheng.proof import timestamp
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Respond = Callable[[bytes], bytes]  # TimeStampReq → TimeStampResp, both DER

FIELD_NAME: Final = "guzheng"
_DIGEST: Final = "sha256"
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
    def _cms_signer(self) -> "_KeySigner":
        return _KeySigner(self.key, self.certificate, self.chain_ders)

    @cached_property
    def _stamper(self) -> "_Stamper":
        return _Stamper(self.respond)

    @cached_property
    def _estimate(self) -> int:
        """Hexadecimal digits of a signature; costs one token, and is asked for once."""
        return 2 * asyncio.run(self._trial_size())

    async def _trial_size(self) -> int:
        # A number, not the signature itself: in the main thread asyncio.run asks for the signal
        # handler, whose repr (made for an error nobody sees) spells out the result of the task,
        # and asn1crypto takes anything up to minutes to spell out a signature.
        trial = await self._cms_signer.async_sign(
            bytes(32), _DIGEST, dry_run=True, use_pades=True, timestamper=self._stamper
        )
        return len(trial.dump())

    def sign(self, pdf: bytes, *, signed_at: datetime) -> bytes:
        """The PDF with the signature appended. `Unavailable` when no sound timestamp is had."""
        enough, ample = (self._estimate + room for room in _ROOM)
        try:
            return asyncio.run(self._signed(pdf, signed_at, enough))
        except SigningError:  # the signature did not fit
            return asyncio.run(self._signed(pdf, signed_at, ample))

    async def _signed(self, pdf: bytes, signed_at: datetime, reserved: int) -> bytes:
        metadata = PdfSignatureMetadata(
            field_name=FIELD_NAME,
            md_algorithm=_DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        signer = PdfSigner(metadata, signer=self._cms_signer, timestamper=self._stamper)
        session = signer.init_signing_session(_Writer(io.BytesIO(pdf)))
        session.system_time = signed_at
        prepared = session.prepare_tbs_document(None, bytes_reserved=reserved)
        output = io.BytesIO()
        digest, _ = prepared.digest_tbs_document(output=output)
        await prepared.perform_signature(digest.document_digest, PdfCMSSignedAttributes())
        return output.getvalue()


class _Writer(IncrementalPdfFileWriter):
    """Appends the signature; leaves the metadata alone (ISO 19005-3 §6.6: they must agree)."""

    def _update_meta(self) -> None:
        return


class _KeySigner(Signer):
    """Signs with a key object of `cryptography`, P-256 or RSA."""

    def __init__(
        self, key: PrivateKey, certificate: x509.Certificate, chain_ders: Sequence[bytes]
    ) -> None:
        registry = SimpleCertificateStore()
        registry.register_multiple([x509.Certificate.load(one) for one in chain_ders])
        # Without roots: a verifier has his own, and octets that prove nothing could be altered.
        super().__init__(signing_cert=certificate, cert_registry=registry, embed_roots=False)
        self._key = key

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,
        dry_run: bool = False,  # noqa: FBT001, FBT002
    ) -> bytes:
        if digest_algorithm != _DIGEST:
            raise ValueError(f"this signer hashes with {_DIGEST}, not {digest_algorithm}")
        if isinstance(self._key, rsa.RSAPrivateKey):
            if dry_run:
                return bytes(self._key.key_size // 8)
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if dry_run:
            return bytes(
                2 * ((self._key.key_size + 7) // 8) + 8
            )  # Ecdsa-Sig-Value at its longest
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


class _Stamper(TimeStamper):
    """Asks the authority; takes an answer only if granted, signed, for our digest and nonce."""

    def __init__(self, respond: Respond) -> None:
        super().__init__(include_nonce=True)  # type: ignore[no-untyped-call]
        self._respond = respond

    async def async_timestamp(
        self, message_digest: bytes, md_algorithm: str
    ) -> cms.ContentInfo:
        nonce, request = self.request_cms(  # type: ignore[no-untyped-call]
            message_digest, md_algorithm
        )
        answer = self._respond(request.dump())
        try:
            token = timestamp.parse(answer)
            timestamp.require_imprint(token, message_digest)
            timestamp.require_nonce(token, nonce)
            timestamp.require_signature(token)
            return tsp.TimeStampResp.load(answer, strict=True)["time_stamp_token"]
        except ProofError as error:
            raise _unsound(error.expected, f"{error.found} ({error.code})") from error
        except ValueError as error:
            raise _unsound("a TimeStampResp", str(error)[:120]) from error


def _unsound(expected: str, found: str) -> Unavailable:
    return Unavailable(
        "certify.timestamp-unsound",
        expected=expected,
        found=found,
        act="ask the operator of the timestamp authority",
    )
