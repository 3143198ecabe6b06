"""How entries lie in the rows of their table: one in a row, or many of one length.

What others send in bulk is packed, up to 256 commitments in a row, one after another: a row
for each would cost ten times what its octets cost. Whatever belongs to an exhibit, or is a
record of our own, has a row of its own, so that it can be found by its beginning and read by
whoever looks into the table. A row says from which number on and how many; a leaf of it is a
slice. What a table damaged by hand holds is given as it is: others judge it (fsck).
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import cast

from sqlalchemy.engine.interfaces import DBAPICursor

from guzheng.ledger.tables import Tables
from guzheng.proof import canonical
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.tiles import WIDTH

_Row = tuple[int, bytes, int]  # from this number on, the leaves, how many
# Out of a list of numbers, one row for each that is there.
_NUMBERS = (
    "SELECT value AS at FROM json_each(?)",
    "SELECT unnest(%b::bigint[]) AS at",
)


class Rows:
    """Of one table; asks the driver itself: a Row of SQLAlchemy costs more than a leaf."""

    def __init__(self, tables: Tables, *, on_server: bool) -> None:
        self.on_server = on_server
        self.mark = "%s" if on_server else "?"
        self._entry = tables.entry.name

    def insert(
        self, cursor: DBAPICursor, start: int, leaves: Sequence[bytes], own: Collection[bytes]
    ) -> None:
        """`own`: those that belong to an exhibit."""
        rows = list(_packed(start, leaves, own))
        if not rows:
            return
        if self.on_server:
            cursor.execute(
                f"INSERT INTO {self._entry} (idx, leaf, size)"  # noqa: S608
                " SELECT * FROM unnest(%b::bigint[], %b::bytea[], %b::bigint[])",
                [list(column) for column in zip(*rows, strict=True)],
            )
            return
        cursor.executemany(
            f"INSERT INTO {self._entry} (idx, leaf, size) VALUES (?, ?, ?)",  # noqa: S608
            rows,
        )

    def between(
        self, cursor: DBAPICursor, start: int, end: int
    ) -> Iterator[tuple[int, list[bytes]]]:
        """The leaves [start, end), each row's with the number of the first."""
        mark = self.mark
        cursor.execute(
            f"SELECT idx, leaf, size FROM {self._entry} WHERE idx < {mark} AND idx >="  # noqa: S608
            f" coalesce((SELECT max(idx) FROM {self._entry} WHERE idx <= {mark}), 0)"
            " ORDER BY idx",
            (end, start),
        )
        for first, octets, size in cast(list[_Row], cursor.fetchall()):
            if size == 1:
                if first >= start:
                    yield first, [octets]
                continue
            length = max(1, len(octets) // max(1, size))
            begin, until = max(start - first, 0), min(end - first, size)
            if begin < until:
                yield (
                    first + begin,
                    [
                        octets[at : at + length]
                        for at in range(begin * length, until * length, length)
                    ],
                )

    def at(self, cursor: DBAPICursor, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
        """The leaves at these numbers, in their order; each number once."""
        length = "(length(row.leaf) / row.size)"
        asked = list(numbers) if self.on_server else canonical.encode(list(numbers)).decode()
        cursor.execute(
            f"SELECT at, substr(row.leaf, CAST((at - row.idx) * {length} + 1 AS INTEGER),"  # noqa: S608
            f" CAST({length} AS INTEGER)) FROM ({_NUMBERS[self.on_server]}) AS asked"
            f" JOIN {self._entry} AS row ON row.idx ="
            f" (SELECT max(idx) FROM {self._entry} WHERE idx <= at)"
            " WHERE at < row.idx + row.size ORDER BY at",
            (asked,),
        )
        return cast(list[tuple[int, bytes]], cursor.fetchall())


def _packed(start: int, leaves: Sequence[bytes], own: Collection[bytes]) -> Iterator[_Row]:
    records = [leaf for leaf in leaves if leaf[: len(LEAF_LABEL)] != LEAF_LABEL]
    if not own and not records and len(set(map(len, leaves))) == 1:
        yield from _cut(start, leaves)
        return
    kinds = groupby(
        leaves, lambda leaf: (leaf not in own and leaf.startswith(LEAF_LABEL), len(leaf))
    )
    for (packs, _), group in kinds:
        same = list(group)
        if packs:
            yield from _cut(start, same)
        else:
            yield from ((start + at, leaf, 1) for at, leaf in enumerate(same))
        start += len(same)


def _cut(start: int, leaves: Sequence[bytes]) -> Iterator[_Row]:
    for at in range(0, len(leaves), WIDTH):
        group = leaves[at : at + WIDTH]
        yield start + at, b"".join(group), len(group)
