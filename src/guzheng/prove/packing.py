"""Writing the court package: members in order, hashed as they are copied, memory constant.

As a zip, or as a folder with the same members. The header of a zip member stands before its
octets and holds their CRC, which is known only after them: so room is left, and the header
written when the member is through.
"""

import contextlib
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from guzheng.proof import package
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.manifest import Manifest
from guzheng.proof.package import ZipMember
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs, NotKept, read
from guzheng.store.durable import DEVICE_ERRORS, reported, sync_directory

_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One exhibit to be packed: its name and the blob folder of its papers."""

    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class _Source:
    """A member to be written: where its octets come from, and what they must be."""

    open: Callable[[], BinaryIO]
    size: int
    wanted: Digest | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the exhibits: the recipe, whom to believe, documents to read."""

    recipe_md: bytes
    roots_pem: bytes
    ledger_policy: bytes
    documents: Mapping[str, bytes] = field(default_factory=dict)

    def members(self) -> dict[str, bytes]:
        trust = {package.ROOTS: self.roots_pem, package.LEDGER_POLICY: self.ledger_policy}
        return {package.RECIPE: self.recipe_md, **trust, **self.documents}


Tell = Callable[[int], None]  # so many more octets are written


def write_package(
    blobs: Blobs,
    exhibits: Iterable[Exhibit],
    beside: Beside,
    *,
    out: Path,
    approve: Callable[[Path], None],
    tell: Tell = lambda _octets: None,
) -> None:
    """Write the zip at `out`, durably; a file that is there is replaced when all is written.

    `approve` is shown the zip before it has its name, and raises if nobody may have it."""
    sources = _sources(blobs, exhibits, beside)
    temporary = out.with_name(f".guzheng-package.{os.getpid()}")
    with reported(str(out)):
        try:
            with _writable(out):
                stream = temporary.open("w+b")
            with stream:
                _write(stream, sources, tell)
                stream.flush()
                with ThreadPoolExecutor(1) as hand:  # the disk writes while it is looked at
                    written = hand.submit(os.fsync, stream.fileno())
                    approve(temporary)
                    written.result()
            with _writable(out):
                temporary.replace(out)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_directory(out.parent)


def write_folder(
    blobs: Blobs,
    exhibits: Iterable[Exhibit],
    beside: Beside,
    *,
    out: Path,
    tell: Tell = lambda _octets: None,
) -> dict[str, Digest]:
    """Write the same members below `out`, a folder that is made; gives their digests."""
    sources = _sources(blobs, exhibits, beside)
    digests: dict[str, Digest] = {}
    with reported(str(out)), _writable(out):
        out.mkdir(parents=True)
        for name in sorted(sources):
            digests[name] = _write_file(out / name, name, sources[name], tell)
        octets = package.encode_listing(digests)
        listing = _write_file(out / package.LISTING, package.LISTING, _of(octets), tell)
        sync_directory(out)
    return {**digests, package.LISTING: listing}


def _write_file(path: Path, name: str, source: _Source, tell: Tell) -> Digest:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        _, digest = _copied(stream, name, source, tell)
        stream.flush()
        os.fsync(stream.fileno())
    return digest


def sizes_of(blobs: Blobs, exhibit: Exhibit) -> dict[str, int]:
    """Member → octets, of one exhibit; nothing is read but the manifest."""
    return {name: source.size for name, source in _members_of(blobs, exhibit).items()}


def digests_of(blobs: Blobs, exhibit: Exhibit) -> tuple[dict[str, Digest], dict[str, int]]:
    """Paper → digest and size, as SHA256SUMS will have them. Papers are read; of originals the
    manifest is believed, since none is packed that differs from it."""
    folder = f"{package.EXHIBITS}{exhibit.name}/"
    digests, sizes = {}, {}
    for member, source in _members_of(blobs, exhibit).items():
        paper = member.removeprefix(folder)
        digests[paper] = source.wanted or sha256(read(blobs, exhibit.folder + paper))
        sizes[paper] = source.size
    return digests, sizes


