"""The same leaf has one number, on SQLite: in memory, once indexed, and in every program."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from guzheng.ledger.records import Entries
from guzheng.ledger.tables import RECORD
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.refusals import Refused
from guzheng.store.records import open_engine, writing

MANY = 17_000  # more than stay in memory before they are indexed
OLD = """
CREATE TABLE entry (idx INTEGER NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (idx), UNIQUE (leaf))
    STRICT;
CREATE TRIGGER entry_guard_2 BEFORE INSERT ON entry
    WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM entry)
    OR EXISTS (SELECT 1 FROM entry WHERE leaf = NEW.leaf)
    BEGIN SELECT RAISE(ABORT, 'entries are appended in order, each once'); END;
CREATE TABLE entry_exhibit (idx INTEGER NOT NULL, exhibit TEXT NOT NULL, PRIMARY KEY (idx),
    FOREIGN KEY(idx) REFERENCES entry (idx)) STRICT;
CREATE INDEX ix_entry_exhibit_exhibit ON entry_exhibit (exhibit);
CREATE TRIGGER entry_guard_3 BEFORE UPDATE ON entry_exhibit
    BEGIN SELECT RAISE(ABORT, 'never changed, never deleted'); END;
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def engine(place: Path) -> Iterator[Engine]:
    made = open_engine(place)
    yield made
    made.dispose()


def leaf(number: int) -> bytes:
    return LEAF_LABEL + hashlib.sha256(b"%d" % number).digest()


def append(entries: Entries, numbers: range) -> list[int]:
    return entries.append([(leaf(one), None) for one in numbers])


def indexed(place: Path) -> int:
    with closing(sqlite3.connect(place)) as connection:
        found = connection.execute(
            "SELECT coalesce(max(start + size), 0) FROM entry_run"
        ).fetchone()
        count = connection.execute(
            "SELECT coalesce(sum(length(ends)), 0) / 40 FROM entry_block"
        ).fetchone()
    assert (found[0] or 0) == count[0]
    return int(count[0])


def test_a_leaf_keeps_its_number_when_it_is_indexed(engine: Engine, place: Path) -> None:
    entries = Entries(engine)
    assert append(entries, range(100)) == [*range(100)]
    assert append(entries, range(50, MANY)) == [*range(50, MANY)]
    assert indexed(place) == MANY
    assert append(entries, range(MANY + 10)) == [*range(MANY + 10)]
    assert entries.known([leaf(7), leaf(MANY + 3), leaf(-1)]) == {
        leaf(7): 7,
        leaf(MANY + 3): MANY + 3,
    }
    assert entries.size() == MANY + 10


def test_two_programs_give_one_number(engine: Engine, place: Path) -> None:
    """They take turns, and each must learn what the other appended, and what it indexed."""
    one, other = Entries(engine), Entries(open_engine(place))
    size = 0
    for step in range(18):
        asked = range(max(0, size - 500), size + 1000)
        assert append((one, other)[step % 2], asked) == [*asked]
        size += 1000
    assert indexed(place) > 16_000
    late = Entries(open_engine(place))
    for entries in (one, other, late):
        assert append(entries, range(size)) == [*range(size)]
        assert entries.index_of(leaf(size - 1)) == size - 1


def test_what_was_refused_is_not_known(engine: Engine) -> None:
    entries = Entries(engine)
    entries.append([(leaf(0), "ex_0")])
    with pytest.raises(Refused):
        entries.append([(leaf(1), "ex_1"), (leaf(0), "ex_other")])
    assert entries.known([leaf(1)]) == {}
    assert append(entries, range(2, 3)) == [1]
    assert append(entries, range(1, 2)) == [2]


