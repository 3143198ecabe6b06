"""The tables of one shard of the ledger: entries, whose exhibit each is, and where it ended.

    entry           from number `idx` on: `leaf`, or `size` leaves of one length in a row
    entry_exhibit   whose exhibit an entry is, where it is one of ours
    entry_run       the entries that are indexed: from which on, and how many
    entry_block     of each run, sorted, the last 32 octets of its leaves and their numbers
    entry_closed    how many entries there will ever be

Commitments of others that were appended together share rows: a row for each would cost most of
what an entry costs. Whatever belongs to an exhibit, or is a record of our own, has its own row.

All only ever grow. Triggers refuse UPDATE, DELETE and TRUNCATE, an entry out of order (which
closes INSERT OR REPLACE, that SQLite lets past a delete trigger) and any entry beyond the end
of a shard that is closed. Whoever owns the file or the server can still edit it; the signed
root is what shows that.

That the same leaf has one number is kept by whoever appends, in his turn (known). Tables of
before, with a row for each entry and a unique index, are changed when they are opened; a file
of SQLite keeps its index, which is right and slow.

On SQLite each shard has a file of its own and the plain names; on PostgreSQL, where all share
one database, the names of later shards end in theirs: `entry_2027`.
"""

from collections.abc import Iterator

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    text,
)

from guzheng.proof.manifest import LEAF_LABEL
from guzheng.store import tables
from guzheng.store.columns import NUMBER
from guzheng.store.records import SQLITE

