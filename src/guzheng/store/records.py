"""SQL engines that never lose an acknowledged row. SQLAlchemy Core; SQLite in this module.

WAL with synchronous=FULL: a commit that returned survives a power cut. Writers take their
lock at the start (BEGIN IMMEDIATE): two writers wait for each other instead of failing
half way. Reading connections are read-only, so whoever writes must say so with `writing`:

    with writing(engine) as connection: connection.execute(insert(...))
    with reading(engine) as connection: connection.execute(select(...))

recursive_triggers is on because INSERT OR REPLACE otherwise deletes rows without asking the
delete trigger; append-only tables guard their inserts too (see ledger.records).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_MILLISECONDS = 10_000
_SETTINGS = (
    f"PRAGMA busy_timeout={BUSY_MILLISECONDS}",  # first: the next one may have to wait
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
)
_WRITES = "guzheng_writes"


def open_engine(path: Path) -> Engine:
    """The engine for one SQLite file, which is made (mode 0600) when it is not there."""
    # Made here and not by SQLite, which would let the umask decide who may read it; the
    # -wal and -shm files take over the mode of the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=8,
        max_overflow=56,  # a waiting writer must not starve the readers of the thread pool
    )
    event.listen(engine, "connect", _settle)
    event.listen(engine, "begin", _begin)
    return engine


def _settle(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get(_WRITES, False))
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; committed at the end, rolled back on any error."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view, which sees no commit made after its first statement."""
    with engine.begin() as connection:
        yield connection
