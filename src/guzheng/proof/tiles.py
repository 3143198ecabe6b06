"""Which hash lives in which tile: c2sp.org/tlog-tiles.

A tile holds up to 256 consecutive hashes of one level; a hash of level L is the root of 256**L
entries, so each hash above level 0 is the root of one full tile below. Entry bundles hold the
entries themselves, under the same numbering. This module names tiles, reads their names
strictly, cuts bundles, and computes roots and proofs from tiles that a caller reads for it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from guzheng.proof import tree
from guzheng.proof.errors import Malformed

WIDTH = 256
ENTRIES = -1  # the level of entry bundles
MAX_LEVEL = 63
MAX_ENTRY = 0xFFFF  # a bundle writes the length of an entry in two octets

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/"
    r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile or an entry bundle, by its place. `str()` and `parse` are inverse."""

    level: int
    index: int
    width: int = WIDTH

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Of its path (C2SP tlog-tiles), in one spelling. Raises Malformed."""
        match = _PATH.fullmatch(path)
        if match:
            level = ENTRIES if match["level"] == "entries" else int(match["level"])
            index = int(match["index"].replace("/", "").replace("x", ""))
            tile = cls(level, index, int(match["width"] or WIDTH))
            # The round trip refuses x000/001, and .p/256 for a full tile.
            if level <= MAX_LEVEL and tile.width <= WIDTH and str(tile) == path:
                return tile
        wanted = "tile/<L>/<N>[.p/<W>], each number in one spelling"
        raise Malformed("tiles.path", wanted, repr(path[:80]))

    def __str__(self) -> str:
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def end(self) -> int:
        """The smallest tree that has this tile: the entries up to its last hash."""
        return (self.index * WIDTH + self.width) * _span(self.level)


def _span(level: int) -> int:
    """How many entries are below one hash of a level."""
    return 1 << 8 * max(level, 0)


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile of a tree of `size` entries, full or partial as that tree has it."""
    width = min(WIDTH, size // _span(level) - index * WIDTH)
    if index < 0 or width < 1:
        raise ValueError(f"a tree of {size} has no tile {index} on level {level}")
    return Tile(level, index, width)


def partial_tiles(size: int) -> Iterator[Tile]:
    """The partial tiles of a tree, lowest level first, without the bundle."""
    level = 0
    while size:
        if size % WIDTH:
            yield Tile(level, size // WIDTH, size % WIDTH)
        level, size = level + 1, size // WIDTH


# -- the bytes in tiles and bundles ------------------------------------------------------------


def hashes_in(tile: Tile, octets: bytes) -> list[bytes]:
    """Its hashes of 32 octets, `width` of them, in order. Raises Malformed."""
    size = tile.width * tree.HASH_SIZE
    if len(octets) != size:
        raise Malformed("tiles.length", f"{size} octets in {tile}", len(octets))
    return [octets[at : at + tree.HASH_SIZE] for at in range(0, size, tree.HASH_SIZE)]


def bundle_of(entries: Iterable[bytes]) -> bytes:
    """The octets of an entry bundle: each entry behind its length, two octets."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def entries_in(bundle: Tile, octets: bytes) -> list[bytes]:
    """Its entries, each behind a length of two octets, in order. Raises Malformed."""
    entries: list[bytes] = []
    at = 0
    while at < len(octets):
        end = at + 2 + int.from_bytes(octets[at : at + 2], "big")
        if at + 2 > len(octets) or end > len(octets):
            raise Malformed("tiles.bundle", "whole entries", f"cut in {bundle}")
        entries.append(octets[at + 2 : end])
        at = end
    if len(entries) != bundle.width:
        raise Malformed("tiles.bundle", f"{bundle.width} entries in {bundle}", len(entries))
    return entries


# -- roots and proofs from tiles ---------------------------------------------------------------

Reader = Callable[[Tile], bytes]


def root_from(read: Reader, size: int) -> bytes:
    """The root of the tree of the first `size` entries, 32 octets."""
    return _range_root(read, (0, size), size) if size else tree.EMPTY_ROOT


def inclusion_from(read: Reader, index: int, size: int) -> list[bytes]:
    """The path of RFC 9162 §2.1.3, lowest hash first."""
    ranges = tree.inclusion_ranges(index, size)
    return [_range_root(read, one, size) for one in ranges]


def consistency_from(read: Reader, old: int, new: int) -> list[bytes]:
    """The proof of RFC 9162 §2.1.4, in its order."""
    return [_range_root(read, one, new) for one in tree.consistency_ranges(old, new)]


def nodes_from(read: Reader, old: int, new: int) -> list[bytes]:
    """What shows that the beginning of this tree is, or is not, another (fork.py)."""
    return [_range_root(read, one, new) for one in tree.node_ranges(old, new)]


def _range_root(read: Reader, wanted: tree.Range, size: int) -> bytes:
    """Root of a subtree that begins where a tree or a proof of RFC 6962 lets one begin."""
    start, end = wanted
    level, tail = 0, list[bytes]()  # tail: root of what does not fill a tile at the right end
    while start // WIDTH != (end - 1) // WIDTH:  # over several tiles, so it begins with one
        if end % WIDTH:
            tail = [tree.root_of(_cut(read, level, end - end % WIDTH, end, size) + tail)]
        start, end, level = start // WIDTH, end // WIDTH, level + 1
    return tree.root_of(_cut(read, level, start, end, size) + tail)


def _cut(read: Reader, level: int, start: int, end: int, size: int) -> list[bytes]:
    """Hashes [start, end) of a level; they lie in one tile."""
    tile = tile_at(level, start // WIDTH, size)
    first = tile.index * WIDTH
    return hashes_in(tile, read(tile))[start - first : end - first]
