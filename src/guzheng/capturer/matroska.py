"""Writes pictures with their times as a film: Matroska (RFC 9559) with JPEG frames as they are.

No codec is involved: each frame is the very JPEG that the browser gave (V_MJPEG), so that its
octets can be taken out and compared, and a film costs nothing to make. Times are milliseconds
since the first frame; the file's DateUTC is the first frame's time of day.
"""

import struct
from datetime import UTC, datetime
from typing import BinaryIO

_SCALE = 1_000_000  # nanoseconds of one unit of time
_CLUSTER_MILLISECONDS = 5_000
_CLUSTER_OCTETS = 4 * 1024 * 1024
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)  # RFC 9559 §5.1.2.11
_UNKNOWN = b"\x01" + b"\xff" * 7
# RFC 8794 and RFC 9559: the identifiers of elements.
_EBML, _SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO = (
    0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0,
)  # fmt: skip
_CLUSTER, _CLUSTER_TIME, _BLOCK, _CUES, _CUE, _CUE_TIME, _CUE_PLACE = (
    0x1F43B675, 0xE7, 0xA3, 0x1C53BB6B, 0xBB, 0xB3, 0xB7,
)  # fmt: skip


class MatroskaWriter:
    """`add` frames in order, then `close` once. Needs a stream that can be sought."""

    def __init__(
        self, out: BinaryIO, *, width: int, height: int, began_at: datetime, software: str
    ) -> None:
        self._out = out
        self._began = 0
        self._frames: list[tuple[int, bytes]] = []
        self._held = 0
        self._cues: list[tuple[int, int]] = []
        self.last_milliseconds = 0
        out.write(_element(_EBML, _header()))
        out.write(_identifier(_SEGMENT))
        self._size_at = out.tell()
        out.write(_UNKNOWN)
        self._start = out.tell()
        nanoseconds = int((began_at - _EPOCH).total_seconds() * 1000) * 1_000_000
        info = (
            _number(0x2AD7B1, _SCALE)
            + _element(0x4461, struct.pack(">q", nanoseconds))
            + _text(0x4D80, software)
            + _text(0x5741, software)
            + _element(0x4489, struct.pack(">d", 0.0))  # last: its place is known from the end
        )
        out.write(_element(_INFO, info))
        self._duration_at = out.tell() - 8
        video = _number(0xB0, width) + _number(0xBA, height)
        entry = (
            _number(0xD7, 1)  # number of the track
            + _number(0x73C5, 1)
            + _number(0x83, 1)  # video
            + _number(0x9C, 0)  # no lacing
            + _text(0x86, "V_MJPEG")
            + _element(_VIDEO, video)
        )
        out.write(_element(_TRACKS, _element(_ENTRY, entry)))

    def add(self, milliseconds: int, jpeg: bytes) -> None:
        """Times never run backwards; two frames of one millisecond follow each other."""
        milliseconds = max(milliseconds, self.last_milliseconds)
        self.last_milliseconds = milliseconds
        too_long = milliseconds - self._began > _CLUSTER_MILLISECONDS
        if self._frames and (too_long or self._held > _CLUSTER_OCTETS):
            self._flush()
        if not self._frames:
            self._began = milliseconds
        self._frames.append((milliseconds - self._began, jpeg))
        self._held += len(jpeg)

    def close(self) -> None:
        self._flush()
        cues = b"".join(
            _element(
                _CUE,
                _number(_CUE_TIME, at)
                + _element(_CUE_PLACE, _number(0xF7, 1) + _number(0xF1, place)),
            )
            for at, place in self._cues
        )
        if cues:
            self._out.write(_element(_CUES, cues))
        end = self._out.tell()
        self._out.seek(self._size_at)
        self._out.write(b"\x01" + (end - self._start).to_bytes(7, "big"))
        self._out.seek(self._duration_at)
        self._out.write(struct.pack(">d", float(self.last_milliseconds)))
        self._out.seek(end)

    def _flush(self) -> None:
        if not self._frames:
            return
        self._cues.append((self._began, self._out.tell() - self._start))
        blocks = b"".join(
            # Track 1, relative time, flags: a picture of its own.
            _element(_BLOCK, b"\x81" + struct.pack(">hB", at, 0x80) + jpeg)
            for at, jpeg in self._frames
        )
        self._out.write(_element(_CLUSTER, _number(_CLUSTER_TIME, self._began) + blocks))
        self._frames, self._held = [], 0


def _header() -> bytes:
    return (
        _number(0x4286, 1)
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _text(0x4282, "matroska")
        + _number(0x4287, 4)
        + _number(0x4285, 2)
    )


def _identifier(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _element(identifier: int, content: bytes) -> bytes:
    return _identifier(identifier) + b"\x01" + len(content).to_bytes(7, "big") + content


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _text(identifier: int, value: str) -> bytes:
    return _element(identifier, value.encode())
