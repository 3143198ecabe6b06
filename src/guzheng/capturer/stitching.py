"""Joins pictures that lie one below the other into one PNG (ISO/IEC 15948), pixel for pixel.

A browser that paints 16,000 rows at once needs three times their memory for it; painted in
strips it needs a quarter. The strips are unpacked and packed again as they come, a piece at a
time: no pixel is computed, only the filter of a strip's first row is told anew, since the row
above it was nothing and is now the end of the strip before. Takes what Chromium writes: eight
bits a channel, not interlaced.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from guzheng.capturer.pixels import Undecodable

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}  # truecolour, and with alpha
_PIECE = 4096  # packed; a thousand times as much unpacked, if all is of one colour
_WRITTEN = 256 * 1024
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)  # §9.2
_Header = tuple[int, int, int, int, int, int, int]


class Stitched:
    """One picture in the making. `add` its strips from top to bottom, then `end`."""

    def __init__(self, path: Path, height: int) -> None:
        self._height = height
        self._rows = 0
        self._kind: tuple[int, int] | None = None  # width and channels of the first strip
        self._packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
        self._packed = bytearray()
        self._out = path.open("wb")
        self._out.write(_SIGNATURE)

    def add(self, png: bytes) -> None:
        """Raises Undecodable for what is no strip of this picture."""
        try:
            self._add(png)
        except (struct.error, zlib.error, IndexError) as error:
            raise Undecodable(str(error)) from error

    def end(self) -> None:
        """Raises Undecodable unless all rows were given."""
        if self._rows != self._height:
            raise Undecodable(f"{self._rows} rows of {self._height}")
        self._packed += self._packer.flush()
        self._write(b"IDAT", bytes(self._packed))
        self._write(b"IEND", b"")
        self._out.close()

    def close(self) -> None:
        self._out.close()

    def _add(self, png: bytes) -> None:
        chunks = _chunks(png)
        header: _Header = struct.unpack(">IIBBBBB", next(chunks, (b"", b""))[1])
        width, height, depth, kind, _, _, interlaced = header
        if depth != 8 or kind not in _CHANNELS or interlaced:
            raise Undecodable(f"depth {depth}, kind {kind}, interlaced {interlaced}")
        mine = width, _CHANNELS[kind]
        if self._kind is None:
            self._kind = mine
            self._write(b"IHDR", struct.pack(">IIBBBBB", width, self._height, *header[2:]))
        elif self._kind != mine:
            raise Undecodable(f"{mine} after {self._kind}")
        packed = b"".join(octets for name, octets in chunks if name == b"IDAT")
        stride = width * mine[1] + 1
        self._repack(packed, stride, height, mine[1])
        self._rows += height

    def _repack(self, packed: bytes, stride: int, height: int, channels: int) -> None:
        unpacker, first, given = zlib.decompressobj(), b"", 0
        told = not self._rows  # nothing is above the first strip
        for at in range(0, len(packed), _PIECE):
            rows = unpacker.decompress(packed[at : at + _PIECE])
            given += len(rows)
            if not told:
                first += rows
                if len(first) < stride:
                    continue
                rows, told = _first_row(first[:stride], channels) + first[stride:], True
            self._packed += self._packer.compress(rows)
            if len(self._packed) >= _WRITTEN:
                self._write(b"IDAT", bytes(self._packed))
                self._packed.clear()
        if given != stride * height:
            raise Undecodable(f"{given} octets of {stride * height}")

    def _write(self, name: bytes, octets: bytes) -> None:
        self._out.write(struct.pack(">I", len(octets)) + name + octets)
        self._out.write(struct.pack(">I", zlib.crc32(octets, zlib.crc32(name))))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(_SIGNATURE):
        raise Undecodable("no PNG")
    at = len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _first_row(row: bytes, channels: int) -> bytes:
    """The same row, its octets told without the row above, which was all zero (§9.2)."""
    if row[0] in {_NONE, _UP}:
        return bytes([_NONE]) + row[1:]
    if row[0] in {_SUB, _PAETH}:  # with nothing above, Paeth's guess is what lies to the left
        return bytes([_SUB]) + row[1:]
    if row[0] != _AVERAGE:
        raise Undecodable(f"filter {row[0]}")
    plain = bytearray(row[1:])
    for place in range(channels, len(plain)):
        plain[place] = (plain[place] + plain[place - channels] // 2) & 0xFF
    return bytes([_NONE]) + bytes(plain)
