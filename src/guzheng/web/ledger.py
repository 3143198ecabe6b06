"""The ledger read-only under the C2SP paths, and the trust roots.

Paths and caching follow c2sp.org/tlog-tiles: a tile never changes, so it may be kept for ever;
the checkpoint grows, so it may not. These addresses are for other people's programs and may
be read from any site. `/ledger` explains them to a person, and says that nobody else has
confirmed this ledger yet as long as that is so.

Each shard of the ledger has the same paths below `/ledger/<shard>/`; the first one has them at
the root too, where it has always been."""

import re
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from guzheng.ledger.ledger import FIRST
from guzheng.refusals import Refused
from guzheng.web import court
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.pages import READ, Pages
from guzheng.web.ports import Platform

_NUMBER = r"(?:x\d{3}/)*\d{3}"
_PARTIAL = r"(?:\.p/(?:[1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]))?"
_TILE = re.compile(rf"(?:entries|\d|[1-5]\d|6[0-3])/{_NUMBER}{_PARTIAL}", re.ASCII)

_OPEN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_FOR_EVER = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
_BRIEFLY = {**_OPEN, "Cache-Control": "public, max-age=2, must-revalidate"}
_FOR_A_DAY = {**_OPEN, "Cache-Control": "public, max-age=3600"}


RULES: Final[Mapping[str, Rule]] = {
    "GET /checkpoint": PUBLIC,
    "GET /ledger/{shard}/checkpoint": PUBLIC,
    "GET /tile/{path:path}": PUBLIC,
    "GET /ledger/{shard}/tile/{path:path}": PUBLIC,
    "GET /ledger.policy": PUBLIC,
    "GET /roots.pem": PUBLIC,
    "GET /ledger": PUBLIC,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(tags=["ledger"])

    @router.api_route("/checkpoint", methods=READ, include_in_schema=False)
    @router.api_route("/ledger/{shard}/checkpoint", methods=READ, include_in_schema=False)
    def checkpoint(shard: str = FIRST) -> Response:
        note = platform.ledger_read("checkpoint", shard)
        if note is None:
            raise Refused("ledger.not-found", expected="a checkpoint", found="none yet")
        # The last one stands for ever; a witness who was late may still be added to it.
        closed = platform.ledger_closed(shard)
        return Response(
            note,
            media_type="text/plain; charset=utf-8",
            headers=_FOR_A_DAY if closed else _BRIEFLY,
        )

    @router.api_route("/tile/{path:path}", methods=READ, include_in_schema=False)
    @router.api_route("/ledger/{shard}/tile/{path:path}", methods=READ, include_in_schema=False)
    def tile(path: str, shard: str = FIRST) -> Response:
        octets = platform.ledger_read(f"tile/{path}", shard) if _TILE.fullmatch(path) else None
        if octets is None:
            raise Refused("ledger.not-found", expected="a tile of the tree", found=path[:100])
        return Response(octets, media_type="application/octet-stream", headers=_FOR_EVER)

    @router.api_route("/ledger.policy", methods=READ, include_in_schema=False)
    def policy() -> Response:
        return Response(
            platform.ledger_policy(), media_type="text/plain; charset=utf-8", headers=_FOR_A_DAY
        )

    @router.api_route("/roots.pem", methods=READ, include_in_schema=False)
    def roots() -> Response:
        headers = {**_FOR_A_DAY, "Content-Disposition": 'attachment; filename="roots.pem"'}
        return Response(
            platform.roots_pem(),
            media_type="application/pem-certificate-chain",
            headers=headers,
        )

    @router.api_route("/ledger", methods=READ, include_in_schema=False)
    def show(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in court.ASKED}
        return court.show(request, platform, pages, asked)

    return router
