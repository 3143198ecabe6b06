"""Which number a leaf has: what makes the same commitment the same entry.

A tree of keys would answer it, and cost more than everything else about an entry: leaves are
digests, so each of ten thousand meets another page of it, which is read, written to the log and
copied back, and more of them the larger it is. So entries are written one after another, and
their index follows in runs, each sorted once, written from end to end and never touched again:

    entry          every leaf at its number: the truth, in the order of the numbers
    entry_run      the runs: from which entry on, and how many
    entry_block    of each run, in the order of their octets, the last 32 of every leaf with its
                   number: some hundred in a row, and the first of them beside it
    memory         the leaves from there on, read by each program from the table
    filter         what was surely never appended, in a program that appends much (seen.py)

To write an entry thus costs the same in a table of any size; to look for one that the filter
does not exclude costs a row of each run. All are asked inside the transaction that gives the
number, which one writer at a time has: no two get different numbers for one leaf. What is
indexed lies beside the entries and grows in their transactions: no crash and no backup can
part them. Nothing here is believed without the row in `entry` that bears the same leaf: neither
a table that was set back nor another server, after a failover, can make an entry known that it
does not have.

The whole commitment is in the index and not a part of it, so nobody can choose commitments that
meet in one place. A file of before has a unique index of its own, which stays and stays right.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from sqlalchemy.engine.interfaces import DBAPICursor

from guzheng.ledger.rows import Rows
from guzheng.ledger.seen import Seen
from guzheng.ledger.tables import LENGTH_KNOWN, Tables

_LEAST, _MOST = 16_384, 131_072  # leaves in memory, some 20 MiB, before they are indexed
_SHARE = 4  # of what is indexed: few runs, while there is little
_BLOCK = 48  # endings in a row: less than half a page of either engine
_NUMBER = 8  # octets of the number behind each ending
_STEP = LENGTH_KNOWN + _NUMBER
_ENDS = (  # the endings that are asked for, out of one value with their number
    "WITH RECURSIVE each(at) AS"
    " (SELECT 0 UNION ALL SELECT at + 1 FROM each WHERE at + 1 < ?1)"
    " SELECT substr(?2, ?3 * at + 1, ?3) AS ending FROM each",
    "SELECT unnest(%b::bytea[]) AS ending",
)
_HELD = (  # of each run the row in which an ending must be, where it is
    " CROSS JOIN {run} AS run JOIN {block} AS block"
    " ON block.id = (SELECT id FROM {block} AS one"
    " WHERE one.run = run.start AND one.first <= asked.ending ORDER BY one.first DESC LIMIT 1)"
    " WHERE instr(block.ends, asked.ending) > 0",
    " CROSS JOIN {run} AS run CROSS JOIN LATERAL (SELECT ends FROM {block} AS one"
    " WHERE one.run = run.start AND one.first <= asked.ending ORDER BY one.first DESC LIMIT 1)"
    " AS block WHERE position(asked.ending IN block.ends) > 0",
)


class Known:
    """The index of one table. Shared by threads.

    `read`: the leaves from one number to another, for the filter, which is made beside the
    work; outside of any transaction."""

    def __init__(
        self, tables: Tables, rows: Rows, read: Callable[[int, int], list[bytes]]
    ) -> None:
        self._run, self._block = tables.run, tables.block
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
            self._sort(cursor, indexed, end)
            indexed = end

    def _sort(self, cursor: DBAPICursor, start: int, end: int) -> None:
        """Make a run of these entries; of a table with gaps, of those that are there."""
        ends = sorted(
            _ending(leaf) + at.to_bytes(_NUMBER, "big")
            for first, row in self._rows.between(cursor, start, end)
            for at, leaf in enumerate(row, first)
        )
        rows: list[tuple[int, int, bytes, bytes]] = []
        at = 0
        while at < len(ends):
            until, last = at + _BLOCK, ends[min(at + _BLOCK, len(ends)) - 1]
            while until < len(ends) and ends[until].startswith(last[:LENGTH_KNOWN]):
                until += 1  # what ends alike stays together: one row is asked for
            first, octets = ends[at][:LENGTH_KNOWN], b"".join(ends[at:until])
            rows.append((start + len(rows), start, first, octets))
            at = until
        if self._rows.on_server:
            cursor.execute(
                f"INSERT INTO {self._block} SELECT * FROM"  # noqa: S608
                " unnest(%b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[])",
                [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []],
            )
        else:
            cursor.executemany(f"INSERT INTO {self._block} VALUES (?, ?, ?, ?)", rows)  # noqa: S608
        mark = self._rows.mark
        cursor.execute(
            f"INSERT INTO {self._run} VALUES ({mark}, {mark})",  # noqa: S608
            (start, end - start),
        )

    def _indexed_in(self, cursor: DBAPICursor) -> int:
        cursor.execute(f"SELECT coalesce(max(start + size), 0) FROM {self._run}")  # noqa: S608
        return int(cast(tuple[int], cursor.fetchone())[0])

    def _indexed_among(self, cursor: DBAPICursor, leaves: Sequence[bytes]) -> set[int]:
        """One statement however many are asked: the interpreter is not held meanwhile."""
        ends, server = [*map(_ending, leaves)], self._rows.on_server
        here = (len(ends), b"".join(ends), LENGTH_KNOWN)
        cursor.execute(
            f"SELECT asked.ending, block.ends FROM ({_ENDS[server]}) AS asked"  # noqa: S608
            + _HELD[server].format(run=self._run, block=self._block),
            (ends,) if server else here,
        )
        found = cast(list[tuple[bytes, bytes]], cursor.fetchall())
        return {number for ending, block in found for number in _numbers(ending, block)}

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


def _ending(leaf: bytes) -> bytes:
    """A leaf that is shorter, as none but a record of our own could be, begins with zeros."""
    return leaf[-LENGTH_KNOWN:].rjust(LENGTH_KNOWN, b"\0")


def _numbers(ending: bytes, block: bytes) -> Iterator[int]:
    """Those that stand behind this ending in a block, where one begins and not across two."""
    at = block.find(ending)
    while at >= 0:
        if at % _STEP == 0:
            yield int.from_bytes(block[at + LENGTH_KNOWN : at + _STEP], "big")
        at = block.find(ending, at + 1)
