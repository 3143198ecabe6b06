"""Work that outlives a request: a queue that survives kill -9, over DBOS.

A job is `walk(exhibit)` and nothing more: take the next step until none is left. The papers
decide which step that is; DBOS only remembers to try, with patience when an outside party is
away. So losing the whole job file loses no evidence: the next start sweeps the index for what
is unfinished and queues it again.

Four guards round DBOS 3.4 (docs/decisions/0003): its SQLite file is put into WAL before it
opens it; the application version is ours and fixed, or every change of code would strand jobs;
values are stored as portable JSON, never pickle; and one process at a time runs the queue on
SQLite, by a lease.

On PostgreSQL any number of processes run it. Each holds a lease under a name of its own while
it does; a walk whose runner's lease is free has lost its runner, and is queued again.
"""

import contextlib
import itertools
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.durable import reported
from guzheng.store.lease import Place, leased
from guzheng.store.records import find_damage

if TYPE_CHECKING:
    from dbos import WorkflowStatus

LEASE, STARTING = "jobs", "jobs-starting"
QUEUE = "walks"
_VERSION = "1"  # of the workflow below; another order of steps needs another name, not this
_SWEEP_SECONDS = 30.0
_SWEEPS_OF_REFUSED = 20  # what somebody must act on is tried again every ten minutes
_POLL_SECONDS = 0.25  # an idle server should cost next to nothing
_TRANSIENT = (SQLAlchemyError, sqlite3.Error)  # of DBOS's own file
_LIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})


@dataclass(frozen=True, slots=True)
class Turn:
    """In which queue an exhibit waits, and behind whom: a lower number goes first, and among
    equals who came first. 0 is before all others."""

    queue: str = QUEUE
    number: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What the queue needs of the platform. `advance` gives False when nothing is left;
    `tend` is what else is to be done now and then, and may take its time. `noted` is told by
    what a step failed, or that it goes on; `refused` gives those that somebody must act for
    first."""

    advance: Callable[[str], bool]
    unfinished: Callable[[], tuple[str, ...]]
    tend: Callable[[], object] = lambda: None
    turn: "Callable[[str], Turn]" = lambda _exhibit: Turn()
    noted: Callable[[str, Problem | None], object] = lambda _exhibit, _problem: None
    refused: Callable[[], frozenset[str]] = frozenset


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a step is tried at once while an outside party is away; then a sweep is."""

    attempts: int
    first_seconds: float = 0.5
    growth: float = 2.0

    @classmethod
    def of(cls, seconds: int) -> "Patience":
        """Waiting about this long in all: 0.5 s, 1 s, 2 s, …"""
        return cls(attempts=max(1, int(2 * seconds + 1).bit_length()))


class Jobs:
    """The queue of one process; `running` holds the lease of the data directory."""

    def __init__(
        self,
        place: Path | str,
        leases: Place,
        work: Work,
        *,
        at_once: int,
        patience: Patience,
        runner: str = "embedded",
        queues: Mapping[str, int] | None = None,
    ) -> None:
        """`place`: a file of SQLite for one process, or the URL of a database for many, of
        which each has a `runner` name of its own. `queues`: those that are taken from besides
        the usual one, and how many at once from each."""
        self._place = place
        self._runner = runner
        self._leases = leases
        self._work = work
        self._queues = {QUEUE: at_once, **(queues or {})}
        self._patience = patience
        self._queue: _Queue | None = None
        self._failures: dict[str, Problem] = {}

    def enqueue(self, exhibit: str) -> None:
        """Try soon; or else the sweep will, here or in the process that runs the queue.

        Never raises for the queue's sake: what is to be walked is durable already."""
        queue = self._queue
        if queue is not None:
            with contextlib.suppress(Unavailable, *_TRANSIENT):
                queue.add(exhibit, self._work.turn(exhibit))

    def failure(self, exhibit: str) -> Problem | None:
        """Why its last step here was not taken."""
        return self._failures.get(exhibit)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the queue in this process until the end of the block."""
        with leased(self._leases, self._lease(self._runner), wait=False) as held:
            if not held:
                raise Refused(
                    "jobs.already-running",
                    expected="one worker for an embedded installation",
                    found="another process runs the queue of this data directory",
                    act="use that one, or stop it first",
                )
            # One at a time: DBOS makes its tables when it starts.
            with _file_works(self._place), leased(self._leases, STARTING, wait=True):
                queue = _Queue(
                    self._place,
                    self._advance,
                    self._queues,
                    self._patience,
                    self._runner,
                    self._is_gone,
                )
            self._queue = queue
            stopped = threading.Event()
            sweeper = threading.Thread(target=self._sweep, args=(stopped,), daemon=True)
            sweeper.start()
            # Not waited for at the end: it may be asking somebody far away, and may be killed.
            threading.Thread(target=self._tend, args=(stopped,), daemon=True).start()
            try:
                yield
            finally:
                self._queue = None
                stopped.set()
                sweeper.join()
                queue.stop()

    def _lease(self, runner: str) -> str:
        return LEASE if isinstance(self._place, Path) else f"{LEASE} {runner}"

    def _is_gone(self, runner: str) -> bool:
        """Whether a runner of a shared queue has died; on SQLite the next start takes over."""
        if isinstance(self._place, Path) or runner == self._runner:
            return False
        with leased(self._leases, self._lease(runner), wait=False) as free:
            return free

    def _advance(self, exhibit: str) -> bool:
        try:
            more = self._work.advance(exhibit)
        except Problem as problem:
            self._failures[exhibit] = problem
            with contextlib.suppress(Problem):  # else it is tried again the sooner
                self._work.noted(exhibit, problem)
            raise
        if self._failures.pop(exhibit, None) is not None:
            with contextlib.suppress(Problem):
                self._work.noted(exhibit, None)
        return more

    def _sweep(self, stopped: threading.Event) -> None:
        for number in itertools.count():
            # A full disk or a busy file now says nothing of the next time.
            with contextlib.suppress(Problem, *_TRANSIENT):
                all_of_them = number % _SWEEPS_OF_REFUSED == 0
                refused = frozenset() if all_of_them else self._work.refused()
                for exhibit in self._work.unfinished():
                    if exhibit not in refused:
                        self.enqueue(exhibit)
            if stopped.wait(_SWEEP_SECONDS):
                return

    def _tend(self, stopped: threading.Event) -> None:
        while not stopped.wait(_SWEEP_SECONDS):
            with contextlib.suppress(Problem, *_TRANSIENT):
                self._work.tend()

    def until_idle(self) -> tuple[str, ...]:
        """Walk all that is unfinished, each once; gives those that could not be finished."""
        queue = self._queue
        if queue is None:
            raise RuntimeError("until_idle belongs inside running")
        tried: set[str] = set()
        while fresh := [one for one in self._work.unfinished() if one not in tried]:
            tried.update(fresh)
            turns = [(one, self._work.turn(one)) for one in fresh]
            ours = [(one, turn) for one, turn in turns if turn.queue in self._queues]
            with _file_works(self._place):
                for wait in [queue.add(one, turn) for one, turn in ours]:
                    wait()
        return self._work.unfinished()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Making DBOS makes it log; what fails here is told by who asked."""
    said = logging.getLogger("dbos")
    if not said.handlers:  # else it takes hold of standard error as it is now, for good
        said.addHandler(logging.NullHandler())
        said.propagate = False
    yield
    said.setLevel(logging.CRITICAL)


