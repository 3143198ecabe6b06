"""The tables of one shard of the ledger: entries, whose exhibit each is, and where it ended.

All only ever grow. Triggers refuse UPDATE, DELETE and TRUNCATE, an entry out of order (which
closes INSERT OR REPLACE, that SQLite lets past a delete trigger) and any entry beyond the end
of a shard that is closed. Whoever owns the file or the server can still edit it; the signed
root is what shows that.

That the same leaf has one number is kept by a unique index on PostgreSQL, and on SQLite, where
that index cost more than all else, by whoever appends (known). A file of before has both.

On SQLite each shard has a file of its own and the plain names; on PostgreSQL, where all share
one database, the names of later shards end in theirs: `entry_2027`.
"""

from collections.abc import Iterator

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
)

from guzheng.proof.manifest import LEAF_LABEL
from guzheng.store import tables
from guzheng.store.columns import NUMBER
from guzheng.store.records import SQLITE

LENGTH_KNOWN = 32  # octets at the end of a leaf by which it is known: the digest of nearly all
# Leaves that are no commitments: few, and looked for by their kind (Entries.labelled).
RECORD = f"substr(leaf, 1, {len(LEAF_LABEL)}) <> x'{LEAF_LABEL.hex()}'"


class Tables:
    """`ending`: of the names, such as `_2027`; empty for the first shard."""

    def __init__(self, ending: str = "") -> None:
        self._ending = ending
        self._metadata = MetaData()
        self.entry = Table(
            f"entry{ending}",
            self._metadata,
            Column("idx", NUMBER, primary_key=True, autoincrement=False),
            Column("leaf", LargeBinary, nullable=False),
            UniqueConstraint("leaf").ddl_if(dialect="postgresql"),
            sqlite_strict=True,
        )
        self.exhibit = Table(
            f"entry_exhibit{ending}",
            self._metadata,
            Column(
                "idx",
                NUMBER,
                ForeignKey(f"entry{ending}.idx"),
                primary_key=True,
                autoincrement=False,
            ),
            Column("exhibit", Text, nullable=False, index=True),
            sqlite_strict=True,
        )
        # On SQLite only: see known.
        self.known, self.indexed = f"entry_known{ending}", f"entry_indexed{ending}"
        # At most one row: how many entries a closed shard has.
        self.closed = Table(
            f"entry_closed{ending}",
            self._metadata,
            Column("size", NUMBER, primary_key=True, autoincrement=False),
            sqlite_strict=True,
        )

    def create(self, connection: Connection) -> None:
        """Make what is not there; a ledger of before gets the table of its end."""
        if connection.dialect.name == SQLITE:
            tables.make(connection, self._metadata.sorted_tables)
            for statement in self._indexes():
                connection.exec_driver_sql(statement)
            for number, guard in enumerate(self._guards()):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER IF NOT EXISTS entry_guard{self._ending}_{number} {guard}"
                )
            return
        present = set(inspect(connection).get_table_names())
        self._metadata.create_all(connection)
        fresh = [one for one in self._metadata.tables if one not in present]
        for statement in self._server_guards(fresh):
            connection.exec_driver_sql(statement)

    def _indexes(self) -> Iterator[str]:
        entry, known, indexed = self.entry.name, self.known, self.indexed
        yield (
            f"CREATE TABLE IF NOT EXISTS {known} (ending BLOB NOT NULL, idx INTEGER NOT NULL,"
            " PRIMARY KEY (ending, idx)) STRICT, WITHOUT ROWID"
        )
        # A row for each time that entries were indexed: how many are since then.
        yield (
            f"CREATE TABLE IF NOT EXISTS {indexed} (size INTEGER NOT NULL PRIMARY KEY) STRICT"
        )
        yield f"CREATE INDEX IF NOT EXISTS {entry}_record ON {entry} (leaf) WHERE {RECORD}"

    def _guards(self) -> Iterator[str]:
        entry, exhibit, closed = self.entry.name, self.exhibit.name, self.closed.name
        never = "BEGIN SELECT RAISE(ABORT, 'never changed, never deleted'); END"
        yield f"BEFORE UPDATE ON {entry} {never}"
        yield f"BEFORE DELETE ON {entry} {never}"
        yield (
            f"BEFORE INSERT ON {entry}"  # noqa: S608 - names of our own
            f" WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM {entry})"
            " BEGIN SELECT RAISE(ABORT, 'entries are appended in order'); END"
        )
        yield f"BEFORE UPDATE ON {exhibit} {never}"
        yield f"BEFORE DELETE ON {exhibit} {never}"
        yield (
            f"BEFORE INSERT ON {exhibit}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {exhibit} WHERE idx = NEW.idx)"
            " BEGIN SELECT RAISE(ABORT, 'an entry has one exhibit'); END"
        )
        yield (
            f"BEFORE INSERT ON {entry}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {closed} WHERE size <= NEW.idx)"
            " BEGIN SELECT RAISE(ABORT, 'this shard is closed'); END"
        )
        yield f"BEFORE UPDATE ON {closed} {never}"
        yield f"BEFORE DELETE ON {closed} {never}"
        yield (
            f"BEFORE INSERT ON {closed}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {closed})"
            " BEGIN SELECT RAISE(ABORT, 'a shard ends once'); END"
        )
        for index in (self.known, self.indexed):
            yield f"BEFORE UPDATE ON {index} {never}"
            yield f"BEFORE DELETE ON {index} {never}"

    def _server_guards(self, fresh: list[str]) -> Iterator[str]:
        """The order is looked at once for each statement, however many rows it has; that no
        leaf and no number comes twice is kept by the keys of the tables."""
        if not fresh:
            return
        entry, closed, ending = self.entry.name, self.closed.name, self._ending
        yield """CREATE OR REPLACE FUNCTION guzheng_only_grows() RETURNS trigger
            LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'entries are never changed and never deleted'; END $$"""
        yield f"""CREATE OR REPLACE FUNCTION guzheng_in_order{ending}() RETURNS trigger
            LANGUAGE plpgsql AS $$
            DECLARE first bigint; last bigint; fresh_rows bigint;
            BEGIN
              SELECT min(idx), max(idx), count(*) INTO first, last, fresh_rows FROM fresh;
              IF fresh_rows > 0 AND (
                last - first + 1 <> fresh_rows
                OR first < 0
                OR (first > 0 AND NOT EXISTS (SELECT 1 FROM {entry} WHERE idx = first - 1))
                OR EXISTS (SELECT 1 FROM {entry} WHERE idx > last)
              ) THEN RAISE EXCEPTION 'entries are appended in order, each once'; END IF;
              IF EXISTS (SELECT 1 FROM {closed} WHERE size <= last)
                THEN RAISE EXCEPTION 'this shard is closed'; END IF;
              RETURN NULL;
            END $$"""  # noqa: S608 - names of our own
        if entry in fresh:
            yield f"""CREATE TRIGGER {entry}_in_order AFTER INSERT ON {entry}
                REFERENCING NEW TABLE AS fresh
                FOR EACH STATEMENT EXECUTE FUNCTION guzheng_in_order{ending}()"""
        if closed in fresh:
            yield f"CREATE UNIQUE INDEX {closed}_once ON {closed} ((true))"
        for table in fresh:
            for number, (what, each) in enumerate(
                (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT"))
            ):
                yield f"""CREATE TRIGGER {table}_only_grows_{number} BEFORE {what} ON {table}
                    FOR EACH {each} EXECUTE FUNCTION guzheng_only_grows()"""
