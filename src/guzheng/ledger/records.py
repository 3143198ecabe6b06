"""Entries in their order, and which exhibit each belongs to; the tables are in `tables`.

A shard that is closed refuses what is new, in the transaction that would have given it a
number: whoever appends learns it there, whatever he believed before.

Whoever appends while another's commit is under way waits for it, and then all who wait are
appended by one of them in one transaction: many callers share one flush of the disk.

The exhibit is in a table of its own because the entries can be rebuilt from the published
bundles, where no exhibit is named; appending again fills it in.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine, event, insert, select, text
from sqlalchemy.engine.interfaces import DBAPICursor

from guzheng.ledger.known import Known
from guzheng.ledger.rows import Rows
from guzheng.ledger.tables import RECORD, RECORD_ON_SERVER, Tables
from guzheng.ledger.together import Leaves, Together
from guzheng.refusals import Refused, Unavailable
from guzheng.store.records import SQLITE, reading, writing

_T = TypeVar("_T")
_QUESTION = 500  # rows asked for in one statement


class Reconnected(Unavailable):
    """A connection is new since the table was looked at: it may be another server's."""

    def __init__(self) -> None:
        super().__init__("store.server-away", expected="the server of before", act="look again")


class ShardClosed(Refused):
    """This shard has ended: what is new belongs to the next one."""

    def __init__(self, size: int) -> None:
        super().__init__(
            "ledger.shard-closed",
            expected="the shard that is open",
            found=f"one that was closed at {size} entries",
            act="append through the platform, which knows the open shard",
        )


