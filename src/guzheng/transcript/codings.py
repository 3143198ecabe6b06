"""Undoing content codings (RFC 9110 §8.4): gzip, deflate, br, zstd, one upon another; bounded.

A body that cannot be undone is no fault of the evidence, and is said to be so: its octets are
there as they came.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import brotli
import zstandard

from guzheng.proof.digest import Digest
from guzheng.proof.errors import Undecided
from guzheng.transcript.limits import (
    BODY_FLOOR_OCTETS,
    BODY_OCTETS,
    BODY_RATIO,
    CODINGS,
)

_PART = 1 << 18
_FAULTS = (zlib.error, brotli.error, zstandard.ZstdError, EOFError)


@dataclass(frozen=True, slots=True)
class Content:
    """A body once its codings are undone. `digest` is absent where they could not be."""

    size: int
    digest: Digest | None
    why: str = ""


def content_of(octets: bytes, codings: str) -> Content:
    """`codings` as the header says them, in the order in which they were applied."""
    names = [one.strip().lower() for one in codings.split(",") if one.strip()]
    names = [one for one in names if one != "identity"]
    parts = iter((octets,))
    if not octets:
        names = []  # nothing came, whatever was announced: HEAD, 204, 304
    try:
        _require_known(names)
        for name in reversed(names):
            parts = _UNDO[name](parts)
        return _measured(parts, max(BODY_RATIO * len(octets), BODY_FLOOR_OCTETS))
    except Undecided as error:
        return Content(0, None, f"{error.expected}: {error.found}")
    except _FAULTS as error:
        return Content(0, None, f"{', '.join(names)}: {str(error)[:80]}")


def _require_known(names: list[str]) -> None:
    unknown = [one for one in names if one not in _UNDO]
    if unknown or len(names) > CODINGS:
        wanted = f"at most {CODINGS} of {', '.join(sorted(_UNDO))}"
        raise Undecided("transcript.coding-unknown", wanted, ", ".join(names)[:80])


def _measured(parts: Iterator[bytes], most: int) -> Content:
    hasher, size = hashlib.sha256(), 0
    for part in parts:
        size += len(part)
        if size > min(BODY_OCTETS, most):
            wanted = f"at most {min(BODY_OCTETS, most)} octets"
            raise Undecided("transcript.body-too-large", wanted, "more")
        hasher.update(part)
    return Content(size, Digest("sha256", hasher.digest()))


def _inflated(parts: Iterator[bytes]) -> Iterator[bytes]:
    """`deflate` is zlib's form; some servers send the naked one, and browsers read both."""
    first = next(parts, b"")
    naked = len(first) >= 2 and (first[0] & 0x0F != 8 or int.from_bytes(first[:2], "big") % 31)
    yield from _through(first, parts, lambda: zlib.decompressobj(-15 if naked else 15))


def _ungzipped(parts: Iterator[bytes]) -> Iterator[bytes]:
    yield from _through(next(parts, b""), parts, lambda: zlib.decompressobj(31))


def _through(
    first: bytes, parts: Iterator[bytes], begin: "Callable[[], zlib._Decompress]"
) -> Iterator[bytes]:
    """Members may follow one another (RFC 1952 §2.2)."""
    unpacker, part = begin(), first
    while True:
        while part:
            yield unpacker.decompress(part, _PART)
            part = unpacker.unconsumed_tail
            if unpacker.eof:
                part = unpacker.unused_data
                if not part.strip(b"\0"):
                    break
                unpacker = begin()
        following = next(parts, None)
        if following is None:
            break
        part = following
    while not unpacker.eof and (rest := unpacker.decompress(unpacker.unconsumed_tail, _PART)):
        yield rest
    if not unpacker.eof and first:
        raise EOFError("cut off")


def _unbrotlied(parts: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = brotli.Decompressor()
    for part in parts:
        yield unpacker.process(part, output_buffer_limit=_PART)
        while not unpacker.can_accept_more_data():
            yield unpacker.process(b"", output_buffer_limit=_PART)
    if not unpacker.is_finished():
        raise EOFError("cut off")


def _unzstandarded(parts: Iterator[bytes]) -> Iterator[bytes]:
    # RFC 9659: 8 MiB of window at most; frames may follow one another.
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 23)
    with unpacker.stream_reader(b"".join(parts), read_across_frames=True) as reader:
        while part := reader.read(_PART):
            yield part


_UNDO: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "gzip": _ungzipped,
    "x-gzip": _ungzipped,
    "deflate": _inflated,
    "br": _unbrotlied,
    "zstd": _unzstandarded,
}