def test_a_file_of_before_is_indexed_when_it_is_opened(engine: Engine, place: Path) -> None:
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(OLD)
        rows = ((one, leaf(one)) for one in range(MANY))
        connection.executemany("INSERT INTO entry VALUES (?, ?)", rows)
        connection.execute("INSERT INTO entry_exhibit VALUES (3, 'ex_3')")
        connection.commit()
    entries = Entries(engine)
    assert indexed(place) == MANY
    assert append(entries, range(MANY - 5, MANY + 5)) == [*range(MANY - 5, MANY + 5)]
    entries.append([(leaf(MANY + 2), "ex_late")])  # it shares its row with others
    assert [entries.exhibit_of(one) for one in (3, 4, MANY + 2)] == ["ex_3", None, "ex_late"]
    assert entries.leaves(MANY - 2, MANY + 2) == [
        leaf(one) for one in range(MANY - 2, MANY + 2)
    ]


def test_an_index_of_before_gives_way_to_runs(engine: Engine, place: Path) -> None:
    """It was a tree of keys; all that it said is in the entries."""
    append(Entries(engine), range(MANY))
    engine.dispose()
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(
            "DROP TABLE entry_run; DROP TABLE entry_block;"
            "CREATE TABLE entry_known (ending BLOB NOT NULL, idx INTEGER NOT NULL,"
            " PRIMARY KEY (ending, idx)) STRICT, WITHOUT ROWID;"
            "CREATE TABLE entry_indexed (size INTEGER NOT NULL PRIMARY KEY) STRICT;"
            "CREATE TRIGGER entry_guard_12 BEFORE UPDATE ON entry_indexed"
            " BEGIN SELECT RAISE(ABORT, 'never changed, never deleted'); END;"
            "INSERT INTO entry_indexed VALUES (17000);"
        )
    entries = Entries(engine)
    assert indexed(place) == MANY
    assert append(entries, range(MANY - 5, MANY + 5)) == [*range(MANY - 5, MANY + 5)]
    with closing(sqlite3.connect(place)) as connection:
        names = "SELECT name FROM sqlite_master WHERE name IN ('entry_known', 'entry_indexed')"
        assert connection.execute(names).fetchall() == []
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE entry_run SET size = 1")


def test_endings_that_are_alike_and_endings_that_span_two(engine: Engine, place: Path) -> None:
    """Of a row of the index none is lost and none is found that is not there."""
    alike = [b"kind %d\n" % one + bytes(range(32)) for one in range(300)]
    entries = Entries(engine)
    entries.append([(one, None) for one in alike])
    append(entries, range(MANY))
    assert indexed(place) == MANY + 300
    late = Entries(engine)
    assert late.known(alike) == {one: at for at, one in enumerate(alike)}
    with closing(sqlite3.connect(place)) as connection:
        blocks = connection.execute("SELECT ends FROM entry_block").fetchall()
    # From the middle of one ending to the middle of the next, its number between them.
    across = [LEAF_LABEL + octets[at : at + 32] for (octets,) in blocks for at in (8, 20, 60)]
    assert late.known(across) == {}
    assert late.append([(one, None) for one in across[:9]]) == [*range(MANY + 300, MANY + 309)]


def test_what_came_together_shares_rows_and_what_is_ours_does_not(
    engine: Engine, place: Path
) -> None:
    entries = Entries(engine)
    append(entries, range(300))
    ours: list[tuple[bytes, str | None]] = [
        (leaf(300), None),
        (leaf(301), "ex_1"),
        (b"guzheng/journal\n" + bytes(32), None),
        (leaf(302), None),
        (leaf(303), None),
    ]
    assert entries.append(ours) == [*range(300, 305)]
    with closing(sqlite3.connect(place)) as connection:
        rows = connection.execute("SELECT idx, size FROM entry ORDER BY idx").fetchall()
    assert rows == [(0, 256), (256, 44), (300, 1), (301, 1), (302, 1), (303, 2)]
    everything = [leaf(one) for one in range(300)] + [one for one, _ in ours]
    assert entries.leaves(0, 305) == everything
    for start in (0, 1, 255, 256, 299, 300, 303):
        for end in (start, start + 1, start + 2, 304):
            assert entries.leaves(start, end) == everything[start:end]


