"""What is opened: a folder or a package with `items/`, and in it transcript.zip.

A zip within a zip is read where it lies, nothing is written to the disk. Every member must be
stored, bear the fixed date and the name that the index gives it: what the tunnel writes has one
form, and another form was written by somebody else.
"""

import hashlib
import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from guzheng.proof import package
from guzheng.proof.digest import Digest
from guzheng.proof.errors import DigestMismatch, Malformed, Undecided
from guzheng.transcript import limits
from guzheng.transcript.index import Index, Told

INDEX = "index.json"
TRANSCRIPT = "items/transcript.zip"
ARCHIVE = "items/page.wacz"
RECORD = "capture.json"
LAYOUT = "items/layout.json"
FRAMES = "items/frames.json"
TRACE = "items/trace.json"
KEYS = "items/tls-keys.enc"
KEY = "tls-keys.key"  # beside a capture's folder, never in a package
MANIFEST = "manifest.json"
_LOCAL = struct.Struct("<IHHHHHIIIHH")  # APPNOTE 4.3.7
_DATE = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20
_NO_ZIP = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError)
_MOST = {
    "sent": limits.STREAM_OCTETS,
    "received": limits.STREAM_OCTETS,
    "times": limits.TIMES_OCTETS,
}
_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Slice(io.RawIOBase):
    """A part of a file that others read from too."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + {0: 0, 1: self._at, 2: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        self._stream.seek(self._start + self._at)
        octets = self._stream.read(max(0, min(len(view), self._size - self._at)))
        view[: len(octets)] = octets
        self._at += len(octets)
        return len(octets)


def stored_member(archive: zipfile.ZipFile, stream: BinaryIO, name: str) -> BinaryIO:
    """A member that is stored and plain, as a file."""
    entry = archive.getinfo(name)
    stream.seek(entry.header_offset)
    head = stream.read(_LOCAL.size)
    plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
    if not plain or len(head) < _LOCAL.size or entry.compress_size != entry.file_size:
        raise Malformed("transcript.container-malformed", "a stored member", name)
    name_size, extra_size = _LOCAL.unpack(head)[-2:]
    start = entry.header_offset + _LOCAL.size + name_size + extra_size
    return io.BufferedReader(Slice(stream, start, entry.file_size), _BLOCK)


def opened_zip(stream: BinaryIO, most: int) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(stream)
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        OverflowError,
    ) as error:
        found = str(error)[:120]
        raise Malformed("transcript.container-malformed", "a readable zip", found) from error
    names = archive.namelist()
    if len(names) > most or len(set(names)) != len(names):
        wanted = f"at most {most} members, each name once"
        raise Malformed("transcript.container-malformed", wanted, str(len(names)))
    return archive


@dataclass(slots=True)
class Source:
    """Where the files of one exhibit lie. Close it."""

    name: str
    _folder: Path | None = None
    _archive: zipfile.ZipFile | None = None
    _stream: BinaryIO | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self._stack.close()

    def find(self, name: str) -> BinaryIO | None:
        """The file, or None; it is closed with the source."""
        if self._folder is not None:
            return self._in_folder(self._folder / name)
        if self._archive is None or self._stream is None:
            return None
        full = f"{package.EXHIBITS}{self.name}/{name}"
        if full not in self._archive.namelist():
            return None
        return stored_member(self._archive, self._stream, full)

    def whole(self, name: str, most: int) -> bytes | None:
        stream = self.find(name)
        if stream is None:
            return None
        octets = stream.read(most + 1)
        if len(octets) > most:
            wanted = f"{name} of at most {most} octets"
            raise Malformed("transcript.container-malformed", wanted, "more")
        return octets

    def _in_folder(self, path: Path) -> BinaryIO | None:
        try:
            descriptor = os.open(path, _PLAIN)
        except (FileNotFoundError, NotADirectoryError):
            return None
        stream = self._stack.enter_context(os.fdopen(descriptor, "rb"))
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise Malformed("transcript.container-malformed", "a plain file", path.name)
        return stream


def open_source(path: Path, exhibit: str | None) -> Source:
    """A folder with `items/` is one exhibit; a package may hold several, so one is named."""
    if path.is_dir():
        inner = path / package.EXHIBITS
        if not inner.is_dir():
            return Source(path.name, _folder=path)
        names = [f"{package.EXHIBITS}{one.name}/{MANIFEST}" for one in inner.iterdir()]
        chosen = _chosen(names, exhibit)
        return Source(chosen, _folder=inner / chosen)
    stack = ExitStack()
    stream = stack.enter_context(path.open("rb"))
    archive = opened_zip(stream, package.MAX_MEMBERS)
    chosen = _chosen(archive.namelist(), exhibit)
    return Source(chosen, _archive=archive, _stream=stream, _stack=stack)


def _chosen(names: list[str], exhibit: str | None) -> str:
    found = package.exhibits_in(names)
    if exhibit is None and len(found) == 1:
        return found[0]
    if exhibit in found:
        return str(exhibit)
    wanted = exhibit or "one exhibit, or its name with --exhibit"
    shown = ", ".join(found[:5]) or "none"
    raise Undecided("transcript.no-exhibit", wanted, shown)


@dataclass(slots=True)
class Transcript:
    """transcript.zip: its index, and each stream when it is asked for."""

    index: Index
    index_digest: Digest
    _archive: zipfile.ZipFile
    _stream: BinaryIO

    @classmethod
    def open(cls, stream: BinaryIO) -> "Transcript":
        archive = opened_zip(stream, 3 * limits.CONNECTIONS + 1)
        names = archive.namelist()
        if names != sorted(names) or any(one.date_time != _DATE for one in archive.infolist()):
            wanted = "sorted members of 1980-01-01"
            raise Malformed("transcript.container-malformed", wanted, "others")
        if INDEX not in names:
            raise Malformed("transcript.container-malformed", INDEX, "none")
        octets = _bounded(archive, stream, INDEX, limits.INDEX_OCTETS)
        index = Index.parse(octets)
        expected = {INDEX} | {
            f"{one.member}.{part}"
            for one in index.connections
            if one.has_streams
            for part in ("sent", "received", "times")
        }
        if odd := sorted(expected ^ set(names)):
            wanted = "the members that the index names"
            raise Malformed("transcript.container-malformed", wanted, ", ".join(odd[:3])[:120])
        digest = Digest("sha256", hashlib.sha256(octets).digest())
        return cls(index, digest, archive, stream)

    def stream(self, told: Told, part: str) -> bytes:
        """Octets of one connection, which must be those that the index speaks of."""
        extent = told.extent(part)
        name = f"{told.member}.{part}"
        octets = _bounded(self._archive, self._stream, name, _MOST[part])
        digest = Digest("sha256", hashlib.sha256(octets).digest())
        if (len(octets), digest) != (extent.octets, extent.sha256):
            wanted = f"{extent.octets} octets, {extent.sha256}"
            found = f"{len(octets)} octets, {digest} ({name})"
            raise DigestMismatch("transcript.stream-altered", wanted, found)
        return octets

    def times(self, told: Told) -> Iterator[tuple[int, str, int]]:
        """Milliseconds, direction, octets; in the order in which they passed."""
        octets = self.stream(told, "times")
        passed = {">": 0, "<": 0}
        last = 0
        for line in octets.decode("ascii", "replace").splitlines():
            parts = line.split(" ")
            form = len(parts) == 3 and parts[1] in passed
            if not form or not all(one.isdecimal() and len(one) < 16 for one in parts[::2]):
                wanted = "MILLISECONDS > OCTETS"
                raise Malformed("transcript.times-malformed", wanted, repr(line[:60]))
            at, size = int(parts[0]), int(parts[2])
            if at < last:
                raise Malformed("transcript.times-malformed", f"{last} or later", str(at))
            last = at
            passed[parts[1]] += size
            yield at, parts[1], size
        expected = (told.sent.octets, told.received.octets)
        if (passed[">"], passed["<"]) != expected:
            found = f"{passed['>']} sent, {passed['<']} received"
            raise Malformed("transcript.times-malformed", str(expected), found)


def _bounded(archive: zipfile.ZipFile, stream: BinaryIO, name: str, most: int) -> bytes:
    octets = stored_member(archive, stream, name).read(most + 1)
    if len(octets) > most:
        wanted = f"{name} of at most {most} octets"
        raise Malformed("transcript.container-malformed", wanted, "more")
    return octets
