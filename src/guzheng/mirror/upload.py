"""What is sent to add-entries, read as it comes: c2sp.org/tlog-mirror, «Request Body».

A head names the log and the entries [start, end); then follow packages, one for each bundle
that these entries touch, every one with a proof that it belongs to the tree of `end` entries.
Nothing larger than one package is held. A body that ends in the middle of one is `Cut`: what
came before it counts.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from guzheng.proof import tree
from guzheng.proof.errors import Malformed
from guzheng.proof.tiles import WIDTH
from guzheng.proof.tree import HASH_SIZE, MAX_SIZE

MAX_PROOF = 63
_BLOCK = 1 << 16


class Cut(Exception):
    """The body ended, or the peer fell silent, before what was announced."""


class Octets:
    """A body by the piece; packed with gzip if the peer says so."""

    def __init__(self, read: Callable[[int], bytes], *, packed: bool) -> None:
        self._read, self._held = read, bytearray()
        self._unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed else None

    def take(self, count: int) -> bytes:
        while len(self._held) < count:
            more = self._more()
            if not more:
                raise Cut
            self._held += more
        octets = bytes(self._held[:count])
        del self._held[:count]
        return octets

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def _more(self) -> bytes:
        """One block; what is packed grows to no more than one block at a time."""
        if self._unpacking is None:
            return self._came()
        while not self._unpacking.eof:
            came = self._unpacking.unconsumed_tail or self._came()
            try:
                found = self._unpacking.decompress(came, _BLOCK)
            except zlib.error as error:
                raise Cut from error
            if found or not came:
                return found
        return b""

    def _came(self) -> bytes:
        try:
            return self._read(_BLOCK)
        except OSError as error:
            raise Cut from error


@dataclass(frozen=True, slots=True)
class Package:
    """The entries [start, end), and what leads from the subtree [first, end) to the root."""

    first: int  # a multiple of 256, not above start
    start: int
    end: int
    entries: tuple[bytes, ...]
    proof: tuple[bytes, ...]

    def require_in(self, root: bytes, size: int, before: list[bytes]) -> None:
        """Raises ProofError. `before`: the entries [first, start), which are here already."""
        hashes = [tree.leaf_hash(one) for one in (*before, *self.entries)]
        found = tree.root_of(hashes)
        tree.require_subtree(found, self.first, self.end, size, self.proof, root)


@dataclass(frozen=True, slots=True)
class Head:
    origin: bytes
    start: int
    end: int
    ticket: bytes

    @classmethod
    def read(cls, octets: Octets) -> "Head":
        """Raises Cut, or Malformed."""
        origin = octets.take(octets.number(2))
        start, end = octets.number(8), octets.number(8)
        ticket = octets.take(octets.number(2))
        if not start <= end <= MAX_SIZE:
            raise Malformed("mirror.malformed", "start <= end", f"{start} and {end}")
        return cls(origin, start, end, ticket)

    def packages(self, octets: Octets) -> Iterator[Package]:
        """The canonical sequence; raises Cut where the body ends before it does."""
        for first in range(self.start - self.start % WIDTH, self.end, WIDTH):
            start, end = max(self.start, first), min(self.end, first + WIDTH)
            entries = tuple(octets.take(octets.number(2)) for _ in range(start, end))
            hashes = octets.number(1)
            if hashes > MAX_PROOF:
                raise Malformed("mirror.malformed", f"at most {MAX_PROOF} hashes", hashes)
            proof = tuple(octets.take(HASH_SIZE) for _ in range(hashes))
            yield Package(first, start, end, entries, proof)
