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
_JSON: Final = [("content-type", "application/json"), ("cache-control", "no-store")]
_PROBLEM: Final = [("content-type", "application/problem+json"), ("cache-control", "no-store")]


class Door:
    """The application that granian runs; one in each process."""

    def __init__(self, open_platform: Callable[[], Platform]) -> None:
        self._platform = open_platform()
        self._crowd = Crowd(self._platform)

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
        self._platform.require_may_add(key_of(headers.get("authorization") or ""))
        asked = parse_qs(scope.query_string).get("wait", ["checkpointed"])[-1]
        if asked not in get_args(Until):
            raise Refused(
                "web.malformed-query", expected=", ".join(get_args(Until)), found=asked[:40]
            )
        until = cast(Until, asked)
        body = await _body(exchange, headers.get("content-length"))
        added = await self._crowd.add(commitments_in(OCTETS, body), until)
        status = HTTPStatus.CREATED if added.state == until else HTTPStatus.ACCEPTED
        return int(status), canonical.encode(added.value())


async def _body(exchange: Exchange, length: str | None) -> bytes:
    """Of no more octets and within no more seconds than ten thousand commitments need."""
    if length is not None and length.isdecimal() and int(length) > BODY_LIMIT:
        raise too_big()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            received = b""
            async for chunk in exchange:
                received += chunk
                if len(received) > BODY_LIMIT:
                    raise too_big()
            return received
    except TimeoutError as error:
        raise Refused(
            "web.too-slow", expected=f"a body within {BODY_SECONDS:g} s", found="none"
        ) from error
