"""Tables, made where they are missing: one look at what is there, each statement spelled once.

SQLAlchemy looks for every table and index alone, and spells each statement anew. An
installation has sixty of them, and every command opens it: that took more of the processor
than all else it does to open. PostgreSQL is asked by SQLAlchemy as it is; a server is opened
for longer.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Index, Table, inspect
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from guzheng.store.records import SQLITE

_HERE = dialect()


def is_there(connection: Connection, table: Table) -> bool:
    if connection.dialect.name != SQLITE:
        return inspect(connection).has_table(table.name)
    return table.name in _names(connection)


def make(connection: Connection, tables: Iterable[Table]) -> list[Table]:
    """Make those that are not there, with their indexes, in a `writing`; gives them."""
    if connection.dialect.name != SQLITE:
        missing = [one for one in tables if not is_there(connection, one)]
        for table in missing:
            table.create(connection, checkfirst=True)
        return missing
    there = _names(connection)
    missing = [one for one in tables if one.name not in there]
    for table in missing:
        _do(connection, _spelled(table))
        for index in table.indexes:
            _do(connection, _spelled(index))
    return missing


def make_indexes(connection: Connection, table: Table) -> None:
    """Those that came later than their table."""
    if connection.dialect.name != SQLITE:
        for index in table.indexes:
            index.create(connection, checkfirst=True)
        return
    there = _names(connection)
    for index in table.indexes:
        if index.name not in there:
            _do(connection, _spelled(index))


def columns(connection: Connection, table: Table) -> frozenset[str]:
    """The columns that the table has, whatever it should have."""
    if connection.dialect.name != SQLITE:
        return frozenset(one["name"] for one in inspect(connection).get_columns(table.name))
    return frozenset(row[1] for row in _do(connection, f"PRAGMA table_info({table.name})"))


@lru_cache(maxsize=256)  # those of shards are made anew at each opening
def _spelled(one: Table | Index) -> str:
    statement = CreateTable(one) if isinstance(one, Table) else CreateIndex(one)
    return str(statement.compile(dialect=_HERE))


def _names(connection: Connection) -> frozenset[str]:
    asked = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')"
    return frozenset(row[0] for row in _do(connection, asked))


def _do(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Told to the driver itself, as `records` does: SQLAlchemy takes longer to pass it on."""
    driver: Any = connection.connection.driver_connection
    found: list[tuple[Any, ...]] = driver.execute(statement).fetchall()
    return found
