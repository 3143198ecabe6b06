"""Known answers: whether the algorithms that everything rests on give what their texts print.

A library that was replaced, or a processor that errs, shows here before it shows in a proof.
Sources: FIPS 180-4 (SHA-256 of `abc`), GB/T 32905-2016 A.1 (SM3 of `abc`), RFC 6962 §2.1 (the
empty leaf), RFC 8032 §7.1 (Ed25519, test 2, and that one other bit is refused).
"""

import ssl
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guzheng.proof import tree
from guzheng.proof.digest import sha256, sm3

_ABC = b"abc"
_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
_SM3 = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
_EMPTY_LEAF = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
_MESSAGE = b"\x72"
_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def wrong_answers() -> tuple[str, ...]:
    """The algorithms that do not give what is printed; empty when all do."""
    return tuple(_wrong())


def library() -> str:
    """The library that computes most of it."""
    return " ".join(ssl.OPENSSL_VERSION.split()[:2])


def _wrong() -> Iterator[str]:
    if sha256(_ABC).hex != _SHA256:
        yield "SHA-256"
    if sm3(_ABC).hex != _SM3:
        yield "SM3"
    if tree.leaf_hash(b"").hex() != _EMPTY_LEAF:
        yield "RFC 6962"
    signature = bytes.fromhex(_SIGNATURE)
    if not _verifies(signature) or _verifies(signature[:-1] + b"\x01"):
        yield "Ed25519"


def _verifies(signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(_KEY)).verify(signature, _MESSAGE)
    except InvalidSignature:
        return False
    return True
