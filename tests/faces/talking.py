"""A door that speaks HTTP itself, opened in a loop of its own, and connections to it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import h11
import uvloop

from guzheng.web import answering
from guzheng.web.answering import Answering


@dataclass
class Door:
    """A running face, in a loop of its own thread."""

    port: int
    face: Answering
    loop: asyncio.AbstractEventLoop
    ended: asyncio.Event

    def connected(self) -> "Talk":
        return Talk(socket.create_connection(("127.0.0.1", self.port), timeout=60))


class Talk:
    """One connection, whose answers h11 reads."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._received = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next final one; `ConnectionError` if there is none."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(self._received or self._read())
        status, fields, body = 0, {}, b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(self._read())
            elif isinstance(event, h11.Response):
                status = event.status_code
                fields = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._received = reader.trailing_data[0]
                return status, fields, body

    def _read(self) -> bytes:
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionError("it ended")
        return octets

    def is_ended(self) -> bool:
        return self._received == b"" and self.socket.recv(1) == b""


@contextlib.contextmanager
def opened_door(
    made: Callable[[asyncio.AbstractEventLoop], answering.Door], most: int = 900
) -> Iterator[Door]:
    """A door, closed in order."""
    found: list[Door] = []
    ready = threading.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        face = Answering(made(loop), lambda: datetime.now(UTC), loop, most)
        server = await loop.create_server(face.connection, "127.0.0.1", 0)
        found.append(Door(server.sockets[0].getsockname()[1], face, loop, ended))
        ready.set()
        await ended.wait()
        server.close()
        await face.end(30)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield found[0]
    finally:
        with contextlib.suppress(RuntimeError):  # it ended before
            found[0].loop.call_soon_threadsafe(found[0].ended.set)
        thread.join(60)
        assert not thread.is_alive()
