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

from guzheng.refusals import Refused, Unavailable
from guzheng.store import durable
from guzheng.store.lease import Place, leased

TURN = "ledger"  # the lease of whoever integrates


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


class FileLastSigned:
    """In a file; the turn is a lock on a second file, which the kernel gives back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f"{path.name}.lock")

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

    def intend(self, text: bytes) -> None: ...

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(self.read(), old)
        durable.replace(self._path, new)


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

    Its bytes: a line with the length of the signed note, the note, the body intended."""

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
        note, _ = _parts_of(self._turn.held)
        self._swap(b"%d\n" % len(note or b"") + (note or b"") + text)

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(_parts_of(self._turn.held)[0], old)
        self._swap(b"%d\n" % len(new) + new)

    def _swap(self, octets: bytes) -> None:
        if not self._cell.swap(self._turn.held, octets):
            raise _signed_meanwhile()
        self._turn.held = octets


def _parts_of(held: bytes | None) -> tuple[bytes | None, bytes | None]:
    """The signed note, and the body intended."""
    if held is None:
        return None, None
    length, _, rest = held.partition(b"\n")
    if not length.isdigit() or int(length) > len(rest):
        raise Refused(
            "ledger.memory-damaged",
            expected="the checkpoint signed last",
            found=f"{len(held)} octets of another form",
            act="nothing is signed; ask the witnesses what they have seen, and restore it",
        )
    return rest[: int(length)] or None, rest[int(length) :] or None


class MemoryLastSigned:
    """In memory, for tests."""

    def __init__(self, note: bytes | None = None) -> None:
        self._note = note
        self._lock = threading.Lock()

    def turn(self) -> AbstractContextManager[None]:
        return _locked(self._lock)

    def read(self) -> bytes | None:
        return self._note

    def intended(self) -> None:
        """Nobody breaks this turn either."""

    def intend(self, text: bytes) -> None: ...

    def swap(self, old: bytes | None, new: bytes) -> None:
        _require_same(self._note, old)
        self._note = new


@contextlib.contextmanager
def _locked(lock: threading.Lock) -> Iterator[None]:
    with lock:
        yield


def _require_same(found: bytes | None, expected: bytes | None) -> None:
    if found != expected:
        raise _signed_meanwhile()


def _signed_meanwhile() -> Unavailable:
    return Unavailable(
        "ledger.signed-meanwhile",
        expected="the checkpoint that was read at the start of the turn",
        found="another one: somebody signed without waiting for the turn",
    )
