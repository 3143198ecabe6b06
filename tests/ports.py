"""Ports for programs that are told a number before they bind it.

A port that the kernel gave to a socket which was closed again may be anybody's a moment later:
another test's, another run's, or the near end of some connection. Here a port lies below those
that the kernel gives out, and is spoken for until this process ends, by a name that only one
process on this machine can hold (an abstract socket, which leaves nothing behind).
Whoever can bind a socket of his own should do that (port 0) and needs nothing from here.
"""

import contextlib
import itertools
import os
import socket
from pathlib import Path

_LOWEST = 10_000
_GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_tried = itertools.count(os.getpid() * 101)  # no two runs begin at the same place


def free_port() -> int:
    """A port of loopback that nobody listens on, and that no other test is told."""
    end = int(_GIVEN_OUT.read_text().split()[0]) if _GIVEN_OUT.exists() else 32_768
    room = end - _LOWEST
    for _ in range(room):
        port = _LOWEST + next(_tried) % room
        if _is_free(port) and _spoken_for(port):
            return port
    raise AssertionError("every port is taken")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def _spoken_for(port: int) -> bool:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0guzheng-test-port-{port}")
    except OSError:  # another process has it
        claim.close()
        return False
    claim.detach()  # kept until this process ends
    return True
