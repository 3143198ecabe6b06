"""One worker at a time: a lock that dies with its holder.

On one machine `flock` on a file below the data directory: the kernel gives it back when the
process is killed, so nothing has to be cleaned up or waited out. Across machines the same
question is asked of PostgreSQL (server.ServerLeases). `leased` asks either.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Leases(Protocol):
    """Where leases are asked for that other machines ask for too."""

    def hold(self, name: str, *, wait: bool) -> AbstractContextManager[bool]:
        """Hold the lease; gives False at once when another holds it and `wait` is false."""
        ...


Place = Path | Leases  # a directory is enough for one machine


@contextlib.contextmanager
def leased(place: Place, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold the lease `name`; gives False at once when another holds it and `wait` is false."""
    if not isinstance(place, Path):
        with place.hold(name, wait=wait) as held:
            yield held
        return
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _acquired(place / name, wait=wait)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while still held: whoever waited sees another inode and opens it anew.
        with contextlib.suppress(FileNotFoundError):
            (place / name).unlink()
        os.close(descriptor)


def _acquired(path: Path, *, wait: bool) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        try:
            same = os.fstat(descriptor).st_ino == path.stat().st_ino
        except FileNotFoundError:
            same = False
        if same:
            return descriptor
        os.close(descriptor)