LENGTH_KNOWN = 32  # octets at the end of a leaf by which it is known: the digest of nearly all
# Leaves that are no commitments: few, and looked for by their kind (Entries.labelled).
RECORD = f"substr(leaf, 1, {len(LEAF_LABEL)}) <> x'{LEAF_LABEL.hex()}'"
RECORD_ON_SERVER = RECORD.replace("x'", "'\\x")
_GUARDS_BEFORE = 16  # triggers that a file of before may have


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
            Column("size", NUMBER, nullable=False, server_default=text("1")),
            sqlite_strict=True,
        )
        self.exhibit = Table(
            f"entry_exhibit{ending}",
            self._metadata,
            Column("idx", NUMBER, primary_key=True, autoincrement=False),
            Column("exhibit", Text, nullable=False, index=True),
            sqlite_strict=True,
        )
        self.run, self.block = f"entry_run{ending}", f"entry_block{ending}"
        # The index of before, a tree of keys: nothing is in it that `entry` does not say.
        self._before = f"entry_known{ending}", f"entry_indexed{ending}"
        # At most one row: how many entries a closed shard has.
        self.closed = Table(
            f"entry_closed{ending}",
            self._metadata,
            Column("size", NUMBER, primary_key=True, autoincrement=False),
            sqlite_strict=True,
        )

    def create(self, connection: Connection) -> None:
        """Make what is not there, and of tables of before what they are now."""
        if connection.dialect.name == SQLITE:
            tables.make(connection, self._metadata.sorted_tables)
            if "size" not in tables.columns(connection, self.entry):
                for statement in self._renewed():
                    connection.exec_driver_sql(statement)
            for before in self._before:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {before}")
            for statement in self._indexes("BLOB", "INTEGER", "STRICT"):
                connection.exec_driver_sql(statement)
            for number, guard in enumerate(self._guards()):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER IF NOT EXISTS entry_guard{self._ending}_{number} {guard}"
                )
            return
        present = set(inspect(connection).get_table_names())
        self._metadata.create_all(connection)
        fresh = [one for one in self._metadata.tables if one not in present]
        if self.entry.name in present and "size" not in tables.columns(connection, self.entry):
            for statement in self._renewed_on_server():
                connection.exec_driver_sql(statement)
        if self.entry.name in fresh:  # whoever set it aside left an index of other entries
            for index in (self.run, self.block):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {index}")
            present -= {self.run, self.block}
        for index in present.intersection(self._before):
            connection.exec_driver_sql(f"DROP TABLE {index}")
        for statement in self._indexes("bytea", "bigint", ""):
            connection.exec_driver_sql(statement)
        fresh += [one for one in (self.run, self.block) if one not in present]
        for statement in self._server_guards(fresh):
            connection.exec_driver_sql(statement)

    def _renewed(self) -> Iterator[str]:
        """A file of before: with a row for each entry, on which an exhibit depended."""
        entry, exhibit = self.entry.name, self.exhibit.name
        for number in range(_GUARDS_BEFORE):
            yield f"DROP TRIGGER IF EXISTS entry_guard{self._ending}_{number}"
        yield f"ALTER TABLE {entry} ADD COLUMN size INTEGER NOT NULL DEFAULT 1"
        yield f"DROP INDEX IF EXISTS ix_{exhibit}_exhibit"
        yield f"ALTER TABLE {exhibit} RENAME TO {exhibit}_before"
        yield (
            f"CREATE TABLE {exhibit} (idx INTEGER NOT NULL PRIMARY KEY, exhibit TEXT NOT NULL)"
            " STRICT"
        )
        yield f"INSERT INTO {exhibit} SELECT idx, exhibit FROM {exhibit}_before"  # noqa: S608
        yield f"DROP TABLE {exhibit}_before"
        yield f"CREATE INDEX ix_{exhibit}_exhibit ON {exhibit} (exhibit)"

    def _renewed_on_server(self) -> Iterator[str]:
        entry, exhibit = self.entry.name, self.exhibit.name
        yield f"ALTER TABLE {entry} DROP CONSTRAINT IF EXISTS {entry}_leaf_key"
        yield f"ALTER TABLE {exhibit} DROP CONSTRAINT IF EXISTS {exhibit}_idx_fkey"
        yield f"ALTER TABLE {entry} ADD COLUMN size bigint NOT NULL DEFAULT 1"
        yield self._order()

    def _indexes(self, octets: str, number: str, ending: str) -> Iterator[str]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {self.run} (start {number} NOT NULL PRIMARY KEY,"
            f" size {number} NOT NULL) {ending}"
        )
        # `id`: the number of an entry of the run, another one for each row.
        yield (
            f"CREATE TABLE IF NOT EXISTS {self.block} (id {number} NOT NULL PRIMARY KEY,"
            f" run {number} NOT NULL, first {octets} NOT NULL, ends {octets} NOT NULL,"
            f" UNIQUE (run, first)) {ending}"
        )
        record = RECORD if ending else RECORD_ON_SERVER
        entry = self.entry.name
        yield f"CREATE INDEX IF NOT EXISTS {entry}_record ON {entry} (leaf) WHERE {record}"

    def _guards(self) -> Iterator[str]:
        entry, exhibit, closed = self.entry.name, self.exhibit.name, self.closed.name
        never = "BEGIN SELECT RAISE(ABORT, 'never changed, never deleted'); END"
        yield f"BEFORE UPDATE ON {entry} {never}"
        yield f"BEFORE DELETE ON {entry} {never}"
        yield (
            f"BEFORE INSERT ON {entry}"  # noqa: S608 - names of our own
            " WHEN NEW.size < 1 OR length(NEW.leaf) % NEW.size <> 0 OR NEW.idx IS NOT"
            f" coalesce((SELECT idx + size FROM {entry} ORDER BY idx DESC LIMIT 1), 0)"
            " BEGIN SELECT RAISE(ABORT, 'entries are appended in order'); END"
        )
        yield f"BEFORE UPDATE ON {exhibit} {never}"
        yield f"BEFORE DELETE ON {exhibit} {never}"
        yield (
            f"BEFORE INSERT ON {exhibit}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {exhibit} WHERE idx = NEW.idx)"
            " OR NEW.idx NOT BETWEEN 0 AND"
            f" coalesce((SELECT idx + size FROM {entry} ORDER BY idx DESC LIMIT 1), 0) - 1"
            " BEGIN SELECT RAISE(ABORT, 'an entry has one exhibit'); END"
        )
        yield (
            f"BEFORE INSERT ON {entry}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {closed} WHERE size < NEW.idx + NEW.size)"
            " BEGIN SELECT RAISE(ABORT, 'this shard is closed'); END"
        )
        yield f"BEFORE UPDATE ON {closed} {never}"
        yield f"BEFORE DELETE ON {closed} {never}"
        yield (
            f"BEFORE INSERT ON {closed}"  # noqa: S608
            f" WHEN EXISTS (SELECT 1 FROM {closed})"
            " BEGIN SELECT RAISE(ABORT, 'a shard ends once'); END"
        )
        for index in (self.run, self.block):
            yield f"BEFORE UPDATE ON {index} {never}"
            yield f"BEFORE DELETE ON {index} {never}"

    def _server_guards(self, fresh: list[str]) -> Iterator[str]:
        """The order is looked at once for each statement, however many rows it has; that no
        leaf and no number comes twice is kept by the keys of the tables."""
        if not fresh:
            return
        entry, closed, ending = self.entry.name, self.closed.name, self._ending
        if entry in fresh:  # nothing in it can be made shorter, and all of it is small
            yield f"ALTER TABLE {entry} ALTER COLUMN leaf SET STORAGE EXTERNAL"
        if self.block in fresh:  # nor in this, and it stays in its row
            yield f"ALTER TABLE {self.block} ALTER COLUMN ends SET STORAGE EXTERNAL"
            yield f"ALTER TABLE {self.block} SET (toast_tuple_target = 8160)"
        yield """CREATE OR REPLACE FUNCTION guzheng_only_grows() RETURNS trigger
            LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'entries are never changed and never deleted'; END $$"""
        yield self._order()
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

    def _order(self) -> str:
        entry, closed = self.entry.name, self.closed.name
        return f"""CREATE OR REPLACE FUNCTION guzheng_in_order{self._ending}() RETURNS trigger
            LANGUAGE plpgsql AS $$
            DECLARE first bigint; beyond bigint;
            BEGIN
              SELECT min(idx), max(idx + size) INTO first, beyond FROM fresh;
              IF first IS NULL THEN RETURN NULL; END IF;
              IF first <> coalesce((SELECT idx + size FROM {entry} WHERE idx < first
                                    ORDER BY idx DESC LIMIT 1), 0)
                OR EXISTS (SELECT 1 FROM {entry} WHERE idx >= beyond)
                OR EXISTS (SELECT 1 FROM fresh WHERE size < 1 OR mod(length(leaf), size) <> 0)
                OR EXISTS (SELECT 1 FROM (SELECT idx, lag(idx + size) OVER (ORDER BY idx)
                                          AS expected FROM fresh) AS each WHERE expected <> idx)
              THEN RAISE EXCEPTION 'entries are appended in order, each once'; END IF;
              IF EXISTS (SELECT 1 FROM {closed} WHERE size < beyond)
                THEN RAISE EXCEPTION 'this shard is closed'; END IF;
              RETURN NULL;
            END $$"""  # noqa: S608 - names of our own
