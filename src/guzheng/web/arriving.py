"""The body of a request as it arrives, for an endpoint that runs in a thread.

The receiving side pulls: while a thread is at what came, a mebibyte or a few are received ahead
and no more, so a slow disk slows the sender instead of filling memory. A large body comes
straight from the socket (`wire.py`), where the server lets it; any other by ASGI's messages.

Endpoints that take large bodies are put `apart`: in threads of their own, so that uploads that
wait for slow senders leave those free that answer everybody else; strangers have theirs, so
that they cannot keep depositors out, and no sender has them all (`places.py`). A short body is
`Gathered` before a thread is asked for; what may be longer is read apart, and in no other
thread. Refused: a body that ends early, of which for a minute next to nothing comes, or that
comes slowly while others wait (`web.cut-off`), and more than `limit` octets."""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, NamedTuple

from anyio import CapacityLimiter, from_thread, to_thread
from anyio.lowlevel import RunVar
from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guzheng.accounts import Acting
from guzheng.refusals import Refused
from guzheng.store.ids import LOCAL
from guzheng.web.inflow import Inflow
from guzheng.web.places import PATIENCE_SECONDS, Pace, Place, Places, address_of
from guzheng.web.wire import Wire

AHEAD: Final = 1 << 20  # octets that are received while a thread is at those before
PULSE_SECONDS: Final = 1.0  # how often one who waits looks how he is sent to
MEMBERS_AT_ONCE: Final = 160  # threads that cost nothing while they wait
STRANGERS_AT_ONCE: Final = 32
_EACH: Final = {MEMBERS_AT_ONCE: 80, STRANGERS_AT_ONCE: 8}  # of them for one sender
SHORT: Final = 64 * 1024  # octets of a body that is waited for without a thread
_HERE: Final = "guzheng.here"  # in the scope of a request whose body is whole
_ROOMS: Final[RunVar[dict[int, "_Room"]]] = RunVar("rooms")


