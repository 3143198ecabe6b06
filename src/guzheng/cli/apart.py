"""Checkpoints made by a process of its own, beside the one that takes commitments in.

To number entries and to hash them into the tree takes the interpreter about as long each. In
one process they take turns; in two, the tree of what was numbered grows while the next are
numbered. It is one more of the processes that may integrate (ledger.integrate), and nothing
rests on it: until it is ready, when it is in trouble, and when it has died, the process that
takes commitments in does the work itself, and says what is wrong. One that died is begun anew.
It ends when the pipe to the process that began it does, however that ends.
"""

import contextlib
import functools
import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from guzheng.cli.options import opened
from guzheng.ledger import Numbered
from guzheng.refusals import Problem


class Apart:
    """The platform as the front asks it; for a checkpoint, one thread at a time."""

    def __init__(self, data: Path) -> None:
        self._data, self._platform = data, opened(data)
        self._pipe, self._process = _begun(data)
        self.is_ready = False  # and was asked since

    def require_may_add(self, key_sha256: str, /) -> None:
        self._platform.require_may_add(key_sha256)

    def add_commitments(self, commitments: Sequence[bytes], /) -> list[Numbered]:
        return self._platform.add_commitments(commitments)

    def wait_for_checkpoint(self, entry: Numbered, seconds: float, /) -> bool:
        return self._is_done(entry, seconds) or self._platform.wait_for_checkpoint(
            entry, seconds
        )

    def wait_for_quorum(self, entry: Numbered, /) -> None:
        self._platform.wait_for_quorum(entry)

    def _is_done(self, entry: Numbered, seconds: float) -> bool:
        """As the other process says."""
        try:
            if not self.is_ready:
                self.is_ready = self._pipe.poll() and bool(self._pipe.recv())
            if not self.is_ready:
                return False
            self._pipe.send((entry, seconds))
            if self._pipe.poll(2 * seconds):  # it waits no longer than it was told
                return bool(self._pipe.recv())
        except (EOFError, OSError):
            pass  # it died
        self.close()
        self._pipe, self._process = _begun(self._data)
        return False

    def close(self) -> None:
        """The other process at least; whatever it was doing can be done again."""
        self.is_ready = False
        self._pipe.close()
        self._process.kill()
        self._process.join()


def _begun(data: Path) -> tuple["Connection[object, object]", SpawnProcess]:
    context = multiprocessing.get_context("spawn")  # one that is forked would share our locks
    ours, theirs = context.Pipe()
    process = context.Process(target=_integrate, args=(theirs, data), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _integrate(pipe: "Connection[object, tuple[Numbered, float]]", data: Path) -> None:
    """Until the other side has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: who began us is told
    wait = opened(data).wait_for_checkpoint
    with contextlib.suppress(EOFError, BrokenPipeError):
        pipe.send(True)  # noqa: FBT003 - what `recv` gives there
        while True:
            pipe.send(_is_done(functools.partial(wait, *pipe.recv())))


def _is_done(wait: functools.partial[bool]) -> bool:
    """Trouble is for the other process to find itself, and to say."""
    try:
        return wait()
    except Problem:
        return False
