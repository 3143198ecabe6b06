"""The ledger's own tables: entries in their order, and which exhibit each belongs to.

Both only ever grow. Triggers refuse UPDATE and DELETE, an entry out of order, and the second
coming of a leaf: the latter closes INSERT OR REPLACE, which SQLite lets past a delete
trigger. Whoever owns the file can still edit it; the signed root is what shows that.

The exhibit is in a table of its own because the entries can be rebuilt from the published
bundles, where no exhibit is named; appending again fills it in.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar, cast

from sqlalchemy import (
    BLOB,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
)

from guzheng.refusals import Refused
from guzheng.store.records import reading, writing

METADATA = MetaData()
ENTRY = Table(
    "entry",
    METADATA,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("leaf", BLOB, nullable=False, unique=True),
    sqlite_strict=True,
)
ENTRY_EXHIBIT = Table(
    "entry_exhibit",
    METADATA,
    Column("idx", Integer, ForeignKey("entry.idx"), primary_key=True, autoincrement=False),
    Column("exhibit", Text, nullable=False, index=True),
    sqlite_strict=True,
)
_GUARDS = (
    "BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END",
    "BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END",
    "BEFORE INSERT ON entry"
    " WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM entry)"
    " OR EXISTS (SELECT 1 FROM entry WHERE leaf = NEW.leaf)"
    " BEGIN SELECT RAISE(ABORT, 'entries are appended in order, each once'); END",
    "BEFORE UPDATE ON entry_exhibit BEGIN SELECT RAISE(ABORT, 'never changed'); END",
    "BEFORE DELETE ON entry_exhibit BEGIN SELECT RAISE(ABORT, 'never deleted'); END",
    "BEFORE INSERT ON entry_exhibit"
    " WHEN EXISTS (SELECT 1 FROM entry_exhibit WHERE idx = NEW.idx)"
    " BEGIN SELECT RAISE(ABORT, 'an entry has one exhibit'); END",
)
_LEAVES = "SELECT leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_T = TypeVar("_T")
_QUESTION = 500  # leaves asked for in one statement


class Entries:
    """Entries of the ledger in their order, from number 0."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            METADATA.create_all(connection)
            for number, guard in enumerate(_GUARDS):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER IF NOT EXISTS entry_guard_{number} {guard}"
                )

    def append(self, leaves: Sequence[tuple[bytes, str | None]]) -> list[int]:
        """The number of each (leaf, exhibit), old or new; durable when it returns.

        None for the exhibit: a leaf of somebody else's, or the platform's own record."""
        with writing(self._engine) as connection:
            known = _known(connection, [leaf for leaf, _ in leaves])
            size = _size(connection)
            fresh = [
                leaf for leaf in dict.fromkeys(leaf for leaf, _ in leaves) if leaf not in known
            ]
            known.update((leaf, size + at) for at, leaf in enumerate(fresh))
            if fresh:
                _insert(connection, [(known[leaf], leaf) for leaf in fresh])
            named = {known[leaf]: exhibit for leaf, exhibit in leaves if exhibit is not None}
            _name_exhibits(connection, named)
        return [known[leaf] for leaf, _ in leaves]

    def restore(self, start: int, leaves: Sequence[bytes]) -> None:
        """Append entries, whose exhibits are not known, from number `start` on."""
        with writing(self._engine) as connection:
            _insert(connection, [(start + at, leaf) for at, leaf in enumerate(leaves)])

    def size(self) -> int:
        with reading(self._engine) as connection:
            return _size(connection)

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaves [start, end); fewer when the table ends before, or has a gap."""
        with reading(self._engine) as connection:
            # The driver's own cursor: a Row for each leaf would cost more than hashing it.
            cursor = connection.connection.cursor()
            cursor.execute(_LEAVES, (start, end))
            return [row[0] for row in cast(list[tuple[bytes]], cursor.fetchall())]

    def exhibit_of(self, index: int) -> str | None:
        query = select(ENTRY_EXHIBIT.c.exhibit).where(ENTRY_EXHIBIT.c.idx == index)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()


def _size(connection: Connection) -> int:
    greatest = connection.execute(select(func.max(ENTRY.c.idx))).scalar_one()
    return 0 if greatest is None else int(greatest) + 1


def _known(connection: Connection, leaves: Sequence[bytes]) -> dict[bytes, int]:
    known: dict[bytes, int] = {}
    for part in _parts(leaves):
        # The driver's own, as in `leaves`: half of what an entry costs were its wrappings.
        cursor = connection.connection.cursor()
        marks = ",".join("?" * len(part))
        cursor.execute(f"SELECT leaf, idx FROM entry WHERE leaf IN ({marks})", part)  # noqa: S608
        known.update(cast(list[tuple[bytes, int]], cursor.fetchall()))
    return known


def _insert(connection: Connection, rows: list[tuple[int, bytes]]) -> None:
    cursor = connection.connection.cursor()
    cursor.executemany("INSERT INTO entry (idx, leaf) VALUES (?, ?)", rows)


def _name_exhibits(connection: Connection, wanted: dict[int, str]) -> None:
    named: dict[int, str] = {}
    for part in _parts(list(wanted)):
        query = select(ENTRY_EXHIBIT).where(ENTRY_EXHIBIT.c.idx.in_(part))
        named.update((row.idx, row.exhibit) for row in connection.execute(query))
    for index, exhibit in named.items():
        if wanted[index] != exhibit:
            raise Refused(
                "ledger.leaf-of-another",
                expected=f"the exhibit of entry {index}: {exhibit}",
                found=wanted[index],
                act="each exhibit has a leaf of its own, made with its own salt",
            )
    rows = [
        {"idx": index, "exhibit": exhibit}
        for index, exhibit in wanted.items()
        if index not in named
    ]
    if rows:
        connection.execute(insert(ENTRY_EXHIBIT), rows)


def _parts(values: Sequence[_T]) -> Iterator[list[_T]]:
    rest = iter(values)
    while part := list(islice(rest, _QUESTION)):
        yield part
