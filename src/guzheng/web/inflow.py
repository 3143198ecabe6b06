"""A body on its way from a socket to the thread of its reader, past the parser (`wire.py`).

Filled on the event loop and read in a thread: mebibytes at a time, three of them ahead, then
the sender waits. Where the connection is plain TCP its socket is read here, past the transport:
uvloop copies each piece once more and gives no more than 250 kB of them, and what every piece
costs on its way costs less for fewer. The transport is paused meanwhile, and no more is taken
than the body is owed, so that the next request stays where the parser will find it. An end or a
fault of the connection is left for the transport to find. Under TLS the transport gives what
came, and what is beyond the body is given back.
"""

import asyncio
import contextlib
import os
import queue
import select
import socket
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

TURN: Final = 1 << 20  # octets that are worth waking the reader for, and taken at once at most
AHEAD: Final = 3  # turns that may lie ready while he is at another
GULP: Final = 512 << 10  # octets that are worth waking us for, of one who sends fast


class Inflow:
    """The rest of one body: filled on the event loop, read by one thread."""

    def __init__(
        self,
        flow: FlowControl,
        transport: asyncio.Transport,
        owed: int,
        left: Callable[["Inflow"], None],
    ) -> None:
        self._flow, self._transport, self._left = flow, transport, left
        self._loop = asyncio.get_running_loop()
        self._tap: _Tap | None = None
        self._gulps = 1
        self._ready: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._gathered: list[bytes] = []
        self._octets = 0
        self._paused = False
        self._ended = False
        self.owed = owed  # octets that the socket still has to give

    # ---- on the event loop -----------------------------------------------------------

    def begin(self, first: bytes) -> None:
        """With these, which the parser had already given out."""
        if first:
            self._gathered.append(first)
            self._octets = len(first)
        self._tap = _tap_of(self._transport, self._loop)
        if self._tap is None:
            self._flow.resume_reading()
        else:
            self._flow.pause_reading()
            self._tap.open(self._tapped)

    def _tapped(self) -> None:
        """Something is there, or the end of the connection."""
        assert self._tap is not None  # noqa: S101 - it calls
        octets = self._tap.taken(min(TURN, self.owed))
        if octets is None:
            return
        if octets:
            self.take(octets)
        if not octets or not self.owed:
            self._close_tap()
            self._left(self)

    def take(self, octets: bytes) -> bytes:
        """What came; gives back what is not of this body."""
        beyond = octets[self.owed :]
        if beyond:
            octets = octets[: self.owed]
        self.owed -= len(octets)
        self._gathered.append(octets)
        self._octets += len(octets)
        if self._octets >= TURN:
            self._hand_over()
            self._wake_for(GULP)
        if self.owed < self._gulps:  # no more may come than what is less than that
            self._wake_for(1)
        return beyond

    def _wake_for(self, octets: int) -> None:
        """How many must be there before we are told: a turn of the loop for each segment that
        comes costs more than the segment. Whoever sends slowly is heard at once."""
        if octets == self._gulps or self._ended:
            return
        self._gulps = octets
        socket_ = _plain_socket(self._transport)
        if socket_ is not None:
            with contextlib.suppress(OSError):
                socket_.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)

    def _hand_over(self) -> None:
        self._ready.put(self._gathered)
        self._gathered, self._octets = [], 0
        if self._ready.qsize() >= AHEAD:
            self._paused = True
            if self._tap is None:
                self._flow.pause_reading()
            else:
                self._tap.shut()
            # The reader takes first, then looks for the pause: one of the two sees the other.
            if self._ready.qsize() < AHEAD:
                self._go_on()

    def _go_on(self) -> None:
        if not self._paused or self._ended:
            return
        self._paused = False
        if self._tap is None:
            self._flow.resume_reading()
        else:
            self._tap.open(self._tapped)

    def _close_tap(self) -> None:
        if self._tap is not None:
            self._tap.close()

    def end(self) -> None:
        """Nothing more comes: the body is whole, or was broken off."""
        if not self._ended:
            self._wake_for(1)
            self._ended = True
            self._close_tap()
            self._ready.put([*self._gathered])
            self._ready.put(None)
            self._gathered = []

    # ---- in the reader's thread ------------------------------------------------------

    def following(self, seconds: float) -> list[bytes] | None:
        """What came since, None at the end. Raises TimeoutError."""
        try:
            found = self._ready.get(timeout=seconds)
        except queue.Empty:
            if self._gulps > 1:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._wake_for, 1)
            raise TimeoutError from None
        if self._paused and self._ready.qsize() < AHEAD:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._go_on)
        return found

    def leave(self) -> None:
        """He reads no further; what comes goes back to the parser. From any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._left, self)


class _Tap:
    """A second descriptor of a socket, read on the event loop while the transport is paused.

    The loop watches an epoll of our own that watches the socket: told of a socket's fault,
    uvloop ends the watch and calls nobody."""

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        self._socket, self._loop = socket.socket(fileno=descriptor), loop
        self._watch = select.epoll(1)
        self._watch.register(descriptor, select.EPOLLIN)
        self._open = False

    def open(self, tell: Callable[[], None]) -> None:
        if not self._open and not self._watch.closed:
            self._open = True
            self._loop.add_reader(self._watch, tell)

    def shut(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._watch)

    def close(self) -> None:
        self.shut()
        self._watch.close()
        self._socket.close()

    def taken(self, most: int) -> bytes | None:
        """What is there; none of it at the end of the connection, None: nothing yet."""
        try:
            return self._socket.recv(most, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""


def _plain_socket(transport: asyncio.Transport) -> socket.socket | None:
    """What carries exactly the octets that the transport gives."""
    if transport.get_extra_info("sslcontext"):
        return None
    found: socket.socket | None = transport.get_extra_info("socket")
    return found


def _tap_of(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> _Tap | None:
    socket_ = _plain_socket(transport)
    if socket_ is None or transport.is_closing() or not hasattr(select, "epoll"):
        return None
    with contextlib.suppress(OSError):  # no descriptor is left
        return _Tap(os.dup(socket_.fileno()), loop)
    return None
