"""The engine: what was committed is there, writers wait, readers cannot write."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from guzheng.store.records import BUSY_MILLISECONDS, open_engine, reading, writing


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_engine(tmp_path / "records.sqlite")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE n (value INTEGER PRIMARY KEY) STRICT"))
        connection.execute(text("CREATE TABLE m (n INTEGER REFERENCES n (value)) STRICT"))
    return engine


def test_the_settings_that_keep_rows(engine: Engine) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": BUSY_MILLISECONDS,
    }
    with reading(engine) as one, writing(engine) as two:
        for connection in (one, two):
            for name, value in expected.items():
                assert connection.execute(text(f"PRAGMA {name}")).scalar() == value


def test_a_reader_cannot_write_and_a_plain_transaction_is_a_reader(engine: Engine) -> None:
    insert = text("INSERT INTO n VALUES (1)")
    with pytest.raises(OperationalError, match="readonly"), reading(engine) as connection:
        connection.execute(insert)
    with pytest.raises(OperationalError, match="readonly"), engine.begin() as connection:
        connection.execute(insert)
    with writing(engine) as connection:  # the same pooled connection may write again
        connection.execute(insert)


def test_all_or_nothing(engine: Engine) -> None:
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(text("INSERT INTO n VALUES (1)"))
        connection.execute(text("INSERT INTO m VALUES (2)"))
        connection.commit()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM n")).scalar() == 0


def test_writers_wait_for_each_other(engine: Engine) -> None:
    def add() -> None:
        for _ in range(25):
            with writing(engine) as connection:
                query = text("SELECT coalesce(max(value), 0) + 1 FROM n")
                value = connection.execute(query).scalar()
                connection.execute(text("INSERT INTO n VALUES (:value)"), {"value": value})

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT max(value) FROM n")).scalar() == 200


def test_the_files_are_their_owners_only(engine: Engine, tmp_path: Path) -> None:
    files = list(tmp_path.glob("records.sqlite*"))
    assert len(files) >= 2  # -wal and -shm too
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_committed_row_survives_the_death_of_its_program(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from sqlalchemy import text\n"
        "from guzheng.store.records import open_engine, writing\n"
        "engine = open_engine(Path(sys.argv[1]))\n"
        "with writing(engine) as c: c.execute(text('CREATE TABLE n (value INT) STRICT'))\n"
        "for value in range(10**9):\n"
        "    with writing(engine) as c: c.execute(text(f'INSERT INTO n VALUES ({value})'))\n"
        "    print(value, flush=True)\n"
        "    if value == 40: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "killed.sqlite"
    run = [sys.executable, "-c", program, str(path)]
    said = subprocess.run(run, capture_output=True, check=False, timeout=120).stdout.split()
    with reading(open_engine(path)) as connection:
        kept = [row.value for row in connection.execute(text("SELECT value FROM n"))]
    assert kept[: len(said)] == [int(value) for value in said]
    assert len(said) == 41


def test_a_second_engine_for_a_file_does_not_give_up_the_locks_of_the_first(
    tmp_path: Path,
) -> None:
    """Else another program that ends takes the log away, and what is committed is not seen."""
    path = tmp_path / "some.sqlite"
    first = open_engine(path)
    with writing(first) as connection:
        connection.execute(text("CREATE TABLE one (number INTEGER)"))
    second = open_engine(path)
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    program += "c.execute('INSERT INTO one VALUES (7)'); c.commit(); c.close()"
    for seen in (1, 2):
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        for engine in (first, second):
            with reading(engine) as connection:
                count = connection.execute(text("SELECT count(*) FROM one")).scalar_one()
            assert count == seen
    first.dispose()
    second.dispose()
