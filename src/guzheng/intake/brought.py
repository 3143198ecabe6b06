"""What a finished run of the capturer brought: judged, and only then kept.

The capturer met a hostile page, so every name and every octet of its folder is a stranger's:
links are not followed, names are those that an item may have, and what the record does not name
is left behind.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from guzheng.intake.order import ReceivedItem
from guzheng.intake.rules import distinct, item_name
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import sha256
from guzheng.proof.errors import Malformed, require
from guzheng.proof.manifest import ATTEMPT_ITEMS
from guzheng.proof.moments import papers_of as moments_named
from guzheng.store.blobs import Blobs
from guzheng.store.durable import sync_all
from guzheng.store.receive import Received, keep_stream

CAPTURE = "capture.json"
_MOMENT_OCTETS = 256 * 1024  # a token, or a note with a hundred cosignatures
_HANDS = 4  # large files that are written at once: each waits for the disk, it for none
_SMALL_OCTETS = 512 * 1024


@runtime_checkable
class _AtOnce(Protocol):
    """Keeps many small files for the price of one wait for the disk: see store/blobs."""

    def put_all(self, files: Mapping[str, bytes]) -> None: ...


@dataclass(frozen=True, slots=True)
class Captured:
    """What a finished run brought: its record, and each artefact with its role."""

    record_json: bytes
    items: tuple[ReceivedItem, ...]
    roles: dict[str, str]


def captured_items(record_json: bytes) -> tuple[tuple[ReceivedItem, ...], dict[str, str]]:
    """The items of a capture that is kept, as its record states them, and their roles. The
    manifest is refused unless what is kept has these digests."""
    artefacts = CaptureRecord.parse(record_json).artefacts
    items = (
        ReceivedItem(one.name, one.media_type, one.size, (one.sha256,)) for one in artefacts
    )
    return tuple(items), {one.name: one.role for one in artefacts}


def make_durable(out: Path) -> None:
    """Every file of a run, and every folder that names one."""
    with contextlib.ExitStack() as opened:

        def open_(path: Path, flags: int = 0) -> int:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | flags)
            opened.callback(os.close, descriptor)
            return descriptor

        folders, found = [], []
        for directory, _, files in os.walk(out):
            folders.append(open_(Path(directory), os.O_DIRECTORY))
            found += [open_(Path(directory) / name, os.O_NONBLOCK) for name in files]
        sync_all(found)
        sync_all(folders)


def keep_items(done: Path, blobs: Blobs, folder: str) -> Captured:
    """The items that the record names, and the papers of its moments; the record is the
    caller's to keep, last. Raises ProofError for a folder that no capturer of ours leaves."""
    record_json = (done / CAPTURE).read_bytes()
    record = CaptureRecord.parse(record_json)
    artefacts, names = record.artefacts, [item_name(one.name) for one in record.artefacts]
    distinct(names)
    fits = not record.failed or {*names} <= {*ATTEMPT_ITEMS}
    require(fits, Malformed, "manifest.items", ", ".join(ATTEMPT_ITEMS), repr(names)[:120])

    kept = _keep_all(done, blobs, folder, names, dict(moments_in(done, record_json)))
    items = tuple(
        ReceivedItem(one.name, one.media_type, kept[one.name].size, (kept[one.name].sha256,))
        for one in artefacts
    )
    return Captured(record_json, items, {one.name: one.role for one in artefacts})


def _keep_all(
    done: Path, blobs: Blobs, folder: str, names: list[str], papers: dict[str, bytes]
) -> dict[str, Received]:
    """The small ones at once, and with them the papers: the disk is waited for once."""
    kept: dict[str, Received] = {}
    small = {folder + name: octets for name, octets in papers.items()}
    large = []
    for name in names:
        octets = _small(done / "items" / name)
        if octets is None:
            large.append(name)
        else:
            small[f"{folder}items/{name}"] = octets
            kept[name] = Received(len(octets), sha256(octets))

    def keep(name: str) -> Received:
        descriptor = os.open(done / "items" / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            chunks = iter(lambda: stream.read(4 << 20), b"")
            return keep_stream(blobs, f"{folder}items/{name}", chunks)

    with ThreadPoolExecutor(_HANDS) as hands:
        put = hands.submit(_put_all, blobs, small)
        kept |= dict(zip(large, hands.map(keep, large), strict=True))
        put.result()
    return kept


def _small(path: Path) -> bytes | None:
    """Its octets; none if it is no small file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        octets = stream.read(_SMALL_OCTETS + 1)
    return octets if len(octets) <= _SMALL_OCTETS else None


def _put_all(blobs: Blobs, files: dict[str, bytes]) -> None:
    if isinstance(blobs, _AtOnce):
        blobs.put_all(files)
        return
    for name, octets in files.items():
        blobs.put(name, [octets])


def moments_in(out: Path, record_json: bytes) -> Iterator[tuple[str, bytes]]:
    """The papers of the moments that the record names, and no others."""
    for name in moments_named(record_json) if record_json else ():
        descriptor = os.open(out / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            octets = stream.read(_MOMENT_OCTETS + 1)
        fits, found = len(octets) <= _MOMENT_OCTETS, f"{len(octets)} or more"
        require(fits, Malformed, "moment.too-large", f"{_MOMENT_OCTETS} octets", found)
        yield name, octets
