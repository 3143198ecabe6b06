"""The pixels of a PNG (ISO/IEC 15948), as red, green and blue, row by row.

Only what Chromium writes: eight bits a channel, not interlaced, with or without alpha (which
is left out). Two files with the same pixels may differ in every octet; this does not.
"""

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}  # truecolour, and with alpha
_MOST = 64 * 1024 * 1024  # octets unpacked


class Undecodable(ValueError):
    """Not a PNG of that kind."""


def pixels_of(png: bytes) -> bytes:
    try:
        return _pixels(png)
    except (struct.error, zlib.error, IndexError) as error:
        raise Undecodable(str(error)) from error


def _pixels(png: bytes) -> bytes:
    if not png.startswith(_SIGNATURE):
        raise Undecodable("no PNG")
    width, height, depth, kind, _, _, interlaced = struct.unpack_from(">IIBBBBB", png, 16)
    if depth != 8 or kind not in _CHANNELS or interlaced:
        raise Undecodable(f"depth {depth}, kind {kind}, interlaced {interlaced}")
    packed, at = b"", len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + size]
        at += size + 12
    channels = _CHANNELS[kind]
    if width * height * channels > _MOST:
        raise Undecodable("too many pixels")
    wanted = height * (width * channels + 1)
    rows = zlib.decompressobj().decompress(packed, wanted) if wanted else b""
    if len(rows) != wanted:
        raise Undecodable(f"{len(rows)} octets of {wanted}")
    return _unfiltered(rows, width * channels, channels)


def _unfiltered(rows: bytes, stride: int, channels: int) -> bytes:
    """Each row says how it was filtered: §9."""
    above, out = bytearray(stride), bytearray()
    for at in range(0, len(rows), stride + 1):
        method, row = rows[at], bytearray(rows[at + 1 : at + 1 + stride])
        for place in range(len(row)):
            left = row[place - channels] if place >= channels else 0
            corner = above[place - channels] if place >= channels else 0
            row[place] = (row[place] + _predicted(method, left, above[place], corner)) & 0xFF
        if channels == 4:
            kept = (row[one : one + 3] for one in range(0, stride, 4))
            out += b"".join(kept)
        else:
            out += row
        above = row
    return bytes(out)


def _predicted(method: int, left: int, up: int, corner: int) -> int:
    match method:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:
            guess = left + up - corner
            return min((left, up, corner), key=lambda one: abs(guess - one))
        case _:
            raise Undecodable(f"filter {method}")
