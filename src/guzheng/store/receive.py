"""Keep a stream and know its digest at once: hashed in a second thread while it is written.

Memory stays constant (two groups of a few MiB) whatever the size. Chunks are passed on as they
came, not copied together: to fill fresh memory costs more than to hash it. The digest is of
exactly the bytes that were handed to the store; SM3, five times slower, is for a later step.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from guzheng.proof.digest import Digest, Hasher
from guzheng.store.blobs import Blobs

GROUP = 4 << 20  # handed to the other thread at once
SMALL = 64 << 10  # chunks below this are copied together: a call for each would cost more


@dataclass(frozen=True, slots=True)
class Received:
    """What was kept: its size in octets and its SHA-256."""

    size: int
    sha256: Digest


def keep_stream(blobs: Blobs, name: str, chunks: Iterable[bytes]) -> Received:
    """Put the chunks under the name; raises what Blobs.put raises."""
    return hashed_through(chunks, lambda passed: blobs.put(name, passed))


def hashed_through(
    chunks: Iterable[bytes],
    take: Callable[[Iterator[bytes]], None],
    *also: Hasher,
    into: Hasher | None = None,
) -> Received:
    """`take` is given the chunks, and must read them all; `also` are updated with them, too.
    `into`: a SHA-256 of nothing yet, for who wants to carry it on."""
    hasher: Hasher = into or hashlib.sha256()
    size = 0

    def hashed(hand: ThreadPoolExecutor) -> Iterator[bytes]:
        nonlocal size
        hashing: Future[None] | None = None
        for group in groups(chunks):
            if hashing is not None:
                hashing.result()  # one group is hashed while one is written, never more
            hashing = hand.submit(_update, (hasher, *also), group)
            size += sum(map(len, group))
            yield from group
        if hashing is not None:
            hashing.result()

    with ThreadPoolExecutor(1) as hand:
        take(hashed(hand))
    return Received(size, Digest("sha256", hasher.digest()))


def _update(hashers: tuple[Hasher, ...], group: list[bytes]) -> None:
    for chunk in group:
        for hasher in hashers:
            hasher.update(chunk)


def groups(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The same bytes, in lists of some 4 MiB that hold no small chunk but the last."""
    group: list[bytes] = []
    octets = 0
    for chunk in _gathered(chunks):
        group.append(chunk)
        octets += len(chunk)
        if octets >= GROUP:
            yield group
            group, octets = [], 0
    if group:
        yield group


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    small: list[bytes] = []
    octets = 0
    for chunk in chunks:
        if len(chunk) < SMALL:
            small.append(chunk)
            octets += len(chunk)
            if octets < SMALL:
                continue
        if octets:
            yield b"".join(small)
            small, octets = [], 0
        if len(chunk) >= SMALL:
            yield chunk
    if octets:
        yield b"".join(small)
