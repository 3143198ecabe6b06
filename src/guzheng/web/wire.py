"""The connection of `serve`: a large body leaves the HTTP parser, straight to its reader.

uvicorn takes each octet of a body through h11 and copies it five times on the way; an upload
spent more there than in its SHA-256. Here, once the head of a request was parsed and judged
(gate, Origin, limits) and its reader asks for it (`arriving.body_of`), what the socket gives is
handed over as it came, until exactly the announced Content-Length is there. Whatever follows
belongs to the next request and goes to the parser; it gets a new connection of h11 that stands
where the old one would, made of the same head and the octets still owed. So a body that was
given up half way is also drained by uvicorn as ever.

Only a body of announced length is taken over: a chunked one, another server, or another HTTP
protocol of uvicorn goes the ordinary way, which gives the same octets. Whatever uvicorn does
for a connection (keep-alive, `Expect`, shutdown, pipelining, pauses) stays uvicorn's; but it
would wait for a head for ever, and any octet puts its end of an idle connection off. Here a
head is complete `HEAD_SECONDS` after it could begin, or the connection ends. And h11 takes a
length beside a transfer coding, of which a proxy may have believed the length: here it is 400
and the end, as where `heads` judges.
"""

import asyncio
import contextlib
import queue
import socket
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

LEAST: Final = 256 << 10  # octets below which it is not worth it
TURN: Final = 1 << 20  # octets that are worth waking the reader for
AHEAD: Final = 3  # turns that may lie ready while he is at another
GULP: Final = 256 << 10  # octets that are worth waking us for, of one who sends fast
HEAD_SECONDS: Final = 20.0  # for a whole head, from the connection or the answer before
_HEAD: Final = 16 << 10  # of a request, at most: as h11 has it


