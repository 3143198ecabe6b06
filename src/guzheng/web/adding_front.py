"""The door for commitments alone, on granian's RSGI: for a process that does nothing else.

The same keys, bounds and crowd as `/api/ledger/entries` of the web face (adding.py), with
nothing else in between; only octets are taken. What is refused is problem+json.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast, get_args
from urllib.parse import parse_qs

from guzheng.proof import canonical
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.adding import (
    BODY_LIMIT,
    OCTETS,
    PATH,
    commitments_in,
    key_of,
    too_big,
)
from guzheng.web.crowd import Crowd, Until
from guzheng.web.pages import accepted_language
from guzheng.web.ports import Platform
from guzheng.web.rsgi import Exchange, Scope

BODY_SECONDS: Final = 10.0
_MOST_KEYS: Final = 256
_JSON: Final = [("content-type", "application/json"), ("cache-control", "no-store")]
_PROBLEM: Final = [("content-type", "application/problem+json"), ("cache-control", "no-store")]


class Door:
    """The application that granian runs; one in each process."""

    def __init__(self, open_platform: Callable[[], Platform]) -> None:
        self._platform = open_platform()
        self._crowd = Crowd(self._platform)
        self._may: set[str] = set()  # what was sent and bears a key; keys change with a start
        self._patience: _Patience | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._patience = _Patience(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        del loop
        if self._patience is not None:
            self._patience.end()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        try:
            status, body = await self._answered(scope, exchange)
        except Problem as problem:
            language = accepted_language(scope.headers.get("accept-language") or "")
            trouble = problems.trouble_of(problem, language)
            body = canonical.encode(problems.problem_members(trouble))
            headers = [*_PROBLEM, *problems.headers_of(trouble).items()]
            exchange.response_bytes(int(trouble.status), headers, body)
            return
        exchange.response_bytes(status, _JSON, body)

    async def _answered(self, scope: Scope, exchange: Exchange) -> tuple[int, bytes]:
        if scope.path != PATH:
            raise Refused("web.not-found", expected=PATH, found=scope.path[:100])
        if scope.method != "POST":
            raise Refused("web.method-not-allowed", expected="POST", found=scope.method[:20])
        headers = scope.headers
        self._require_may_add(headers.get("authorization") or "")
        until = _until(scope.query_string) if scope.query_string else "checkpointed"
        assert self._patience is not None  # noqa: S101 - granian begins with __rsgi_init__
        body = await self._patience.body(exchange, headers.get("content-length"))
        added = await self._crowd.add(commitments_in(OCTETS, body), until)
        status = HTTPStatus.CREATED if added.state == until else HTTPStatus.ACCEPTED
        return int(status), added.encoded()

    def _require_may_add(self, authorization: str) -> None:
        if authorization not in self._may:
            self._platform.require_may_add(key_of(authorization))
            if len(self._may) < _MOST_KEYS:
                self._may.add(authorization)


def _until(query: str) -> Until:
    asked = parse_qs(query).get("wait", ["checkpointed"])[-1]
    if asked not in get_args(Until):
        raise Refused(
            "web.malformed-query", expected=", ".join(get_args(Until)), found=asked[:40]
        )
    return cast(Until, asked)


class _Patience:
    """Ends whoever sends for too long: one look a second at all, not a timer for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reading: dict[asyncio.Task[object], float] = {}
        self._look()

    async def body(self, exchange: Exchange, length: str | None) -> bytes:
        """Of no more octets and within no more seconds than ten thousand commitments need."""
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - we are inside one
        self._reading[task] = self._loop.time()
        try:
            return await _body(exchange, length)
        except asyncio.CancelledError:
            if task.uncancel() or self._loop.time() - self._reading[task] < BODY_SECONDS:
                raise  # the server ends, not the patience
            raise Refused(
                "web.too-slow", expected=f"a body within {BODY_SECONDS:g} s", found="none"
            ) from None
        finally:
            del self._reading[task]

    def _look(self) -> None:
        late = self._loop.time() - BODY_SECONDS
        for task, begun in self._reading.items():
            if begun < late:
                task.cancel()
        self._timer = self._loop.call_later(1.0, self._look)

    def end(self) -> None:
        self._timer.cancel()


async def _body(exchange: Exchange, length: str | None) -> bytes:
    if length is not None and length.isdecimal():
        if int(length) > BODY_LIMIT:
            raise too_big()
        return await exchange()  # no more than was said: HTTP's own framing
    received = b""
    async for chunk in exchange:
        received += chunk
        if len(received) > BODY_LIMIT:
            raise too_big()
    return received
