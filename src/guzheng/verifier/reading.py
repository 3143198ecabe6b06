"""Reading a package from a folder or a zip: every member hashed, papers kept, all bounded.

Containers are hostile until read. Symbolic links, devices and names that lead elsewhere are
refused; a zip is read as stored or deflated data within limits on number, size and ratio, and
nothing of it is ever written to the disk. A zip that is not in the one form of package.py was
written again by somebody: its content is judged all the same, and the container is not
believed (`package.container`).
"""

import contextlib
import hashlib
import itertools
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol

from guzheng.proof import package
from guzheng.proof.digest import Digest, new_hasher
from guzheng.proof.errors import Malformed, Refuted, Undecided
from guzheng.proof.package import Observed, ZipMember

BLOCK = 4 << 20
# No link is followed and no pipe waited for, where a system knows how; Windows asks O_BINARY.
_PLAIN = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
)
MAX_RATIO = 200  # deflate reaches 1,032; text of a page stays below 50
MAX_TOTAL = 64 << 30  # octets: more than a dozen Blu-ray discs


class Stream(Protocol):
    """All that is asked of a member: its next octets."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Members:
    """What was read: `papers` whole, `observed` hashed, and a fault of the container if any."""

    papers: dict[str, bytes] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)
    container: Undecided | None = None
    room: int = package.MAX_PAPERS  # octets of papers that may still be kept
    further: tuple[str, ...] = ()  # hashes of originals besides SHA-256


def read_folder(folder: Path, *, with_sm3: bool) -> Members:
    files = list(_files(folder))
    members = Members(further=_further((name for name, _ in files), with_sm3=with_sm3))
    for name, path in files:
        with _opened(path, name) as stream:
            _take(members, name, stream, os.fstat(stream.fileno()).st_size)
    return members


def _further(names: Iterable[str], *, with_sm3: bool) -> tuple[str, ...]:
    """The hashes of originals besides SHA-256: a renewal may have been made under SHA-512."""
    renewed = any(package.RENEWALS in name for name in names)
    return (*(["sm3"] if with_sm3 else []), *(["sha512"] if renewed else []))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    count = 0
    for directory, inner, files in os.walk(folder, onerror=_refuse, followlinks=False):
        inner.sort()
        here = Path(directory)
        for one in sorted(files) + [one for one in inner if (here / one).is_symlink()]:
            count += 1
            name = (here / one).relative_to(folder).as_posix()
            if count > package.MAX_MEMBERS:
                raise Refuted(
                    "package.too-many-members",
                    expected=f"at most {package.MAX_MEMBERS}",
                    found="more",
                )
            yield package.require_member_name(name), here / one


def _refuse(error: OSError) -> NoReturn:
    """A directory that cannot be looked into could hold anything."""
    raise Refuted(
        "package.member-unreadable",
        expected="a directory",
        found=f"{error.filename}: {error.strerror}",
    ) from error


def _opened(path: Path, name: str) -> BinaryIO:
    try:
        descriptor = os.open(path, _PLAIN)
    except OSError as error:
        raise Refuted(
            "package.member-unreadable",
            expected="a plain file",
            found=f"{name}: {error.strerror}",
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refuted(
            "package.member-unreadable", expected="a plain file", found=f"{name}: not a file"
        )
    return os.fdopen(descriptor, "rb")


def _take(members: Members, name: str, stream: Stream, size: int) -> None:
    if package.is_paper(name):
        octets = _whole(stream, name, members.room)
        members.room -= len(octets)
        members.papers[name] = octets
        hasher = new_hasher("sha256")
        hasher.update(octets)
        members.observed[name] = Observed(len(octets), Digest("sha256", hasher.digest()))
        return
    members.observed[name] = observe(stream, members.further)
    if members.observed[name].size != size:
        raise Refuted(
            "package.member-unreadable",
            expected=f"{size} octets",
            found=f"{members.observed[name].size} in {name}",
        )


def _whole(stream: Stream, name: str, room: int) -> bytes:
    most = min(package.MAX_PAPER, room)
    octets = stream.read(most + 1)
    if len(octets) > most:
        raise Refuted(
            "package.paper-too-large",
            expected=f"at most {package.MAX_PAPER} octets, {package.MAX_PAPERS} in all",
            found=name,
        )
    return octets


def observe(stream: Stream, further: tuple[str, ...] = ()) -> Observed:
    """Size and digests of a stream; memory constant, hashing beside reading."""
    hashers = {
        "sha256": new_hasher("sha256"),
        **({"sm3": new_hasher("sm3")} if "sm3" in further else {}),
        **({"sha512": hashlib.sha512()} if "sha512" in further else {}),
    }
    size = 0
    with ThreadPoolExecutor(len(hashers)) as pool:
        block = stream.read(BLOCK)
        while block:
            jobs = [pool.submit(one.update, block) for one in hashers.values()]
            size += len(block)
            following = stream.read(BLOCK)
            for job in jobs:
                job.result()
            block = following
    found = {name: one.digest() for name, one in hashers.items()}
    sm3 = Digest("sm3", found["sm3"]) if "sm3" in found else None
    return Observed(size, Digest("sha256", found["sha256"]), sm3, found.get("sha512"))


def read_zip(path: Path, *, with_sm3: bool) -> Members:
    members = Members()
    with path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
                names = (one.filename for one in entries)
                members.further = _further(names, with_sm3=with_sm3)
                _require_bounds(entries, path.stat().st_size)
                ends = _ends_of(entries, archive.start_dir)
                for entry, end in zip(entries, ends, strict=True):
                    _require_plain(entry)
                    with _member(archive, stream, entry, end) as inside:
                        _take(members, entry.filename, inside, entry.file_size)
                _require_form(stream, entries)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            OverflowError,
            ValueError,
        ) as error:
            # NotImplementedError: a later version of zip; OverflowError: an offset of 2**63.
            raise Malformed(
                "package.container-malformed", expected="a readable zip", found=str(error)[:120]
            ) from error
        except Undecided as fault:
            members.container = fault
    return members


@contextlib.contextmanager
def _member(
    archive: zipfile.ZipFile, stream: BinaryIO, entry: zipfile.ZipInfo, end: int
) -> Iterator[Stream]:
    """The octets of one member, never more than it states, nor beyond where it must end."""
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise Malformed(
            "package.container-malformed", expected="a local header", found=entry.filename
        )
    start = entry.header_offset + _LOCAL.size + sum(_LOCAL.unpack(header)[-2:])
    packed = entry.compress_type != zipfile.ZIP_STORED
    if packed and start + entry.compress_size > end:
        raise Malformed(
            "package.container-malformed",
            expected="packed members that do not overlap",
            found=entry.filename,
        )
    if packed:
        with archive.open(entry) as inside:
            yield inside
        return
    # Stored octets are read where they lie: the digest says more than a CRC, and a member
    # that was altered is then named as altered instead of ending the whole reading.
    if entry.compress_size != entry.file_size:
        raise Malformed(
            "package.container-malformed", expected="a local header", found=entry.filename
        )
    yield _Slice(stream, start, entry.file_size)


def _ends_of(entries: list[zipfile.ZipInfo], directory: int) -> list[int]:
    """Where each must have ended: at the next one, or at the directory. Newer Pythons see to
    that themselves for packed members (CVE-2024-0450); the answer must not depend on them."""
    starts = [*sorted({entry.header_offset for entry in entries}), directory]
    following = dict(itertools.pairwise(starts))
    return [following[entry.header_offset] for entry in entries]


_ENCRYPTED = 0x1  # APPNOTE 4.4.4, bit 0
_LOCAL = struct.Struct("<IHHHHHIIIHH")  # APPNOTE 4.3.7


class _Slice:
    """A part of a stream that others read from too."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._at, self._end = stream, start, start + size

    def read(self, size: int, /) -> bytes:
        self._stream.seek(self._at)
        octets = self._stream.read(min(size, self._end - self._at))
        self._at += len(octets)
        return octets


