"""How one record refers to bytes: `sha256:<64 hex>` or `sm3:<64 hex>`, one spelling only.

SHA-256 is FIPS 180-4, SM3 is GB/T 32905-2016. SM3 comes from `cryptography`, since not every
system's OpenSSL (and so not every hashlib) has it.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from cryptography.hazmat.primitives import hashes

from guzheng.proof.errors import Malformed

Algorithm = Literal["sha256", "sm3"]
ALGORITHMS: tuple[Algorithm, ...] = ("sha256", "sm3")
SIZE = 32  # octets, for both


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A digest with its algorithm. `str()` and `parse` are inverse."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS or len(self.value) != SIZE:
            found = f"{len(self.value)} octets of {self.algorithm!r}"
            raise Malformed("digest.malformed", "32 octets of sha256 or sm3", found)

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Of `sha256:<64 hex>` or `sm3:<64 hex>`, lower case; raises Malformed for all else."""
        algorithm, _, digits = text.partition(":")
        found = repr(text[:80])
        try:
            digest = cls(cast(Algorithm, algorithm), bytes.fromhex(digits))
        except ValueError as error:
            raise Malformed("digest.malformed", "hexadecimal digits", found) from error
        # fromhex alone would let blanks and capitals through
        if str(digest) != text:
            raise Malformed("digest.malformed", f"the one spelling {digest}", found)
        return digest

    @property
    def hex(self) -> str:
        """Lower case, without the name of the algorithm."""
        return self.value.hex()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


class Hasher(Protocol):
    """What both kinds of hash object share."""

    def update(self, part: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Sm3:
    """Gives cryptography's hash context the shape of hashlib's."""

    def __init__(self) -> None:
        self._context = hashes.Hash(hashes.SM3())

    def update(self, part: bytes | memoryview, /) -> None:
        self._context.update(part)

    def digest(self) -> bytes:
        return self._context.copy().finalize()


def new_hasher(name: str) -> Hasher:
    """Of hashlib's names, and SM3, which hashlib has not everywhere."""
    return _Sm3() if name == "sm3" else hashlib.new(name)


def hash_of(name: str, octets: bytes) -> bytes:
    """The digest's octets alone, for formats that name the algorithm elsewhere."""
    if name == "sha256":  # nearly always; to ask for it by name costs as much as to compute it
        return hashlib.sha256(octets).digest()
    hasher = new_hasher(name)
    hasher.update(octets)
    return hasher.digest()


def sha256(octets: bytes) -> Digest:
    """FIPS 180-4."""
    return Digest("sha256", hashlib.sha256(octets).digest())


def sm3(octets: bytes) -> Digest:
    """GB/T 32905-2016."""
    hasher = _Sm3()
    hasher.update(octets)
    return Digest("sm3", hasher.digest())
