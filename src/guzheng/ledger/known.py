"""Which number a leaf has: what makes the same commitment the same entry.

A unique index would answer it, and cost more than everything else about an entry: leaves are
digests, so each of ten thousand meets another page of it, which is read, written to the log and
copied back. So entries are written one after another, and their index follows in bulk, in its
own order, page after page:

    entry          every leaf at its number: the truth, in the order of the numbers
    entry_known    the last 32 octets of the leaves below `entry_indexed`, in their own order
    memory         the leaves from there on, read by each program from the table
    filter         what was surely never appended, in a program that appends much (seen.py)

All are asked inside the transaction that gives the number, which one writer at a time has: no
two get different numbers for one leaf. What is indexed, and how far, lies beside the entries
and grows in their transactions: no crash and no backup can part them. Nothing here is believed
without the row in `entry` that bears the same leaf: neither a table that was set back nor
another server, after a failover, can make an entry known that it does not have.

The whole commitment is in the index and not a part of it, so nobody can choose commitments that
meet in one place. A file of before has a unique index of its own, which stays and stays right.
"""

import threading
from collections.abc import Callable, Sequence
from typing import cast

from sqlalchemy.engine.interfaces import DBAPICursor

from guzheng.ledger.rows import Rows
from guzheng.ledger.seen import Seen
from guzheng.ledger.tables import LENGTH_KNOWN, Tables

_LEAST, _MOST = 16_384, 131_072  # leaves in memory, some 20 MiB, before they are indexed
_SHARE = 4  # of what is indexed: each page then takes many at once
_ENDS = (  # out of a number, the ends one after another, and their length: as in rows.CUT
    "WITH RECURSIVE asked(at) AS"
    " (SELECT 0 UNION ALL SELECT at + 1 FROM asked WHERE at + 1 < ?1)"
    " SELECT substr(?2, ?3 * at + 1, ?3) AS ending, at FROM asked",
    "SELECT substr(%(ends)b::bytea, %(length)s::integer * at + 1, %(length)s::integer)"
    " AS ending, at FROM generate_series(0, %(count)s::integer - 1) AS at",
)


