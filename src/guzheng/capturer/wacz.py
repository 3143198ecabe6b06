"""Packs an archive as WACZ 1.1.1, with the `home` of 1.2.0: replay tools open it.

The zip is deterministic: fixed order, fixed date, the archive stored as it is. Signatures and
timestamps stay outside (seal, ledger): the WACZ signature format has no room for ours.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer.limits import ZIP_EPOCH
from guzheng.capturer.warc import IndexEntry
from guzheng.proof import canonical

# WACZ 1.2.0 (a draft) differs in three properties: `home` replaces `mainPage…`, there is no
# version, and the profile is «wacz». Both spellings of the first stand here; the last two would
# make py-wacz 0.6 call the package invalid: docs/decisions/0024.
VERSION = "1.1.1"
WARC_NAME = "data.warc.gz"  # the specification's name for an archive in one file


@dataclass(frozen=True, slots=True)
class PageEntry:
    """The one page of the package, as a reader finds it in pages.jsonl."""

    url: str
    at: str
    title: str


def write(
    out: Path, *, warc: Path, index: Sequence[IndexEntry], page: PageEntry, software: str
) -> None:
    """Write the package to `out`."""
    lines = sorted(entry.line() for entry in index)
    members: list[tuple[str, bytes | Path]] = [
        (f"archive/{WARC_NAME}", warc),
        ("indexes/index.cdx", b"".join(lines)),
        ("pages/pages.jsonl", _pages(page)),
    ]
    package = canonical.encode(
        {
            "profile": "data-package",
            "wacz_version": VERSION,
            "home": {"url": page.url, "ts": page.at},
            "software": software,
            "created": page.at,
            "title": page.title,
            "mainPageUrl": page.url,
            "mainPageDate": page.at,
            "resources": [_resource(name, content) for name, content in members],
        }
    )
    digest = canonical.encode(
        {
            "path": "datapackage.json",
            "hash": f"sha256:{hashlib.sha256(package).hexdigest()}",
        }
    )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        members += [("datapackage.json", package), ("datapackage-digest.json", digest)]
        for name, content in members:
            _add(archive, name, content)


def _pages(page: PageEntry) -> bytes:
    header = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages"}
    identity = hashlib.sha256(f"{page.at} {page.url}".encode()).hexdigest()[:32]
    entry = {"id": identity, "url": page.url, "ts": page.at, "title": page.title}
    return canonical.encode(header) + b"\n" + canonical.encode(entry) + b"\n"


def _resource(name: str, content: bytes | Path) -> dict[str, object]:
    if isinstance(content, bytes):
        digest, size = hashlib.sha256(content).hexdigest(), len(content)
    else:
        with content.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = content.stat().st_size
    return {
        "name": name.rpartition("/")[2],
        "path": name,
        "hash": f"sha256:{digest}",
        "bytes": size,
    }


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    entry = zipfile.ZipInfo(name, ZIP_EPOCH)
    entry.external_attr = 0o100644 << 16
    entry.create_system = 3  # Unix, on every system: the same octets everywhere
    with archive.open(entry, "w", force_zip64=False) as out:
        if isinstance(content, bytes):
            out.write(content)
            return
        with content.open("rb") as stream:
            while part := stream.read(1 << 20):
                out.write(part)