def _require_bounds(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > package.MAX_MEMBERS:
        raise Refuted(
            "package.too-many-members",
            expected=f"at most {package.MAX_MEMBERS}",
            found=str(len(entries)),
        )
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL or total > MAX_RATIO * max(size, 1):
        raise Refuted(
            "package.zip-bomb",
            expected=f"at most {MAX_RATIO} times {size} octets",
            found=f"{total} octets unpacked",
        )
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise Refuted("package.member-twice", expected="each name once", found="a name twice")


def _require_plain(entry: zipfile.ZipInfo) -> None:
    package.require_member_name(entry.filename)
    # Other methods unpack a small member to any size in one step, or want any memory.
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Malformed(
            "package.container-malformed",
            expected="stored or deflated members",
            found=f"{entry.filename}: method {entry.compress_type}",
        )
    if entry.flag_bits & _ENCRYPTED:
        raise Malformed(
            "package.container-malformed",
            expected="members that are not encrypted",
            found=entry.filename,
        )
    mode = entry.external_attr >> 16
    if entry.is_dir() or (mode and not stat.S_ISREG(mode)):
        raise Refuted(
            "package.member-unreadable",
            expected="a plain file",
            found=f"{entry.filename}: not a file",
        )


def _require_form(stream: BinaryIO, entries: list[zipfile.ZipInfo]) -> None:
    """The container is, octet by octet, the one that package.py describes."""
    forms = [ZipMember(entry.filename, entry.file_size, entry.CRC) for entry in entries]
    names = [one.name for one in forms]
    wanted = [*sorted(set(names) - {package.LISTING}), package.LISTING]
    at = 0
    for one in forms:
        header = package.zip_local_header(one)
        stream.seek(at)
        if stream.read(len(header)) != header:
            break
        at += len(header) + one.size
    else:
        stream.seek(at)
        directory = package.zip_directory(forms)
        if names == wanted and stream.read(len(directory) + 1) == directory:
            return
    raise Undecided(
        "package.container-rewritten",
        expected="the zip as the platform wrote it",
        found="another container round the members; unpack it and check the folder",
    )
