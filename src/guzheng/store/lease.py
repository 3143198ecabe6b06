"""One worker at a time: a lock that dies with its holder.

`flock` on a file below the data directory: the kernel gives it back when the process is
killed, so nothing has to be cleaned up or waited out. For one machine; across machines the
same question is asked of PostgreSQL.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def leased(directory: Path, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold the lease `name`; gives False at once when another holds it and `wait` is false."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _acquired(directory / name, wait=wait)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while still held: whoever waited sees another inode and opens it anew.
        with contextlib.suppress(FileNotFoundError):
            (directory / name).unlink()
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
