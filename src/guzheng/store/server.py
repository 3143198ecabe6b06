"""PostgreSQL behind the functions of `records`, and leases that many machines share.

An acknowledged row must survive a power cut here too: a server that runs with fsync off is
refused. Every commit asks for `remote_apply`: with no synchronous standby that is the flush of
this server's own log, and with one (the operator sets synchronous_standby_names) a row is
acknowledged when the standby has it, so that a failover forgets nothing.

Writers of one drawer (the ledger's tables, the index) take their turn at the start, by a lock
of the transaction, as BEGIN IMMEDIATE makes them on SQLite: what they read is what they change.

A lease is an advisory lock of one session that a process keeps for all of its leases: it ends
with the process, or with the connection. Leases spare work; what must never happen twice is
kept from it elsewhere (a name never changes its bytes, a checkpoint is swapped), because after
a failover two sessions may each believe that they hold one.
"""

import contextlib
import hashlib
import threading
import time
import weakref
from collections.abc import Iterator

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from guzheng.refusals import Problem, Refused, Unavailable

DRIVER = "postgresql+psycopg"
DRAWER = "guzheng_drawer"  # execution option: whose turn a writer takes
WAIT_SECONDS = 10
_AGAIN_SECONDS = 0.05  # between two looks at a lease that another holds
_SETTINGS = (
    "SET synchronous_commit = remote_apply",
    f"SET lock_timeout = '{WAIT_SECONDS}s'",
    "SET idle_in_transaction_session_timeout = '120s'",  # whose machine went away
    "SET TimeZone = 'UTC'",
)
_AWAY = ("08", "57", "25006", "58")  # connection, shutdown, a standby, a failing device
_BUSY = ("40", "55", "53300", "53200")
_FULL = ("53100",)
_FORBIDDEN = ("42501", "28", "3D")
_DAMAGED = ("XX001", "XX002")


def open_server(url: str) -> Engine:
    """The engine for one database; raises Refused where it could forget, or the URL is none."""
    try:
        made = make_url(url)
        if made.drivername not in {"postgresql", "postgres", DRIVER}:
            raise ValueError("another kind of database")
        made = made.set(drivername=DRIVER)
        engine = create_engine(
            made,
            pool_size=4,
            max_overflow=12,
            pool_timeout=30,
            pool_pre_ping=True,  # after a failover the connections of before are of no use
            connect_args={"connect_timeout": WAIT_SECONDS},
        )
    except (exc.ArgumentError, ValueError) as error:
        raise Refused(
            "config.value-refused",
            expected="database_url: postgresql://USER@HOST:PORT/DATABASE",
            found="another form",  # which may hold a password
            act="mend the setting",
        ) from error
    event.listen(engine, "connect", _settle)
    weakref.finalize(engine, engine.pool.dispose)  # the server is told at once, at any end
    with told(engine), engine.connect() as connection:
        keeps = connection.execute(text("SHOW fsync")).scalar_one()
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if (keeps, encoding) != ("on", "UTF8"):
        engine.dispose()
        raise Refused(
            "store.server-unsuited",
            expected="a database in UTF8 on a server with fsync = on",
            found=f"fsync = {keeps}, {encoding}",
            act="the operator sets fsync = on; a server that may forget holds no ledger",
        )
    return engine


def _settle(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.close()
    connection.commit()


def begin(connection: Connection, *, writes: bool) -> None:
    """What a transaction begins with: a reader its view, a writer its turn."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return  # a session of leases, which has none
    if not writes:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    drawer = connection.get_execution_options().get(DRAWER, "")
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:drawer)"), {"drawer": number_of(f"drawer {drawer}")}
    )


def number_of(name: str) -> int:
    """The number of an advisory lock: 63 bits of the name's digest, the same everywhere."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


@contextlib.contextmanager
def told(engine: Engine) -> Iterator[None]:
    """Turn what befell the server into a problem that says so; ours are left alone."""
    try:
        yield
    except exc.TimeoutError as error:
        raise _busy(engine, "every connection is in use") from error
    except (exc.DBAPIError, psycopg.Error) as error:  # of SQLAlchemy, or the driver's own
        said = error.orig if isinstance(error, exc.DBAPIError) else error
        problem = _problem_of(engine, said)
        if problem is None:
            raise
        raise problem from error


def _problem_of(engine: Engine, error: BaseException | None) -> Problem | None:
    state = str(getattr(error, "sqlstate", None) or "")
    found = f"{engine.url.database}: {str(error).partition(chr(10))[0]}"
    if state.startswith(_FULL):
        return Unavailable(
            "store.disk-full",
            expected="room to write",
            found=found,
            act="the operator frees space on the database server; nothing was changed",
        )
    if state.startswith(_BUSY):
        return _busy(engine, found)
    if state.startswith(_DAMAGED):
        return Refused(
            "store.table-damaged",
            expected="the tables as they were written",
            found=found,
            act="restore the database, or begin an empty one and run rebuild",
        )
    if state.startswith(_FORBIDDEN):
        return Refused(
            "store.server-forbidden",
            expected="a database of this user, who may make tables in it",
            found=found,
            act="the operator mends the rights of the user",
        )
    if state.startswith(_AWAY) or (isinstance(error, psycopg.OperationalError) and not state):
        return Unavailable(
            "store.server-away",
            expected="a database server that answers and may be written to",
            found=found,
            act="try again; the operator examines that server",
        )
    return None


def _busy(engine: Engine, found: str) -> Unavailable:
    return Unavailable(
        "store.busy",
        expected=f"the turn to write within {WAIT_SECONDS} s",
        found=f"{engine.url.database}: {found}",
        act="try again; nothing was changed",
    )


class ServerLeases:
    """Leases of one process, held by one session; see lease.Leases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: list[Connection] = []  # one, while there is one
        self._asking = threading.Lock()  # one statement at a time in the session
        weakref.finalize(self, _close, self._session)
        self._ours: set[str] = set()  # a session may lock again what it holds: others may not

    @contextlib.contextmanager
    def hold(self, name: str, *, wait: bool) -> Iterator[bool]:
        while not (held := self._take(name)) and wait:
            time.sleep(_AGAIN_SECONDS)
        try:
            yield held
        finally:
            if held:
                self._give_back(name)

    def _take(self, name: str) -> bool:
        with self._asking:
            if name in self._ours:
                return False
            if not self._ask("SELECT pg_try_advisory_lock(:number)", name):
                return False
            self._ours.add(name)
            return True

    def _give_back(self, name: str) -> None:
        with self._asking:
            self._ours.discard(name)
            with contextlib.suppress(Unavailable):  # ended with its connection
                self._ask("SELECT pg_advisory_unlock(:number)", name)

    def _ask(self, question: str, name: str) -> bool:
        """In the session; a lost one is opened anew, and with it all its leases are lost."""
        number = {"number": number_of(f"lease {name}")}
        with told(self._engine):
            while True:
                kept = bool(self._session)
                try:
                    if not kept:
                        made = self._engine.connect()
                        options = {"isolation_level": "AUTOCOMMIT"}
                        self._session.append(made.execution_options(**options))
                    return bool(self._session[0].execute(text(question), number).scalar_one())
                except exc.DBAPIError:
                    while self._session:
                        lost = self._session.pop()
                        lost.invalidate()
                        lost.close()
                    if not kept:
                        raise


def _close(session: list[Connection]) -> None:
    for one in session:
        with contextlib.suppress(exc.DBAPIError):
            one.close()
