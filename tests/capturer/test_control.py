"""The control page: what it must be, and a PNG read without anybody's library."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer.pixels import Undecodable, pixels_of
from guzheng.capturer.tunnel import control

ROWS = st.lists(st.binary(min_size=12, max_size=12), min_size=1, max_size=5)


def chunk(name: bytes, octets: bytes) -> bytes:
    size, check = struct.pack(">I", len(octets)), struct.pack(">I", zlib.crc32(octets))
    return size + name + octets + check


def png(rows: list[bytes], *, kind: int, depth: int = 8, interlaced: int = 0) -> bytes:
    """Rows with their filter in front."""
    width = (len(rows[0]) - 1) // {2: 3, 6: 4}.get(kind, 1)
    head = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, interlaced)
    packed = zlib.compress(b"".join(rows))
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def filtered(rows: list[bytes], method: int, channels: int) -> list[bytes]:
    """By the book, from whole rows: ISO/IEC 15948 §9."""
    above, out = bytes(len(rows[0])), []
    for row in rows:
        line = bytearray([method])
        for at, one in enumerate(row):
            left = row[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            up = above[at]
            paeth = min((left, up, corner), key=lambda known: abs(left + up - corner - known))
            guess = (0, left, up, (left + up) // 2, paeth)[method]
            line.append((one - guess) % 256)
        out.append(bytes(line))
        above = row
    return out


@given(ROWS, st.integers(0, 4))
def test_every_filter_is_taken_off(rows: list[bytes], method: int) -> None:
    assert pixels_of(png(filtered(rows, method, 3), kind=2)) == b"".join(rows)
    without = b"".join(row[at : at + 3] for row in rows for at in range(0, 12, 4))
    assert pixels_of(png(filtered(rows, method, 4), kind=6)) == without


@given(st.binary(max_size=200))
def test_what_is_no_such_png_is_refused(octets: bytes) -> None:
    with pytest.raises(Undecodable):
        pixels_of(octets)
    good = png([b"\0" + bytes(3)], kind=2)
    for wrong in (
        good[:20],
        png([b"\5" + bytes(3)], kind=2),
        png([b"\0" + bytes(3)], kind=2, depth=16),
        png([b"\0" + bytes(3)], kind=3),
        png([b"\0" + bytes(3)], kind=2, interlaced=1),
    ):
        with pytest.raises(Undecodable):
            pixels_of(wrong)


def test_it_says_what_its_script_makes_of_it() -> None:
    assert control.DOCUMENT != control.SHOWN
    assert f"{sum(range(100))}</p>".encode() in control.SHOWN
    assert len(control.pixels()) == 3 * control.SIDE**2
    assert len(set(control.expected())) == 3
