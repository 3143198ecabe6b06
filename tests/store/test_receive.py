"""A stream is kept and hashed at once; sizes of chunks do not matter."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.store.blobs import AlreadyKept, read
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.memory import MemoryBlobs
from guzheng.store.receive import GROUP, SMALL, groups, keep_stream


@given(st.lists(st.integers(0, 200_000)))
def test_groups_are_the_same_bytes(sizes: list[int]) -> None:
    chunks = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    made = list(groups(iter(chunks)))
    assert b"".join(chunk for group in made for chunk in group) == b"".join(chunks)
    every = [chunk for group in made for chunk in group]
    assert all(every)
    assert sum(len(chunk) < SMALL for chunk in every) <= 1 + sum(
        size >= SMALL for size in sizes
    )
    assert all(sum(map(len, group)) >= GROUP for group in made[:-1])


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (4 << 20) + 1, 9 << 20])
def test_what_is_said_is_what_was_kept(tmp_path: Path, size: int) -> None:
    octets = bytes(range(256)) * (size // 256) + bytes(size % 256)
    blobs = DirectoryBlobs(tmp_path)
    chunks = [octets[at : at + 100_000] for at in range(0, size, 100_000)]
    received = keep_stream(blobs, "item", chunks)
    assert received.size == size
    assert received.sha256.hex == hashlib.sha256(octets).hexdigest()
    assert read(blobs, "item") == octets
    assert keep_stream(blobs, "item", chunks) == received
    with pytest.raises(AlreadyKept):
        keep_stream(blobs, "item", [*chunks, b"more"])


def test_a_stream_that_breaks_leaves_nothing() -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(5 << 20)
        raise ConnectionError("the sender went away")

    blobs = MemoryBlobs()
    with pytest.raises(ConnectionError):
        keep_stream(blobs, "item", broken())
    assert list(blobs.names()) == []


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    tracemalloc.start()
    keep_stream(blobs, "item", (bytes(1 << 20) for _ in range(128)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 << 20