class _Queue:
    """DBOS, started. Only one may be alive in a process: DBOS keeps its state globally."""

    def __init__(
        self,
        place: Path | str,
        take_step: Callable[[str], bool],
        queues: Mapping[str, int],
        patience: Patience,
        runner: str,
        is_gone: Callable[[str], bool],
    ) -> None:
        # Imported here: most commands run no queue, and DBOS takes a second to load.
        from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer

        if isinstance(place, Path):
            _prepare(place)
        config: DBOSConfig = {
            "name": "guzheng",
            "system_database_url": f"sqlite:///{place}" if isinstance(place, Path) else place,
            "sys_db_pool_size": sum(queues.values()) + 4,
            "application_version": _VERSION,
            "executor_id": runner,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "CRITICAL",  # what fails is said by its face, and stays in the index
        }
        self._dbos = DBOS
        with _unheard():
            DBOS(config=config)

        @DBOS.step(
            name="advance",
            retries_allowed=True,
            max_attempts=patience.attempts,
            interval_seconds=patience.first_seconds,
            backoff_rate=patience.growth,
            should_retry=lambda error: isinstance(error, Unavailable),
        )
        def advance(exhibit: str) -> bool:
            return take_step(exhibit)

        @DBOS.workflow(name="walk")
        def walk(exhibit: str) -> None:
            while advance(exhibit):
                pass

        self._walk = walk
        self._is_gone = is_gone
        self._attempts: dict[str, int] = {}  # where to look first, not a truth
        self._adding = threading.Lock()
        try:
            DBOS.listen_queues(tuple(queues))
            DBOS.launch()
            for queue, at_once in queues.items():
                DBOS.register_queue(
                    queue,
                    worker_concurrency=at_once,
                    polling_interval_sec=_POLL_SECONDS,
                    on_conflict="always_update",
                )
        except BaseException:
            self.stop()
            raise

    def add(self, exhibit: str, turn: Turn) -> Callable[[], None]:
        """Queue a walk unless one is alive; gives what waits for its end, however it ends."""
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        with self._adding:
            attempt = self._attempts.get(exhibit, 0)
            while (status := DBOS.get_workflow_status(f"{exhibit}-{attempt}")) is not None:
                if status.status in _LIVE and not self._has_lost_its_runner(status):
                    break
                attempt += 1
            else:
                with (
                    SetWorkflowID(f"{exhibit}-{attempt}"),
                    SetEnqueueOptions(priority=turn.number or None),
                ):
                    DBOS.enqueue_workflow(turn.queue, self._walk, exhibit)
            self._attempts[exhibit] = attempt
        return lambda: self._wait(f"{exhibit}-{attempt}")

    def _has_lost_its_runner(self, status: "WorkflowStatus") -> bool:
        return status.status == "PENDING" and self._is_gone(status.executor_id or "")

    def _wait(self, workflow: str) -> None:
        while (status := self._dbos.get_workflow_status(workflow)) and status.status in _LIVE:
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        self._dbos.destroy(destroy_registry=True)


@contextlib.contextmanager
def _file_works(place: Path | str) -> Iterator[None]:
    """The queue's own file may be on a full disk; the exhibits wait in the index meanwhile."""
    try:
        yield
    except _TRANSIENT as error:
        raise Unavailable(
            "jobs.file-failed",
            expected="a queue that can write its file",
            found=f"{_name_of(place)}: {str(error).partition(chr(10))[0]}",
            act="the operator frees space or examines that disk; nothing is lost",
        ) from error


def _name_of(place: Path | str) -> str:
    """Without the user and the password that a URL may have."""
    return place.name if isinstance(place, Path) else place.rpartition("/")[2]


def _prepare(file: Path) -> None:
    """Settle what DBOS leaves open. A damaged file is begun anew: nothing in it is a truth."""
    if find_damage(file):
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    with reported(str(file)):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # stays in the file; DBOS sets none
