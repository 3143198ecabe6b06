"""Timestamp tokens and answers as octets: RFC 3161 §2.4.2, RFC 5816, RFC 5652, RFC 5035.

All that is the same in every token of one key is encoded once, in `TokenTemplate`, and what
depends on sizes alone once for each of them; a token costs one signature, two digests and two
joins. All of it is DER, so that every reader re-encodes it to the same octets.

Left out on purpose: `ordering` (its default is FALSE, and serials are random), `tsa` and the
attribute signingTime (second spellings of the signer's name and of genTime, which could only
agree or mislead), ESSCertIDv2's hashAlgorithm where it is the default (X.690 §11.5).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import der
from guzheng.fix.request import Rejection, TimestampRequest
from guzheng.fix.signing import SigningKey
from guzheng.refusals import Unavailable

_SIGNED_DATA = der.object_identifier("1.2.840.113549.1.7.2")
_TST_INFO = der.object_identifier("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = der.object_identifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.object_identifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = der.object_identifier("1.2.840.113549.1.9.16.2.47")
_GRANTED = der.sequence(der.integer(0))
_REJECTION = 2
_VERSION_1 = der.integer(1)
_MAX_FRAMES = 512  # sizes of content (some 20 in use) by sizes of ECDSA signatures (4 in use)
_VERSION_3 = der.integer(3)  # of SignedData, whenever the content is not id-data: RFC 5652 §5.1


class TokenTemplate:
    """Everything of a token but what is asked, when, and under which serial."""

    __slots__ = (
        "_after_content",
        "_attributes_after",
        "_attributes_before",
        "_before_content",
        "_certificates",
        "_digest",
        "_frames",
        "_sign",
        "_signer_after",
        "_signer_before",
    )

    def __init__(
        self, key: SigningKey, certificate: x509.Certificate, chain_ders: Sequence[bytes]
    ) -> None:
        certificate_der = certificate.public_bytes(Encoding.DER)
        self._frames: dict[tuple[int, int, int], tuple[bytes, bytes, bytes]] = {}
        self._sign = key.sign
        self._digest = key.digest
        self._before_content = _VERSION_3 + der.set_of([key.digest_algorithm_der])
        self._certificates = der.explicit(0, b"".join(sorted((certificate_der, *chain_ders))))
        self._signer_before = (
            _VERSION_1
            + der.sequence(
                certificate.issuer.public_bytes(), der.integer(certificate.serial_number)
            )
            + key.digest_algorithm_der
        )
        self._signer_after = key.signature_algorithm_der
        self._attributes_before, self._attributes_after = _signed_attributes(
            key, certificate_der
        )

    def granted(self, wanted: Sequence[tuple[bytes, bool]]) -> list[bytes | Unavailable]:
        """TimeStampResps whose tokens are signed over a TSTInfo each, with certificates or not;
        where the key was `Unavailable`, that.

        Between two signatures nothing else runs, since each needs the processor's cache."""
        # Signed as the SET OF that it is, written under [0]: RFC 5652 §5.4.
        before, after = b"\x31" + self._attributes_before, self._attributes_after
        digest = self._digest
        digests = [digest(tst_info_der) for tst_info_der, _ in wanted]
        signatures = self._signatures([before + one + after for one in digests])
        response = self._response
        return [
            signature
            if isinstance(signature, Unavailable)
            else response(tst_info_der, one, signature, with_certificates)
            for (tst_info_der, with_certificates), one, signature in zip(
                wanted, digests, signatures, strict=True
            )
        ]

    def _signatures(self, messages: list[bytes]) -> list[bytes | Unavailable]:
        sign = self._sign
        signatures: list[bytes | Unavailable] = []
        for one in messages:
            try:
                signatures.append(sign(one))
            except Unavailable as error:
                signatures.append(error)
        return signatures

    def _response(
        self,
        tst_info_der: bytes,
        digest: bytes,
        signature: bytes,
        with_certificates: bool,  # noqa: FBT001 - of this class only
    ) -> bytes:
        certificates = self._certificates if with_certificates else b""
        sizes = (len(tst_info_der), len(signature), len(certificates))
        before, between, after = self._frames.get(sizes) or self._frame(sizes, certificates)
        return b"".join((before, tst_info_der, between, digest, after, signature))

    def _frame(
        self, sizes: tuple[int, int, int], certificates: bytes
    ) -> tuple[bytes, bytes, bytes]:
        """All octets around content, its digest and signature: their sizes alone decide them.

        Written from the inside out, with zeros where the three will be, then cut at them."""
        tst_info_der, signature = bytes(sizes[0]), bytes(sizes[1])
        digest = self._digest(b"")
        until = self._signer_before + b"\xa0" + self._attributes_before
        after = self._attributes_after + self._signer_after
        after += der.header(b"\x04", len(signature))
        signer = der.tlv(b"\x30", until + digest + after + signature)
        content = der.tlv(b"\x30", _TST_INFO + der.tlv(b"\xa0", der.octet_string(tst_info_der)))
        signers = der.tlv(b"\x31", signer)
        signed = self._before_content + content + certificates + signers
        token = der.tlv(b"\x30", _SIGNED_DATA + der.tlv(b"\xa0", der.tlv(b"\x30", signed)))
        whole = der.tlv(b"\x30", _GRANTED + token)
        digest_at = len(whole) - len(signature) - len(after) - len(digest)
        content_end = len(whole) - len(signers) - len(certificates)
        frame = (
            whole[: content_end - len(tst_info_der)],
            whole[content_end:digest_at],
            after,
        )
        if len(self._frames) < _MAX_FRAMES:
            self._frames[sizes] = frame
        return frame


