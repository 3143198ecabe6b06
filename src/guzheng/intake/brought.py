"""What a finished run of the capturer brought: judged, and only then kept.

The capturer met a hostile page, so every name and every octet of its folder is a stranger's:
links are not followed, names are those that an item may have, and what the record does not name
is left behind.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from guzheng.intake.order import ReceivedItem
from guzheng.intake.rules import distinct, item_name
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.errors import Malformed, require
from guzheng.proof.manifest import ATTEMPT_ITEMS
from guzheng.proof.moments import papers_of as moments_named
from guzheng.store.blobs import Blobs
from guzheng.store.durable import sync_directory
from guzheng.store.receive import Received, keep_stream

CAPTURE = "capture.json"
_MOMENT_OCTETS = 256 * 1024  # a token, or a note with a hundred cosignatures
_HANDS = 4  # files that are written at once: each waits for the disk, and the disk for none


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

    def flush(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with ThreadPoolExecutor(_HANDS) as hands:  # the disk is waited for once, not for each
        for directory, _, files in os.walk(out):
            list(hands.map(flush, [Path(directory) / name for name in files]))
            sync_directory(Path(directory))


def keep_items(done: Path, blobs: Blobs, folder: str) -> Captured:
    """The items that the record names, and the papers of its moments; the record is the
    caller's to keep, last. Raises ProofError for a folder that no capturer of ours leaves."""
    record_json = (done / CAPTURE).read_bytes()
    record = CaptureRecord.parse(record_json)
    artefacts, names = record.artefacts, [item_name(one.name) for one in record.artefacts]
    distinct(names)
    fits = not record.failed or {*names} <= {*ATTEMPT_ITEMS}
    require(fits, Malformed, "manifest.items", ", ".join(ATTEMPT_ITEMS), repr(names)[:120])

    def keep(name: str) -> Received:
        descriptor = os.open(done / "items" / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            octets = iter(lambda: stream.read(4 << 20), b"")
            return keep_stream(blobs, f"{folder}items/{name}", octets)

    with ThreadPoolExecutor(_HANDS) as hands:
        kept = list(hands.map(keep, names))
    items = tuple(
        ReceivedItem(one.name, one.media_type, its.size, (its.sha256,))
        for one, its in zip(artefacts, kept, strict=True)
    )
    for name, octets in moments_in(done, record_json):
        blobs.put(folder + name, [octets])
    return Captured(record_json, items, {one.name: one.role for one in artefacts})


def moments_in(out: Path, record_json: bytes) -> Iterator[tuple[str, bytes]]:
    """The papers of the moments that the record names, and no others."""
    for name in moments_named(record_json) if record_json else ():
        descriptor = os.open(out / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            octets = stream.read(_MOMENT_OCTETS + 1)
        fits, found = len(octets) <= _MOMENT_OCTETS, f"{len(octets)} or more"
        require(fits, Malformed, "moment.too-large", f"{_MOMENT_OCTETS} octets", found)
        yield name, octets
