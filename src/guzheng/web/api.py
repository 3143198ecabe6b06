"""`/api`: the same for programs. JSON out, problem+json when it fails (problems.py)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from guzheng.accounts import Permission
from guzheng.proof import canonical, instant
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.web.gate import PUBLIC, SIGNED_IN, Rule, acting_of
from guzheng.web.intake_form import order_capture, receive_files
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.uploads import whole_body

LIST_LIMIT: Final = 100
JSON_LIMIT: Final = 64 * 1024
_ORDER_MEMBERS: Final = frozenset(
    {"url", "claimed_name", "claimed_applicant", "claimed_purpose"}
)

_TEXT: Final = {"type": "string", "maxLength": 500}
_ORDER_OR_FILES: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "additionalProperties": False,
                    "properties": dict.fromkeys(sorted(_ORDER_MEMBERS), _TEXT),
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "claimed_name": _TEXT,
                        "claimed_applicant": _TEXT,
                        "claimed_purpose": _TEXT,
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            },
        },
    }
}


RULES: Final[Mapping[str, Rule]] = {
    "GET /api/time": PUBLIC,
    "POST /api/exhibits": SIGNED_IN,  # a capture or a deposit: each asks for its own
    "GET /api/exhibits": Permission.READ,
    "GET /api/exhibits/{exhibit}": Permission.READ,
}


def routes(platform: Platform, *, upload_limit: int) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/time", tags=["time"])
    def time() -> Response:
        """The platform's time, and where it has it from; no time while it is in doubt.

        `offset_ms` is standard time minus ours, `uncertainty_ms` by how much `now` may be
        wrong. `standing`: verified, unverified (nobody was asked), stopped (and `code`)."""
        reading = platform.clock()
        doubtful = reading.standing == "stopped"
        members = {
            "now": None if doubtful else instant.encode(platform.now()),
            "standing": reading.standing,
            "profile": reading.profile,
            "code": reading.problem.code if reading.problem else None,
            "source": reading.source,
            "offset_ms": reading.offset_ms,
            "uncertainty_ms": reading.uncertainty_ms,
            "synced_at": instant.encode(reading.synced_at) if reading.synced_at else None,
            "verified": reading.verified,
        }
        return JSONResponse(members)

    @router.post(
        "/exhibits",
        tags=["exhibits"],
        status_code=HTTPStatus.CREATED,
        openapi_extra=_ORDER_OR_FILES,
    )
    def create(request: Request) -> Response:
        """JSON `{"url": …}` orders a capture; multipart deposits the files it holds.

        Fields of a multipart body come before the file they speak of. Answers when the bytes
        are durable; the exhibit is then fixed step by step."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == "application/json":
            order = _order(request)
            return _created([order_capture(order, platform, acting_of(request))], platform)
        received = receive_files(request, platform, limit=upload_limit)
        if not received.exhibits:
            raise received.problems[0][1]
        return _created(received.exhibits, platform, [one for _, one in received.problems])

    @router.get("/exhibits", tags=["exhibits"])
    def listing(
        request: Request,
        before: str | None = None,
        limit: int = Query(default=30, ge=1, le=LIST_LIMIT),
    ) -> Response:
        views = platform.exhibits(limit, before, account=acting_of(request).account)
        return JSONResponse({"exhibits": [members_of(one) for one in views]})

    @router.get("/exhibits/{exhibit}", tags=["exhibits"])
    def read(exhibit: str) -> Response:
        return JSONResponse(members_of(platform.exhibit(exhibit)))

    return router


def members_of(view: ExhibitView) -> dict[str, object]:
    """An exhibit for a program; where a person would see a link, an address."""
    return {
        "exhibit": view.exhibit,
        "address": f"/exhibits/{view.exhibit}",
        "kind": view.kind,
        "claimed_name": view.claimed_name,
        "observed_at": instant.encode(view.observed_at),
        "state": view.state,
        "missing": list(view.missing),
        "papers": [{"name": one.name, "size": one.size} for one in view.papers],
        "certificate": dict(view.facts) if view.facts else None,
        "refusal": dict(view.refusal) if view.refusal else None,
        "progress": [dict(one) for one in view.progress],
    }


def _created(
    exhibits: list[str], platform: Platform, problems: list[Exception] | None = None
) -> Response:
    """One exhibit as itself; several as a list, with what was refused beside it."""
    made = [members_of(platform.exhibit(one)) for one in exhibits]
    refused = [str(one) for one in problems or []]
    content = (
        made[0] if len(made) == 1 and not refused else {"exhibits": made, "refused": refused}
    )
    headers = {"Location": f"/api/exhibits/{exhibits[0]}"}
    return JSONResponse(content, status_code=HTTPStatus.CREATED, headers=headers)


def _order(request: Request) -> dict[str, str]:
    text = whole_body(request, limit=JSON_LIMIT)
    try:
        canonical.require_shallow(text)
        members = json.loads(text)
    except (ValueError, Malformed) as error:
        raise _malformed(str(error)) from error
    if not isinstance(members, dict) or not set(members) <= _ORDER_MEMBERS:
        raise _malformed("other members")
    if not all(isinstance(one, str) for one in members.values()):
        raise _malformed("a member that is not text")
    return members


def _malformed(found: str) -> Refused:
    expected = f"an object of {', '.join(sorted(_ORDER_MEMBERS))}"
    return Refused("web.malformed-json", expected=expected, found=found[:200])