def test_what_was_never_appended_is_known_without_a_question(engine: Engine) -> None:
    """Once a program has asked enough, what was there before it began is remembered too."""
    append(Entries(engine), range(2 * MANY))
    entries = Entries(engine)
    size = 2 * MANY
    for step in range(60):
        asked = [*range(step * 7, step * 7 + 500), *range(size, size + 500)]
        assert entries.append([(leaf(one), None) for one in asked]) == asked
        size += 500
    assert entries.known([leaf(one) for one in range(-5, size + 5)]) == {
        leaf(one): one for one in range(size)
    }


def test_a_file_set_back_under_a_running_program(engine: Engine, place: Path) -> None:
    """What it has in memory is no longer true, and must not be believed."""
    entries = Entries(engine)
    append(entries, range(10))
    engine.dispose()
    shutil.copy(place, place.with_suffix(".old"))
    append(entries, range(20))
    engine.dispose()
    for left in place.parent.glob("ledger.sqlite-*"):
        left.unlink()
    shutil.copy(place.with_suffix(".old"), place)
    assert entries.known([leaf(15)]) == {}
    assert append(entries, range(12, 14)) == [10, 11]
    assert append(entries, range(14)) == [*range(10), 12, 13, 10, 11]


def test_commitments_that_look_alike_meet_in_no_one_place(engine: Engine) -> None:
    """Counters, whose octets are nearly all zero, at either end."""
    entries = Entries(engine)
    big = [LEAF_LABEL + one.to_bytes(32, "big") for one in range(1, MANY)]
    little = [LEAF_LABEL + one.to_bytes(32, "little") for one in range(1, MANY)]
    for leaves in (big, little):
        first = entries.size()
        said: list[tuple[bytes, None]] = [(one, None) for one in leaves]
        assert entries.append(said) == [*range(first, first + len(leaves))]
        assert entries.append(said) == [*range(first, first + len(leaves))]


def test_leaves_of_every_length(engine: Engine, place: Path) -> None:
    entries = Entries(engine)
    odd: list[tuple[bytes, None]] = [(bytes(length), None) for length in range(1, 70)]
    assert entries.append(odd) == [*range(69)]
    append(entries, range(MANY))
    assert indexed(place) > 69
    assert entries.append(odd) == [*range(69)]


def test_a_row_that_was_altered_is_not_believed(engine: Engine, place: Path) -> None:
    entries = Entries(engine)
    append(entries, range(MANY))
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("DROP TRIGGER entry_guard_0")
        connection.execute("UPDATE entry SET leaf = zeroblob(length(leaf)) WHERE idx = 256")
        connection.commit()
    assert entries.known([leaf(255), leaf(256), leaf(511), leaf(512)]) == {
        leaf(255): 255,
        leaf(512): 512,
    }


def test_records_of_one_kind_are_found_without_reading_every_commitment(engine: Engine) -> None:
    entries = Entries(engine)
    append(entries, range(10))
    kept = [b"guzheng/journal\n" + bytes([one]) * 32 for one in range(3)]
    entries.append([(one, None) for one in kept])
    assert entries.labelled(b"guzheng/journal\n") == {
        one: 10 + at for at, one in enumerate(kept)
    }
    with writing(engine) as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT idx FROM entry WHERE leaf >= x'00' AND "  # noqa: S608
            + RECORD
        ).fetchall()
    assert any("entry_record" in str(row) for row in plan)


@pytest.mark.parametrize(
    "statement", ["UPDATE entry_block SET run = 1", "DELETE FROM entry_run"]
)
def test_the_index_only_grows(engine: Engine, place: Path, statement: str) -> None:
    append(Entries(engine), range(MANY))
    with closing(sqlite3.connect(place)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert indexed(place) == MANY
