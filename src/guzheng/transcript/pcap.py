"""A transcript as packets (pcap, IPv4 and TCP), so that Wireshark opens it with the key log.

Packets are made up: the tunnel kept what passed, not how it was cut into packets. Each has the
time, the direction and the octets of one line of `times`; numbers, handshake and checksums are
what a program needs that believes in TCP.
"""

import struct
from typing import BinaryIO

from guzheng.transcript.container import Transcript
from guzheng.transcript.index import Told

_MAGIC = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)  # LINKTYPE_RAW
_SEGMENT = 16384
_SYN, _ACK, _PUSH, _FIN = 0x02, 0x10, 0x08, 0x01


class _Packets:
    def __init__(self, out: BinaryIO, number: int, port: int) -> None:
        self._out = out
        place = struct.pack(">H", number & 0xFFFF)
        self._client = (b"\x0a\x00" + place, 40000 + number % 20000)
        self._server = (b"\x0a\x01" + place, port)
        self._next = {">": 1000, "<": 2000}

    def write(self, at: int, direction: str, flags: int, octets: bytes = b"") -> None:
        here, there = (self._client, self._server)[:: 1 if direction == ">" else -1]
        other = "<" if direction == ">" else ">"
        acknowledged = self._next[other] if flags & _ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH",
            here[1], there[1], self._next[direction] & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF,
            5 << 4, flags, 65535, 0, 0,
        )  # fmt: skip
        size = 20 + len(tcp) + len(octets)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 6, 0, here[0], there[0])
        self._out.write(struct.pack("<IIII", at // 1000, at % 1000 * 1000, size, size))
        self._out.write(ip + tcp + octets)
        self._next[direction] += len(octets) + bool(flags & (_SYN | _FIN))


def write(transcript: Transcript, out: BinaryIO) -> int:
    """How many connections were written."""
    out.write(_MAGIC)
    count = 0
    for told in transcript.index.connections:
        if told.has_streams:
            _write_connection(transcript, told, out)
            count += 1
    return count


def _write_connection(transcript: Transcript, told: Told, out: BinaryIO) -> None:
    packets = _Packets(out, told.number, told.port)
    at = told.began_milliseconds
    packets.write(at, ">", _SYN)
    packets.write(at, "<", _SYN | _ACK)
    packets.write(at, ">", _ACK)
    streams = {">": transcript.stream(told, "sent"), "<": transcript.stream(told, "received")}
    place = {">": 0, "<": 0}
    for at, direction, size in transcript.times(told):
        for begin in range(0, size, _SEGMENT):
            start = place[direction] + begin
            part = streams[direction][start : start + min(_SEGMENT, size - begin)]
            packets.write(at, direction, _PUSH | _ACK, part)
        place[direction] += size
    packets.write(at, ">", _FIN | _ACK)
    packets.write(at, "<", _FIN | _ACK)
    packets.write(at, ">", _ACK)
