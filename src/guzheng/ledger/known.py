"""Which number a leaf has, on SQLite: what makes the same commitment the same entry.

A unique index would answer it, and cost more than everything else about an entry: leaves are
digests, so each of ten thousand meets another page of it, which is read, written to the log and
copied back. So entries are written one after another, and their index follows in bulk, in its
own order, page after page:

    entry          every leaf at its number: the truth, in the order of the numbers
    entry_known    the last 32 octets of the leaves below `entry_indexed`, in their own order
    memory         the leaves from there on, read by each program from the table

Both parts are asked inside the transaction that gives the number, which SQLite lets one writer
at a time have: no two get different numbers for one leaf. What is indexed, and how far, lies in
the file of the entries and grows in their transactions: no crash and no backup can part them.
Nothing here is believed without the row in `entry` that bears the same leaf.

The whole commitment is in the index and not a part of it, so nobody can choose commitments that
meet in one place. A file of before has a unique index of its own, which stays and stays right.
"""

import threading
from collections.abc import Sequence
from typing import cast

from sqlalchemy.engine.interfaces import DBAPICursor

from guzheng.ledger.tables import LENGTH_KNOWN, Tables

_LEAST, _MOST = 16_384, 131_072  # leaves in memory, some 20 MiB, before they are indexed
_SHARE = 4  # of what is indexed: each page then takes many at once
_Rows = list[tuple[bytes, int]]


class Known:
    """The index of one table. Shared by threads."""

    def __init__(self, tables: Tables) -> None:
        self._entry, self._known = tables.entry.name, tables.known
        self._indexed = tables.indexed
        self._lock = threading.Lock()  # of the three below
        self._recent: dict[bytes, int] = {}  # every entry in [from, to)
        self._from = self._to = 0

    def find(
        self, cursor: DBAPICursor, leaves: Sequence[bytes], size: int, *, newest: bool
    ) -> dict[bytes, int]:
        """The numbers of those below `size`, which is how many this transaction sees.

        `newest`: it is the one that may write, so nobody has seen more."""
        indexed = self._indexed_in(cursor)
        found = self._indexed_among(cursor, leaves) if indexed and leaves else {}
        if found:
            asked = set(leaves)
            found = {leaf: at for leaf, at in found.items() if leaf in asked}
        with self._lock:
            if indexed < self._from or size < self._to:  # a view of before, or a file of before
                if not newest:
                    recent = self._read(cursor, indexed, size)
                    return {one: recent[one] for one in leaves if one in recent} | found
                self._recent, self._from, self._to = {}, 0, 0
            self._catch_up(cursor, indexed, size)
            recent = self._recent
            # What is below `indexed` wins: the first number that was given.
            return {one: recent[one] for one in leaves if one in recent} | found

    def appended(self, start: int, leaves: Sequence[bytes]) -> None:
        """These are in the table, durably: they need not be read back."""
        with self._lock:
            if start == self._to:
                self._recent.update(zip(leaves, range(start, start + len(leaves)), strict=True))
                self._to += len(leaves)

    def index(self, cursor: DBAPICursor, size: int) -> None:
        """Index what has gathered, when it is enough; in a transaction that may write."""
        indexed = self._indexed_in(cursor)
        if size - indexed < max(_LEAST, min(_MOST, indexed // _SHARE)):
            return
        cursor.execute(
            f"INSERT INTO {self._known} SELECT substr(leaf, -{LENGTH_KNOWN}), idx"  # noqa: S608
            f" FROM {self._entry} WHERE idx >= ? AND idx < ? ORDER BY 1, 2",
            (indexed, size),
        )
        cursor.execute(f"INSERT INTO {self._indexed} VALUES (?)", (size,))  # noqa: S608

    def _indexed_in(self, cursor: DBAPICursor) -> int:
        cursor.execute(f"SELECT coalesce(max(size), 0) FROM {self._indexed}")  # noqa: S608
        return int(cast(tuple[int], cursor.fetchone())[0])

    def _indexed_among(self, cursor: DBAPICursor, leaves: Sequence[bytes]) -> dict[bytes, int]:
        """One statement however many are asked: the interpreter is not held meanwhile."""
        if min(map(len, leaves)) < LENGTH_KNOWN:
            return self._short_among(cursor, leaves)
        ends = [leaf[-LENGTH_KNOWN:] for leaf in leaves]
        cursor.execute(
            "WITH RECURSIVE asked(at) AS"  # noqa: S608 - names of our own
            " (SELECT 0 UNION ALL SELECT at + 1 FROM asked WHERE at + 1 < ?1)"
            " SELECT entry.leaf, entry.idx FROM asked"
            f" CROSS JOIN {self._known} AS known"
            f" ON known.ending = substr(?2, {LENGTH_KNOWN} * at + 1, {LENGTH_KNOWN})"
            f" CROSS JOIN {self._entry} AS entry ON entry.idx = known.idx",
            (len(leaves), b"".join(ends)),
        )
        return _first(cast(_Rows, cursor.fetchall()))

    def _short_among(self, cursor: DBAPICursor, leaves: Sequence[bytes]) -> dict[bytes, int]:
        """The same when one of them is no digest, as none of the platform's own is."""
        rows: _Rows = []
        for leaf in leaves:
            cursor.execute(
                f"SELECT leaf, {self._entry}.idx FROM {self._known}"  # noqa: S608
                f" JOIN {self._entry} USING (idx) WHERE ending = ?",
                (leaf[-LENGTH_KNOWN:],),
            )
            rows += cast(_Rows, cursor.fetchall())
        return _first(rows)

    def _catch_up(self, cursor: DBAPICursor, indexed: int, size: int) -> None:
        """What others appended is read; what was indexed since is forgotten here."""
        if indexed > self._from:
            kept = self._recent.items() if indexed < self._to else ()
            self._recent = {leaf: at for leaf, at in kept if at >= indexed}
            self._from, self._to = indexed, max(indexed, self._to)
        if size > self._to:
            for leaf, at in self._read(cursor, self._to, size).items():
                self._recent.setdefault(leaf, at)
            self._to = size

    def _read(self, cursor: DBAPICursor, start: int, end: int) -> dict[bytes, int]:
        cursor.execute(
            f"SELECT leaf, idx FROM {self._entry} WHERE idx >= ? AND idx < ? ORDER BY idx",  # noqa: S608
            (start, end),
        )
        return _first(cast(_Rows, cursor.fetchall()))


def _first(rows: _Rows) -> dict[bytes, int]:
    """Each leaf with its smallest number: a file may have been edited by hand."""
    found: dict[bytes, int] = {}
    for leaf, index in rows:
        if index < found.get(leaf, index + 1):
            found[leaf] = index
    return found
