"""SQL engines that never lose an acknowledged row. SQLAlchemy Core, on SQLite or PostgreSQL.

What PostgreSQL does in its own way is in `server`; this is SQLite's, and the functions of both.

WAL with synchronous=FULL: a commit that returned survives a power cut. Writers take their
lock at the start (BEGIN IMMEDIATE): two writers wait for each other instead of failing
half way. Reading connections are read-only, so whoever writes must say so with `writing`:

    with writing(engine) as connection: connection.execute(insert(...))
    with reading(engine) as connection: connection.execute(select(...))

A full or failing disk and a file that waits too long are `Unavailable`; a file that is damaged
is `Refused`, by its name.

recursive_triggers is on because INSERT OR REPLACE otherwise deletes rows without asking the
delete trigger; append-only tables guard their inserts too (see ledger.records).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.durable import reported

BUSY_MILLISECONDS = 30_000  # SQLite's writers do not queue: on a slow disk one waits long
_SETTINGS = (
    f"PRAGMA busy_timeout={BUSY_MILLISECONDS}",  # first: the next one may have to wait
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
)
_WRITES = "guzheng_writes"
SQLITE = "sqlite"


def open_engine(path: Path) -> Engine:
    """The engine for one SQLite file, which is made (mode 0600) when it is not there."""
    # Made here and not by SQLite, which would let the umask decide who may read it; the
    # -wal and -shm files take over the mode of the file. One that is there is not touched: to
    # close any descriptor of it gives up every lock that this program has on it (POSIX), and
    # another program, which then believes to be the last, would take the log away from us.
    with reported(str(path)), contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=8,
        max_overflow=56,  # a waiting writer must not starve the readers of the thread pool
    )
    event.listen(engine, "connect", _settle)
    event.listen(engine, "begin", _begin)
    return engine


def open_database(url: str) -> Engine:
    """The engine for a database of PostgreSQL: postgresql://USER@HOST:PORT/DATABASE."""
    from guzheng.store import server  # one machine alone needs no driver for it

    engine = server.open_server(url)
    event.listen(engine, "begin", _begin)
    return engine


def drawer(engine: Engine, name: str) -> Engine:
    """The same database, whose writers take turns only with those of the same drawer."""
    if engine.dialect.name == SQLITE:
        return engine  # a file for each
    return engine.execution_options(guzheng_drawer=name)


def insert_missing(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    key = table.primary_key
    if connection.dialect.name == SQLITE:
        local = sqlite.insert(table).values(**row).on_conflict_do_nothing()
        return connection.execute(local.returning(*key)).first() is not None
    from sqlalchemy.dialects import postgresql  # one machine alone need not load it

    shared = postgresql.insert(table).values(**row).on_conflict_do_nothing()
    return connection.execute(shared.returning(*key)).first() is not None


def _settle(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get(_WRITES, False))
    if connection.dialect.name != SQLITE:
        from guzheng.store import server

        server.begin(connection, writes=writes)
        return
    # Told to the driver itself: a page has ten transactions, and SQLAlchemy takes longer to
    # pass these two on than SQLite to do them.
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; committed at the end, rolled back on any error."""
    with (
        _told(engine),
        engine.execution_options(**{_WRITES: True}).begin() as connection,
    ):
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view, which sees no commit made after its first statement."""
    with _told(engine), engine.begin() as connection:
        yield connection


@contextlib.contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """Turn what befell the file into a problem that says so; an error of ours is left alone."""
    if engine.dialect.name != SQLITE:
        from guzheng.store import server

        with server.told(engine):
            yield
        return
    try:
        yield
    except (
        DatabaseError,
        sqlite3.DatabaseError,
    ) as error:  # or the driver's own
        said = error.orig if isinstance(error, DatabaseError) else error
        problem = _problem_of(said, Path(engine.url.database or "").name)
        if problem is None:
            raise
        raise problem from error


def _problem_of(error: object, file: str) -> Problem | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary result code
    if str(error).startswith("Could not decode to UTF-8"):  # a bit that turned over
        code = sqlite3.SQLITE_CORRUPT
    found = f"{file}: {error}"
    match code:
        case sqlite3.SQLITE_FULL:
            return Unavailable(
                "store.disk-full",
                expected="room to write",
                found=found,
                act="the operator frees space on that file system; nothing was changed",
            )
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
            return Unavailable(
                "store.device-failed",
                expected="a file system that reads and writes",
                found=found,
                act="the operator examines that disk; nothing was changed",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(
                "store.busy",
                expected=f"the turn to write within {BUSY_MILLISECONDS // 1000} s",
                found=found,
                act="try again; nothing was changed",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Refused(
                "store.table-damaged",
                expected="the SQLite file as it was written",
                found=found,
                act="run rebuild: it sets the file aside, and makes it again from the papers",
            )
        case _:
            return None


def find_damage(path: Path) -> str:
    """What SQLite finds wrong with a file of its own; empty when there is nothing.

    Raises Unavailable when it cannot be looked at now: that is no damage."""
    if not path.exists():
        return ""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_MILLISECONDS / 1000)) as one:
            said = one.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        problem = _problem_of(error, path.name)
        if isinstance(problem, Unavailable):
            raise problem from error
        return str(error)
    return "" if said == ("ok",) else str(said[0] if said else "no answer")
