"""Pieces of RFC 3161 answers, right and wrong, for tools/vectors_timestamp.py.

Keys, certificates, signatures: everything follows from labels, so that anybody makes the same
octets again. The keys guard nothing and are never written down.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.fix import LocalAuthority, der, signing_key_of, unverified
from guzheng.fix.tokens import accuracy

FILE = "one photograph, 一张照片\n".encode()
OTHER = "another photograph, 另一张照片\n".encode()
NOON = datetime(2026, 11, 21, 12, 0, 0, 120_000, tzinfo=UTC)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
NONCE = 0x1234_5678_9ABC_DEF0
POLICY = "1.2.3.4.1"

SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"
SHA384, SHA512 = "2.16.840.1.101.3.4.2.2", "2.16.840.1.101.3.4.2.3"
DATA, SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
ECDSA_SHA256, RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
RSA_PSS = "1.2.840.113549.1.1.10"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


# ---------------------------------------------------------------------- keys from their labels


def octets_of(label: str, size: int) -> bytes:
    parts = (hashlib.sha256(f"{label}/{n}".encode()).digest() for n in range(size // 32 + 1))
    return b"".join(parts)[:size]


def p256(label: str) -> ec.EllipticCurvePrivateKey:
    # The top bit is cleared, which keeps the number below the order of the group.
    secret = int.from_bytes(octets_of(label, 32), "big") >> 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def rsa3072(label: str) -> rsa.RSAPrivateKey:
    p, q = prime(f"{label}/p"), prime(f"{label}/q")
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    ).private_key()


def prime(label: str) -> int:
    """The first probable prime from 1,536 bits of the label on, top two bits set."""
    candidate = int.from_bytes(octets_of(label, 192), "big") | 0b11 << 1534 | 1
    small = [n for n in range(3, 2000, 2) if all(n % m for m in range(3, int(n**0.5) + 1, 2))]
    while not (all(candidate % n for n in small) and probably_prime(candidate)):
        candidate += 2
    return candidate


def probably_prime(n: int) -> bool:
    """Miller and Rabin with fixed bases: enough for keys that guard nothing."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(
        (x := pow(base, odd, n)) in (1, n - 1)
        or any((x := x * x % n) == n - 1 for _ in range(twos - 1))
        for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
    )


def signature(key: Key, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


# --------------------------------------------------------------------------------- certificates


@dataclass(frozen=True)
class Party:
    """A key with its certificate."""

    key: Key
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


TIME_STAMPING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)


