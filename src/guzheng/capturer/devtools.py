"""A thin client of the Chrome DevTools Protocol over the debugging pipe.

Messages are JSON objects, each ended by NUL, on two pipes that only we and the browser hold: no
port is open that a page or another user could reach. The client sends commands and hands on
events; it knows nothing of pages. Values from the browser are read through the small readers
below, since a page can influence them: a missing or odd value reads as empty, never as a fault.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping

from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.limits import ANSWER_SECONDS, MAX_MESSAGE_OCTETS

Values = Mapping[str, object]
EventListener = Callable[[str, Values, str], None]  # method, parameters, session
_EMPTY: Values = {}
_MOST = 2**53  # beyond it a float is not every integer, and no record takes it
_spell = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class CommandRefused(Exception):
    """The browser answered a command with an error: the page moved on, or has no such thing."""


class Devtools:
    """One connection. `listen` is called in order, for every event of every session."""

    def __init__(self, listen: EventListener) -> None:
        self._listen = listen
        self._next = 0
        self._waiting: dict[int, tuple[str, asyncio.Future[Values]]] = {}
        self._dead: dict[str, Exception] = {}  # sessions of which the process is gone
        self._buffer = bytearray()
        self._searched = 0
        self._writer: asyncio.WriteTransport | None = None
        self._reader: asyncio.ReadTransport | None = None
        self.closed = asyncio.Event()

    async def open(self, read_fd: int, write_fd: int) -> None:
        loop = asyncio.get_running_loop()
        self._reader, _ = await loop.connect_read_pipe(
            lambda: _Incoming(self._receive, self._lost), os.fdopen(read_fd, "rb", 0)
        )
        self._writer, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(write_fd, "wb", 0)
        )

    def close(self) -> None:
        for transport in (self._writer, self._reader):
            if transport is not None:
                transport.close()
        self._lost()

    async def call(
        self,
        method: str,
        parameters: Values = _EMPTY,
        session: str = "",
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> Values:
        """The answer. Raises CommandRefused, TimeoutError, or CaptureFailed if it has died."""
        answer = self.post(method, parameters, session)
        async with asyncio.timeout(seconds):
            return await answer

    def post(
        self, method: str, parameters: Values = _EMPTY, session: str = ""
    ) -> asyncio.Future[Values]:
        """Send without waiting. Paused targets must be spoken to like this (see visit)."""
        self._next += 1
        number = self._next
        future: asyncio.Future[Values] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_look_at)
        if self.closed.is_set() or self._writer is None:
            future.set_exception(_died())
            return future
        if session in self._dead:
            future.set_exception(self._dead[session])
            return future
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._waiting[number] = (session, future)
        self._writer.write(_spell(message).encode("ascii") + b"\0")
        return future

    def give_up(self, session: str, error: Exception) -> None:
        """Its process is gone, which answers nothing: whoever waits for it learns that now."""
        self._dead[session] = error
        for number, (one, future) in list(self._waiting.items()):
            if one == session:
                del self._waiting[number]
                if not future.done():
                    future.set_exception(error)

    def _receive(self, octets: bytes) -> None:
        self._buffer += octets
        while (end := self._buffer.find(b"\0", self._searched)) >= 0:
            message = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            self._take(message)
        self._searched = len(self._buffer)
        if self._searched > MAX_MESSAGE_OCTETS:
            self.close()

    def _take(self, octets: bytes) -> None:
        try:
            message: object = json.loads(octets)
        except (ValueError, RecursionError):
            return  # not a message; whoever waits for it runs into the time limit
        values = as_object(message)
        number = values.get("id")
        if isinstance(number, int):
            _, future = self._waiting.pop(number, ("", None))
            if future is None or future.done():
                return
            if "error" in values:
                future.set_exception(CommandRefused(text(values, "error", "message")))
            else:
                future.set_result(inner(values, "result"))
        elif isinstance(values.get("method"), str):
            self._listen(
                text(values, "method"), inner(values, "params"), text(values, "sessionId")
            )

    def _lost(self) -> None:
        self.closed.set()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(_died())
        self._waiting.clear()


class _Incoming(asyncio.Protocol):
    """Hands on what arrives on the pipe."""

    def __init__(self, receive: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lost()


def _look_at(future: asyncio.Future[Values]) -> None:
    """Commands nobody waits for may fail; asyncio would complain that nobody looked."""
    if not future.cancelled():
        future.exception()


def _died() -> CaptureFailed:
    return crashed("the browser ended")


def crashed(found: str) -> CaptureFailed:
    """What was asked is gone."""
    return CaptureFailed(
        "capture.browser-died",
        expected="a browser that answers",
        found=found,
        act="nobody; try again",
    )


def spell(values: Values) -> bytes:
    """An answer as it came: JSON without blanks, other than ASCII escaped."""
    return _spell(values).encode("ascii")


# --- readers ----------------------------------------------------------------------------------


def as_object(value: object) -> Values:
    return value if isinstance(value, dict) else _EMPTY


def inner(values: Values, *path: str) -> Values:
    for name in path:
        values = as_object(values.get(name))
    return values


def text(values: Values, *path: str) -> str:
    value = inner(values, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def number(values: Values, *path: str) -> float:
    value = inner(values, *path[:-1]).get(path[-1])
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0.0
    return value if -_MOST < value < _MOST else 0.0


def flag(values: Values, *path: str) -> bool:
    return inner(values, *path[:-1]).get(path[-1]) is True


def listing(values: Values, *path: str) -> list[object]:
    value = inner(values, *path[:-1]).get(path[-1])
    return value if isinstance(value, list) else []
