"""The signature itself: CMS SignedData as PAdES B-T wants it (ETSI EN 319 142-1 §6), by hand.

Detached, over a SHA-256 of the file, with the signed attributes contentType, messageDigest and
signingCertificateV2, and an RFC 3161 token over the signature as the one unsigned attribute.
Everything but the digest, the signature and the token is written once, when the certificate of
the signer becomes known: a general library takes longer over these octets than typst over the
pages. It only writes; pyHanko, poppler and `proof` read what it wrote, and must agree (tests).
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from asn1crypto import core, parser, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from guzheng.proof.digest import sha256

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_NULL: Final = b"\x05\x00"
_UNIVERSAL, _CONTEXT = 0, 2
_PRIMITIVE, _CONSTRUCTED = 0, 1


def _sequence(*parts: bytes) -> bytes:
    return bytes(parser.emit(_UNIVERSAL, _CONSTRUCTED, 16, b"".join(parts)))


def _set(*members: bytes) -> bytes:
    """Members in ascending order of their encodings: X.690 §11.6."""
    return bytes(parser.emit(_UNIVERSAL, _CONSTRUCTED, 17, b"".join(sorted(members))))


def _octets(octets: bytes) -> bytes:
    return bytes(parser.emit(_UNIVERSAL, _PRIMITIVE, 4, octets))


def _tagged(number: int, content: bytes) -> bytes:
    """`[number]`, around a value or in place of a constructed one's tag."""
    return bytes(parser.emit(_CONTEXT, _CONSTRUCTED, number, content))


@cache
def _oid(dotted: str) -> bytes:
    return bytes(core.ObjectIdentifier(dotted).dump())


_DATA: Final = "1.2.840.113549.1.7.1"
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_TIMESTAMP_TOKEN: Final = "1.2.840.113549.1.9.16.2.14"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_VERSION_1: Final = b"\x02\x01\x01"


class Cades:
    """What every signature of one signer has in common."""

    def __init__(
        self, key: PrivateKey, certificate_der: bytes, chain_ders: Sequence[bytes]
    ) -> None:
        self._key = key
        own = x509.Certificate.load(certificate_der)
        issuer, serial = own.issuer.dump(), own["tbs_certificate"]["serial_number"].dump()
        self._signer = _sequence(issuer, serial)
        above = [x509.Certificate.load(one) for one in chain_ders]
        # Without roots: a verifier has his own, and octets that prove nothing could be altered.
        kept = {certificate_der, *(one.dump() for one in above if one.issuer != one.subject)}
        self._certificates = _tagged(0, b"".join(sorted(kept)))
        self._digest_algorithm = _sequence(_oid("2.16.840.1.101.3.4.2.1"), _NULL)
        if isinstance(key, rsa.RSAPrivateKey):
            self._algorithm = _sequence(_oid("1.2.840.113549.1.1.11"), _NULL)
        else:
            self._algorithm = _sequence(_oid("1.2.840.10045.4.3.2"))
        self._content_type = _sequence(_oid(_CONTENT_TYPE), _set(_oid(_DATA)))
        # ESSCertIDv2 (RFC 5035 §4): SHA-256 by default, then issuer and serial number again.
        named = _sequence(_sequence(_tagged(4, issuer)), serial)
        one = _sequence(_octets(sha256(certificate_der).value), named)
        self._names_signer = _sequence(
            _oid(_SIGNING_CERTIFICATE_V2), _set(_sequence(_sequence(one)))
        )

    def attributes(self, digest: bytes) -> bytes:
        """What is signed: a SET, as RFC 5652 §5.4 has it hashed."""
        stated = _sequence(_oid(_MESSAGE_DIGEST), _set(_octets(digest)))
        return _set(self._content_type, stated, self._names_signer)

    def signature_over(self, attributes: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(attributes, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(attributes, ec.ECDSA(hashes.SHA256()))

    def longest_signature(self) -> bytes:
        """In the place of one, to see how much room it takes."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return bytes(self._key.key_size // 8)
        return bytes(2 * ((self._key.key_size + 7) // 8) + 8)  # Ecdsa-Sig-Value at its longest

    def assembled(self, attributes: bytes, signature: bytes, token: bytes) -> bytes:
        """ContentInfo of SignedData (RFC 5652 §5.1), version 1, with one signer."""
        signer_info = _sequence(
            _VERSION_1,
            self._signer,
            self._digest_algorithm,
            b"\xa0" + attributes[1:],  # [0] IMPLICIT, where the signed octets say SET
            self._algorithm,
            _octets(signature),
            _tagged(1, _sequence(_oid(_TIMESTAMP_TOKEN), _set(token))),
        )
        signed_data = _sequence(
            _VERSION_1,
            _set(self._digest_algorithm),
            _sequence(_oid(_DATA)),
            self._certificates,
            _set(signer_info),
        )
        return _sequence(_oid(_SIGNED_DATA), _tagged(0, signed_data))
