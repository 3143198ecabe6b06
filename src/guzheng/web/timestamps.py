"""RFC 3161 over HTTP on the web face: `POST /tsa` (RFC 3161 §3.4), `/tsa/sm2` under SM2 only.

A question is asked and answered as octets; whatever is wrong with it is said inside the answer,
with status 200. Only what keeps it from being read is an HTTP error: another method, media type
or size, too many questions, or a body that does not come. `guzheng tsa` serves the same path
faster (rsgi.py)."""

from collections.abc import Callable, Mapping
from typing import Final

import anyio
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from guzheng.app.timestamping import (
    QUERY,
    QUERY_LIMIT,
    REPLY,
    require_query,
    too_big,
)
from guzheng.fix.authority import Answer
from guzheng.refusals import Refused
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.ports import Platform

BODY_SECONDS: Final = 10.0
_OPENAPI: Final = {
    "requestBody": {
        "required": True,
        "description": "TimeStampReq, DER",
        "content": {QUERY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


RULES: Final[Mapping[str, Rule]] = {
    "POST /tsa": PUBLIC,
    "POST /tsa/sm2": PUBLIC,
}


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(tags=["time-stamping"])

    @router.post(
        "/tsa",
        openapi_extra=_OPENAPI,
        responses={200: {"description": "TimeStampResp, DER", "content": {REPLY: {}}}},
        response_class=Response,
    )
    async def stamp(request: Request) -> Response:
        """RFC 3161: a TimeStampReq in, a TimeStampResp out; a rejection is status 200 too."""
        return await answer(request, platform.timestamping.issue)

    @router.post(
        "/tsa/sm2",
        openapi_extra=_OPENAPI,
        responses={200: {"description": "TimeStampResp, DER", "content": {REPLY: {}}}},
        response_class=Response,
    )
    async def stamp_sm2(request: Request) -> Response:
        """The same under SM2 only: an SM3 imprint is stamped, any other is badAlg."""
        return await answer(request, platform.timestamping.issue_sm2)

    async def answer(request: Request, issue: Callable[[bytes, str], Answer]) -> Response:
        timestamping = platform.timestamping
        begun = timestamping.monotonic()
        # The server has already put there whom a proxy of ours names, if it is one.
        client = timestamping.admit(request.client.host if request.client else "", None)
        try:
            headers = request.headers
            length = headers.get("content-length")
            require_query(request.method, headers.get("content-type"), length)
            question = await _question(request)
        except Refused as refused:
            timestamping.turned_away(refused)
            raise
        response = await run_in_threadpool(
            lambda: timestamping.committed(issue(question, client))
        )
        timestamping.took(timestamping.monotonic() - begun)
        return Response(response, media_type=REPLY)

    return router


async def _question(request: Request) -> bytes:
    received = b""
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Refused("web.cut-off", expected="a question", found="the end")
            chunk: bytes = message.get("body", b"")
            received += chunk
            if len(received) > QUERY_LIMIT:
                raise too_big(f"more than {QUERY_LIMIT}")
            if not message.get("more_body", False):
                return received
    raise Refused(
        "web.too-slow", expected=f"a question within {BODY_SECONDS:g} s", found="none"
    )
