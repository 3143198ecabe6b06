"""The tree under one signed checkpoint, grown from the bundles that are here already.

Beside `SignedTree`, which reads a log from afar: that asks the log for every tile, this makes
tiles from entries that were proved when they came. The root at the end is compared with the
signed one all the same: what a disk lost or changed meanwhile must not be signed for.
"""

from collections.abc import Callable

from guzheng.proof import tiles, tree
from guzheng.proof.errors import Inconsistent, require
from guzheng.proof.note import Checkpoint
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile


class GrownTree:
    def __init__(
        self,
        read: Callable[[str], bytes | None],
        entries: Callable[[int, int], list[bytes]],
        checkpoint: Checkpoint,
    ) -> None:
        """`entries`: those of a bundle, by its index, as many as are asked for."""
        self._read, self._entries = read, entries
        self.size, self.root = checkpoint.size, checkpoint.root
        found = tiles.root_from(self.tile, self.size)
        require(found == self.root, Inconsistent, "mirror.root", self.root, found)

    def tile(self, wanted: Tile) -> bytes:
        kept = self._read(str(wanted))
        if kept is not None:
            return kept
        if wanted.level == 0:
            found = self._entries(wanted.index, wanted.width)
            return b"".join(map(tree.leaf_hash, found))
        first, below = wanted.index * WIDTH, wanted.level - 1
        return b"".join(
            tree.root_of(tiles.hashes_in(one, self.tile(one)))
            for one in (Tile(below, first + at) for at in range(wanted.width))
        )

    def bundle(self, index: int) -> bytes:
        width = tiles.tile_at(ENTRIES, index, self.size).width
        return tiles.bundle_of(self._entries(index, width))