class Entries:
    """Entries of the ledger in their order, from number 0.

    `opened` counts connections, and `trusted` is for whoever looks at the table as a whole to
    say up to which of them he did: then nothing is appended after a later one (Reconnected)."""

    def __init__(self, engine: Engine, tables: Tables | None = None) -> None:
        self._engine = engine
        self._tables = tables or Tables()
        self.opened, self.trusted = 1, 0
        self._on_server = engine.dialect.name != SQLITE
        self._together = Together(self._append)
        self._rows = Rows(self._tables, on_server=self._on_server)
        self._index = Known(self._tables, self._rows, self.leaves)
        if self._on_server:
            event.listen(engine.pool, "connect", self._count)
        with writing(engine) as connection:
            self._tables.create(connection)
            cursor = connection.connection.cursor()
            self._index.index(cursor, self._ends(connection)[0])

    def _count(self, *_connection: object) -> None:
        self.opened += 1

    def append(self, leaves: Leaves) -> list[int]:
        """The number of each (leaf, exhibit), old or new; durable when it returns.

        None for the exhibit: a leaf of somebody else's, or the platform's own record. Many who
        call at once share one transaction."""
        return self._together.append(leaves)

    def _append(self, leaves: Leaves) -> list[int]:
        with writing(self._engine) as connection:
            if self._on_server and self.trusted not in (0, self.opened):
                raise Reconnected
            size, end = self._ends(connection)
            cursor = connection.connection.cursor()
            asked = [leaf for leaf, _ in leaves]
            known = self._known(cursor, asked, size, newest=True)
            if end is not None:
                known = {leaf: index for leaf, index in known.items() if index < end}
            fresh, numbers = _numbered(asked, known, size)
            if fresh and end is not None:
                raise ShardClosed(end)
            own = {leaf for leaf, exhibit in leaves if exhibit is not None}
            self._rows.insert(cursor, size, fresh, own)
            if own:
                said = zip(numbers, leaves, strict=True)
                named = [(at, one) for at, (_, one) in said if one is not None]
                self._name_exhibits(connection, named)
            self._index.index(cursor, size + len(fresh))
        self._index.appended(size, fresh)
        return numbers

    def _known(
        self, cursor: DBAPICursor, leaves: Sequence[bytes], size: int, *, newest: bool
    ) -> dict[bytes, int]:
        return self._index.find(cursor, leaves, size, newest=newest, server=self.opened)

    def restore(self, start: int, leaves: Sequence[bytes]) -> None:
        """Append entries, whose exhibits are not known, from number `start` on."""
        with writing(self._engine) as connection:
            cursor = connection.connection.cursor()
            self._rows.insert(cursor, start, leaves, ())
            self._index.index(cursor, start + len(leaves))

    def size(self) -> int:
        with reading(self._engine) as connection:
            return self._ends(connection)[0]

    def closed(self) -> int | None:
        """How many entries this shard has, once it is closed."""
        with reading(self._engine) as connection:
            return self._ends(connection)[1]

    def close(self, size: int | None = None) -> int:
        """End the shard here, or where it is known to have ended; gives how many it has.

        In one transaction with nothing numbered beside it, and for ever; twice is harmless."""
        with writing(self._engine) as connection:
            if self._on_server and self.trusted not in (0, self.opened):
                raise Reconnected
            held, end = self._ends(connection)
            if end is None:
                end = held if size is None else size
                connection.execute(insert(self._tables.closed), [{"size": end}])
            if size not in (None, end):
                raise Refused(
                    "ledger.shard-differs",
                    expected=f"a shard of {size} entries, as the next one says",
                    found=f"a table that was closed at {end}",
                    act="set the table aside and run rebuild; keep it, it is a trace",
                )
            return end

    def _ends(self, connection: Connection) -> tuple[int, int | None]:
        """How many entries there are, and how many there will ever be if it is closed: what
        a table that was set back has numbered beyond that is nothing."""
        cursor = connection.connection.cursor()
        entry, closed = self._tables.entry.name, self._tables.closed.name
        cursor.execute(
            f"SELECT (SELECT idx + size FROM {entry} ORDER BY idx DESC LIMIT 1),"  # noqa: S608
            f" (SELECT size FROM {closed})"
        )
        found, end = cast(tuple[int | None, int | None], cursor.fetchone())
        held = found or 0
        return (held if end is None else min(held, end)), end

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaves [start, end); fewer when the table ends before, or has a gap."""
        with reading(self._engine) as connection:
            cursor = connection.connection.cursor()
            return [leaf for _, row in self._rows.between(cursor, start, end) for leaf in row]

    def index_of(self, leaf: bytes) -> int | None:
        """The number of a leaf, if it is in the ledger."""
        return self.known([leaf]).get(leaf)

    def known(self, leaves: Sequence[bytes]) -> dict[bytes, int]:
        """The numbers of those that are in the table."""
        with reading(self._engine) as connection:
            size = self._ends(connection)[0]
            cursor = connection.connection.cursor()
            return self._known(cursor, leaves, size, newest=False)

    def name_exhibits(self, said: Sequence[tuple[int, str]]) -> None:
        """Whose entries these are, where the table does not say so yet."""
        with writing(self._engine) as connection:
            self._name_exhibits(connection, said)

    def labelled(self, label: bytes) -> dict[bytes, int]:
        """The leaves that begin with this label, and their numbers: records of one kind, which
        are no commitments (proof.manifest.LEAF_LABEL)."""
        end = label[:-1] + bytes((label[-1] + 1,))
        entry = self._tables.entry
        query = select(entry.c.idx, entry.c.leaf)
        query = query.where(entry.c.leaf >= label, entry.c.leaf < end, entry.c.size == 1)
        # The words of its index: the planner knows it by them.
        query = query.where(text(RECORD_ON_SERVER if self._on_server else RECORD))
        with reading(self._engine) as connection:
            return {row.leaf: row.idx for row in connection.execute(query)}

    def exhibit_of(self, index: int) -> str | None:
        exhibit = self._tables.exhibit
        query = select(exhibit.c.exhibit).where(exhibit.c.idx == index)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def _name_exhibits(self, connection: Connection, said: Sequence[tuple[int, str]]) -> None:
        table, wanted = self._tables.exhibit, dict(said)
        named: dict[int, str] = {}
        for part in _parts(list(wanted)):
            query = select(table).where(table.c.idx.in_(part))
            named.update((row.idx, row.exhibit) for row in connection.execute(query))
        for index, exhibit in said:
            one = named.get(index, wanted[index])
            if one != exhibit:
                raise Refused(
                    "ledger.leaf-of-another",
                    expected=f"the exhibit of entry {index}: {one}",
                    found=exhibit,
                    act="each exhibit has a leaf of its own, made with its own salt",
                )
        rows = [
            {"idx": index, "exhibit": exhibit}
            for index, exhibit in wanted.items()
            if index not in named
        ]
        if rows:
            connection.execute(insert(table), rows)


def _numbered(
    asked: list[bytes], known: dict[bytes, int], size: int
) -> tuple[list[bytes], list[int]]:
    """What is new, each once; and the number of each that was asked."""
    if not known and len(set(asked)) == len(asked):  # nearly always
        return asked, [*range(size, size + len(asked))]
    fresh = [leaf for leaf in dict.fromkeys(asked) if leaf not in known]
    given = known | dict(zip(fresh, range(size, size + len(fresh)), strict=True))
    return fresh, [given[leaf] for leaf in asked]


def _parts(values: Sequence[_T]) -> Iterator[list[_T]]:
    rest = iter(values)
    while part := list(islice(rest, _QUESTION)):
        yield part