class Inflow:
    """The rest of one body: filled on the event loop, read by one thread."""

    def __init__(
        self,
        flow: FlowControl,
        owed: int,
        first: bytes,
        left: Callable[["Inflow"], None],
        gulp: Callable[[int], None],
    ) -> None:
        self._flow, self._left, self._gulp = flow, left, gulp
        self._gulps = 1
        self._loop = asyncio.get_running_loop()
        self._ready: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._gathered: list[bytes] = [first] if first else []
        self._octets = len(first)
        self._paused = False
        self._ended = False
        self.owed = owed  # octets that the socket still has to give

    # ---- on the event loop -----------------------------------------------------------

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
        if octets != self._gulps and not self._ended:
            self._gulps = octets
            self._gulp(octets)

    def _hand_over(self) -> None:
        self._ready.put(self._gathered)
        self._gathered, self._octets = [], 0
        if self._ready.qsize() >= AHEAD:
            self._paused = True
            self._flow.pause_reading()
            # The reader takes first, then looks for the pause: one of the two sees the other.
            if self._ready.qsize() < AHEAD:
                self._go_on()

    def _go_on(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self._flow.resume_reading()

    def end(self) -> None:
        """Nothing more comes: the body is whole, or was broken off."""
        if not self._ended:
            self._wake_for(1)
            self._ended = True
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


class Wire(H11Protocol):
    """A connection of uvicorn; a request finds it as `wire` in its state."""

    head_seconds: float = HEAD_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "wire": self}, _loop)
        self._longest = config.h11_max_incomplete_event_size or _HEAD
        self.conn: _Counting = _Counting(self._longest)
        self._inflow: Inflow | None = None
        self._waits: asyncio.TimerHandle | None = None  # for a head, until then

    def take_over(self, state: object) -> Inflow | None:
        """The body of the request that has this `scope["state"]`, from here on; None where it
        is not worth it, or of no announced length."""
        cycle, owed = self.cycle, self.conn.owed()
        if (
            owed < LEAST
            or self._inflow is not None
            or cycle.scope["state"] is not state
            or cycle.disconnected
            or cycle.response_started
        ):
            return None
        self._inflow = Inflow(
            self.flow, owed, bytes(cycle.body), self._give_back, self._low_water
        )
        cycle.body = bytearray()
        cycle.message_event.clear()
        self.flow.resume_reading()
        return self._inflow

    def give_back(self) -> None:
        """Whatever comes now is for the parser again; fine if it is already."""
        inflow, self._inflow = self._inflow, None
        if inflow is None:
            return
        inflow.end()
        if self.cycle.disconnected:
            return
        self.conn = self.conn.further(self._longest, inflow.owed)
        self.cycle.conn = self.conn
        self.cycle.more_body = inflow.owed > 0
        self.flow.resume_reading()  # to hear of the end of the connection, or the next request

    def _give_back(self, inflow: Inflow) -> None:
        if inflow is self._inflow:  # and not that of a later request
            self.give_back()

    def _low_water(self, octets: int) -> None:
        """SO_RCVLOWAT; whatever is there at the end of what is sent is given in any case."""
        socket_ = self.transport.get_extra_info("socket")
        if socket_ is not None and not self.transport.get_extra_info("sslcontext"):
            with contextlib.suppress(OSError):
                socket_.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)

    # ---- how long a head may take ----------------------------------------------------

    def _look_for_a_head(self) -> None:
        """Begin to wait where the next head may come, and end when it is here."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._wait_no_more()
        elif self._waits is None:
            self._waits = self.loop.call_later(self.head_seconds, self._too_late)

    def _wait_no_more(self) -> None:
        waits, self._waits = self._waits, None
        if waits is not None:
            waits.cancel()

    def _too_late(self) -> None:
        self._waits = None
        self.transport.close()

    # ---- what uvicorn calls ----------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_for_a_head()

    def data_received(self, data: bytes) -> None:
        if self._inflow is None:
            super().data_received(data)
            self._look_for_a_head()
            return
        beyond = self._inflow.take(data)
        if self._inflow.owed == 0:
            self.give_back()
            if beyond:
                super().data_received(beyond)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        inflow, self._inflow = self._inflow, None
        if inflow is not None:
            inflow.end()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        if self._inflow is not None:  # answered by one who did not give the body back
            self._inflow.end()
            self._inflow = None
            self.transport.close()
        super().on_response_complete()
        self._look_for_a_head()


class _Counting(h11.Connection):
    """Knows the head of the request it is at, and how much of its body it gave out."""

    def __init__(self, longest: int) -> None:
        super().__init__(h11.SERVER, longest)
        self._request: h11.Request | None = None
        self._given = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            _require_one_end(event)
            self._request, self._given = event, 0
        elif isinstance(event, h11.Data):
            self._given += len(event.data)
        return event

    def owed(self) -> int:
        """Octets of the body that nobody has yet; 0 where their number was not announced."""
        request = self._request
        if request is None or self.their_state is not h11.SEND_BODY or self.trailing_data[0]:
            return 0
        said = dict(request.headers)
        if b"transfer-encoding" in said:  # it, and not a length: RFC 9112 §6.3
            return 0
        return int(said.get(b"content-length", b"0")) - self._given

    def further(self, longest: int, owed: int) -> "_Counting":
        """One that stands where this one would, had it been given all but `owed` octets."""
        request = self._request
        if request is None:
            raise RuntimeError("no request is being received")
        lines = [request.method + b" " + request.target + b" HTTP/" + request.http_version]
        lines += [
            name + b": " + value
            for name, value in request.headers
            if name not in {b"content-length", b"expect"}
        ]
        lines.append(b"content-length: %d" % owed)
        stands = _Counting(longest)
        stands.receive_data(b"\r\n".join([*lines, b"", b""]))
        stands.next_event()
        if not owed:
            stands.next_event()  # the end of the message
        return stands


def _require_one_end(request: h11.Request) -> None:
    """The body ends at the same octet for every reader (RFC 9112 §6.1)."""
    said = {name for name, _ in request.headers}
    if b"transfer-encoding" in said and (
        b"content-length" in said or request.http_version != b"1.1"
    ):
        raise h11.RemoteProtocolError("a length beside a transfer coding, or that of before")