def body_of(
    request: Request, *, limit: int, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[bytes]:
    """The body as it arrives, from a worker thread; refuses more than `limit` octets."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        require_within(int(declared), limit)
    if limit > SHORT and _place_of(request) is None and not _is_here(request):
        raise RuntimeError(f"{request.url.path} waits for its body in a thread of everybody's")
    arriving = _Arriving(request, patience_seconds)
    received = 0
    try:
        for chunk in arriving.octets():
            received += len(chunk)
            require_within(received, limit)
            yield chunk
    except _Broken as broken:
        raise Refused(
            "web.cut-off", expected=f"{declared or 'more'} octets", found=f"{received}{broken}"
        ) from broken
    finally:
        arriving.end()


def whole_body(request: Request, *, limit: int) -> bytes:
    """For bodies that are small by nature."""
    return b"".join(body_of(request, limit=limit))


def require_within(size: int, limit: int) -> None:
    if size > limit:
        raise Refused(
            "web.upload-too-big", expected=f"≤ {limit:,} octets", found=f"{size:,} octets"
        )


def apart(
    endpoint: Callable[..., Response], *, at_once: int = MEMBERS_AT_ONCE
) -> Callable[..., Coroutine[Any, Any, Response]]:
    """The endpoint in threads of its kind: at most `at_once` of them at a time."""

    @functools.wraps(endpoint)
    async def called(request: Request, **named: str) -> Response:
        room = _room(at_once)
        try:
            async with room.places.held(_sender_of(request)) as place:
                request.state.place = place
                return await to_thread.run_sync(
                    functools.partial(endpoint, request, **named), limiter=room.threads
                )
        finally:
            # Before the answer is sent, and when the server ends: a body that was not read to
            # its end, in the frames of an error or of a thread that waits for more of it.
            if (wire := _wire_of(request)) is not None:
                wire.give_back()

    return called


strangers_apart = functools.partial(apart, at_once=STRANGERS_AT_ONCE)


def apart_if_long(
    endpoint: Callable[..., Response],
) -> Callable[..., Coroutine[Any, Any, Response]]:
    """Among everybody's threads where the body is here already: it waits behind no upload."""
    elsewhere = apart(endpoint)

    @functools.wraps(endpoint)
    async def called(request: Request, **named: str) -> Response:
        if not _is_here(request):
            return await elsewhere(request, **named)
        return await to_thread.run_sync(functools.partial(endpoint, request, **named))

    return called


class _Room(NamedTuple):
    """Who may hold a thread, and the threads: there are as many."""

    places: Places
    threads: CapacityLimiter


def _room(at_once: int) -> _Room:
    rooms = _ROOMS.get({})
    if at_once not in rooms:
        places = Places(at_once, _EACH.get(at_once, at_once))
        rooms[at_once] = _Room(places, CapacityLimiter(at_once))
        _ROOMS.set(rooms)
    return rooms[at_once]


def _sender_of(request: Request) -> str:
    """The account, where the gate found one; else the address."""
    acting = getattr(request.state, "acting", None)
    if isinstance(acting, Acting) and acting.account != LOCAL:
        return acting.account
    return address_of(request.client.host if request.client else "")


def _place_of(request: Request) -> Place | None:
    place = getattr(request.state, "place", None)
    return place if isinstance(place, Place) else None


def _is_here(request: Request) -> bool:
    """Whether no octet of the body is waited for."""
    return request.method in {"GET", "HEAD"} or bool(request.scope.get(_HERE))


def _wire_of(request: Request) -> Wire | None:
    wire = getattr(request.state, "wire", None)
    return wire if isinstance(wire, Wire) else None


# Read on the event loop, within ten seconds (web/timestamps.py).
_BOUND_THEMSELVES: Final = frozenset({"/tsa", "/tsa/sm2"})


class Gathered:
    """ASGI: a short body is whole before an endpoint gets a thread to read it in.

    Forms come to the threads that answer everybody; they would wait there for slow senders."""

    def __init__(self, app: ASGIApp, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._app, self._patience_seconds = app, patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _announced(scope)
        if (
            scope["path"] in _BOUND_THEMSELVES
            or announced == 0
            or (announced is not None and announced > SHORT)
        ):
            scope[_HERE] = announced == 0
            await self._app(scope, receive, send)
            return
        messages = await self._here(receive)
        scope[_HERE] = not messages[-1].get("more_body", False)

        async def following() -> Message:
            return messages.popleft() if messages else await receive()

        await self._app(scope, following, send)

    async def _here(self, receive: Receive) -> deque[Message]:
        """To the end of the body, or as much as a short one may have; who is too slow for
        that has gone away."""
        messages: deque[Message] = deque()
        octets = 0
        try:
            async with asyncio.timeout(self._patience_seconds):
                while octets <= SHORT:
                    messages.append(await receive())
                    octets += len(messages[-1].get("body", b""))
                    if not messages[-1].get("more_body", False):
                        break
        except TimeoutError:
            messages.append({"type": "http.disconnect"})
        return messages


def _announced(scope: Scope) -> int | None:
    """Octets of the body; None where its end says how many."""
    announced = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length" and value.isdigit():
            announced = int(value)
    return announced


class _Broken(Exception):
    """No more comes; says what to add to the number of octets."""


class _Arriving:
    """One body, in the thread of its reader."""

    def __init__(self, request: Request, patience_seconds: float) -> None:
        self._request = request
        self._pace = Pace(_place_of(request), patience_seconds)
        self._pulse_seconds = min(PULSE_SECONDS, patience_seconds)
        self._messages = _Messages(request, self._pace, self._pulse_seconds)
        self._wire = _wire_of(request)
        self._inflow: Inflow | None = None

    def octets(self) -> Iterator[bytes]:
        """Not empty, and to the end; or raises _Broken."""
        more = True
        while more and self._inflow is None:
            for message in from_thread.run(self._following):
                if message["type"] == "http.disconnect":
                    raise _Broken(self._messages.why)
                more = message.get("more_body", False)
                if chunk := message.get("body", b""):
                    yield chunk
        if self._inflow is not None:
            yield from self._flowing(self._inflow)

    async def _following(self) -> Sequence[Message]:
        """What came next. The first is ASGI's in any case: it tells a sender who waits for
        that to go on (`Expect: 100-continue`)."""
        if self._wire is None:
            return await self._messages.following()
        message = await self._messages.one()
        if message.get("more_body", False):
            self._inflow = self._wire.take_over(self._request.scope["state"])
        self._wire = None
        return [message]

    def _flowing(self, inflow: Inflow) -> Iterator[bytes]:
        owed, why = inflow.owed, ""
        while True:
            try:
                pieces = inflow.following(self._pulse_seconds)
            except TimeoutError:
                self._pace.came(owed - inflow.owed)
                owed = inflow.owed
                if not why and (why := self._pace.waited(self._pulse_seconds)):
                    self.end()  # what came of the last piece still does
                continue
            if pieces is None:
                break
            self._pace.came(owed - inflow.owed)
            owed = inflow.owed
            yield from pieces
        if inflow.owed:
            raise _Broken(why)

    def end(self) -> None:
        """Whoever reads no further leaves nothing behind; may be called from any thread."""
        self._messages.end()
        if self._inflow is not None:
            self._inflow.leave()


class _Messages:
    """On the event loop: what comes while the worker thread is still at what came before.

    A turn for each message would cost more than the message, so it takes what is there and
    waits until that is worth a turn, or the end; it never holds more than AHEAD and a piece."""

    def __init__(self, request: Request, pace: Pace, pulse_seconds: float) -> None:
        self._receive, self._pace, self._pulse_seconds = request.receive, pace, pulse_seconds
        self._ahead: asyncio.Task[list[Message]] | None = None
        self.why = ""  # it was cut off

    async def following(self) -> list[Message]:
        messages = await (self._ahead or self._gathered())
        more = messages[-1].get("more_body", False)
        self._ahead = asyncio.create_task(self._gathered()) if more else None
        return messages

    async def one(self) -> Message:
        loop = asyncio.get_running_loop()
        since = loop.time()
        coming = asyncio.ensure_future(self._receive())
        try:
            while not coming.done():
                await asyncio.wait((coming,), timeout=self._pulse_seconds)
                now = loop.time()
                if why := self._pace.waited(now - since):
                    self.why = why
                    return {"type": "http.disconnect"}
                since = now
            message = coming.result()
            self._pace.came(len(message.get("body", b"")))
            return message
        finally:
            coming.cancel()

    async def _gathered(self) -> list[Message]:
        messages: list[Message] = []
        octets = 0
        while octets < AHEAD:
            message = await self.one()
            messages.append(message)
            octets += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        return messages

    def end(self) -> None:
        """May be called from any thread."""
        ahead = self._ahead
        if ahead is not None:
            with contextlib.suppress(RuntimeError):
                ahead.get_loop().call_soon_threadsafe(ahead.cancel)