def certified(
    name: str,
    key: Key,
    by: Party | None,
    *extensions: tuple[x509.ExtensionType, bool],
    begin: datetime = BEGIN,
    end: datetime = END,
) -> Party:
    """A certificate for `key`, issued by `by`, or by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {name}")])
    issuer_key = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(octets_of(f"serial/{name}", 16), "big") >> 1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    deterministic = True if isinstance(issuer_key, ec.EllipticCurvePrivateKey) else None
    return Party(
        key, builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=deterministic)
    )


def issuing(path_length: int | None = None) -> tuple[x509.ExtensionType, bool]:
    return x509.BasicConstraints(ca=True, path_length=path_length), True


ROOT = certified("root", p256("root"), None, issuing())
TSA = certified("TSA P-256", p256("tsa"), ROOT, TIME_STAMPING)
UNKNOWN_ROOT = certified("unknown root", p256("unknown root"), None, issuing())
OTHER_TSA = certified("other TSA", p256("other tsa"), ROOT, TIME_STAMPING)


def tsa_rsa() -> Party:
    """Only when it is asked for: its primes are looked for a second long."""
    return certified("TSA RSA-3072", rsa3072("tsa rsa"), ROOT, TIME_STAMPING)


# ------------------------------------------------------------------------ answers, by the piece


def algorithm(oid: str, *parameters: bytes) -> bytes:
    return der.sequence(der.object_identifier(oid), *parameters)


def attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.object_identifier(oid), der.set_of(values))


def imprint(octets: bytes = FILE, *, oid: str = SHA256, name: str = "sha256") -> bytes:
    hashed = hashlib.new(name, octets, usedforsecurity=False).digest()
    return der.sequence(algorithm(oid, der.NULL), der.octet_string(hashed))


@dataclass(frozen=True)
class Said:
    """A TSTInfo, field by field, in DER."""

    version: bytes = der.integer(1)
    policy: bytes = der.object_identifier(POLICY)
    imprint: bytes = imprint()
    serial: bytes = der.integer(4711)
    time: bytes = der.generalized_time(NOON)
    accuracy: bytes = accuracy(timedelta(seconds=1))
    ordering: bytes = b""
    nonce: bytes = der.integer(NONCE)
    tsa: bytes = b""
    extensions: bytes = b""

    @property
    def der(self) -> bytes:
        return der.sequence(
            *(self.version, self.policy, self.imprint, self.serial, self.time, self.accuracy),
            *(self.ordering, self.nonce, self.tsa, self.extensions),
        )


def ess(*certificates: bytes) -> bytes:
    """signingCertificateV2 that names these, by SHA-256."""
    names = (
        der.sequence(der.octet_string(hashlib.sha256(one).digest())) for one in certificates
    )
    return attribute(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(*names)))


def ess_v1(certificate: bytes) -> bytes:
    named = der.octet_string(hashlib.sha1(certificate, usedforsecurity=False).digest())
    return attribute(SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(named))))


def attributes(said: bytes, *named: bytes) -> list[bytes]:
    return [
        attribute(CONTENT_TYPE, der.object_identifier(TST_INFO)),
        attribute(MESSAGE_DIGEST, der.octet_string(hashlib.sha256(said).digest())),
        *named,
    ]


def signer(
    by: Party,
    signed: Sequence[bytes],
    *,
    oid: str = "",
    spoil: bool = False,
) -> bytes:
    """A SignerInfo over these attributes."""
    content = der.set_of(signed)
    signed_by_key = signature(by.key, content)
    if spoil:
        signed_by_key = signed_by_key[:-1] + bytes([signed_by_key[-1] ^ 1])
    is_rsa = isinstance(by.key, rsa.RSAPrivateKey)
    own = algorithm(RSA_SHA256, der.NULL) if is_rsa else algorithm(ECDSA_SHA256)
    return der.sequence(
        der.integer(1),
        der.sequence(
            by.certificate.issuer.public_bytes(), der.integer(by.certificate.serial_number)
        ),
        algorithm(SHA256),
        b"\xa0" + content[1:],
        algorithm(oid) if oid else own,
        der.octet_string(signed_by_key),
    )


def token(
    said: bytes, signers: Sequence[bytes], certificates: Sequence[bytes], kind: str = TST_INFO
) -> bytes:
    """ContentInfo with SignedData: a bare TimeStampToken."""
    held = der.explicit(0, b"".join(sorted(certificates))) if certificates else b""
    signed_data = der.sequence(
        der.integer(1 if kind == DATA else 3),  # RFC 5652 §5.1
        der.set_of([algorithm(SHA256)]),
        der.sequence(der.object_identifier(kind), der.explicit(0, der.octet_string(said))),
        held,
        der.set_of(signers),
    )
    return der.sequence(der.object_identifier(SIGNED_DATA), der.explicit(0, signed_data))


def granted(token_der: bytes, status: int = 0) -> bytes:
    return der.sequence(der.sequence(der.integer(status)), token_der)


def answered(
    said: Said | None = None,
    by: Party = TSA,
    *,
    certificates: Sequence[bytes] | None = None,
    named: bytes | None = None,
) -> bytes:
    """An answer that is right but for what the arguments change."""
    content = (said or Said()).der
    signed = attributes(content, ess(by.der) if named is None else named)
    held = [by.der] if certificates is None else certificates
    return granted(token(content, [signer(by, signed)], held))


def signed_with(signed: Sequence[bytes], said: bytes = Said().der) -> bytes:
    return granted(token(said, [signer(TSA, signed)], [TSA.der]))


def by_our_authority(by: Party, octets: bytes = FILE) -> bytes:
    """What LocalAuthority answers, its signatures made repeatable."""
    key = replace(signing_key_of(by.key), sign=lambda message: signature(by.key, message))
    authority = LocalAuthority(
        key,
        by.der,
        clock=unverified(lambda: NOON),
        serial=lambda: der.integer(1 << 128 | 4711),
    )
    asked = der.sequence(der.integer(1), imprint(octets), der.integer(NONCE), der.BOOLEAN_TRUE)
    return authority.respond(asked)
