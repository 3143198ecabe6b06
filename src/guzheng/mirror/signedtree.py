"""The tree under one signed checkpoint, seen through a log that may lie about every tile.

Gives only what leads to the root: first the tiles at the right edge, which together make the
root; then any other tile, whose own root must be the hash that its parent tile has for it.
Leaf hashes are never taken from the log, they are computed from the entries.
"""

from guzheng.mirror.fetching import Fetch, Unreachable
from guzheng.proof import tiles, tree
from guzheng.proof.errors import Inconsistent, require
from guzheng.proof.note import Checkpoint
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile


class SignedTree:
    def __init__(self, fetch: Fetch, checkpoint: Checkpoint) -> None:
        self._fetch = fetch
        self.size, self.root = checkpoint.size, checkpoint.root
        self._bundle: tuple[int, bytes] | None = None  # the last one that was fetched
        self._last: dict[int, tuple[Tile, bytes]] = {}  # and the last tile of each level
        self._edge: dict[Tile, bytes] = {}
        edge: dict[Tile, bytes] = {}

        def read(tile: Tile) -> bytes:
            edge[tile] = self._unproved(tile)
            return edge[tile]

        found = tiles.root_from(read, self.size)
        require(found == self.root, Inconsistent, "mirror.root", self.root, found)
        self._edge = edge

    def tile(self, wanted: Tile) -> bytes:
        """A tile of this tree, as wide as this tree has it; Inconsistent if it is not."""
        if wanted in self._edge:
            return self._edge[wanted]
        if (held := self._last.get(wanted.level)) and held[0] == wanted:
            return held[1]
        if wanted.width < WIDTH:  # the one tile above a tree that fills the tile below it
            return self.root
        octets = self._unproved(wanted)
        above = tiles.tile_at(wanted.level + 1, wanted.index // WIDTH, self.size)
        place = wanted.index % WIDTH * tree.HASH_SIZE
        expected = self.tile(above)[place : place + tree.HASH_SIZE]
        found = tree.root_of(tiles.hashes_in(wanted, octets))
        require(found == expected, Inconsistent, "mirror.tile", expected, found)
        self._last[wanted.level] = wanted, octets
        return octets

    def bundle(self, index: int) -> bytes:
        """The entries under a tile of level 0, which proves them."""
        self.tile(tiles.tile_at(0, index, self.size))
        return self._entries(index)

    def _unproved(self, tile: Tile) -> bytes:
        if tile.level == 0:
            bundle = Tile(ENTRIES, tile.index, tile.width)
            entries = tiles.entries_in(bundle, self._entries(tile.index))
            return b"".join(map(tree.leaf_hash, entries))
        octets = self._fetch(str(tile))
        if octets is None and tile.width < WIDTH:  # a log may have only the full one by now
            full = self._fetch(str(Tile(tile.level, tile.index)))
            octets = full[: tile.width * tree.HASH_SIZE] if full else None
        if octets is None:
            raise Unreachable(f"{tile}: not there")
        tiles.hashes_in(tile, octets)
        return octets

    def _entries(self, index: int) -> bytes:
        if self._bundle and self._bundle[0] == index:
            return self._bundle[1]
        wanted = tiles.tile_at(ENTRIES, index, self.size)
        octets = self._fetch(str(wanted))
        if octets is None and wanted.width < WIDTH:
            full = Tile(ENTRIES, index)
            more = self._fetch(str(full))
            if more is not None:
                octets = tiles.bundle_of(tiles.entries_in(full, more)[: wanted.width])
        if octets is None:
            raise Unreachable(f"{wanted}: not there")
        self._bundle = index, octets
        return octets
