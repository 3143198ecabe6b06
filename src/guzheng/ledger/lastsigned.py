"""The last checkpoint this ledger signed, kept apart from everything it speaks of.

It is what keeps the ledger honest with itself: nothing is signed that does not continue it.
It lies beside the key and in no database, because a database can be restored from yesterday's
backup and this must never go back (the lesson of Let's Encrypt's Sunlight: a log whose
memory of its signatures rolled back has forked). Not part of any backup that is restored
without thought; rebuild makes it again from the published checkpoint when it is lost.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from guzheng.ledger.records import ShardClosed
from guzheng.refusals import Refused, Unavailable
from guzheng.store import durable
from guzheng.store.lease import Place, leased

TURN = "ledger"  # the lease of whoever integrates
_CLOSED = b" closed"


class LastSigned(Protocol):
    """One signed checkpoint, and the turn to sign the next."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait until nobody else is integrating; ends with the program, however it ends."""
        ...

    def read(self) -> bytes | None:
        """The note, or None when nothing was ever signed."""
        ...

    def intended(self) -> bytes | None:
        """The body that somebody was about to sign, or signed and could not say; or None."""
        ...

    def intend(self, text: bytes) -> None:
        """Durably say which body is signed next, in a turn and before it is; or Unavailable.

        Where a turn can be broken, this is what lets only one of two go on to sign."""
        ...

    def swap(self, old: bytes | None, new: bytes) -> None:
        """Durably put `new` in the place of exactly `old`, inside a turn; or Unavailable."""
        ...

    def close(self) -> None:
        """Durably sign nothing more: what is here is the last, inside a turn.

        From then on `intend` and `swap` raise ShardClosed. Twice is harmless."""
        ...

    def is_closed(self) -> bool: ...


class FileLastSigned:
    """In a file; the turn is a lock on a second file, which the kernel gives back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f"{path.name}.lock")
        self._closed = path.with_name(f"{path.name}.closed")

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def intended(self) -> None:
        """Nobody breaks this turn: it is the kernel's."""

    def intend(self, text: bytes) -> None:  # noqa: ARG002 - nobody else could read it
        if self._closed.exists():
            raise _closed_at(self.read())

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(self.read(), old)
        if self._closed.exists():
            raise _closed_at(old)
        durable.replace(self._path, new)

    def close(self) -> None:
        if not self._closed.exists():
            durable.replace(self._closed, b"")

    def is_closed(self) -> bool:
        return self._closed.exists()


class Cell(Protocol):
    """One small thing that is changed only by who has seen what is there (store.s3.Cell)."""

    def read(self) -> bytes | None: ...

    def swap(self, old: bytes | None, new: bytes) -> bool: ...


class CellLastSigned:
    """In a cell that many machines see, such as an object of S3; the turn is a lease.

    The lease spares work and protects nothing: after a failover two may believe they hold it,
    each with a database of its own. So the cell also holds what is about to be signed. It is
    written there by a swap before the signature is made, and whoever finds it there signs
    nothing that does not continue it: of two who would fork, one never signs.

    Its bytes: a line with the length of the signed note, the note, the body intended. A shard
    that is closed has ` closed` in its first line: who read the cell before that can change it
    no more, so nothing is signed after the last."""

    def __init__(self, cell: Cell, leases: Place) -> None:
        self._cell = cell
        self._leases = leases
        self._turn = threading.local()  # what the cell held when it was last looked at

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        with leased(self._leases, TURN, wait=True):
            yield

    def read(self) -> bytes | None:
        self._turn.held = self._cell.read()
        return _parts_of(self._turn.held)[0]

    def intended(self) -> bytes | None:
        return _parts_of(self._turn.held)[1]

    def intend(self, text: bytes) -> None:
        note = self._open()
        self._swap(b"%d\n" % len(note or b"") + (note or b"") + text)

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(self._open(), old)
        self._swap(b"%d\n" % len(new) + new)

    def close(self) -> None:
        self._turn.held = self._cell.read()
        if not _is_closed(self._turn.held):
            note, _ = _parts_of(self._turn.held)
            self._swap(b"%d%s\n" % (len(note or b""), _CLOSED) + (note or b""))

    def is_closed(self) -> bool:
        return _is_closed(self._cell.read())

    def _open(self) -> bytes | None:
        """The signed note of a shard that may sign more."""
        note, _ = _parts_of(self._turn.held)
        if _is_closed(self._turn.held):
            raise _closed_at(note)
        return note

    def _swap(self, octets: bytes) -> None:
        if not self._cell.swap(self._turn.held, octets):
            raise _signed_meanwhile()
        self._turn.held = octets


def _parts_of(held: bytes | None) -> tuple[bytes | None, bytes | None]:
    """The signed note, and the body intended."""
    if held is None:
        return None, None
    length, _, rest = held.partition(b"\n")
    length = length.removesuffix(_CLOSED)
    if not length.isdigit() or int(length) > len(rest):
        raise Refused(
            "ledger.memory-damaged",
            expected="the checkpoint signed last",
            found=f"{len(held)} octets of another form",
            act="nothing is signed; ask the witnesses what they have seen, and restore it",
        )
    return rest[: int(length)] or None, rest[int(length) :] or None


def _is_closed(held: bytes | None) -> bool:
    return held is not None and held.partition(b"\n")[0].endswith(_CLOSED)


class MemoryLastSigned:
    """In memory, for tests."""

    def __init__(self, note: bytes | None = None) -> None:
        self._note, self._closed = note, False
        self._lock = threading.Lock()

    def turn(self) -> AbstractContextManager[None]:
        return _locked(self._lock)

    def read(self) -> bytes | None:
        return self._note

    def intended(self) -> None:
        """Nobody breaks this turn either."""

    def intend(self, text: bytes) -> None:  # noqa: ARG002 - nor here
        if self._closed:
            raise _closed_at(self._note)

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(self._note, old)
        if self._closed:
            raise _closed_at(old)
        self._note = new

    def close(self) -> None:
        self._closed = True

    def is_closed(self) -> bool:
        return self._closed


@contextlib.contextmanager
def _locked(lock: threading.Lock) -> Iterator[None]:
    with lock:
        yield


def _require_same(found: bytes | None, expected: bytes | None) -> None:
    if found != expected:
        raise _signed_meanwhile()


def _closed_at(note: bytes | None) -> ShardClosed:
    lines = (note or b"").split(b"\n")
    return ShardClosed(int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else 0)


def _signed_meanwhile() -> Unavailable:
    return Unavailable(
        "ledger.signed-meanwhile",
        expected="the checkpoint that was read at the start of the turn",
        found="another one: somebody signed without waiting for the turn",
    )
