"""One side of a comparison, read from the papers of a web exhibit.

Resources are taken from the index of the archive, which names the digest of each body, and the
text from text.txt. All of it within bounds.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from guzheng.proof import canonical
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs, NotKept, read

TEXT_OCTETS = 8 * 1024 * 1024
INDEX_OCTETS = 32 * 1024 * 1024
RESOURCES = 20_000
PICTURES = ("screenshot.png", "screenshot-000.png", "view.png")


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared of one capture. `text` and `resources` are None when they could not be
    read within bounds."""

    exhibit: str
    manifest_digest: Digest
    vantage: str
    record: CaptureRecord
    text: tuple[str, ...] | None
    resources: Mapping[str, str] | None
    picture: tuple[str, bytes] | None


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
    )


def _text(blobs: Blobs, folder: str, items: set[str]) -> tuple[str, ...] | None:
    if "text.txt" not in items:
        return None
    with blobs.open(f"{folder}text.txt") as stream:
        octets = stream.read(TEXT_OCTETS + 1)
    if len(octets) > TEXT_OCTETS:
        return None
    text = octets.decode("utf-8-sig", "replace")
    lines = (" ".join(line.split()) for line in text.splitlines())
    return tuple(line for line in lines if line)


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
            canonical.require_shallow(value)
            entry = json.loads(b"{" + value)
        except (ValueError, Malformed):
            continue
        if isinstance(entry, dict) and "url" in entry:
            said = f"{entry.get('status', '')} {entry.get('digest', '')}"
            found.setdefault(str(entry["url"])[:8192], said)  # asked for twice: the first
    return found


def _picture(blobs: Blobs, folder: str, items: set[str]) -> tuple[str, bytes] | None:
    name = next((one for one in PICTURES if one in items), None)
    return None if name is None else (name, read(blobs, folder + name))
