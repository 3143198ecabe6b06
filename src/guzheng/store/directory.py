"""Blobs as files below one directory: what is on the disk is what `ls` shows.

A blob is written to a staging file on the same file system, fsynced, renamed to its name by a
rename that fails when the name exists (so two writers cannot both win), and the directory
fsynced. Where the file system knows no such rename, a link does the same.
Every directory below the root is opened without following symbolic links and every name is
taken relative to it: neither `..` nor a planted link leads outside.

Staging files of a dead program are removed by the next one to start: each program holds a
lock on its own staging directory, which the kernel gives back when it dies.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import stat
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from guzheng.store import durable
from guzheng.store.blobs import AlreadyKept, NotKept, UnsafeName, segments_of
from guzheng.store.durable import (
    reported,
    start_writing,
    sync_all,
    sync_directory,
    write_all,
)

STAGING = ".staging"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o440  # nobody has a reason to write to it again
_GROWING = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_GROWING_MODE = 0o600
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK})
_BLOCK = 1 << 20
_STRETCH = 16 << 20  # a long blob is sent to the disk while the rest is still coming
_GROUP = 4 << 20  # the same for what grows, which is synced every few of these
_MAX_SETTLED = 4096
_MANY = 32  # from here one flush of everything is cheaper than a flush for each file


class DirectoryBlobs:
    """See Blobs for the promises. One instance may be used by many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with reported(str(root)):
            root.mkdir(mode=0o750, parents=True, exist_ok=True)
            sync_directory(root.parent)
            own, self._staging = _own_staging(root / STAGING)
        weakref.finalize(self, _leave, own, self._staging)
        self._numbers = itertools.count()
        self._settled: set[tuple[str, ...]] = set()  # directories whose names are durable
        self._lock = threading.Lock()

    # -- the verbs of Blobs ----------------------------------------------------------------

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        segments = segments_of(name)
        with reported(name), self._staged() as (staged, descriptor):
            written = sent = 0
            for chunk in chunks:
                write_all(descriptor, chunk)
                written += len(chunk)
                if written - sent >= _STRETCH:
                    start_writing(descriptor, sent, written - sent)
                    sent = written
            os.fsync(descriptor)  # 1. the bytes
            with self._directory(segments[:-1], create=True) as parent:
                self._name(staged, parent, segments, name)  # 2. the name, if it is free
                os.fsync(parent)  # 3. the name, durable; also if a dead program gave it

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Many small blobs, all durable on return; see the module docstring of blobs."""
        places = {name: segments_of(name) for name in files}
        staged: dict[str, str] = {}
        with contextlib.ExitStack() as stack, reported(str(self._root)):
            stack.callback(self._unstage, staged)
            self._stage_all(files, staged)  # 1. the bytes of all
            parents: dict[tuple[str, ...], int] = {}
            for name, segments in places.items():
                place = tuple(segments[:-1])
                if place not in parents:
                    directory = self._directory(segments[:-1], create=True)
                    parents[place] = stack.enter_context(directory)
                self._name(staged[name], parents[place], segments, name)  # 2. the names
                del staged[name]
            sync_all(list(parents.values()))  # 3. the names, durable

    def _stage_all(self, files: Mapping[str, bytes], staged: dict[str, str]) -> None:
        """Write them all, noting each in `staged` when it is there; durable on return."""
        # Opened before the first write: syncfs reports to a descriptor what failed since.
        flushed = os.open(".", _DIRECTORY, dir_fd=self._staging)
        descriptors = [flushed]
        try:
            many = len(files) >= _MANY and durable.can_sync_filesystem()
            for name, octets in files.items():
                staged[name], descriptor = self._new_staged()
                descriptors.append(descriptor)
                write_all(descriptor, octets)
                if many:
                    os.close(descriptors.pop())
            if many:
                durable.sync_filesystem(flushed)
            else:
                sync_all(descriptors[1:])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _unstage(self, staged: Mapping[str, str]) -> None:
        """What got no name of its own goes."""
        for file in staged.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file, dir_fd=self._staging)

    # -- Growing ---------------------------------------------------------------------------

    def grow(self, name: str, offset: int, chunks: Iterable[bytes]) -> None:
        segments = segments_of(name)
        with reported(name), self._directory(segments[:-1], create=True) as parent:
            descriptor = os.open(segments[-1], _GROWING, _GROWING_MODE, dir_fd=parent)
            try:
                if os.fstat(descriptor).st_size < offset:
                    raise NotKept(name)
                os.ftruncate(descriptor, offset)
                os.lseek(descriptor, offset, os.SEEK_SET)
                written = sent = offset
                for chunk in chunks:
                    write_all(descriptor, chunk)
                    written += len(chunk)
                    if written - sent >= _GROUP:
                        start_writing(descriptor, sent, written - sent)
                        sent = written
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not offset:
                os.fsync(parent)

    def settle(self, grown: str, name: str) -> None:
        old, new = segments_of(grown), segments_of(name)
        with reported(name), self.open(grown) as ours:
            os.fchmod(ours.fileno(), _FILE_MODE)
            os.fsync(ours.fileno())
            with (
                self._directory(old[:-1], create=False) as source,
                self._directory(new[:-1], create=True) as parent,
            ):
                try:
                    _link(source, old[-1], parent, new[-1])
                except FileExistsError as error:
                    with self._open_in(parent, new, name) as kept:
                        alike = os.path.sameopenfile(ours.fileno(), kept.fileno())
                        if not (alike or _same(ours, kept)):
                            raise AlreadyKept(name) from error
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    self.put(name, iter(lambda: ours.read(_BLOCK), b""))
                os.fsync(parent)

    # -- the other verbs of Blobs ----------------------------------------------------------

    def replace(self, name: str, octets: bytes) -> None:
        segments = segments_of(name)
        with reported(name), self._staged() as (staged, descriptor):
            write_all(descriptor, octets)
            os.fsync(descriptor)
            with self._directory(segments[:-1], create=True) as parent:
                os.replace(staged, segments[-1], src_dir_fd=self._staging, dst_dir_fd=parent)
                os.fsync(parent)

    def open(self, name: str) -> BinaryIO:
        segments = segments_of(name)
        try:
            with self._directory(segments[:-1], create=False) as parent:
                return self._open_in(parent, segments, name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotKept(name) from error

    def names(self, prefix: str = "") -> Iterator[str]:
        head, slash, _ = prefix.rpartition("/")
        try:
            segments = segments_of(head) if slash else []
        except UnsafeName:
            return  # nothing can be kept there
        yield from self._walk(segments, prefix)

    def remove(self, name: str) -> None:
        segments = segments_of(name)
        with (
            reported(name),
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
            self._directory(segments[:-1], create=False) as parent,
        ):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(segments[-1], dir_fd=parent)
            os.fsync(parent)

    # -- directories -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _directory(self, segments: list[str], *, create: bool) -> Iterator[int]:
        """A descriptor of the directory, each step without following symbolic links."""
        here = os.open(self._root, _DIRECTORY & ~os.O_NOFOLLOW)
        try:
            for depth, segment in enumerate(segments, start=1):
                if create:
                    self._settle(here, segment, tuple(segments[:depth]))
                try:
                    below = os.open(segment, _DIRECTORY, dir_fd=here)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR) and create:
                        raise UnsafeName("/".join(segments), "directories, no links") from error
                    if error.errno == errno.ELOOP:
                        raise NotADirectoryError(error.errno, segment) from error
                    raise
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    def _settle(self, parent: int, segment: str, place: tuple[str, ...]) -> None:
        """Make the directory if it is missing; make its name durable if nobody here did.

        That it is there does not say that it is durable: whoever made it may have died."""
        if place in self._settled:
            return
        with contextlib.suppress(FileExistsError):
            os.mkdir(segment, 0o750, dir_fd=parent)
        os.fsync(parent)
        with self._lock:
            if len(self._settled) >= _MAX_SETTLED:
                self._settled.clear()
            self._settled.add(place)

    def _walk(self, segments: list[str], prefix: str) -> Iterator[str]:
        try:
            with self._directory(segments, create=False) as directory:
                entries = [
                    (entry.name, entry.is_dir(follow_symlinks=False))
                    for entry in os.scandir(directory)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry, is_directory in sorted(entries):
            if not segments and entry == STAGING:
                continue
            name = "/".join([*segments, entry])
            if is_directory and f"{name}/".startswith(prefix[: len(name) + 1]):
                yield from self._walk([*segments, entry], prefix)
            elif not is_directory and name.startswith(prefix):
                yield name

    # -- files -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _staged(self) -> Iterator[tuple[str, int]]:
        """A new staging file, gone at the end, unless it was given a name."""
        name, descriptor = self._new_staged()
        try:
            yield name, descriptor
        finally:
            os.close(descriptor)
            self._unstage({name: name})

    def _new_staged(self) -> tuple[str, int]:
        name = f"{os.getpid()}-{next(self._numbers)}"
        return name, os.open(name, _NEW, _FILE_MODE, dir_fd=self._staging)

    def _name(self, staged: str, parent: int, segments: list[str], name: str) -> None:
        """Give a staged file its name; if the name is taken, by the same bytes only."""
        try:
            durable.rename_to_free(self._staging, staged, parent, segments[-1])
        except FileExistsError as error:
            with (
                self._open_in(self._staging, [staged], name) as ours,
                self._open_in(parent, segments, name) as kept,
            ):
                if not _same(ours, kept):
                    raise AlreadyKept(name) from error
            os.unlink(staged, dir_fd=self._staging)

    @staticmethod
    def _open_in(parent: int, segments: list[str], name: str) -> BinaryIO:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(segments[-1], flags, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
                raise NotKept(name) from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotKept(name)
        return os.fdopen(descriptor, "rb")


def _link(source: int, old: str, parent: int, new: str) -> None:
    os.link(old, new, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    while True:
        block = one.read(_BLOCK)
        if block != other.read(_BLOCK):
            return False
        if not block:
            return True


def _own_staging(place: Path) -> tuple[Path, int]:
    """A locked staging directory of this program; those of dead programs are cleared."""
    place.mkdir(mode=0o700, exist_ok=True)
    for left in place.iterdir():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            descriptor = os.open(left, _DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            except BlockingIOError:
                pass  # its program lives
            finally:
                os.close(descriptor)
    while True:
        own = Path(tempfile.mkdtemp(dir=place))
        try:
            descriptor = os.open(own, _DIRECTORY)
        except FileNotFoundError:
            continue  # a program that starts at this moment took it for a dead one's
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Between mkdtemp and flock another program that starts may have cleared it.
        if own.exists():
            return own, descriptor
        os.close(descriptor)


def _leave(own: Path, descriptor: int) -> None:
    os.close(descriptor)
    with contextlib.suppress(OSError):
        own.rmdir()
