"""Whose the other end of a connection on this machine is, by the kernel's table of sockets.

The table is a descriptor opened by the capturer in the network namespace of the listening
socket: the one thing that tells the browser from a stranger who found the port.
"""

import ipaddress
import os

_PART = 1 << 16


def is_of_uid(
    peer: tuple[str, int], ours: tuple[str, int], uid: int, table: int | None
) -> bool:
    """Unknown counts as ours: where the kernel has no table, nothing can be told."""
    if table is None:
        return True
    wanted = (_row_name(peer), _row_name(ours))
    for row in _read(table).splitlines()[1:]:
        columns = row.split()
        if len(columns) > 7 and (columns[1], columns[2]) == wanted:
            return int(columns[7]) == uid
    return True


def _read(table: int) -> str:
    parts = []
    try:
        os.lseek(table, 0, os.SEEK_SET)
        while part := os.read(table, _PART):
            parts.append(part)
    except OSError:
        return ""
    return b"".join(parts).decode("ascii", "replace")


def _row_name(address: tuple[str, int]) -> str:
    octets = ipaddress.IPv4Address(address[0]).packed
    return f"{int.from_bytes(octets, 'little'):08X}:{address[1]:04X}"
