"""Tables are made where they are missing, as SQLAlchemy would make them, on both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Index, MetaData, Table, Text, inspect
from sqlalchemy import UniqueConstraint as Unique

from guzheng.store import tables
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.records import open_engine, reading, writing
from tests import engines


def some(*later: str) -> tuple[MetaData, Table, Table]:
    metadata = MetaData()
    one = Table(
        "one",
        metadata,
        Column("number", NUMBER, primary_key=True, autoincrement=False),
        Column("said", Text, nullable=False, server_default=""),
        Unique("said").ddl_if(dialect="postgresql"),
        *(Index(f"one_by_{name}", name, "number") for name in later),
        sqlite_strict=True,
    )
    other = Table(
        "other",
        metadata,
        Column("number", NUMBER, ForeignKey("one.number"), primary_key=True),
        text_column("word"),
        Index("other_by_word", "word"),
        sqlite_strict=True,
    )
    return metadata, one, other


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "tables")


def test_what_is_missing_is_made_once(engine: Engine) -> None:
    metadata, one, other = some()
    with writing(engine) as connection:
        assert tables.make(connection, [one]) == [one]
    with writing(engine) as connection:
        assert tables.make(connection, metadata.sorted_tables) == [other]
    with writing(engine) as connection:
        assert tables.make(connection, metadata.sorted_tables) == []
    with reading(engine) as connection:
        assert tables.is_there(connection, other)
        assert tables.columns(connection, one) == {"number", "said"}
        indexes = inspect(connection).get_indexes("other")
    assert [named["name"] for named in indexes] == ["other_by_word"]


def test_an_index_may_come_later(engine: Engine) -> None:
    _, one, _ = some()
    with writing(engine) as connection:
        tables.make(connection, [one])
    _, one, _ = some("said")
    for _ in range(2):
        with writing(engine) as connection:
            assert tables.make(connection, [one]) == []
            tables.make_indexes(connection, one)
    with reading(engine) as connection:
        names = {named["name"] for named in inspect(connection).get_indexes("one")}
    assert "one_by_said" in names


def test_what_was_begun_and_not_committed_is_not_there(engine: Engine) -> None:
    _, one, _ = some()
    with pytest.raises(InterruptedError), writing(engine) as connection:
        tables.make(connection, [one])
        raise InterruptedError
    with reading(engine) as connection:
        assert not tables.is_there(connection, one)


def test_they_are_what_sqlalchemy_makes(tmp_path: Path) -> None:
    spelled = []
    for name in ("ours", "theirs"):
        metadata, _, _ = some("said")
        engine = open_engine(tmp_path / name)
        with writing(engine) as connection:
            if name == "ours":
                tables.make(connection, metadata.sorted_tables)
            else:
                metadata.create_all(connection)
            rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_schema")
            spelled.append(sorted((kind, named, str(sql)) for kind, named, sql in rows))
        engine.dispose()
    assert spelled[0] == spelled[1]
