"""What the connections of a process share that speaks HTTP itself: its beginning and its end.

`guzheng tsa` and `guzheng ledger front` answer small questions by the thousand, with as little
as can be in between: heads are judged once for each spelling (heads.py), a connection is a
protocol (connections.py), and a door says what may be asked and answers in turns (stamping.py,
adding_front.py).

Bounds: octets of a head and of a question, seconds for each, for a connection that asks nothing
and for one that does not take its answer, and how many connections there are.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final, Protocol

import uvloop

from guzheng.web import connections
from guzheng.web.connections import Connection

MAX_CONNECTIONS: Final = 900  # the usual limit of open files is 1,024
_BACKLOG: Final = 1024
_GARBAGE: Final = 200_000  # objects more than there were, before circles are looked for


class Door(connections.Door, Protocol):
    """A door as this process opens and closes it."""

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """Of the head of what is granted."""
        ...

    def end(self) -> None:
        """Nobody is owed anything."""
        ...


class Answering:
    """The face of this process: what its connections share."""

    def __init__(
        self,
        door: Door,
        now: Callable[[], datetime],
        loop: asyncio.AbstractEventLoop,
        most: int = MAX_CONNECTIONS,
    ) -> None:
        self.most = most
        self.door = door
        self.connections: set[Connection] = set()
        self.ending = False
        self.moved = asyncio.Event()  # an answer left, or a connection ended
        self.time = loop.time
        self._fields = list(door.fields)
        self._now, self._loop = now, loop
        self._granted: dict[tuple[int, int], bytes] = {}
        self._look()

    def connection(self) -> Connection:
        return Connection(self)

    def granted(self, status: HTTPStatus, size: int) -> bytes:
        """The head of an answer of this size; of a token there are some twenty."""
        known = self._granted.get((status, size))
        if known is None:
            known = self._granted[status, size] = self.head(status, self._fields, size)
        return known

    def head(self, status: HTTPStatus, fields: list[tuple[str, str]], size: int) -> bytes:
        """Without the empty line at its end."""
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in fields]
        lines += [f"content-length: {size}", f"date: {self._date}", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _look(self) -> None:
        """Once a second for all connections, not a timer for each."""
        self._date = format_datetime(self._now(), usegmt=True)
        self._granted.clear()
        now = self._loop.time()
        for one in [one for one in self.connections if one.is_late(now)]:
            one.give_up()
        self._timer = self._loop.call_later(1.0, self._look)

    async def end(self, patience: float) -> None:
        """Whoever was asked is answered; nobody else is waited for."""
        self.ending = True
        until = self._loop.time() + patience
        for one in list(self.connections):
            if not one.owed:
                one.close()
        await self._wait(lambda: not any(one.owed for one in self.connections), until)
        self._timer.cancel()
        self.door.end()
        for one in list(self.connections):
            one.close()
        await self._wait(lambda: not self.connections, until + 1)  # what was told is written

    async def _wait(self, holds: Callable[[], bool], until: float) -> None:
        while not holds() and (left := until - self._loop.time()) > 0:
            self.moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.moved.wait()


def settle() -> None:
    """What was made until here stays, and is not looked through again and again; what is made
    for a request goes with it, and lies in no circle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def answer_until_ended(
    open_door: Callable[[asyncio.AbstractEventLoop], Door],
    now: Callable[[], datetime],
    listening: socket.socket,
    patience: float,
    most: int = MAX_CONNECTIONS,
) -> None:
    """Serve an address that is listened at, until SIGTERM; then answer what was asked."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        face = Answering(open_door(loop), now, loop, most)
        server = await loop.create_server(face.connection, sock=listening, backlog=_BACKLOG)
        settle()
        await ended.wait()
        server.close()
        await face.end(patience)

    uvloop.run(serve())
