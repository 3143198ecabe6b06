"""What every database must do: one body, run on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.exc import DBAPIError

from guzheng.ledger.records import Entries
from guzheng.refusals import Refused, Unavailable
from guzheng.store.lease import Place, leased
from guzheng.store.records import (
    insert_missing,
    open_database,
    reading,
    writing,
)
from guzheng.store.server import ServerLeases
from tests import engines

TABLES = MetaData()
NUMBER = Table("number", TABLES, Column("n", Integer, primary_key=True), Column("said", Text))


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "test")


def test_what_was_written_is_read_and_what_failed_is_not(engine: Engine) -> None:
    with writing(engine) as connection:
        TABLES.create_all(connection)
        connection.execute(insert(NUMBER), [{"n": 1, "said": "一"}])
    with pytest.raises(KeyError), writing(engine) as connection:
        connection.execute(insert(NUMBER), [{"n": 2, "said": "二"}])
        raise KeyError("in the middle")
    with reading(engine) as connection:
        assert connection.execute(select(NUMBER)).all() == [(1, "一")]


def test_a_reader_cannot_write(engine: Engine) -> None:
    with writing(engine) as connection:
        TABLES.create_all(connection)
    with pytest.raises((DBAPIError, Unavailable)), reading(engine) as connection:
        connection.execute(insert(NUMBER), [{"n": 1}])


def test_a_reader_has_one_view(engine: Engine) -> None:
    with writing(engine) as connection:
        TABLES.create_all(connection)
    with reading(engine) as reader:
        assert reader.execute(select(NUMBER)).all() == []
        with writing(engine) as connection:
            connection.execute(insert(NUMBER), [{"n": 1}])
        assert reader.execute(select(NUMBER)).all() == []


def test_writers_take_turns(engine: Engine) -> None:
    """What a writer read is what it changes: none of these is lost."""
    with writing(engine) as connection:
        TABLES.create_all(connection)

    def count() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                greatest = max(connection.execute(select(NUMBER.c.n)).scalars(), default=0)
                connection.execute(insert(NUMBER), [{"n": greatest + 1}])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert len(connection.execute(select(NUMBER)).all()) == 40


def test_a_row_is_inserted_unless_it_is_there(engine: Engine) -> None:
    with writing(engine) as connection:
        TABLES.create_all(connection)
        assert insert_missing(connection, NUMBER, {"n": 1, "said": "first"})
        assert not insert_missing(connection, NUMBER, {"n": 1, "said": "second"})
        assert connection.execute(select(NUMBER.c.said)).scalar_one() == "first"


@pytest.fixture(params=engines.BOTH)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Place]:
    """The same leases, as two processes see them."""
    if request.param == "sqlite":
        return tmp_path, tmp_path
    server: engines.Postgres = request.getfixturevalue("postgres")
    opened = [open_database(server.database(engines.fresh("leases")))]
    opened.append(open_database(opened[0].url.render_as_string()))
    for one in opened:
        request.addfinalizer(one.dispose)
    return ServerLeases(opened[0]), ServerLeases(opened[1])


def test_one_holds_a_lease(places: tuple[Place, Place]) -> None:
    one, other = places
    with leased(one, "a", wait=False) as held:
        assert held
        for place in places:  # neither another process nor another thread of ours
            with leased(place, "a", wait=False) as again:
                assert not again
        with leased(other, "b", wait=False) as free:
            assert free
    with leased(other, "a", wait=True) as held:
        assert held


def test_who_waits_for_a_lease_gets_it(places: tuple[Place, Place]) -> None:
    order: list[str] = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with leased(places[1], "a", wait=True):
            order.append("second")

    thread = threading.Thread(target=second)
    with leased(places[0], "a", wait=True):
        thread.start()
        begun.wait()
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def leaf(number: int) -> bytes:
    return b"guzheng/leaf/v1\n" + number.to_bytes(32, "big")


def test_many_append_at_once_and_each_leaf_has_one_number(engine: Engine) -> None:
    entries = [Entries(engine), Entries(engine)]  # as two processes have them
    numbers: dict[int, set[int]] = {}
    lock = threading.Lock()

    def append(who: int) -> None:
        for start in range(0, 40, 8):
            wanted = range(start, start + 8 + who)
            got = entries[who % 2].append([(leaf(one), f"ex_{one}") for one in wanted])
            with lock:
                for one, number in zip(wanted, got, strict=True):
                    numbers.setdefault(one, set()).add(number)

    threads = [threading.Thread(target=append, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(one) == 1 for one in numbers.values())
    size = entries[0].size()
    assert sorted(next(iter(one)) for one in numbers.values()) == list(range(size))
    assert set(entries[1].leaves(0, size)) == {leaf(one) for one in numbers}
    for one, (number,) in numbers.items():
        assert entries[0].index_of(leaf(one)) == number
        assert entries[0].exhibit_of(number) == f"ex_{one}"


def test_who_is_refused_refuses_nobody_else(engine: Engine) -> None:
    entries = Entries(engine)
    entries.append([(leaf(0), "ex_0")])
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def append(who: int) -> None:
        barrier.wait()
        try:
            entries.append([(leaf(who), f"ex_{who}"), (leaf(0), f"ex_{who % 3 and 9}")])
            outcomes.append("kept")
        except Refused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=append, args=(who,)) for who in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept"] * 2 + ["ledger.leaf-of-another"] * 4
    assert entries.size() == 3


@engines.together
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET leaf = '\\x00' WHERE idx = 1",
        "DELETE FROM entry WHERE idx = 2",
        "TRUNCATE entry CASCADE",
        "INSERT INTO entry VALUES (7, '\\x00')",
        "INSERT INTO entry VALUES (-1, '\\x00')",
        "INSERT INTO entry VALUES (3, '\\x00'), (5, '\\x01')",
        "INSERT INTO entry VALUES (1, '\\x00') ON CONFLICT (idx) DO UPDATE SET leaf = '\\x00'",
        "UPDATE entry_exhibit SET exhibit = 'ex_other'",
        "DELETE FROM entry_exhibit",
        "TRUNCATE entry_exhibit",
        "INSERT INTO entry_exhibit VALUES (1, 'ex_other')",
    ],
)
def test_the_tables_of_a_server_only_grow(
    grown: tuple[engines.Postgres, str], statement: str
) -> None:
    server, name = grown
    everything = "SELECT * FROM entry LEFT JOIN entry_exhibit USING (idx)"
    before = server.run(everything, database=name)
    with pytest.raises(psycopg.Error):
        server.run(statement, database=name)
    after = server.run(everything, database=name)
    assert len(before) == 3
    assert before == after


@pytest.fixture(scope="module")
def grown(postgres: engines.Postgres) -> tuple[engines.Postgres, str]:
    name = engines.fresh("grown")
    engine = open_database(postgres.database(name))
    Entries(engine).append([(leaf(one), f"ex_{one}") for one in range(3)])
    engine.dispose()
    return postgres, name


@engines.together
def test_a_server_that_may_forget_is_refused() -> None:
    with engines.postgres_room() as room:
        careless = engines.Postgres.make(room / "careless")
        with (careless.folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("fsync = off\n")
        careless.start()
        try:
            with pytest.raises(Refused) as refused:
                open_database(careless.url("postgres"))
            assert refused.value.code == "store.server-unsuited"
        finally:
            careless.stop()
    with pytest.raises(Unavailable) as away:
        open_database(careless.url("postgres"))
    assert away.value.code == "store.server-away"


def test_a_url_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(Refused) as refused:
        open_database("postgresql:/guzheng:a-secret@host:port")
    assert refused.value.code == "config.value-refused"
    assert "a-secret" not in str(refused.value)
