"""The ledger's own tables: entries in their order, and which exhibit each belongs to.

Both only ever grow. Triggers refuse UPDATE, DELETE and TRUNCATE, an entry out of order, and the
second coming of a leaf: the latter closes INSERT OR REPLACE, which SQLite lets past a delete
trigger. Whoever owns the file or the server can still edit it; the signed root is what shows
that.

Whoever appends while another's commit is under way waits for it, and then all who wait are
appended by one of them in one transaction: many callers share one flush of the disk.

The exhibit is in a table of its own because the entries can be rebuilt from the published
bundles, where no exhibit is named; appending again fills it in.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    func,
    insert,
    inspect,
    select,
)

from guzheng.ledger.together import Leaves, Together
from guzheng.refusals import Refused, Unavailable
from guzheng.store.records import SQLITE, reading, writing

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()
ENTRY = Table(
    "entry",
    METADATA,
    Column("idx", _NUMBER, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False, unique=True),
    sqlite_strict=True,
)
ENTRY_EXHIBIT = Table(
    "entry_exhibit",
    METADATA,
    Column("idx", _NUMBER, ForeignKey("entry.idx"), primary_key=True, autoincrement=False),
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
# PostgreSQL: the order is looked at once for each statement, however many rows it has; that
# no leaf and no number comes twice is kept by the keys of the tables.
_SERVER_GUARDS = (
    """CREATE OR REPLACE FUNCTION guzheng_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'entries are never changed and never deleted'; END $$""",
    """CREATE OR REPLACE FUNCTION guzheng_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE first bigint; last bigint; fresh_rows bigint;
    BEGIN
      SELECT min(idx), max(idx), count(*) INTO first, last, fresh_rows FROM fresh;
      IF fresh_rows > 0 AND (
        last - first + 1 <> fresh_rows
        OR first < 0
        OR (first > 0 AND NOT EXISTS (SELECT 1 FROM entry WHERE idx = first - 1))
        OR EXISTS (SELECT 1 FROM entry WHERE idx > last)
      ) THEN RAISE EXCEPTION 'entries are appended in order, each once'; END IF;
      RETURN NULL;
    END $$""",
    """CREATE TRIGGER entry_in_order AFTER INSERT ON entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION guzheng_in_order()""",
    *(
        f"""CREATE TRIGGER {table}_only_grows_{number} BEFORE {what} ON {table}
        FOR EACH {each} EXECUTE FUNCTION guzheng_only_grows()"""
        for table in ("entry", "entry_exhibit")
        for number, (what, each) in enumerate(
            (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT"))
        )
    ),
)
_LEAVES = "SELECT leaf FROM entry WHERE idx >= {0} AND idx < {0} ORDER BY idx"
_APPEND = "INSERT INTO entry SELECT * FROM unnest(%s::bigint[], %s::bytea[])"
_T = TypeVar("_T")
_QUESTION = 500  # leaves asked for in one statement


class Reconnected(Unavailable):
    """A connection is new since the table was looked at: it may be another server's."""

    def __init__(self) -> None:
        super().__init__("store.server-away", expected="the server of before", act="look again")


