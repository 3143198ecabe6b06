"""Files that outlive a power cut: bytes first, then the name, then the directory.

Each is written beside its place, flushed, and given its name at once; nobody ever reads half a
file under a final name. Leftovers of a killed run begin with `.part-` and mean nothing.
"""

import contextlib
import os
import tempfile
from pathlib import Path

PART = ".part-"


def create(path: Path, octets: bytes, mode: int = 0o644) -> None:
    """A file that was not there; FileExistsError if it was."""
    part = _written(path.parent, octets, mode)
    try:
        os.link(part, path)
    finally:
        part.unlink()
    sync(path.parent)


def put(path: Path, octets: bytes, mode: int = 0o644) -> None:
    """A file with these octets, whatever was there."""
    part = _written(path.parent, octets, mode)
    try:
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_directory(path: Path) -> None:
    """With every parent it needs, each of them durable."""
    if not path.is_dir():
        make_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir()
        sync(path.parent)


def sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written(directory: Path, octets: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=PART, dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(octets)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
