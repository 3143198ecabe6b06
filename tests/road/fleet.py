"""Web and worker processes of one installation, killed at random, and started again.

Each is the installed program, as a supervisor of the system would start it: what ends, however
it ends, is started again at once, as long as the fleet runs."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from tests import plain
from tests.ports import free_port
from tests.road.programs import started

READY_SECONDS = 240.0
AGAIN_SECONDS = 10.0  # before a program that ended by itself is started again


@dataclass
class Member:
    """One program: `port` 0 is a worker."""

    command: tuple[object, ...]
    environment: Mapping[str, str]
    out: Path
    port: int = 0
    ended_at: float = 0.0
    running: "subprocess.Popen[str] | None" = None
    guard: threading.Lock = field(default_factory=threading.Lock)
    readers: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        with self.guard:
            self.running = started(*self.command, **self.environment)
            self.ended_at = 0.0
            for stream in (self.running.stdout, self.running.stderr):
                assert stream is not None
                thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
                thread.start()
                self.readers.append(thread)

    def _read(self, stream: IO[str]) -> None:
        with stream, self.out.open("a", encoding="utf-8") as out:
            for line in stream:
                out.write(line)
                out.flush()

    def kill(self) -> None:
        """Without a word to it."""
        with self.guard:
            if self.running is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.running.pid, signal.SIGKILL)
                self.running.wait()

    def is_well(self) -> bool:
        if self.running is None or self.running.poll() is not None:
            return False
        if not self.port:
            return True
        with contextlib.suppress(httpx.HTTPError):
            return (
                plain.get(f"http://127.0.0.1:{self.port}/help", timeout=30).status_code == 200
            )
        return False


@dataclass
class Fleet:
    members: tuple[Member, ...]
    kills: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{one.port}" for one in self.members if one.port]

    def supervise(self) -> None:
        """On SQLite one program runs the queue; a worker that is not needed waits a while."""
        while not self.stopping.wait(0.2):
            for one in self.members:
                if one.running is not None and one.running.poll() is not None:
                    now = time.monotonic()
                    one.ended_at = one.ended_at or now
                    if one.port or now - one.ended_at > AGAIN_SECONDS:
                        one.start()

    def kill_some(self, times: int, chance: random.Random) -> None:
        """One after the other; whoever is killed next is alive, and nobody else need be."""
        for _ in range(times):
            time.sleep(chance.uniform(0.1, 2.0))
            alive = [one for one in self.members if one.is_well()]
            if alive:
                chance.choice(alive).kill()
                self.kills += 1

    def ready(self) -> None:
        """All pages answer."""
        deadline = time.monotonic() + READY_SECONDS
        for one in self.members:
            while one.port and not one.is_well():
                assert time.monotonic() < deadline, one.out.read_text("utf-8")[-2000:]
                time.sleep(0.1)


@contextlib.contextmanager
def fleet(
    data: Path, place: Path, *, webs: int, workers: int, environment: Mapping[str, str]
) -> Iterator[Fleet]:
    def web(number: int) -> Member:
        port = free_port()
        command = ("serve", "--data", data, "--port", port)
        return Member(command, environment, place / f"web-{number}.txt", port)

    def worker(number: int) -> Member:
        return Member(("worker", "--data", data), environment, place / f"worker-{number}.txt")

    made = Fleet((*map(web, range(webs)), *map(worker, range(workers))))
    supervisor = threading.Thread(target=made.supervise, daemon=True)
    try:
        for one in made.members:
            one.start()
        supervisor.start()
        yield made
    finally:
        made.stopping.set()
        if supervisor.ident is not None:
            supervisor.join(30)
        for one in made.members:
            one.kill()
            for thread in one.readers:
                thread.join(30)