class Known:
    """The index of one table. Shared by threads.

    `read`: the leaves from one number to another, for the filter, which is made beside the
    work; outside of any transaction."""

    def __init__(
        self, tables: Tables, rows: Rows, read: Callable[[int, int], list[bytes]]
    ) -> None:
        self._known, self._indexed = tables.known, tables.indexed
        self._rows = rows
        self._lock = threading.Lock()  # of all below
        self._recent: dict[bytes, int] = {}  # every entry in [from, to)
        self._from = self._to = self._server = 0
        self._seen = Seen(read)

    def find(
        self,
        cursor: DBAPICursor,
        leaves: Sequence[bytes],
        size: int,
        *,
        newest: bool,
        server: int = 0,
    ) -> dict[bytes, int]:
        """The numbers of those below `size`, which is how many this transaction sees.

        `newest`: it is the one that may write, so nobody has seen more. `server`: changes when
        it may be another one, that has other entries."""
        indexed = self._indexed_in(cursor)
        with self._lock:
            if server != self._server:
                self._forget()
                self._server = server
            of_before = indexed < self._from or size < self._to  # a view, or the file itself
            if of_before and newest:
                self._forget()
            if of_before and not newest:
                recent, asked = self._between(cursor, indexed, size), leaves
            else:
                self._catch_up(cursor, indexed, size)
                recent, asked = self._recent, self._seen.to_ask(leaves, indexed, size)
            maybe = {recent[one] for one in leaves if one in recent}
        if indexed and asked:
            maybe |= self._indexed_among(cursor, asked)
        if not maybe:
            return {}
        # What the row says counts; and of two numbers the first that was given.
        wanted, found = set(leaves), dict[bytes, int]()
        for at, leaf in self._rows.at(cursor, sorted(one for one in maybe if one < size)):
            if leaf in wanted:
                found.setdefault(leaf, at)
        return found

    def appended(self, start: int, leaves: Sequence[bytes]) -> None:
        """These are in the table, durably: they need not be read back."""
        with self._lock:
            if start == self._to:
                self._to += len(leaves)
                self._recent.update(zip(leaves, range(start, self._to), strict=True))
                self._seen.add(start, leaves, self._to)

    def index(self, cursor: DBAPICursor, size: int) -> None:
        """Index what has gathered, when it is enough; in a transaction that may write."""
        indexed = self._indexed_in(cursor)
        while size - indexed >= max(_LEAST, min(_MOST, indexed // _SHARE)):
            end = min(size, indexed + _MOST)
            self._insert(cursor, indexed, end)
            cursor.execute(
                f"INSERT INTO {self._indexed} VALUES ({self._rows.mark})",  # noqa: S608
                (end,),
            )
            indexed = end

    def _insert(self, cursor: DBAPICursor, start: int, end: int) -> None:
        """In their own order; by one statement with one value in it, where that is possible."""
        spans = list(self._rows.between(cursor, start, end))
        ends = [leaf[-LENGTH_KNOWN:] for _, row in spans for leaf in row]
        if len(ends) != end - start or set(map(len, ends)) != {LENGTH_KNOWN}:
            numbers = [first + at for first, row in spans for at in range(len(row))]
            mark = self._rows.mark
            cursor.executemany(
                f"INSERT INTO {self._known} VALUES ({mark}, {mark})",  # noqa: S608
                sorted(zip(ends, numbers, strict=True)),
            )
            return
        cursor.execute(
            f"INSERT INTO {self._known} SELECT ending, at + {start:d}"  # noqa: S608
            f" FROM ({_ENDS[self._rows.on_server]}) AS ends ORDER BY 1, 2",
            self._ends(ends),
        )

    def _ends(self, ends: Sequence[bytes]) -> Sequence[object]:
        count, joined = len(ends), b"".join(ends)
        if self._rows.on_server:
            named = {"ends": joined, "length": LENGTH_KNOWN, "count": count}
            return cast(Sequence[object], named)
        return (count, joined, LENGTH_KNOWN)

    def _indexed_in(self, cursor: DBAPICursor) -> int:
        cursor.execute(f"SELECT coalesce(max(size), 0) FROM {self._indexed}")  # noqa: S608
        return int(cast(tuple[int], cursor.fetchone())[0])

    def _indexed_among(self, cursor: DBAPICursor, leaves: Sequence[bytes]) -> set[int]:
        """One statement however many are asked: the interpreter is not held meanwhile."""
        ends = [leaf[-LENGTH_KNOWN:] for leaf in leaves]
        found: list[tuple[int]] = []
        if self._rows.on_server:
            cursor.execute(
                f"SELECT idx FROM {self._known} WHERE ending = ANY(%b)",  # noqa: S608
                (ends,),
            )
            found = cast(list[tuple[int]], cursor.fetchall())
        elif min(map(len, ends)) < LENGTH_KNOWN:  # no digest, as none of our records is
            for one in ends:
                cursor.execute(f"SELECT idx FROM {self._known} WHERE ending = ?", (one,))  # noqa: S608
                found += cast(list[tuple[int]], cursor.fetchall())
        else:
            cursor.execute(
                f"SELECT known.idx FROM ({_ENDS[False]}) AS asked"  # noqa: S608
                f" CROSS JOIN {self._known} AS known ON known.ending = asked.ending",
                self._ends(ends),
            )
            found = cast(list[tuple[int]], cursor.fetchall())
        return {one for (one,) in found}

    def _forget(self) -> None:
        self._recent, self._from, self._to = {}, 0, 0
        self._seen.forget()

    def _catch_up(self, cursor: DBAPICursor, indexed: int, size: int) -> None:
        """What others appended is read; what was indexed since is forgotten here."""
        if indexed > self._to:  # more than we have seen was appended and indexed
            self._seen.forget()
        if indexed > self._from:
            kept = self._recent.items() if indexed < self._to else ()
            self._recent = {leaf: at for leaf, at in kept if at >= indexed}
            self._from, self._to = indexed, max(indexed, self._to)
        if size > self._to:
            read = self._between(cursor, self._to, size)
            for leaf, at in read.items():
                self._recent.setdefault(leaf, at)
            self._seen.add(self._to, list(read), size)
            self._to = size

    def _between(self, cursor: DBAPICursor, start: int, end: int) -> dict[bytes, int]:
        """Each leaf with its smallest number: a file may have been edited by hand."""
        found: dict[bytes, int] = {}
        for first, row in self._rows.between(cursor, start, end):
            for at, leaf in enumerate(row, first):
                found.setdefault(leaf, at)
        return found
