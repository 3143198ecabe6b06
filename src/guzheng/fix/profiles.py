"""What the platform's own X.509 certificates say, and why (RFC 5280).

Pure: keys, names, the time and the randomness of the serial numbers are arguments. A
certificate begins the second it is made, never earlier, so that no key vouches for a time
before it existed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.refusals import Refused

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

OPERATOR = "固证 Guzheng"
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

    def signed(
        name: x509.Name,
        public_key: PublicKey,
        life: timedelta,
        *extensions: tuple[x509.ExtensionType, bool],
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(root_name)
            .subject_name(name)
            .public_key(public_key)
            .serial_number(serial_of(entropy))
            .not_valid_before(at.replace(microsecond=0))
            .not_valid_after(at.replace(microsecond=0) + life)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(root_key, hashes.SHA256())

    return {
        "root": signed(
            root_name,
            root_key.public_key(),
            ROOT_LIFE,
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (CA_USAGE, True),
        ),
        # RFC 3161 §2.3: one purpose, and critical. Else any certificate of this root could
        # back-date: vectors/timestamp/purpose-*.
        "tsa": signed(
            name_of(operator, "固证本地时间戳机构 Guzheng local TSA"),
            tsa,
            LEAF_LIFE,
            (issuer, False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (SIGNING_USAGE, True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        ),
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
