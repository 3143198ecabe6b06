"""`/api/ledger/entries`: commitments of others into this ledger, up to 10,000 in one request.

For another installation, or a client that salts its own digests (docs/spec/leaf.md): only
commitments come here, so nothing here can be told about what they stand for. Whoever may add
has a key; the settings hold its SHA-256 only. An answer says how far the entries have come.
"""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from guzheng.refusals import Refused
from guzheng.web.ports import Platform
from guzheng.web.uploads import whole_body

BODY_LIMIT: Final = 1024 * 1024
_OCTETS: Final = "application/octet-stream"
_WAIT_SECONDS: Final = 30.0


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/api/ledger", tags=["ledger"])

    @router.post("/entries", status_code=HTTPStatus.CREATED)
    def add(
        request: Request,
        wait: Literal["sequenced", "checkpointed"] = Query(default="checkpointed"),
    ) -> Response:
        """Commitments of 32 octets: one after another as `application/octet-stream`, or
        `{"commitments": ["<64 hex digits>", …]}`. With `wait=sequenced` it answers when they
        are durable; else when a signed checkpoint has them."""
        platform.require_may_add(_key_of(request))
        indexes = platform.add_commitments(_commitments(request))
        done = wait == "checkpointed" and platform.wait_for_checkpoint(indexes, _WAIT_SECONDS)
        state = "checkpointed" if done else "sequenced"
        return JSONResponse(
            {"indexes": indexes, "state": state},
            status_code=HTTPStatus.CREATED if done else HTTPStatus.ACCEPTED,
        )

    @router.get("/entries/{index}/proof")
    def prove(index: int = Path(ge=0, lt=2**63)) -> Response:
        """`.tlog-proof` of an entry (c2sp.org/tlog-proof), once the ledger's policy is met."""
        return PlainTextResponse(platform.prove_entry(index))

    return router


def _key_of(request: Request) -> str:
    """SHA-256, in hex, of the bearer key; of nothing, when there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return hashlib.sha256(
        key.strip().encode() if scheme.lower() == "bearer" else b""
    ).hexdigest()


def _commitments(request: Request) -> list[bytes]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = whole_body(request, limit=BODY_LIMIT)
    if media_type == _OCTETS:
        return [body[at : at + 32] for at in range(0, len(body), 32)]
    try:
        value: object = json.loads(body)
        listed = value.get("commitments") if isinstance(value, Mapping) else None
        if not isinstance(listed, list):
            raise ValueError("no list of commitments")  # noqa: TRY004 - one refusal for all
        return [bytes.fromhex(one) for one in listed]
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(
            "web.malformed-json",
            expected=f'{_OCTETS}, or {{"commitments": ["64 hex digits", …]}}',
            found=str(error)[:200],
        ) from error
