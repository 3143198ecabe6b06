"""Turns the browser's network events into exchanges, with the bodies as the page got them.

Every target is watched (frames, workers, service workers); a request is known by the browser's
name for it, and each redirect is an exchange of its own. Bodies are fetched the moment they are
whole, from the store the browser keeps outside the page ("durable messages"), which gives the
octets themselves: a page in GBK stays in GBK. Content codings are already undone there; warc
says so in the headers.

A stream without end (events of a server) is taken as it comes, since the page may close it and
nothing would be left to fetch: see streams. Frames of WebSockets go to `sockets`.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime

from guzheng.capturer.clock import Clock
from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    flag,
    inner,
    number,
    text,
)
from guzheng.capturer.exchange import Exchange, pairs_of, post_entries
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.limits import (
    BODIES_OCTETS,
    BODY_OCTETS,
    BODY_SECONDS,
    CUT_SECONDS,
    POST_OCTETS,
    QUIET_SECONDS,
)
from guzheng.capturer.sockets import SocketLog
from guzheng.capturer.streams import ENDLESS, Stream

_OUTSIDE = ("http:", "https:", "ws:", "wss:")
_TICK_SECONDS = 0.02
# A player fetches while it plays, and stops reading when it has enough: neither is unrest.
_PREFLIGHT = "preflight"
_PATIENT = frozenset({_PREFLIGHT, "media"})

ENABLE: Values = {
    "maxTotalBufferSize": BODIES_OCTETS,
    "maxResourceBufferSize": BODY_OCTETS,
    "maxPostDataSize": POST_OCTETS,
}
DURABLE: Values = {
    "maxTotalBufferSize": BODIES_OCTETS,
    "maxResourceBufferSize": BODY_OCTETS,
}


class Recorder:
    """`take` every event; `finish` once, then read `exchanges`."""

    def __init__(self, clock: Clock, requests_allowed: int) -> None:
        self.exchanges: list[Exchange] = []
        self.requests_spent = asyncio.Event()
        self.last_stir = clock.monotonic()
        self.sockets = SocketLog()
        self._clock = clock
        self._requests_allowed = requests_allowed
        self._devtools: Devtools | None = None
        self._now: dict[str, Exchange] = {}
        self._hops: dict[str, list[Exchange]] = {}
        self._pending: set[str] = set()
        self._sent_extras: dict[str, list[Values]] = {}
        self._got_extras: dict[str, list[Values]] = {}
        self._fetching: set[asyncio.Task[None]] = set()
        self._open: set[str] = set()  # a superset of pending: streams, preflights
        self._ended = False
        self._kept = 0
        self._handlers: Mapping[str, Callable[[str, Values, str], None]] = {
            "Network.requestWillBeSent": self._sent,
            "Network.requestWillBeSentExtraInfo": self._sent_extra,
            "Network.responseReceived": self._responded,
            "Network.responseReceivedExtraInfo": self._got_extra,
            "Network.requestServedFromCache": self._from_cache,
            "Network.dataReceived": self._received,
            "Network.loadingFinished": self._finished,
            "Network.loadingFailed": self._failed,
            "Network.eventSourceMessageReceived": self._event_received,
            "Network.webSocketCreated": self._socket_created,
            "Network.webSocketWillSendHandshakeRequest": self._socket_asks,
            "Network.webSocketHandshakeResponseReceived": self._socket_answered,
            "Network.webSocketFrameSent": self._socket_frame_sent,
            "Network.webSocketFrameReceived": self._socket_frame_received,
            "Network.webSocketFrameError": self._socket_failed,
        }

    def attach(self, devtools: Devtools) -> None:
        self._devtools = devtools

    def take(self, method: str, values: Values, session: str) -> None:
        handler = self._handlers.get(method)
        if handler is not None:
            handler(text(values, "requestId"), values, session)

    @property
    def is_quiet(self) -> bool:
        return not self._pending and self.idle_seconds >= QUIET_SECONDS

    @property
    def idle_seconds(self) -> float:
        return self._clock.monotonic() - self.last_stir

    @property
    def pending(self) -> int:
        return len(self._pending)

    @property
    def octets_kept(self) -> int:
        return self._kept

    async def finish(self, cut: Callable[[], None]) -> None:
        """`cut` all connections, wait for bodies on their way, then judge every exchange.

        A stream without end gives up what it has brought once it is cut.
        """
        if self._ended:
            for late in self.exchanges:  # a stream that was cut is asked for again
                if not late.outcome:
                    late.close()
            return
        self._ended = True
        cut()
        for _ in range(int(CUT_SECONDS / _TICK_SECONDS)):
            if not self._open or self._devtools is None or self._devtools.closed.is_set():
                break
            await asyncio.sleep(_TICK_SECONDS)
        if self._fetching:
            await asyncio.wait(tuple(self._fetching), timeout=BODY_SECONDS)
        for task in tuple(self._fetching):
            task.cancel()
        for name, hops in self._hops.items():
            self._join_extras(name, hops)
        for exchange in self.exchanges:
            exchange.close()

    # --- requests -------------------------------------------------------------------------

    def _sent(self, name: str, values: Values, session: str) -> None:
        request = inner(values, "request")
        url = text(request, "url")
        before = self._now.get(name)
        if "redirectResponse" in values and before is not None:
            before.answer(inner(values, "redirectResponse"))
            before.has_extra = flag(values, "redirectHasExtraInfo")
            before.redirected_to = url
            before.answered = before.ended = number(values, "timestamp")
            before.finished = True
        elif before is not None:
            return  # the same request, told by a second session
        if not url.startswith(_OUTSIDE):
            return
        kind = text(values, "type").lower() or "other"
        if text(values, "initiator", "type") == _PREFLIGHT:  # the browser calls it «other»
            kind = _PREFLIGHT
        exchange = self._new(name, text(request, "method"), url, kind, session, values)
        exchange.request_headers = pairs_of(inner(request, "headers"))
        exchange.request_body = _decoded(post_entries(request))
        if flag(request, "hasPostData") and not exchange.request_body:
            self._begin(self._fetch_post(exchange))
        self._open.add(name)
        if kind == "eventsource":
            self._begin_stream(exchange)  # now: the page may close it after one event
        elif kind not in _PATIENT:
            self._pending.add(name)

    def _new(
        self, name: str, method: str, url: str, kind: str, session: str, values: Values
    ) -> Exchange:
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            method=method,
            url=url.partition("#")[0],
            kind=kind,
            frame=text(values, "frameId"),
            session=session,
            request=name,
            began_at=self._time_of(values),
            asked=number(values, "timestamp"),
        )
        self.exchanges.append(exchange)
        self._now[name] = exchange
        self._hops.setdefault(name, []).append(exchange)
        self._stir()
        if len(self.exchanges) >= self._requests_allowed:
            self.requests_spent.set()
        return exchange

    def _time_of(self, values: Values) -> datetime:
        seconds = number(values, "wallTime")
        return datetime.fromtimestamp(seconds, UTC) if seconds else self._clock.now()

    def _sent_extra(self, name: str, values: Values, session: str) -> None:
        del session
        self._sent_extras.setdefault(name, []).append(values)

    # --- responses ------------------------------------------------------------------------

    def _responded(self, name: str, values: Values, session: str) -> None:
        exchange = self._now.get(name)
        if exchange is None:
            return
        exchange.session = session
        exchange.answered = exchange.ended = number(values, "timestamp")
        exchange.answer(inner(values, "response"))
        exchange.has_extra = flag(values, "hasExtraInfo")
        self._stir()
        if exchange.mime in ENDLESS:
            self._pending.discard(name)
            if exchange.stream is None:
                self._begin_stream(exchange)

    def _got_extra(self, name: str, values: Values, session: str) -> None:
        del session
        self._got_extras.setdefault(name, []).append(values)

    def _from_cache(self, name: str, values: Values, session: str) -> None:
        del values, session
        if exchange := self._now.get(name):
            exchange.from_cache = True

    def _received(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            if exchange.mime not in ENDLESS:  # a stream without end is no unrest
                self._stir()
            length = int(number(values, "dataLength"))
            exchange.octets_reported += length
            if exchange.stream is not None:
                room = self._kept <= BODIES_OCTETS
                part = _decoded([text(values, "data")]) if room else b""
                self._kept += exchange.stream.take(length, part)

    def _finished(self, name: str, values: Values, session: str) -> None:
        exchange = self._now.get(name)
        if exchange and exchange.is_replaced and not exchange.parted:
            exchange.parted = True  # the first picture is whole, and others may follow
            self._begin(self._stream(exchange))
            return
        self._settle(name)
        if exchange:
            exchange.finished = True
            exchange.ended = number(values, "timestamp")
            exchange.finished_at = self._clock.monotonic()
            if exchange.status and not (exchange.from_cache or exchange.from_worker):
                self._begin(self._fetch_body(exchange, session))

    def _failed(self, name: str, values: Values, session: str) -> None:
        self._settle(name)
        if exchange := self._now.get(name):
            exchange.ended = number(values, "timestamp")
            if not self._ended:  # after the end it is our own cut that failed it
                exchange.failed_because = (
                    text(values, "blockedReason")
                    or text(values, "corsErrorStatus", "corsError")
                    or text(values, "errorText")
                    or "failed"
                )
            if exchange.status:
                self._begin(self._fetch_body(exchange, session))

    def _settle(self, name: str) -> None:
        self._pending.discard(name)
        self._open.discard(name)
        self._stir()

    def _stir(self) -> None:
        self.last_stir = self._clock.monotonic()

    # --- bodies ---------------------------------------------------------------------------

    def _begin(self, fetch: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(fetch)
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _ask(self, method: str, exchange: Exchange, session: str = "") -> Values:
        if self._devtools is None:
            return {}
        try:
            return await self._devtools.call(
                method, {"requestId": exchange.request}, session or exchange.session
            )
        except (CommandRefused, TimeoutError, CaptureFailed) as error:
            exchange.body_missing_because = str(error)[:200] or "no answer"
            return {}

    async def _fetch_body(self, exchange: Exchange, session: str) -> None:
        if self._kept > BODIES_OCTETS:
            exchange.body_missing_because = f"more than {BODIES_OCTETS} octets of bodies"
            return
        if exchange.octets_reported > BODY_OCTETS:  # a bomb: asking would unpack it once more
            exchange.body_missing_because = f"more than {BODY_OCTETS} octets in one body"
            return
        answer = await self._ask("Network.getResponseBody", exchange, session)
        body = text(answer, "body")
        if flag(answer, "base64Encoded"):
            exchange.body = _decoded([body])
        elif "body" in answer:
            exchange.body = body.encode("utf-8", "replace")
        elif not exchange.octets_reported and exchange.finished:
            exchange.body = b""
        if exchange.body is not None:
            self._kept += len(exchange.body)

    def _begin_stream(self, exchange: Exchange) -> None:
        exchange.stream = Stream(exchange.octets_reported)
        self._begin(self._stream(exchange))

    async def _stream(self, exchange: Exchange) -> None:
        """From here on every part of the body is told with its octets.

        Asked for as early as the browser allows, and once more when its answer is known: the
        page may close it after one message.
        """
        is_known = bool(exchange.status)
        answer = await self._ask("Network.streamResourceContent", exchange)
        while "bufferedData" not in answer and not (is_known or self._ended):
            await asyncio.sleep(_TICK_SECONDS)  # too early: nothing had been sent yet
            is_known = bool(exchange.status or exchange.ended)
            answer = await self._ask("Network.streamResourceContent", exchange)
        if "bufferedData" not in answer or exchange.stream is None:
            return
        exchange.body_missing_because = ""
        early = _decoded([text(answer, "bufferedData")])
        exchange.stream.begin(early)
        self._kept += len(early)

    async def _fetch_post(self, exchange: Exchange) -> None:
        answer = await self._ask("Network.getRequestPostData", exchange)
        body = text(answer, "postData")
        exchange.request_body = (
            _decoded([body])
            if flag(answer, "base64Encoded")
            else body.encode("utf-8", "replace")
        )

    def _join_extras(self, name: str, hops: list[Exchange]) -> None:
        sent = iter(self._sent_extras.get(name, ()))
        got = iter(self._got_extras.get(name, ()))
        for hop in hops:
            if hop.has_extra or not hop.status:
                hop.take_extra(next(sent, {}), next(got, {}))

    def _event_received(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            self.sockets.take_event(exchange, values)

    # --- WebSockets -----------------------------------------------------------------------

    def _socket_created(self, name: str, values: Values, session: str) -> None:
        exchange = self._new(name, "GET", text(values, "url"), "websocket", session, values)
        exchange.outcome = "open"

    def _socket_asks(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            exchange.began_at = self._time_of(values)
            exchange.asked = number(values, "timestamp")
            self.sockets.opened(exchange, values)
            exchange.request_headers = pairs_of(inner(values, "request", "headers"))

    def _socket_answered(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            response = inner(values, "response")
            exchange.status = int(number(response, "status"))
            exchange.reason = text(response, "statusText")
            exchange.response_headers = pairs_of(inner(response, "headers"))
            exchange.response_head = text(response, "headersText")
            exchange.request_head = text(response, "requestHeadersText")
            exchange.body = b""

    def _socket_frame_sent(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            exchange.frames_sent += 1
            self.sockets.take(exchange, "sent", values)

    def _socket_frame_received(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            exchange.frames_received += 1
            self.sockets.take(exchange, "received", values)

    def _socket_failed(self, name: str, values: Values, session: str) -> None:
        del session
        if exchange := self._now.get(name):
            exchange.failed_because = text(values, "errorMessage")


def _decoded(parts: list[str]) -> bytes:
    try:
        return b"".join(base64.b64decode(part) for part in parts)
    except (binascii.Error, ValueError):
        return b""
