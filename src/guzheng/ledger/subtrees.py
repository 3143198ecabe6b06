"""Roots of subtrees, from tiles alone; what never changes is computed once and remembered.

A proof is a list of roots of subtrees, and most are whole: 2**h leaves that begin at a
multiple of it. Such a root is a node inside one tile, so a tile is read once and all nodes
inside it are kept. What is not whole lies at the right end of the tree and is put together
from whole ones, as RFC 6962, section 2.1, splits it. Without the memory a proof hashes 255
nodes again for each tile on its way, and reads every tile again (docs/performance.md).

The tiles of a signed tree never change, so neither does what is remembered, and it is no
more than some 16 MiB. Nothing here decides what is true: a proof is checked against the
signed root before it is given out.
"""

import functools

from guzheng.proof import tiles, tree
from guzheng.proof.tiles import WIDTH, Reader, Tile

_REMEMBERED = 1024  # tiles, of 16 KiB each with the nodes inside
_EDGES = 1024  # roots at the right end of trees: some twenty for each size
_HEIGHT = 8  # of a full tile: 256 is 2**8


class Subtrees:
    """Reads through `read`; may be used by many threads."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._nodes = functools.lru_cache(_REMEMBERED)(self._nodes_of)
        self._edge = functools.lru_cache(_EDGES)(self._edge_of)

    def forget(self) -> None:
        """What was read may have been damaged."""
        self._nodes.cache_clear()
        self._edge.cache_clear()

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The path of a leaf in the tree of this size, and nothing about whether it leads."""
        return tuple(self.root(*one, size) for one in tree.inclusion_ranges(index, size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(self.root(*one, new) for one in tree.consistency_ranges(old, new))

    def subtree(self, start: int, end: int, size: int) -> tuple[bytes, ...]:
        """What leads from the node over [start, end) to the root of the tree of this size."""
        return tuple(self.root(*one, size) for one in tree.subtree_ranges(start, end, size))

    def root(self, start: int, end: int, size: int) -> bytes:
        """Root of leaves [start, end), where a proof of the tree of this size has one."""
        if start == end:
            return tree.EMPTY_ROOT
        height = (end - start).bit_length() - 1
        if end - start == 1 << height:
            return self._node(start >> height, height, size)
        return self._edge(start, end, size)

    def _edge_of(self, start: int, end: int, size: int) -> bytes:
        middle = start + (1 << (end - start).bit_length() - 1)
        return tree.node_hash(self.root(start, middle, size), self.root(middle, end, size))

    def _node(self, number: int, height: int, size: int) -> bytes:
        """The root of the `number`th whole subtree of this height."""
        level, inside = divmod(height, _HEIGHT)
        index, place = divmod(number, WIDTH >> inside)
        return self._nodes(tiles.tile_at(level, index, size))[inside][place]

    def _nodes_of(self, tile: Tile) -> tuple[tuple[bytes, ...], ...]:
        """For each height inside the tile, the whole nodes; the hashes themselves first."""
        row = tuple(tiles.hashes_in(tile, self._read(tile)))
        rows = [row]
        while len(row) > 1:
            pairs = zip(row[::2], row[1::2], strict=False)
            row = tuple(tree.node_hash(left, right) for left, right in pairs)
            rows.append(row)
        return tuple(rows)