class Entries:
    """Entries of the ledger in their order, from number 0.

    `opened` counts connections, and `trusted` is for whoever looks at the table as a whole to
    say up to which of them he did: then nothing is appended after a later one (Reconnected)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.opened, self.trusted = 1, 0
        self._on_server = engine.dialect.name != SQLITE
        self._together = Together(self._append)
        if self._on_server:
            event.listen(engine.pool, "connect", self._count)
        with writing(engine) as connection:
            fresh = not inspect(connection).has_table(ENTRY.name)
            METADATA.create_all(connection)
            if not self._on_server:
                for number, guard in enumerate(_GUARDS):
                    connection.exec_driver_sql(
                        f"CREATE TRIGGER IF NOT EXISTS entry_guard_{number} {guard}"
                    )
            elif fresh:
                for statement in _SERVER_GUARDS:
                    connection.exec_driver_sql(statement)

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
            known = self._known(connection, [leaf for leaf, _ in leaves])
            size = _size(connection)
            fresh = [
                leaf for leaf in dict.fromkeys(leaf for leaf, _ in leaves) if leaf not in known
            ]
            known.update((leaf, size + at) for at, leaf in enumerate(fresh))
            self._insert(connection, size, fresh)
            _name_exhibits(
                connection,
                [(known[leaf], exhibit) for leaf, exhibit in leaves if exhibit is not None],
            )
        return [known[leaf] for leaf, _ in leaves]

    def _insert(self, connection: Connection, start: int, leaves: Sequence[bytes]) -> None:
        if not leaves:
            return
        cursor = connection.connection.cursor()
        numbers = range(start, start + len(leaves))
        if self._on_server:  # one statement, whatever their number
            cursor.execute(_APPEND, (list(numbers), list(leaves)))
        else:
            rows = list(zip(numbers, leaves, strict=True))
            cursor.executemany("INSERT INTO entry (idx, leaf) VALUES (?, ?)", rows)

    def _known(self, connection: Connection, leaves: Sequence[bytes]) -> dict[bytes, int]:
        # The driver's own, as in `leaves`: half of what an entry costs were its wrappings.
        cursor = connection.connection.cursor()
        if self._on_server:
            cursor.execute("SELECT leaf, idx FROM entry WHERE leaf = ANY(%s)", (list(leaves),))
            return dict(cast(list[tuple[bytes, int]], cursor.fetchall()))
        known: dict[bytes, int] = {}
        for part in _parts(leaves):
            marks = ",".join("?" * len(part))
            cursor.execute(f"SELECT leaf, idx FROM entry WHERE leaf IN ({marks})", part)  # noqa: S608
            known.update(cast(list[tuple[bytes, int]], cursor.fetchall()))
        return known

    def restore(self, start: int, leaves: Sequence[bytes]) -> None:
        """Append entries, whose exhibits are not known, from number `start` on."""
        with writing(self._engine) as connection:
            self._insert(connection, start, leaves)

    def size(self) -> int:
        with reading(self._engine) as connection:
            return _size(connection)

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaves [start, end); fewer when the table ends before, or has a gap."""
        with reading(self._engine) as connection:
            # The driver's own cursor: a Row for each leaf would cost more than hashing it.
            cursor = connection.connection.cursor()
            mark = "%s" if self._on_server else "?"
            cursor.execute(_LEAVES.format(mark), (start, end))
            return [row[0] for row in cast(list[tuple[bytes]], cursor.fetchall())]

    def index_of(self, leaf: bytes) -> int | None:
        """The number of a leaf, if it is in the ledger."""
        with reading(self._engine) as connection:
            return self._known(connection, [leaf]).get(leaf)

    def labelled(self, label: bytes) -> dict[bytes, int]:
        """The leaves that begin with this label, and their numbers: records of one kind."""
        end = label[:-1] + bytes((label[-1] + 1,))
        query = select(ENTRY).where(ENTRY.c.leaf >= label, ENTRY.c.leaf < end)
        with reading(self._engine) as connection:
            return {row.leaf: row.idx for row in connection.execute(query)}

    def exhibit_of(self, index: int) -> str | None:
        query = select(ENTRY_EXHIBIT.c.exhibit).where(ENTRY_EXHIBIT.c.idx == index)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()


def _size(connection: Connection) -> int:
    greatest = connection.execute(select(func.max(ENTRY.c.idx))).scalar_one()
    return 0 if greatest is None else int(greatest) + 1


def _name_exhibits(connection: Connection, said: Sequence[tuple[int, str]]) -> None:
    wanted = dict(said)
    named: dict[int, str] = {}
    for part in _parts(list(wanted)):
        query = select(ENTRY_EXHIBIT).where(ENTRY_EXHIBIT.c.idx.in_(part))
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
        connection.execute(insert(ENTRY_EXHIBIT), rows)


def _parts(values: Sequence[_T]) -> Iterator[list[_T]]:
    rest = iter(values)
    while part := list(islice(rest, _QUESTION)):
        yield part
