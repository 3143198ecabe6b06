"""The connection of `serve`: a large body leaves the HTTP parser, straight to its reader.

uvicorn takes each octet of a body through h11 and copies it five times on the way; an upload
spent more there than in its SHA-256. Here, once the head of a request was parsed and judged
(gate, Origin, limits) and its reader asks for it (`arriving.body_of`), what the socket gives is
handed over as it came (`inflow`), until exactly the announced Content-Length is there. Whatever
follows belongs to the next request and goes to the parser; it gets a new connection of h11 that
stands where the old one would, made of the same head and the octets still owed. So a body that
was given up half way is also drained by uvicorn as ever.

Only a body of announced length is taken over: a chunked one, another server, or another HTTP
protocol of uvicorn goes the ordinary way, which gives the same octets. Whatever uvicorn does
for a connection (keep-alive, `Expect`, shutdown, pipelining, pauses) stays uvicorn's; but it
would wait for a head for ever, and any octet puts its end of an idle connection off. Here a
head is complete `HEAD_SECONDS` after it could begin, or the connection ends. And h11 takes a
length beside a transfer coding, of which a proxy may have believed the length: here it is 400
and the end, as where `heads` judges.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from guzheng.web.inflow import Inflow

LEAST: Final = 256 << 10  # octets below which it is not worth it
HEAD_SECONDS: Final = 20.0  # for a whole head, from the connection or the answer before
_HEAD: Final = 16 << 10  # of a request, at most: as h11 has it


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
        self._inflow = Inflow(self.flow, self.transport, owed, self._give_back)
        self._inflow.begin(bytes(cycle.body))
        cycle.body = bytearray()
        cycle.message_event.clear()
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
