"""Blobs: bytes kept under a name that never changes what it names.

A name is a safe relative path (`exhibits/ex_…/manifest.json`). Under one name there are the
same bytes for ever: putting them again is fine, putting others raises `AlreadyKept`. When
`put` returns, bytes and name survive a power cut. The one exception is `replace`, which is
for the ledger's checkpoint, for notes of how far anchoring is, and for a document of a real
name that is sealed under another key; none of them is evidence.

`put_all` is for many small blobs at once (tiles): each is put as by `put` and all are durable
when it returns, for the price of one wait for the disk instead of hundreds. It is not a
transaction: after a crash any part of them may be there, so the caller must be able to put
them again. Blobs has no verb for it because only the ledger needs it; the ledger declares
the port it needs, and both implementations here fit it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol, runtime_checkable

from guzheng.refusals import Refused

MAX_NAME_OCTETS = 1024
MAX_SEGMENT_OCTETS = 255  # what ext4, xfs, btrfs and APFS allow
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


class AlreadyKept(Refused):
    """Other bytes are kept under this name; they stay."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "store.already-kept",
            expected="the bytes that are kept under this name",
            found=f"other bytes for {name}",
            act="nothing was changed; use another name",
        )


class NotKept(Refused):
    """There is nothing under this name."""

    def __init__(self, name: str) -> None:
        super().__init__("store.not-kept", expected=f"a blob named {name}", found="none")


class UnsafeName(Refused):
    """Not a name for a blob: it could escape, hide, or be spelled in two ways."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__("store.unsafe-name", expected=expected, found=repr(name[:120]))


class Blobs(Protocol):
    """Where bytes are kept. All verbs may be called from many threads and processes."""

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Keep the bytes under the name, durably; or raise AlreadyKept, Unavailable."""
        ...

    def replace(self, name: str, octets: bytes) -> None:
        """Put these bytes in the place of any others, in one step, durably."""
        ...

    def open(self, name: str) -> BinaryIO:
        """The bytes under the name; or raise NotKept."""
        ...

    def names(self, prefix: str = "") -> Iterator[str]:
        """Every name that begins with the prefix, ordered segment by segment.

        Includes whatever else lies in the place where blobs are kept, under names `open`
        may refuse: who looks for extra files must see them."""
        ...

    def remove(self, name: str) -> None:
        """Forget the name, durably; fine if it is not there."""
        ...


@runtime_checkable
class Growing(Protocol):
    """What some stores can do besides: hold what has no end yet, without copying it later.

    What grows is no blob: it has one writer at a time, who sees to that himself."""

    def grow(self, name: str, offset: int, chunks: Iterable[bytes]) -> None:
        """These octets from `offset` on, and none after them; durable on return. NotKept where
        there are not so many. After an error anything may follow the first `offset` octets."""
        ...

    def settle(self, grown: str, name: str) -> None:
        """From now on it is the blob `name` too, and never changes; or raise AlreadyKept. May
        be done again; the name under which it grew stays until it is removed."""
        ...


def read(blobs: Blobs, name: str) -> bytes:
    """All the bytes of a blob known to be small."""
    with blobs.open(name) as stream:
        return stream.read()


def find(blobs: Blobs, name: str) -> bytes | None:
    """All the bytes of a small blob, or None when there is none."""
    try:
        return read(blobs, name)
    except NotKept:
        return None


def segments_of(name: str) -> list[str]:
    """The parts of a safe name; raises UnsafeName."""
    try:
        octets = len(name.encode())
    except UnicodeEncodeError as error:
        raise UnsafeName(name, "a name that can be written in UTF-8") from error
    if not 0 < octets <= MAX_NAME_OCTETS:
        raise UnsafeName(name, f"between 1 and {MAX_NAME_OCTETS} octets")
    if _FORBIDDEN.search(name):
        raise UnsafeName(name, "neither control characters nor backslashes")
    segments = name.split("/")
    for segment in segments:
        if segment in ("", ".", ".."):
            raise UnsafeName(name, "no empty segment, no '.' and no '..'")
        if len(segment.encode()) > MAX_SEGMENT_OCTETS:
            raise UnsafeName(name, f"segments of at most {MAX_SEGMENT_OCTETS} octets")
    if segments[0].startswith("."):
        raise UnsafeName(name, "a first segment that does not begin with '.'")
    return segments
