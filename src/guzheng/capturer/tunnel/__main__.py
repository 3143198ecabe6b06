"""Started by the capturer alone: order on standard input, events on standard output.

First line in: the order. Then one word a line: `cut` ends every connection, `close` ends the
tunnel once all is told. A closed standard input ends it at once: nobody is left to tell. Events
are lines of canonical JSON with one member each. Signals that a terminal sends to everybody are
the capturer's to hear.
"""

import asyncio
import importlib
import os
import signal
import sys
import time

from guzheng.capturer.limits import DISK_SHARE, DISK_SPARED
from guzheng.capturer.tunnel import privileges
from guzheng.capturer.tunnel.carry import Tunnel
from guzheng.capturer.tunnel.order import MAX_OCTETS, TunnelOrder
from guzheng.capturer.tunnel.resolving import rehearse
from guzheng.capturer.tunnel.tape import Room
from guzheng.proof import canonical

_IN, _OUT = 0, 1


def run() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(_IN, "rb", buffering=0, closefd=False) as stream:
        line = stream.readline(MAX_OCTETS)
    if not line.endswith(b"\n"):
        return 2
    order = TunnelOrder.parse(line[:-1])
    _load_what_comes_late(order)
    privileges.drop(order.uid)
    try:
        return asyncio.run(_serve(order))
    except BrokenPipeError:
        return 1  # the capturer is gone


def _load_what_comes_late(order: TunnelOrder) -> None:
    """Python may lie where only who starts us can read: what is loaded at first use, now."""
    asyncio.run(rehearse())
    if order.resolvers:
        importlib.import_module("dns.asyncquery")
        for kind in ("A", "AAAA"):
            importlib.import_module(f"dns.rdtypes.IN.{kind}")


async def _serve(order: TunnelOrder) -> int:
    room = os.statvfs(order.folder)
    disk = (room.f_bavail * room.f_frsize - DISK_SPARED) // DISK_SHARE
    tunnel = Tunnel(order, Room(order.octets, disk), lambda: _elapsed(order), _tell)
    await tunnel.open()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while word := await reader.readline():
            match word:
                case b"cut\n":
                    tunnel.cut()
                case b"close\n":
                    await tunnel.close()
                    return 0
                case _:
                    return 2
        return 1
    finally:
        transport.close()


def _elapsed(order: TunnelOrder) -> int:
    return max(0, (time.monotonic_ns() - order.origin_nanoseconds) // 1_000_000)


def _tell(event: str, value: object) -> None:
    """In full, at once: what is told later may be too late for whoever decides on it."""
    left = memoryview(canonical.encode({event: value}) + b"\n")
    while left:
        left = left[os.write(_OUT, left) :]


if __name__ == "__main__":
    # All is written and nothing runs any more: somebody waits for our end, and to take an
    # interpreter apart takes time.
    os._exit(run())
