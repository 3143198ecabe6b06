"""One side of a comparison, read from the papers of a web exhibit.

Resources are taken from the index of the archive, which names the digest of each body, the text
of the page from text.txt, and that of each frame from what frames.json names. All of it within
bounds.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from guzheng.compare import frames
from guzheng.compare.frames import Frame
from guzheng.proof import canonical
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed, ProofError
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs, NotKept, read

TEXT_OCTETS = 8 * 1024 * 1024
FRAMES_OCTETS = 16 * 1024 * 1024  # of all frames' texts together
INDEX_OCTETS = 32 * 1024 * 1024
RESOURCES = 20_000
TEXT = "text.txt"
PICTURES = ("screenshot.png", "screenshot-000.png", "view.png")


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared of one capture. `text`, `frames` and `resources` are None when they
    could not be read within bounds."""

    exhibit: str
    manifest_digest: Digest
    vantage: str
    record: CaptureRecord
    text: tuple[str, ...] | None
    resources: Mapping[str, str] | None
    picture: tuple[str, bytes] | None
    frames: tuple[Frame, ...] | None = ()


def read_side(
    blobs: Blobs, folder: str, exhibit: str, manifest_digest: Digest, vantage: str
) -> Side:
    """Raises Refused when the exhibit has no capture."""
    try:
        record = CaptureRecord.parse(read(blobs, f"{folder}capture.json"))
    except NotKept as error:
        raise Refused(
            "compare.no-capture",
            expected="an exhibit with a finished capture",
            found=exhibit,
            act="wait for it, or compare others",
        ) from error
    items = {one.name for one in record.artefacts}
    return Side(
        exhibit=exhibit,
        manifest_digest=manifest_digest,
        vantage=vantage,
        record=record,
        text=_text(blobs, f"{folder}items/", items),
        resources=_resources(blobs, f"{folder}items/page.wacz"),
        picture=_picture(blobs, f"{folder}items/", items),
        frames=_frames(blobs, f"{folder}items/", items),
    )


def _octets(blobs: Blobs, name: str, most: int) -> bytes | None:
    with blobs.open(name) as stream:
        octets = stream.read(most + 1)
    return octets if len(octets) <= most else None


def _lines(octets: bytes) -> tuple[str, ...]:
    lines = (
        " ".join(line.split()) for line in octets.decode("utf-8-sig", "replace").splitlines()
    )
    return tuple(line for line in lines if line)


def _text(blobs: Blobs, folder: str, items: set[str]) -> tuple[str, ...] | None:
    octets = _octets(blobs, folder + TEXT, TEXT_OCTETS) if TEXT in items else None
    return None if octets is None else _lines(octets)


def _frames(blobs: Blobs, folder: str, items: set[str]) -> tuple[Frame, ...] | None:
    """None if the list of them cannot be read; a page without frames has no list."""
    if frames.LIST not in items:
        return ()
    left = FRAMES_OCTETS

    def text_of(name: str) -> tuple[str, ...] | None:
        nonlocal left
        octets = _octets(blobs, folder + name, left) if name in items else None
        left -= len(octets or b"")
        return None if octets is None else _lines(octets)

    octets = _octets(blobs, folder + frames.LIST, frames.LIST_OCTETS)
    try:
        return None if octets is None else frames.parse(octets, text_of)
    except ProofError:
        return None


def _resources(blobs: Blobs, name: str) -> Mapping[str, str] | None:
    """Address → status and digest of the body, of every exchange of the archive's index."""
    try:
        with blobs.open(name) as stream, zipfile.ZipFile(stream) as archive:
            if archive.getinfo("indexes/index.cdx").file_size > INDEX_OCTETS:
                return None
            lines = archive.read("indexes/index.cdx").splitlines()
    except (NotKept, KeyError, zipfile.BadZipFile):
        return None
    if len(lines) > RESOURCES:
        return None
    found: dict[str, str] = {}
    for line in lines:
        _, _, value = line.partition(b" {")
        try:
            entry = canonical.parse_any(b"{" + value)
        except Malformed:
            continue
        if isinstance(entry, dict) and "url" in entry:
            said = f"{entry.get('status', '')} {entry.get('digest', '')}"
            found.setdefault(str(entry["url"])[:8192], said)  # asked for twice: the first
    return found


def _picture(blobs: Blobs, folder: str, items: set[str]) -> tuple[str, bytes] | None:
    name = next((one for one in PICTURES if one in items), None)
    return None if name is None else (name, read(blobs, folder + name))
