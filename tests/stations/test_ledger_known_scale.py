"""The same leaf has one number on PostgreSQL: in tables of before, on two machines, and when
the server is another one than it was."""

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from guzheng.ledger.records import Entries
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.store.records import drawer, open_database
from tests import engines

pytestmark = engines.together
MANY = 17_000  # more than stay in memory before they are indexed
LEAF = f"'\\x{LEAF_LABEL.hex()}'::bytea || sha256(convert_to(at::text, 'UTF8'))"
BEFORE = f"""
CREATE TABLE entry (idx bigint PRIMARY KEY, leaf bytea NOT NULL, UNIQUE (leaf));
CREATE TABLE entry_exhibit (idx bigint PRIMARY KEY REFERENCES entry (idx),
    exhibit text NOT NULL);
CREATE INDEX ix_entry_exhibit_exhibit ON entry_exhibit (exhibit);
CREATE TABLE entry_closed (size bigint PRIMARY KEY);
CREATE FUNCTION guzheng_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE first bigint; last bigint; fresh_rows bigint;
    BEGIN
      SELECT min(idx), max(idx), count(*) INTO first, last, fresh_rows FROM fresh;
      IF fresh_rows > 0 AND (last - first + 1 <> fresh_rows)
      THEN RAISE EXCEPTION 'entries are appended in order, each once'; END IF;
      RETURN NULL;
    END $$;
CREATE TRIGGER entry_in_order AFTER INSERT ON entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION guzheng_in_order();
INSERT INTO entry SELECT at, {LEAF} FROM generate_series(0, {MANY} - 1) AS at;
INSERT INTO entry_exhibit VALUES (3, 'ex_3');
"""  # noqa: S608 - for a test


@pytest.fixture
def database(postgres: engines.Postgres) -> Iterator[str]:
    name = engines.fresh("known")
    postgres.database(name)
    yield name


def opened(postgres: engines.Postgres, database: str) -> Engine:
    return drawer(open_database(postgres.url(database)), "ledger")


def leaf(number: int) -> bytes:
    return LEAF_LABEL + hashlib.sha256(b"%d" % number).digest()


def append(entries: Entries, numbers: range) -> list[int]:
    return entries.append([(leaf(one), None) for one in numbers])


def test_tables_of_before_are_changed_when_they_are_opened(
    postgres: engines.Postgres, database: str
) -> None:
    postgres.run(BEFORE, database=database)
    entries = Entries(opened(postgres, database))
    assert append(entries, range(MANY - 5, MANY + 300)) == [*range(MANY - 5, MANY + 300)]
    entries = Entries(opened(postgres, database))  # it was done, and is not done again
    assert append(entries, range(MANY - 5, MANY + 300)) == [*range(MANY - 5, MANY + 300)]
    entries.append([(leaf(MANY + 2), "ex_late")])  # it shares its row with others
    assert [entries.exhibit_of(one) for one in (3, 4, MANY + 2)] == ["ex_3", None, "ex_late"]
    assert entries.leaves(MANY - 2, MANY + 290) == [
        leaf(one) for one in range(MANY - 2, MANY + 290)
    ]
    indexed = "SELECT sum(length(ends)) / 40 FROM entry_block"
    assert postgres.run(indexed, database=database) == [(MANY,)]
    assert postgres.run("SELECT count(*) FROM entry", database=database) == [(MANY + 2,)]
    # An index of before, a tree of keys, gives way: all that it said is in the entries.
    postgres.run(
        "DROP TABLE entry_run, entry_block;"
        "CREATE TABLE entry_known (ending bytea, idx bigint, PRIMARY KEY (ending, idx));"
        "CREATE TABLE entry_indexed (size bigint PRIMARY KEY)",
        database=database,
    )
    assert append(Entries(opened(postgres, database)), range(9)) == [*range(9)]
    assert postgres.run(indexed, database=database) == [(MANY + 300,)]
    gone = "SELECT to_regclass('entry_known'), to_regclass('entry_indexed')"
    assert postgres.run(gone, database=database) == [(None, None)]
    # Set aside, as rebuild asks for: what was indexed goes with it.
    postgres.run("DROP TABLE entry_exhibit, entry", database=database)
    for _ in range(2):
        entries = Entries(opened(postgres, database))
        assert append(entries, range(20, 40)) == [*range(20)]


def test_two_machines_give_one_number(postgres: engines.Postgres, database: str) -> None:
    one, other = (Entries(opened(postgres, database)) for _ in range(2))
    size = 0
    for step in range(9):
        asked = range(max(0, size - 700), size + 3000)
        assert append((one, other)[step % 2], asked) == [*asked]
        size += 3000
    late = Entries(opened(postgres, database))
    record = b"guzheng/journal\n" + bytes(32)
    for entries in (one, other, late):
        assert append(entries, range(size)) == [*range(size)]
        assert entries.index_of(leaf(size - 1)) == size - 1
        assert entries.append([(record, None)]) == [size]
        assert entries.labelled(b"guzheng/journal\n") == {record: size}


def test_what_another_server_does_not_have_is_not_known(
    postgres: engines.Postgres, database: str
) -> None:
    """Set back under a program that goes on, and then appended to by others: what was lost is
    numbered anew, and nobody hears a number of before. What others appended is known again
    with the next connection, which a failover always makes."""
    engine = opened(postgres, database)
    entries = Entries(engine)
    append(entries, range(10))
    append(entries, range(10, 20))
    postgres.run(
        "ALTER TABLE entry DISABLE TRIGGER USER; DELETE FROM entry WHERE idx >= 10;"
        "ALTER TABLE entry ENABLE TRIGGER USER",
        database=database,
    )
    append(Entries(opened(postgres, database)), range(100, 130))
    assert append(entries, range(12, 14)) == [40, 41]
    engine.dispose()
    assert append(entries, range(100, 102)) == [10, 11]


@pytest.mark.parametrize(
    "values",
    ["(21, 'aa', 1)", "(20, 'aa', 0)", "(20, 'aaa', 2)", "(20, 'aa', 2), (21, 'a', 1)"],
)
def test_rows_are_appended_in_order(
    postgres: engines.Postgres, database: str, values: str
) -> None:
    append(Entries(opened(postgres, database)), range(20))
    with pytest.raises(Exception, match="appended in order"):
        postgres.run(f"INSERT INTO entry (idx, leaf, size) VALUES {values}", database=database)  # noqa: S608
    postgres.run("INSERT INTO entry (idx, leaf) VALUES (20, 'a')", database=database)
