"""The right edge of a growing tree: all that is needed to make its next tiles and its root.

For each level the hashes of the tile that is not full yet: at most 255 per level, whatever
the size of the tree. Growing yields every full tile and bundle in passing; what is partial is
asked for at the end. Integration and fsck both grow an edge, so they cannot disagree.
Works on hashes only; reads and writes nothing.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from guzheng.proof import tiles, tree
from guzheng.proof.tiles import ENTRIES, WIDTH, Reader, Tile

Made = tuple[Tile, bytes]


class Edge:
    """Grows by groups of 256 entries; only the last group of a tree may be shorter."""

    def __init__(self) -> None:
        self._groups = 0  # full groups so far
        self._levels: list[list[bytes]] = [[]]  # [level][hashes of the tile in the making]
        self._last: list[bytes] = []  # entries of the group in the making

    @classmethod
    def resume(cls, read: Reader, size: int) -> "Edge":
        """The edge after the last full group of a tree of this size, from its tiles."""
        edge = cls()
        edge._groups = size // WIDTH
        above, level = size // WIDTH, 1
        while above:
            width = above % WIDTH
            tile = Tile(level, above // WIDTH, width)
            edge._levels.append(tiles.hashes_in(tile, read(tile)) if width else [])
            above, level = above // WIDTH, level + 1
        return edge

    @property
    def whole(self) -> int:
        """How many entries are in full groups; `grow` goes on from there."""
        return self._groups * WIDTH

    @property
    def size(self) -> int:
        return self.whole + len(self._levels[0])

    def grow(self, entries: Sequence[bytes]) -> Iterator[Made]:
        """Take the entries from number `whole` on; yields the full bundles and tiles."""
        for at in range(0, len(entries), WIDTH):
            group = entries[at : at + WIDTH]
            hashes = [sha256(b"\x00" + entry).digest() for entry in group]  # tree.leaf_hash
            if len(group) < WIDTH:
                self._levels[0], self._last = hashes, list(group)
                return
            yield Tile(ENTRIES, self._groups), _bundle_of(group)
            yield from self.add_group(hashes)

    def add_group(self, hashes: list[bytes]) -> Iterator[Made]:
        """The same for a full group of which only the leaf hashes are known."""
        self._levels[0], self._last = [], []
        index, level, full = self._groups, 0, hashes
        while True:
            yield Tile(level, index), b"".join(full)
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(tree.root_of(full))
            if len(self._levels[level]) < WIDTH:
                break
            full, self._levels[level] = self._levels[level], []
            index //= WIDTH
        self._groups += 1

    def partial(self) -> Iterator[Made]:
        """The partial bundle and the partial tiles of the tree as it is now."""
        if self._last:
            yield (
                Tile(ENTRIES, self._groups, len(self._last)),
                tiles.bundle_of(self._last),
            )
        for level, hashes in enumerate(self._levels):
            if hashes:
                index = self.size // (1 << 8 * (level + 1))
                yield Tile(level, index, len(hashes)), b"".join(hashes)

    def root(self) -> bytes:
        tail: list[bytes] = []  # root of everything to the right of the full tiles of a level
        for hashes in self._levels:
            if hashes or tail:
                tail = [tree.root_of(hashes + tail)]
        return tree.root_of(tail)


def _bundle_of(group: Sequence[bytes]) -> bytes:
    """tiles.bundle_of, in a third of the time for leaves of one length, as all of ours are."""
    if len(set(map(len, group))) > 1:
        return tiles.bundle_of(group)
    length = len(group[0]).to_bytes(2, "big")
    return length + length.join(group)