def _signed_attributes(key: SigningKey, certificate_der: bytes) -> tuple[bytes, bytes]:
    """Length and members of the SET OF in DER order, cut in two where the digest goes.

    Each has its own length and type before any value, so the order is the same for all digests.
    """
    certificate_id = der.sequence(
        key.ess_algorithm_der, der.octet_string(key.digest(certificate_der))
    )
    hole = bytes(len(key.digest(b"")))
    message_digest = der.sequence(_MESSAGE_DIGEST, der.set_of([der.octet_string(hole)]))
    attributes = der.set_of(
        (
            message_digest,
            der.sequence(_CONTENT_TYPE, der.set_of([_TST_INFO])),
            der.sequence(
                _SIGNING_CERTIFICATE_V2,
                der.set_of([der.sequence(der.sequence(certificate_id))]),
            ),
        )
    )
    cut = attributes.index(message_digest) + len(message_digest)
    return attributes[1 : cut - len(hole)], attributes[cut:]


def tst_info(
    request: TimestampRequest, beginning: bytes, serial_der: bytes, moment_der: bytes
) -> bytes:
    """What the authority says: RFC 3161 §2.4.2. Imprint and nonce are echoed."""
    return der.sequence_of(
        b"".join((beginning, request.imprint_der, serial_der, moment_der, request.nonce_der))
    )


def beginning(policy_der: bytes) -> bytes:
    """Version 1 and the policy, which a TSTInfo begins with."""
    return _VERSION_1 + policy_der


def moment(attested_at: datetime, deviation: timedelta) -> bytes:
    """genTime and accuracy: the tokens of one reading of the clock have them in common."""
    return der.generalized_time(attested_at) + accuracy(deviation)


@lru_cache(maxsize=64)
def accuracy(deviation: timedelta) -> bytes:
    """Accuracy ::= SEQUENCE { seconds, [0] millis, [1] micros }, each absent when zero."""
    micros = deviation // timedelta(microseconds=1)
    seconds, millis, micros = micros // 1_000_000, micros // 1000 % 1000, micros % 1000
    parts = [der.integer(seconds)] if seconds else []
    if millis:
        parts.append(der.implicit(0, der.integer_octets(millis)))
    if micros:
        parts.append(der.implicit(1, der.integer_octets(micros)))
    return der.sequence(*parts)


def rejected(rejection: Rejection) -> bytes:
    """A TimeStampResp without a token: status rejection, one failure bit, a sentence."""
    return der.sequence(
        der.sequence(
            der.integer(_REJECTION),
            der.sequence(der.utf8_string(rejection.text)),
            der.named_bits(rejection.failure),
        )
    )
