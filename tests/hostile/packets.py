"""A transcript as a pcap, from its specification alone: for a reader that nobody here wrote."""

import struct
import zipfile
from pathlib import Path

from guzheng.proof import canonical

_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)  # LINKTYPE_RAW
_SYN, _ACK, _PUSH, _FIN = 2, 16, 8, 1
_SEGMENT = 16_384


def rebuild(transcript: Path, out: Path) -> int:
    """How many connections were written."""
    with zipfile.ZipFile(transcript) as archive:
        index = canonical.parse_object(archive.read("index.json"))
        connections = index["connections"]
        assert isinstance(connections, list)
        packets = [_HEAD]
        carried = [one for one in connections if one["outcome"] == "connected"]
        for one in carried:
            name = f"c{one['number']:05d}"
            flows = {
                kind: archive.read(f"{name}.{member}")
                for kind, member in ((">", "sent"), ("<", "received"))
            }
            times = archive.read(f"{name}.times").decode("ascii").splitlines()
            packets += _conversation(one["number"], one["port"], flows, times)
    out.write_bytes(b"".join(packets))
    return len(carried)


def _conversation(
    number: int, port: int, flows: dict[str, bytes], times: list[str]
) -> list[bytes]:
    ends = {">": (b"\x0a\0\0\1", 20_000 + number), "<": (b"\x0a\0\0\2", port)}
    at, said = {">": 0, "<": 0}, {">": 1, "<": 1}

    def packet(when: int, way: str, flags: int, octets: bytes = b"") -> bytes:
        here, there = ends[way], ends["<" if way == ">" else ">"]
        acknowledged = said["<" if way == ">" else ">"] if flags & _ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH", here[1], there[1], said[way], acknowledged, 80, flags, 65535, 0, 0
        )
        size = 40 + len(octets)
        ip = struct.pack(">BBHHHBBH4s4s", 69, 0, size, 0, 0, 64, 6, 0, here[0], there[0])
        said[way] += len(octets) + (1 if flags & (_SYN | _FIN) else 0)
        head = struct.pack("<IIII", when // 1000, when % 1000 * 1000, size, size)
        return head + ip + tcp + octets

    made = [packet(0, ">", _SYN), packet(0, "<", _SYN | _ACK), packet(0, ">", _ACK)]
    for line in times:
        when, way, octets = line.split(" ")
        end = at[way] + int(octets)
        for start in range(at[way], end, _SEGMENT):
            part = flows[way][start : min(end, start + _SEGMENT)]
            made.append(packet(int(when), way, _PUSH | _ACK, part))
        at[way] = end
    return made
