"""What a token needs of a key, wherever the key lives.

A `SigningKey` is a signature function and the encodings that go with it. Keys in memory are
made into one here (P-256 and RSA of 3072 bits or more, both with SHA-256); a key in hardware or
of another algorithm family is another function that returns a `SigningKey`, and nothing else
changes. It never holds, prints or compares the private key itself.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guzheng.fix import der
from guzheng.refusals import Refused

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KeyKind = Literal["p256", "rsa3072"]
_QUICK_IN_A_TURN = 64  # some 2.5 ms; half as many cost two hundredths more on a busy machine
MIN_RSA_BITS = 3072  # 128-bit strength (NIST SP 800-57 part 1, table 2): tokens must last

# Parameters absent: RFC 5754 §2; what carries NULL says so in RFC 4055 §5 and RFC 5758 §3.2.
_SHA256 = der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.1"))
_ECDSA_WITH_SHA256 = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
_RSA_WITH_SHA256 = der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.NULL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`ess_algorithm_der` names `digest` inside ESSCertIDv2: empty for SHA-256, its default.

    `in_a_turn`: so many are signed one after the other under one reading of the clock, in two
    to three milliseconds. What is slower than elliptic curves in memory signs one: a genTime
    must not wait for its signature."""

    public_key_der: bytes
    digest_algorithm_der: bytes
    signature_algorithm_der: bytes
    ess_algorithm_der: bytes
    digest: Callable[[bytes], bytes] = field(repr=False)
    sign: Callable[[bytes], bytes] = field(repr=False)
    in_a_turn: int = 1


def generate(kind: KeyKind) -> PrivateKey:
    """A new key in this process's memory."""
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS)


def signing_key_of(private_key: PrivateKey) -> SigningKey:
    """A key in this process's memory; `Refused` for a kind or size no token should rest on."""
    algorithm = hashes.SHA256()
    public_key_der = private_key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    if isinstance(private_key, rsa.RSAPrivateKey):
        if private_key.key_size < MIN_RSA_BITS:
            raise _unsuited(f"RSA {private_key.key_size}")
        return with_sha256(public_key_der, "rsa", _rsa_signature(private_key, algorithm))
    if not isinstance(private_key.curve, ec.SECP256R1):
        raise _unsuited(private_key.curve.name)
    key = with_sha256(public_key_der, "ecdsa", _ecdsa_signature(private_key, algorithm))
    return replace(key, in_a_turn=_QUICK_IN_A_TURN)


def with_sha256(
    public_key_der: bytes, kind: Literal["ecdsa", "rsa"], sign: Callable[[bytes], bytes]
) -> SigningKey:
    """A key whose signatures are ECDSA or RSA (PKCS #1 v1.5) with SHA-256, wherever it is."""
    return SigningKey(
        public_key_der=public_key_der,
        digest_algorithm_der=_SHA256,
        signature_algorithm_der=_ECDSA_WITH_SHA256 if kind == "ecdsa" else _RSA_WITH_SHA256,
        ess_algorithm_der=b"",
        digest=_sha256,
        sign=sign,
    )


def _rsa_signature(
    private_key: rsa.RSAPrivateKey, algorithm: hashes.HashAlgorithm
) -> Callable[[bytes], bytes]:
    scheme = padding.PKCS1v15()  # PSS is legal in CMS, but `openssl ts` cannot check it
    return lambda message: private_key.sign(message, scheme, algorithm)


def _ecdsa_signature(
    private_key: ec.EllipticCurvePrivateKey, algorithm: hashes.HashAlgorithm
) -> Callable[[bytes], bytes]:
    # Digested by hashlib: `cryptography` takes a tenth of the whole signature's time for it.
    scheme = ec.ECDSA(Prehashed(algorithm))
    return lambda message: private_key.sign(_sha256(message), scheme)


def _sha256(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def _unsuited(found: str) -> Refused:
    return Refused(
        "fix.key-unsuited",
        expected=f"P-256, or RSA with at least {MIN_RSA_BITS} bits",
        found=found,
        act="give the timestamp authority another key",
    )
