"""Runs the tunnel as the capturer does, with a client in the place of the browser."""

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from guzheng.capturer.egress import Egress
from guzheng.capturer.record import Vantage

_HELLO = b"\x05\x01\x00"
_MIB = 1 << 20


def egress_for(
    folder: Path,
    *,
    uid: int | None = None,
    octets: int = _MIB,
    allow: str = "",
    tunnel_uid: int | None = None,
    resolvers: tuple[str, ...] = (),
    fail: Callable[[], None] = lambda: None,
    vantage: Vantage | None = None,
) -> Egress:
    return Egress(
        allowed=(ipaddress.ip_network(allow),) if allow else (),
        octets_allowed=octets,
        only_uid=os.getuid() if uid is None else uid,
        page_hosts=frozenset(),
        folder=folder / "wire",
        origin=time.monotonic(),
        uid=tunnel_uid,
        resolvers=resolvers,
        fail=fail,
        vantage=vantage,
    )


@dataclass(frozen=True)
class Client:
    """Speaks to the tunnel from where the browser would be: behind its door."""

    egress: Egress
    port: int

    @staticmethod
    def connect(host: str, port: int = 80) -> bytes:
        name = host.encode()
        return b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2, "big")

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(sock=_inside(self.egress, self.port))

    async def ask(self, request: bytes, *, then: bytes = b"", seconds: float = 60) -> bytes:
        """Everything that comes back until it is closed; `then` is sent once connected."""
        async with asyncio.timeout(seconds):
            reader, writer = await self.streams()
            try:
                writer.write(_HELLO + request)
                await writer.drain()
                answer = await reader.read(2)
                if answer and then:
                    answer += await reader.readexactly(10)
                    writer.write(then)
                return answer + await reader.read()
            finally:
                writer.close()


@contextlib.asynccontextmanager
async def running(egress: Egress) -> AsyncIterator[tuple[Egress, Client]]:
    client = Client(egress, await egress.open())
    egress.begin()
    try:
        await egress.ready()
        yield egress, client
    finally:
        await egress.close()


def _inside(egress: Egress, port: int) -> socket.socket:
    """A connected socket that was made in the door's network namespace."""
    if not egress.prefix:
        return socket.create_connection(("127.0.0.1", port))
    namespace = egress.prefix[1].removeprefix("--net=")
    return in_namespace(namespace, lambda: socket.create_connection(("127.0.0.1", port)))


_Made = TypeVar("_Made")


def in_namespace(namespace: str, act: Callable[[], _Made]) -> _Made:
    """In a thread of its own, which never comes back from there."""
    made: list[_Made] = []
    faults: list[OSError] = []

    def enter() -> None:
        descriptor = os.open(namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            made.append(act())
        except OSError as error:
            faults.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return made[0]
