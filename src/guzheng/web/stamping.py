"""RFC 3161 over HTTP for `guzheng tsa`: `/tsa` and `/`; `/tsa/sm2` under SM2 only.

The same admission, authority and journal as the web face's `/tsa` (app/timestamping.py), with
as little as can be in between: heads are judged once for each spelling (heads.py), a connection
is a protocol (connections.py), and what is asked goes into the turn that is signed next
(turns.py). This is what they share, and its beginning and end.

Bounds: octets of a head and of a question, seconds for each, for a connection that asks nothing
and for one that does not take its answer, and how many connections there are.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

import uvloop

from guzheng.app.timestamping import REPLY, Timestamping
from guzheng.web.connections import Connection
from guzheng.web.turns import Turns

MAX_CONNECTIONS: Final = 900  # the usual limit of open files is 1,024


class Stamping:
    """The face of this process: what its connections share."""

    def __init__(
        self,
        timestamping: Timestamping,
        now: Callable[[], datetime],
        loop: asyncio.AbstractEventLoop,
        most: int = MAX_CONNECTIONS,
    ) -> None:
        self.most = most
        self.timestamping = timestamping
        self.turns = Turns(timestamping, loop)
        self.connections: set[Connection] = set()
        self.ending = False
        self.moved = asyncio.Event()  # an answer left, or a connection ended
        self.time = loop.time
        self._now, self._loop = now, loop
        self._granted: dict[int, bytes] = {}
        self._took: list[float] = []
        self._look()

    def connection(self) -> Connection:
        return Connection(self)

    def answered(self, begun: float) -> None:
        """Counted for all that were told in one turn of the loop at once."""
        if not self._took:
            self._loop.call_soon(self._tell_took)
        self._took.append(self.timestamping.monotonic() - begun)

    def granted(self, size: int) -> bytes:
        """The head of an answer of this size; there are some twenty."""
        return self._granted.get(size) or self._granted_of(size)

    def _granted_of(self, size: int) -> bytes:
        fields = [("content-type", REPLY), ("cache-control", "no-store")]
        made = self._granted[size] = self.head(HTTPStatus.OK, fields, size)
        return made

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

    def _tell_took(self) -> None:
        took, self._took = self._took, []
        self.timestamping.took_all(took)

    async def end(self, patience: float) -> None:
        """Whoever was asked is answered; nobody else is waited for."""
        self.ending = True
        until = self._loop.time() + patience
        for one in list(self.connections):
            if not one.owed:
                one.close()
        await self._wait(lambda: not any(one.owed for one in self.connections), until)
        self._timer.cancel()
        self.turns.end()
        for one in list(self.connections):
            one.close()
        await self._wait(lambda: not self.connections, until + 1)  # what was told is written
        self._tell_took()

    async def _wait(self, holds: Callable[[], bool], until: float) -> None:
        while not holds() and (left := until - self._loop.time()) > 0:
            self.moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.moved.wait()


def stamp_until_ended(
    timestamping: Timestamping,
    now: Callable[[], datetime],
    listening: socket.socket,
    patience: float,
) -> None:
    """Serve an address that is listened at, until SIGTERM; then answer what was asked."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        face = Stamping(timestamping, now, loop)
        server = await loop.create_server(face.connection, sock=listening)
        # What was made until here stays, and is not looked through again and again.
        gc.collect()
        gc.freeze()
        await ended.wait()
        server.close()
        await face.end(patience)

    uvloop.run(serve())
