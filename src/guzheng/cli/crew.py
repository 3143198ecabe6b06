"""Processes that serve one address together: begun, replaced when they die, ended in order.

The parent opens the address and serves nobody; each process is begun anew (spawned), since one
that is forked would share chains, locks and threads with the parent, and takes connections from
the one listening socket. A process that dies is replaced; when too many die, all is ended, as
whoever started us must see that nothing works. None outlives the parent, however it ends.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final

BACKLOG: Final = 1024
PATIENCE_SECONDS: Final = 5.0  # for what is owed when a signal ends us
_KILL_SECONDS: Final = PATIENCE_SECONDS + 5
_DEATHS_AT_MOST: Final = 5  # of each place, within
_WITHIN_SECONDS: Final = 30.0
_BREATH_SECONDS: Final = 0.5  # before another is begun
_PR_SET_PDEATHSIG: Final = 1

Serve = Callable[[socket.socket], None]


def run(host: str, port: int, processes: int, serve: Serve) -> int:
    """Until a signal ends it; gives the exit status. `serve` is pickled, and serves the socket
    it is given until SIGTERM."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, port), family=family, backlog=BACKLOG) as listening,
        _signalled() as signals,
    ):
        listening.setblocking(False)  # noqa: FBT003 - its only form
        crew = _Crew(multiprocessing.get_context("spawn"), listening, serve)
        try:
            for _ in range(processes):
                crew.begin()
            return crew.watch(signals)
        finally:
            listening.close()
            crew.end()


class _Crew:
    def __init__(self, context: SpawnContext, listening: socket.socket, serve: Serve) -> None:
        self._context, self._listening, self._serve = context, listening, serve
        self._members: list[SpawnProcess] = []
        self._deaths: list[float] = []

    def begin(self) -> None:
        arguments = (os.getpid(), self._listening, self._serve)
        member = self._context.Process(target=_member, args=arguments)
        member.start()
        self._members.append(member)

    def watch(self, signals: socket.socket) -> int:
        """Until a signal comes (0) or too many died (1)."""
        most = _DEATHS_AT_MOST * len(self._members)
        while True:
            ready = wait([signals, *(one.sentinel for one in self._members)])
            if signals in ready:
                return 0
            dead = [one for one in self._members if not one.is_alive()]
            now = time.monotonic()
            self._deaths = [one for one in self._deaths if now - one < _WITHIN_SECONDS]
            self._deaths += [now] * len(dead)
            for one in dead:
                self._members.remove(one)
                one.close()
            if len(self._deaths) > most:
                return 1
            if wait([signals], _BREATH_SECONDS):
                return 0
            for _ in dead:
                self.begin()

    def end(self) -> None:
        for one in self._members:
            one.terminate()
        until = time.monotonic() + _KILL_SECONDS
        for one in self._members:
            one.join(max(0.0, until - time.monotonic()))
            if one.is_alive():
                one.kill()
                one.join()


@contextlib.contextmanager
def _signalled() -> Iterator[socket.socket]:
    """A socket that can be read when the operator wants the end."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)  # noqa: FBT003 - its only form
    woken = signal.set_wakeup_fd(writing.fileno())
    before = {
        one: signal.signal(one, lambda *_: None) for one in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield reading
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        signal.set_wakeup_fd(woken)
        reading.close()
        writing.close()


def _member(parent: int, listening: socket.socket, serve: Serve) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent tells us
    serve(listening)


def end_with(parent: int) -> None:
    """End when `parent` does, since nobody else would stop us."""
    if sys.platform == "linux":
        # Not SIGTERM: whoever ends in good order may wait for a thread for ever, and the parent
        # who would lose patience is gone. What was acknowledged is on the disk.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before that was asked: no signal will come
            raise SystemExit(1)
