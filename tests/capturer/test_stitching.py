"""Strips joined are the picture painted at once, pixel for pixel; anything else is refused."""

import struct
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer.pixels import Undecodable, pixels_of
from guzheng.capturer.stitching import Stitched


def png(rows: list[tuple[int, bytes]], *, width: int, kind: int = 2, depth: int = 8) -> bytes:
    """`rows`: the filter of each and its octets, already filtered."""

    def chunk(name: bytes, octets: bytes) -> bytes:
        check = zlib.crc32(name + octets)
        return struct.pack(">I", len(octets)) + name + octets + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(bytes([one]) + octets for one, octets in rows))
    middle = len(packed) // 2
    parts = chunk(b"IDAT", packed[:middle]) + chunk(b"IDAT", packed[middle:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + parts + chunk(b"IEND", b"")


def joined(path: Path, strips: list[bytes], height: int) -> bytes:
    picture = Stitched(path, height)
    try:
        for one in strips:
            picture.add(one)
        picture.end()
    finally:
        picture.close()
    return path.read_bytes()


@given(
    st.sampled_from([(2, 3), (6, 4)]),
    st.integers(1, 4),
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_pixels_are_those_of_the_strips(
    tmp_path_factory: pytest.TempPathFactory,
    kind: tuple[int, int],
    width: int,
    filters: list[list[int]],
    chance: Random,
) -> None:
    strips = [
        png(
            [(one, chance.randbytes(width * kind[1])) for one in strip],
            width=width,
            kind=kind[0],
        )
        for strip in filters
    ]
    path = tmp_path_factory.mktemp("stitched") / "a.png"
    whole = joined(path, strips, sum(map(len, filters)))
    assert pixels_of(whole) == b"".join(map(pixels_of, strips))


ROW = (0, bytes(6))
STRIP = png([ROW], width=2)


@pytest.mark.parametrize(
    "strips",
    [
        [STRIP],  # too few rows
        [STRIP, STRIP, STRIP],  # too many
        [STRIP, png([(0, bytes(9))], width=3)],  # wider
        [STRIP, png([(0, bytes(8))], width=2, kind=6)],  # with alpha
        [png([ROW, ROW], width=2, depth=16)],
        [STRIP, png([(5, bytes(6))], width=2)],  # no such filter
        [png([ROW, (0, bytes(5))], width=2)],  # a row that is too short
        [b"<html>"],
        [STRIP[:8]],
        [STRIP[:40]],
        [STRIP, STRIP[:-30] + bytes(30)],
    ],
)
def test_what_is_no_strip_of_it_is_refused(tmp_path: Path, strips: list[bytes]) -> None:
    with pytest.raises(Undecodable):
        joined(tmp_path / "a.png", strips, 2)
