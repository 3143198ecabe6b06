"""Whether the site's own key signed this handshake: the schemes of RFC 8446 §4.2.3.

In TLS 1.3 the signature stands over the whole conversation up to the certificate; in TLS 1.2
over both random values and the server's share of the key. Neither says anything of the octets
that follow: what that means for a court stands in docs/spec/completeness.md §1.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.utils import CryptographyDeprecationWarning

from guzheng.proof.errors import BadSignature, Malformed, Undecided

CONTEXT_13 = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
_CURVES = {0x0403: "secp256r1", 0x0503: "secp384r1", 0x0603: "secp521r1"}


@dataclass(frozen=True, slots=True)
class Scheme:
    name: str
    kind: str  # of the key
    hash: Callable[[], hashes.HashAlgorithm] | None


SCHEMES = {
    0x0401: Scheme("rsa_pkcs1_sha256", "rsa", hashes.SHA256),
    0x0501: Scheme("rsa_pkcs1_sha384", "rsa", hashes.SHA384),
    0x0601: Scheme("rsa_pkcs1_sha512", "rsa", hashes.SHA512),
    0x0403: Scheme("ecdsa_secp256r1_sha256", "ec", hashes.SHA256),
    0x0503: Scheme("ecdsa_secp384r1_sha384", "ec", hashes.SHA384),
    0x0603: Scheme("ecdsa_secp521r1_sha512", "ec", hashes.SHA512),
    0x0804: Scheme("rsa_pss_rsae_sha256", "pss", hashes.SHA256),
    0x0805: Scheme("rsa_pss_rsae_sha384", "pss", hashes.SHA384),
    0x0806: Scheme("rsa_pss_rsae_sha512", "pss", hashes.SHA512),
    0x0809: Scheme("rsa_pss_pss_sha256", "pss", hashes.SHA256),
    0x080A: Scheme("rsa_pss_pss_sha384", "pss", hashes.SHA384),
    0x080B: Scheme("rsa_pss_pss_sha512", "pss", hashes.SHA512),
    0x0807: Scheme("ed25519", "ed", None),
    0x0808: Scheme("ed448", "ed", None),
}


def require_signed(
    leaf: bytes, scheme: int, signature: bytes, over: bytes, *, modern: bool
) -> str:
    """The name of the scheme, if the leaf's key made the signature."""
    known = SCHEMES.get(scheme)
    if known is None or (modern and known.kind == "rsa"):  # RFC 8446 §4.4.3: PSS only
        wanted = "a signature scheme of RFC 8446"
        raise Undecided("transcript.scheme-unknown", wanted, f"0x{scheme:04x}")
    key = _key_of(leaf)
    wanted = f"{known.name} by the leaf's key"
    try:
        _verify(key, known, scheme, signature, over, modern=modern)
    except InvalidSignature as error:
        found = "another key or text"
        raise BadSignature("transcript.signature-bad", wanted, found) from error
    except (UnsupportedAlgorithm, ValueError) as error:
        raise Undecided("transcript.scheme-unknown", wanted, str(error)[:80]) from error
    return known.name


def _key_of(leaf: bytes) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return x509.load_der_x509_certificate(leaf).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        wanted = "an X.509 certificate with a key"
        raise Malformed("transcript.leaf-malformed", wanted, str(error)[:80]) from error


def _verify(
    key: object, known: Scheme, scheme: int, signature: bytes, over: bytes, *, modern: bool
) -> None:
    hasher = None if known.hash is None else known.hash()
    match key, known.kind:
        case rsa.RSAPublicKey(), "rsa" if hasher is not None:
            key.verify(signature, over, padding.PKCS1v15(), hasher)
        case rsa.RSAPublicKey(), "pss" if hasher is not None:
            filling = padding.PSS(padding.MGF1(hasher), hasher.digest_size)
            key.verify(signature, over, filling, hasher)
        case ec.EllipticCurvePublicKey(), "ec" if hasher is not None:
            if modern and key.curve.name != _CURVES[scheme]:  # TLS 1.3 binds curve and hash
                raise InvalidSignature
            key.verify(signature, over, ec.ECDSA(hasher))
        case ((ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey()), "ed"):
            key.verify(signature, over)
        case _:
            raise InvalidSignature