def identity_of(blobs: Blobs, exhibits: Iterable[Exhibit], beside: Beside) -> Digest:
    """The digest of the SHA256SUMS that the package will have: of the same, the same zip."""
    sources = _sources(blobs, exhibits, beside)
    listing = {name: one.wanted or _digest(one) for name, one in sources.items()}
    return sha256(package.encode_listing(listing))


def _digest(source: _Source) -> Digest:
    with source.open() as inside:
        return sha256(inside.read())


def _sources(blobs: Blobs, exhibits: Iterable[Exhibit], beside: Beside) -> "dict[str, _Source]":
    sources = {name: _of(octets) for name, octets in beside.members().items()}
    for exhibit in exhibits:
        sources.update(_members_of(blobs, exhibit))
    return sources


@contextlib.contextmanager
def _writable(out: Path) -> Iterator[None]:
    """The place is the caller's, and so is the error; but not of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in DEVICE_ERRORS:
            raise
        raise Refused(
            "package.unwritable",
            expected="a place that can be written",
            found=f"{error.strerror}: {out}",
            act="choose another place",
        ) from error


def _of(octets: bytes) -> _Source:
    return _Source(lambda: io.BytesIO(octets), len(octets))


def _members_of(blobs: Blobs, exhibit: Exhibit) -> dict[str, _Source]:
    try:
        manifest = Manifest.parse(read(blobs, exhibit.folder + package.MANIFEST))
        items = {package.ITEMS + item.name: item for item in manifest.items}
        members = {}
        for paper in (*package.papers_of(manifest), *_further(blobs, exhibit)):
            name = exhibit.folder + paper
            wanted = items[paper].sha256 if paper in items else None
            size = items[paper].size if paper in items else _size(blobs, name)
            members[f"{package.EXHIBITS}{exhibit.name}/{paper}"] = _Source(
                partial(blobs.open, name), size, wanted
            )
    except NotKept as error:
        raise Refused(
            "package.not-complete",
            expected="an exhibit whose road is walked to the end",
            found=f"{exhibit.name}: {error.expected}: none",
            act="wait for its certificate, or see why it was refused",
        ) from error
    return members


def _further(blobs: Blobs, exhibit: Exhibit) -> list[str]:
    """What came after the certificate: receipts, renewals."""
    names = [one.removeprefix(exhibit.folder) for one in blobs.names(exhibit.folder)]
    return sorted(filter(package.is_optional, names))


def _size(blobs: Blobs, name: str) -> int:
    with blobs.open(name) as stream:
        return stream.seek(0, os.SEEK_END)


def _write(stream: BinaryIO, sources: dict[str, _Source], tell: Tell) -> None:
    written: list[ZipMember] = []
    digests: dict[str, Digest] = {}
    for name in sorted(sources):
        member, digests[name] = _copy(stream, name, sources[name], tell)
        written.append(member)
    listing = package.encode_listing(digests)
    member, _ = _copy(stream, package.LISTING, _of(listing), tell)
    written.append(member)
    stream.write(package.zip_directory(written))


def _copy(stream: BinaryIO, name: str, source: _Source, tell: Tell) -> tuple[ZipMember, Digest]:
    start = stream.tell()
    stream.write(bytes(len(package.zip_local_header(ZipMember(name, source.size, 0)))))
    crc, digest = _copied(stream, name, source, tell)
    end, member = stream.tell(), ZipMember(name, source.size, crc)
    stream.seek(start)
    stream.write(package.zip_local_header(member))
    stream.seek(end)
    return member, digest


def _copied(stream: BinaryIO, name: str, source: _Source, tell: Tell) -> tuple[int, Digest]:
    """The octets of a source, written; refused when they are not those that were wanted."""
    crc, hasher, size = 0, hashlib.sha256(), 0
    with source.open() as inside:
        while block := inside.read(_BLOCK):
            crc = zlib.crc32(block, crc)
            hasher.update(block)
            size += len(block)
            stream.write(block)
            tell(len(block))
    digest = Digest("sha256", hasher.digest())
    if size != source.size or (source.wanted is not None and digest != source.wanted):
        raise Refused(
            "package.item-damaged",
            expected=f"{source.size} octets, {source.wanted or 'as measured'}",
            found=f"{size} octets, {digest} in {name}",
            act="the operator restores the file; nothing was packed",
        )
    return crc, digest
