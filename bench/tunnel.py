"""What keeping every octet costs the tunnel: processor time an octet, beside SHA-256 alone.

One connection brings 200 MB through the tunnel, as its own program, from a server on loopback;
the time is the kernel's account of that program (proc(5)), so the load of others counts little.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from tests.hostile.tunnelling import Client, egress_for

_OCTETS = 200_000_000
_PART = bytes(65536)
_TICKS = os.sysconf("SC_CLK_TCK")


async def _pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _at in range(_OCTETS // len(_PART)):
        writer.write(_PART)
        await writer.drain()
    writer.close()


def _account(process: int | None) -> tuple[float, int]:
    """Seconds of processor time, and kB of memory at most."""
    spent = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[11:13]
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return sum(map(int, spent)) / _TICKS, int(peak.split()[1])


async def _through(folder: Path) -> tuple[float, float, int]:
    """Seconds of processor time for the octets, of wall, and memory."""
    async with await asyncio.start_server(_pour, "127.0.0.1", 0) as server:
        egress = egress_for(folder, octets=2 * _OCTETS, allow="127.0.0.0/8")
        client = Client(egress, await egress.open())
        await egress.ready()
        before, _ = _account(egress.process)
        began = time.monotonic()
        reader, writer = await client.streams()
        port = server.sockets[0].getsockname()[1]
        writer.write(b"\x05\x01\x00" + client.connect("127.0.0.1", port))
        while await reader.read(1 << 18):
            pass
        wall = time.monotonic() - began
        after, peak = _account(egress.process)
        writer.close()
        await egress.close()
    return after - before, wall, peak


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="guzheng-bench-"))
    try:
        spent, wall, peak = asyncio.run(_through(folder))
    finally:
        shutil.rmtree(folder)
    began = time.process_time()
    hasher = hashlib.sha256()
    for _ in range(_OCTETS // len(_PART)):
        hasher.update(_PART)
    alone = time.process_time() - began
    print(f"tunnel: {spent / _OCTETS * 1e9:.1f} ns of processor time for an octet,")
    print(f"  {spent / alone:.1f} times SHA-256 alone ({alone / _OCTETS * 1e9:.2f} ns)")
    print(f"  {_OCTETS / wall / 1e6:.0f} MB/s by the wall, {peak / 1024:.0f} MiB at most")


if __name__ == "__main__":
    main()
