"""What the platform's own X.509 certificates say, and why (RFC 5280).

Pure: keys, names, the time and the randomness of the serial numbers are arguments. A
certificate begins the second it is made, never earlier, so that no key vouches for a time
before it existed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.refusals import Refused

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

OPERATOR = "固证 Guzheng"
TSA_NAME = "固证本地时间戳机构 Guzheng local TSA"
MAX_OPERATOR_CHARACTERS = 64  # ub-organization-name: RFC 5280 appendix A.1

ROOT_LIFE = timedelta(days=20 * 365 + 5)
LEAF_LIFE = timedelta(days=5 * 365 + 1)  # a token outlives it by being renewed in time

_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)
CA_USAGE = x509.KeyUsage(**(_NO_USAGE | {"key_cert_sign": True, "crl_sign": True}))
SIGNING_USAGE = x509.KeyUsage(
    **(_NO_USAGE | {"digital_signature": True, "content_commitment": True})
)


def require_operator(operator: str) -> None:
    """`Refused` unless an X.509 name can hold it and a person can read it."""
    if (
        not operator.strip()
        or len(operator) > MAX_OPERATOR_CHARACTERS
        or not operator.isprintable()
    ):
        raise Refused(
            "fix.operator-unnameable",
            expected=f"1 to {MAX_OPERATOR_CHARACTERS} printable characters",
            found=repr(operator[: MAX_OPERATOR_CHARACTERS + 1]),
            act="set the operator's name right",
        )


def certificates_of(
    root_key: ec.EllipticCurvePrivateKey,
    *,
    tsa: PublicKey,
    signer: PublicKey,
    operator: str,
    at: datetime,
    entropy: Callable[[int], bytes],
) -> dict[str, x509.Certificate]:
    """The certificates `root`, `tsa` and `signer`, all issued by the root."""
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    # Issuer and serial number name a certificate: two platforms must not have one issuer name.
    root_name = name_of(operator, f"固证本地根 Guzheng local root {root_id.digest.hex()[:16]}")
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id)

    issuing = _Issuing(root_key, root_name, at, entropy)
    signed = issuing.signed
    return {
        "root": signed(
            root_name,
            root_key.public_key(),
            ROOT_LIFE,
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (CA_USAGE, True),
        ),
        "tsa": _tsa(issuing, tsa, name_of(operator, TSA_NAME), LEAF_LIFE),
        "signer": signed(
            name_of(operator, "固证证书签章 Guzheng certificate signer"),
            signer,
            LEAF_LIFE,
            (issuer, False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (SIGNING_USAGE, True),
            (x509.ExtendedKeyUsage([_DOCUMENT_SIGNING]), False),
        ),
    }


def next_tsa(
    root_key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    public_key: PublicKey,
    *,
    at: datetime,
    entropy: Callable[[int], bytes],
) -> x509.Certificate:
    """A further certificate for the authority, which ends with the root at the latest."""
    life = min(LEAF_LIFE, root.not_valid_after_utc - at.replace(microsecond=0))
    return _tsa(_Issuing(root_key, root.subject, at, entropy), public_key, tsa_name(root), life)


def tsa_name(root: x509.Certificate) -> x509.Name:
    """The authority's, which bears the operator's as the root does."""
    operator = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return name_of(str(operator[0].value) if operator else OPERATOR, TSA_NAME)


@dataclass(frozen=True, slots=True)
class _Issuing:
    """The root at work, at one moment."""

    root_key: ec.EllipticCurvePrivateKey = field(repr=False)
    root_name: x509.Name
    at: datetime
    entropy: Callable[[int], bytes]

    def signed(
        self,
        name: x509.Name,
        public_key: PublicKey,
        life: timedelta,
        *extensions: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        begins_at = self.at.replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.root_name)
            .subject_name(name)
            .public_key(public_key)
            .serial_number(serial_of(self.entropy))
            .not_valid_before(begins_at)
            .not_valid_after(begins_at + life)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.root_key, hashes.SHA256())


def _tsa(
    issuing: _Issuing, public_key: PublicKey, name: x509.Name, life: timedelta
) -> x509.Certificate:
    """RFC 3161 §2.3: one purpose, and critical. Else any certificate of this root could
    back-date: vectors/timestamp/purpose-*."""
    root_id = x509.SubjectKeyIdentifier.from_public_key(issuing.root_key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id)
    return issuing.signed(
        name,
        public_key,
        life,
        (issuer, False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (SIGNING_USAGE, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    )


def serial_of(entropy: Callable[[int], bytes]) -> int:
    """126 random bits under a leading 1: positive, and of 16 octets (RFC 5280 §4.1.2.2)."""
    return int.from_bytes(entropy(16), "big") >> 1 | 1 << 126


def name_of(operator: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
