"""Keep a stream and know its digest at once: hashed in a second thread while it is written.

Memory stays constant (a few groups of a MiB) whatever the size. Chunks are passed on as they
came, not copied together: to fill fresh memory costs more than to hash it. The two need
not go in step: the hash may be some groups behind, so that neither waits for the other's worst
moment.
The digest is of exactly the bytes that were handed to the store; SM3, five times slower, is for
a later step.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from guzheng.proof.digest import Digest, Hasher
from guzheng.store.blobs import Blobs

GROUP = 1 << 20  # handed to the other thread at once
BEHIND = 4  # groups that may wait to be hashed
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
    hashers = (hasher, *also)
    size = 0

    def hashed(hand: ThreadPoolExecutor) -> Iterator[bytes]:
        nonlocal size
        hashing: deque[Future[None]] = deque()
        for group in groups(chunks):
            if len(hashing) > BEHIND:
                hashing.popleft().result()
            octets = sum(map(len, group))
            if octets < GROUP and not hashing:  # all there is: not worth a thread
                _update(hashers, group)
            else:
                hashing.append(hand.submit(_update, hashers, group))
            size += octets
            yield from group
        for one in hashing:
            one.result()

    with ThreadPoolExecutor(1) as hand:  # begins its thread when the first is handed over
        take(hashed(hand))
    return Received(size, Digest("sha256", hasher.digest()))


def _update(hashers: tuple[Hasher, ...], group: list[bytes]) -> None:
    for chunk in group:
        for hasher in hashers:
            hasher.update(chunk)


def groups(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The same bytes, in lists of some MiB that hold no small chunk but the last."""
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
