"""A timestamp authority of our own: RFC 3161 requests in, answers out, as octets.

It lets the platform stand alone from its first start; how far its word goes is said in
docs/spec/seal.md. `respond` gives a TimeStampResp for any octets at all and raises nothing on
their account: who asks wrongly gets a rejection with the failure RFC 3161 §2.4.2 names.

It grants no token outside the validity of its own certificate, and none for which its clock or
its key is `Unavailable`. It keeps no record; serials are unique by chance (128 random bits), so
that any number of authorities may use one key.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.fix import der, request, tokens
from guzheng.fix.request import Failure, Rejection
from guzheng.fix.signing import SigningKey
from guzheng.refusals import Refused, Unavailable

# Under 2.25 everybody may name things by a UUID of theirs (ITU-T X.667). The policy's text is
# in docs/spec/seal.md; it promises less than any public authority's, and says so.
LOCAL_POLICY_OID = "2.25.233878078801265780082694493288412666610"


class LocalAuthority:
    """Answers under one key, one certificate and one policy. Threads may share it."""

    __slots__ = (
        "_accuracy_der",
        "_not_after",
        "_not_before",
        "_now",
        "_policy_der",
        "_policy_oid",
        "_serial",
        "_template",
        "name",
    )

    def __init__(
        self,
        key: SigningKey,
        certificate_der: bytes,
        chain_ders: Sequence[bytes] = (),
        *,
        policy_oid: str = LOCAL_POLICY_OID,
        accuracy: timedelta,
        now: Callable[[], datetime],
        serial: Callable[[], int],
    ) -> None:
        """`chain_ders`: intermediates. The root is the verifier's to know, not ours to send."""
        certificate = x509.load_der_x509_certificate(certificate_der)
        _require_suited(certificate, key)
        if not timedelta() < accuracy <= timedelta(days=1):
            raise ValueError(f"an accuracy is above zero and at most a day: {accuracy}")
        self.name = _name_of(certificate)
        self._template = tokens.TokenTemplate(key, certificate, chain_ders)
        self._policy_oid = policy_oid
        self._policy_der = der.object_identifier(policy_oid)
        self._accuracy_der = tokens.accuracy(accuracy)
        self._not_before = certificate.not_valid_before_utc
        self._not_after = certificate.not_valid_after_utc
        self._now = now
        self._serial = serial

    def __repr__(self) -> str:
        return f"LocalAuthority({self.name!r}, policy_oid={self._policy_oid!r})"

    def respond(self, request_der: bytes) -> bytes:
        """TimeStampReq → TimeStampResp, both DER."""
        try:
            return self._granted(request.parse(request_der))
        except Rejection as rejection:
            return tokens.rejected(rejection)

    def _granted(self, asked: request.TimestampRequest) -> bytes:
        if asked.policy_der not in (b"", self._policy_der):
            raise Rejection(Failure.UNACCEPTED_POLICY, f"the policy is {self._policy_oid}")
        try:
            attested_at = self._now()
        except Unavailable as error:
            raise Rejection(Failure.TIME_NOT_AVAILABLE, error.code) from error
        if not self._not_before <= attested_at <= self._not_after:
            raise Rejection(
                Failure.SYSTEM_FAILURE, "the authority's certificate is not valid at this time"
            )
        tst_info_der = tokens.tst_info(
            asked,
            policy_der=self._policy_der,
            serial=self._serial(),
            attested_at=attested_at,
            accuracy_der=self._accuracy_der,
        )
        try:
            return self._template.granted(
                tst_info_der, with_certificates=asked.wants_certificate
            )
        except Unavailable as error:
            raise Rejection(Failure.SYSTEM_FAILURE, error.code) from error


def random_serials(entropy: Callable[[int], bytes]) -> Callable[[], int]:
    """128 random bits under a leading 1: never zero, never negative, below RFC 3161's 160."""
    return lambda: 1 << 128 | int.from_bytes(entropy(16), "big")


def _require_suited(certificate: x509.Certificate, key: SigningKey) -> None:
    """RFC 3161 §2.3: a key for timestamps alone; its certificate must say so, critically."""
    spki = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    if spki != key.public_key_der:
        raise _unsuited("a certificate of another key")
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise _unsuited("no extended key usage") from None
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _unsuited("an extended key usage that is not critical, or not timeStamping alone")


def _unsuited(found: str) -> Refused:
    return Refused(
        "fix.certificate-unsuited",
        expected="the key's own certificate, for timeStamping only and critically",
        found=found,
        act="give the timestamp authority its own certificate",
    )


def _name_of(certificate: x509.Certificate) -> str:
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()
