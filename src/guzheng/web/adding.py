"""`/api/ledger/entries`: commitments of others into this ledger, up to 10,000 in one request.

For another installation, or a client that salts its own digests (docs/spec/leaf.md): only
commitments come here, so nothing here can be told about what they stand for. Whoever may add
has a key; the settings hold its SHA-256 only. An answer says how far the entries have come.
"""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from guzheng.ledger import COMMITMENT_SIZE, MOST_COMMITMENTS, Numbered
from guzheng.ledger.ledger import FIRST
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.web.crowd import Crowd, Until
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.ports import Platform

BODY_LIMIT: Final = 1024 * 1024
_HEX: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["commitments"],
                    "properties": {
                        "commitments": {"type": "array", "items": _HEX, "maxItems": 10_000}
                    },
                }
            },
        },
    }
}
PATH: Final = "/api/ledger/entries"
OCTETS: Final = "application/octet-stream"


RULES: Final[Mapping[str, Rule]] = {
    "POST /api/ledger/entries": PUBLIC,  # by keys of its own
    "GET /api/ledger/entries/{index}/proof": PUBLIC,
}


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/api/ledger", tags=["ledger"])
    crowd = Crowd(platform)

    @router.post("/entries", status_code=HTTPStatus.CREATED, openapi_extra=_BODY)
    async def add(
        request: Request,
        wait: Until = "checkpointed",
    ) -> Response:
        """Commitments of 32 octets: one after another as `application/octet-stream`, or
        `{"commitments": ["<64 hex digits>", …]}`. `wait` says when to answer: once they are
        durable, or under a signed checkpoint, or under one that the ledger's policy is met by.
        """
        platform.require_may_add(key_of(request.headers.get("authorization", "")))
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        commitments = commitments_in(media_type, await _whole(request))
        added = await crowd.add(commitments, wait)
        return JSONResponse(
            added.value(),
            status_code=HTTPStatus.CREATED if added.state == wait else HTTPStatus.ACCEPTED,
        )

    @router.get("/entries/{index}/proof")
    def prove(index: int = Path(ge=0, lt=2**63), shard: str = FIRST) -> Response:
        """`.tlog-proof` of an entry (c2sp.org/tlog-proof), once the ledger's policy is met.
        `shard`: as the answer to adding it said."""
        return PlainTextResponse(platform.prove_entry(Numbered(shard, index)))

    return router


def key_of(authorization: str) -> str:
    """SHA-256, in hex, of the bearer key; of nothing, when there is none."""
    scheme, _, key = authorization.partition(" ")
    return hashlib.sha256(
        key.strip().encode() if scheme.lower() == "bearer" else b""
    ).hexdigest()


def commitments_in(media_type: str, body: bytes) -> list[bytes]:
    """The commitments of a request; Refused when it holds none, too many, or something else."""
    if media_type == OCTETS:
        found = [body[at : at + COMMITMENT_SIZE] for at in range(0, len(body), COMMITMENT_SIZE)]
    else:
        found = _listed(body)
    if not 1 <= len(found) <= MOST_COMMITMENTS:
        raise Refused(
            "ledger.batch-size",
            expected=f"1 to {MOST_COMMITMENTS} commitments",
            found=str(len(found)),
            act="send them in several requests",
        )
    for one in found:
        if len(one) != COMMITMENT_SIZE:
            raise Refused(
                "ledger.commitment-size",
                expected=f"{COMMITMENT_SIZE} octets each",
                found=str(len(one)),
            )
    return found


def _listed(body: bytes) -> list[bytes]:
    try:
        value = canonical.parse_any(body)
        listed = value.get("commitments") if isinstance(value, Mapping) else None
        if not isinstance(listed, list):
            raise ValueError("no list of commitments")  # noqa: TRY004 - one refusal for all
        return [_commitment(one, at) for at, one in enumerate(listed)]
    except (ValueError, TypeError, Malformed) as error:
        raise Refused(
            "web.malformed-json",
            expected=f'{OCTETS}, or {{"commitments": ["64 hex digits", …]}}',
            found=str(error)[:200],
        ) from error


def _commitment(written: object, at: int) -> bytes:
    """Raises ValueError, which says which one it is: there may be thousands."""
    try:
        return bytes.fromhex(written)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise ValueError(f"commitments[{at}]: {str(written)[:80]!r}") from error


async def _whole(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise too_big()
    return body


def too_big() -> Refused:
    return Refused(
        "web.upload-too-big", expected=f"≤ {BODY_LIMIT:,} octets", found="more octets"
    )
