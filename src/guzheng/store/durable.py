"""Files that outlive a power cut: what is returned from here is on the disk, or an error.

A file is durable when its bytes are (fsync of the file) and its name is (fsync of the
directory). So every write goes: a temporary file beside the target, fsync, link or rename to
the name, fsync of the directory. Nobody ever sees half a file under its final name.

After a failed fsync the temporary file is thrown away and the error raised: to try fsync
again on the same file may report success for bytes the kernel has already dropped.
"""

import contextlib
import ctypes
import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from guzheng.refusals import Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BROKEN = frozenset({errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV})
DEVICE_ERRORS = _FULL | _BROKEN  # what `reported` speaks of


@contextlib.contextmanager
def reported(place: str) -> Iterator[None]:
    """Turn a full or failing device into `Unavailable`; every other error is left alone."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable(
                "store.disk-full",
                expected="room to write",
                found=f"{place}: {error.strerror}",
                act="the operator frees space on that file system; nothing was changed",
            ) from error
        if error.errno in _BROKEN:
            raise Unavailable(
                "store.device-failed",
                expected="a file system that reads and writes",
                found=f"{place}: {error.strerror}",
                act="the operator examines that disk; nothing was changed",
            ) from error
        raise


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(descriptors: Sequence[int]) -> None:
    """fsync of each, for about the price of one."""
    for descriptor in descriptors:
        start_writing(descriptor, 0, 0)
    # From the last: its fsync commits the journal, and with it the names and sizes of all
    # that were written before; the others find that nothing is left to wait for.
    for descriptor in reversed(descriptors):
        os.fsync(descriptor)


def start_writing(descriptor: int, offset: int, length: int) -> None:
    """Let the kernel begin to write now what fsync will wait for later; only advice."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def can_sync_filesystem() -> bool:
    """Whether `sync_filesystem` may be asked: since Linux 5.8 it reports errors of writing."""
    return _KERNEL >= (5, 8) and hasattr(_LIBC, "syncfs")


def sync_filesystem(descriptor: int) -> None:
    """syncfs(2): everything on this file system is durable.

    Raises for what could not be written since the descriptor was opened, so open it before
    writing. It waits for what other programs wrote too, which is the price of one flush
    instead of hundreds."""
    if _LIBC.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def rename_to_free(old_place: int, old: str, new_place: int, new: str) -> None:
    """Rename, from one open directory to another, to a name that must be free.

    Raises FileExistsError where it is not. One step where the kernel and the file system know
    renameat2; else a link, which also needs a free name, and the old name removed."""
    if _RENAME is not None:
        answer = _RENAME(
            old_place, os.fsencode(old), new_place, os.fsencode(new), _RENAME_NOREPLACE
        )
        if answer == 0:
            return
        number = ctypes.get_errno()
        if number not in _NO_RENAME:
            raise OSError(number, os.strerror(number), new)
    os.link(old, new, src_dir_fd=old_place, dst_dir_fd=new_place, follow_symlinks=False)
    os.unlink(old, dir_fd=old_place)


def _kernel() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found and os.uname().sysname == "Linux" else (0, 0)


_LIBC = ctypes.CDLL(None, use_errno=True)
_KERNEL = _kernel()
_RENAME = getattr(_LIBC, "renameat2", None)
_RENAME_NOREPLACE = 1  # linux/fs.h
# The kernel, the file system, or a sandbox does not know it.
_NO_RENAME = frozenset({errno.ENOSYS, errno.EINVAL, errno.EPERM})


def write_all(descriptor: int, octets: bytes | memoryview) -> None:
    """os.write may write less than it was given; this does not."""
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def create(path: Path, octets: bytes, *, mode: int = 0o600) -> None:
    """Write a file that must not exist yet, else FileExistsError; it is never half there."""
    with _temporary(path, octets, mode) as temporary:
        os.link(temporary, path)


def replace(path: Path, octets: bytes, *, mode: int = 0o600) -> None:
    """Write a file, or put other bytes under its name in one step."""
    with _temporary(path, octets, mode) as temporary:
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, octets: bytes, mode: int) -> Iterator[Path]:
    with reported(str(path)):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            try:
                write_all(descriptor, octets)
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)  # 1. the bytes, before anybody can see them
            finally:
                os.close(descriptor)
            yield temporary  # 2. the name, in one step
            sync_directory(path.parent)  # 3. the name, durable
        finally:
            temporary.unlink(missing_ok=True)
