"""A deposit comes in: the bytes first, then the order that refers to them.

Whoever is killed between the two leaves items without an order: nobody was told of them, and
the next worker clears them away (`Road.recover`).
"""

import mimetypes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guzheng.intake.order import ReceivedItem
from guzheng.proof.digest import Digest
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs
from guzheng.store.receive import keep_stream

UNKNOWN_TYPE = "application/octet-stream"


def media_type_of(name: str) -> str:
    """By its ending, as browsers do; a guess that proves nothing, so never from the content."""
    return mimetypes.guess_type(name, strict=True)[0] or UNKNOWN_TYPE


@dataclass(frozen=True, slots=True)
class Here:
    """Octets that are in the store already, hashed when they came; `settle` names them."""

    size: int
    sha256: Digest
    settle: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way in; `chunks` is read once, or not at all if it is `here`."""

    name: str
    chunks: Iterable[bytes]
    media_type: str = UNKNOWN_TYPE
    here: Here | None = None


def unreadable(file: Path, error: OSError | ValueError) -> Refused:
    """The file is the caller's, and so is the error."""
    return Refused(
        "intake.unreadable",
        expected="a file that can be read",
        found=f"{getattr(error, 'strerror', None) or error}: {file}",
        act="check the path and its permissions",
    )


def keep(blobs: Blobs, folder: str, upload: Upload, *, largest: int) -> ReceivedItem:
    """Keep one file under the exhibit's folder, hashing it on the way."""
    name = f"{folder}items/{upload.name}"
    if (here := upload.here) is not None:
        if here.size > largest:
            raise _too_large(upload, largest)
        here.settle(name)
        return ReceivedItem(upload.name, upload.media_type, here.size, (here.sha256,))
    received = keep_stream(blobs, name, _bounded(upload, largest))
    if received.size == 0:
        blobs.remove(name)
        raise Refused(
            "intake.empty-file",
            expected="a file with content",
            found=f"0 octets in {upload.name}",
            act="choose the file again; nothing can be shown of nothing",
        )
    return ReceivedItem(upload.name, upload.media_type, received.size, (received.sha256,))


def _bounded(upload: Upload, largest: int) -> Iterator[bytes]:
    size = 0
    for chunk in upload.chunks:
        size += len(chunk)
        if size > largest:
            raise _too_large(upload, largest)
        yield chunk


def _too_large(upload: Upload, largest: int) -> Refused:
    return Refused(
        "intake.too-large",
        expected=f"at most {largest:,} octets",
        found=f"more in {upload.name}",
        act="use the command line, or ask the operator to raise largest_upload",
    )


def by_digest(
    name: str, size: int, digests: tuple[Digest, ...], media_type: str
) -> ReceivedItem:
    """A file that stays with its owner; only its digest comes in."""
    if size == 0:
        raise Refused(
            "intake.empty-file",
            expected="a file with content",
            found=f"0 octets in {name}",
            act="choose the file again",
        )
    return ReceivedItem(name, media_type, size, digests)
