"""The cipher suites that are opened: their keys, and how a record is put under them.

TLS 1.3 (RFC 8446 §B.4) and TLS 1.2 with AEAD (RFC 5288, 5289, 7905). Suites with CBC are not
opened: a browser of today meets them on servers that nobody has looked after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


class Aead(Protocol):
    """What the library's ciphers share."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


Hash = Callable[[], hashes.HashAlgorithm]


@dataclass(frozen=True, slots=True)
class Suite:
    """`explicit` octets of the nonce stand in each record; the others come from the key."""

    name: str
    version: int
    aead: Callable[[bytes], Aead]
    key_size: int
    hash: Hash
    explicit: int = 0
    signed: bool = True  # the server signs its share of the key, or its side of the handshake

    @property
    def hash_size(self) -> int:
        return self.hash().digest_size


_13, _12 = 0x0304, 0x0303
_256, _384 = hashes.SHA256, hashes.SHA384
SUITES = {
    0x1301: Suite("TLS_AES_128_GCM_SHA256", _13, AESGCM, 16, _256),
    0x1302: Suite("TLS_AES_256_GCM_SHA384", _13, AESGCM, 32, _384),
    0x1303: Suite("TLS_CHACHA20_POLY1305_SHA256", _13, ChaCha20Poly1305, 32, _256),
    0xC02B: Suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", _12, AESGCM, 16, _256, 8),
    0xC02C: Suite("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", _12, AESGCM, 32, _384, 8),
    0xC02F: Suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", _12, AESGCM, 16, _256, 8),
    0xC030: Suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", _12, AESGCM, 32, _384, 8),
    0xCCA8: Suite(
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", _12, ChaCha20Poly1305, 32, _256
    ),
    0xCCA9: Suite(
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", _12, ChaCha20Poly1305, 32, _256
    ),
    0x009C: Suite("TLS_RSA_WITH_AES_128_GCM_SHA256", _12, AESGCM, 16, _256, 8, signed=False),
    0x009D: Suite("TLS_RSA_WITH_AES_256_GCM_SHA384", _12, AESGCM, 32, _384, 8, signed=False),
}
