"""`/api`: the same for programs. JSON out, problem+json when it fails (problems.py)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from guzheng.accounts import Permission
from guzheng.intake.catalogue import MAX_QUERY
from guzheng.proof import canonical, instant
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.web.arriving import apart, whole_body
from guzheng.web.gate import PUBLIC, SIGNED_IN, Rule, acting_of, require_own
from guzheng.web.intake_form import order_capture, receive_files
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.shelf import sought_of

LIST_LIMIT: Final = 100
JSON_LIMIT: Final = 64 * 1024
_ORDER_MEMBERS: Final = frozenset(
    {"url", "claimed_name", "claimed_applicant", "claimed_purpose"}
)

_Q: Final = (
    "words of a name, of a file's name, an address or a case; a SHA-256 or its beginning;"
    " the number of a certificate, an exhibit or a case"
)
_ID: Final = r"^({}_[0-9A-HJKMNP-TV-Z]{{26}})?$"
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


_LISTED: Final = {
    "responses": {
        "200": {
            "description": "A page of exhibits.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["exhibits", "next", "searched_back_to", "cases_cut"],
                        "properties": {
                            "exhibits": {"type": "array", "items": {"type": "object"}},
                            "next": {"type": ["string", "null"]},
                            "searched_back_to": {
                                "type": ["string", "null"],
                                "format": "date-time",
                            },
                            "cases_cut": {"type": "boolean"},
                        },
                    }
                }
            },
        },
        "422": {
            "description": "Something asked for that is none of these (web.malformed-query).",
            "content": {"application/problem+json": {"schema": {"type": "object"}}},
        },
    }
}


class Asked(BaseModel):
    """What a list of exhibits is narrowed by; the same as on the page."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=MAX_QUERY, description=_Q)
    kind: Literal["", "web", "deposit", "hash-only"] = ""
    state: Literal["", "going", "certified", "refused", "wanted"] = Field(
        "", description="`wanted`: a fingerprint alone is here, the original not yet"
    )
    since: str = Field("", description="a day, YYYY-MM-DD, UTC+08:00", max_length=10)
    until: str = Field("", description="the last day, likewise", max_length=10)
    person: str = Field("", description="who made it: `pe_…`", pattern=_ID.format("pe"))
    case: str = Field("", description="in which case it is: `ca_…`", pattern=_ID.format("ca"))
    before: str = Field("", description="older than this exhibit", pattern=_ID.format("ex"))
    limit: int = Field(30, ge=1, le=LIST_LIMIT)
    lang: str = Field("", max_length=35, description="in which language an error is told")


RULES: Final[Mapping[str, Rule]] = {
    "GET /api/time": PUBLIC,
    "POST /api/exhibits": SIGNED_IN,  # a capture or a deposit: each asks for its own
    "GET /api/exhibits": Permission.READ,
    "GET /api/exhibits/{exhibit}": Permission.READ,
}


def routes(platform: Platform, *, upload_limit: int) -> APIRouter:
    router = APIRouter(prefix="/api")
    _time_routes(router, platform)
    _coming_routes(router, platform, upload_limit)
    _reading_routes(router, platform)
    return router


def _time_routes(router: APIRouter, platform: Platform) -> None:
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


def _coming_routes(router: APIRouter, platform: Platform, upload_limit: int) -> None:
    @router.post(
        "/exhibits",
        tags=["exhibits"],
        status_code=HTTPStatus.CREATED,
        openapi_extra=_ORDER_OR_FILES,
    )
    @apart
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


def _reading_routes(router: APIRouter, platform: Platform) -> None:
    @router.get("/exhibits", tags=["exhibits"], openapi_extra=_LISTED)
    def listing(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """The exhibits of the account, newest first, narrowed as the page /exhibits is.

        Every word of `q` must be there. `next` is the address of the following page, or null;
        it asks for what is older than the last one, so that nothing is told twice or left
        out while new exhibits come in. A page may be short, or empty, though `next` leads on:
        where words are frequent and seldom meet, one question looks at no more than some
        thousand exhibits, and `searched_back_to` says how far back that was. `cases_cut`: more
        cases are called so than the newest 100, and only the exhibits of those were found."""
        account = acting_of(request).account
        sought = sought_of(asked.model_dump())
        if sought.case:
            require_own(request, "case", sought.case)
        page = platform.evidence.search(
            sought, limit=asked.limit, before=asked.before or None, account=account
        )
        following = None
        if page.following:
            same = asked.model_dump(exclude_defaults=True) | {"before": page.following}
            following = f"/api/exhibits?{urlencode(same)}"
        views = platform.views_of(page.rows)
        content = {
            "exhibits": [members_of(one) for one in views],
            "next": following,
            "searched_back_to": page.back_to and instant.encode(page.back_to),
            "cases_cut": page.cases_cut,
        }
        return JSONResponse(content)

    @router.get("/exhibits/{exhibit}", tags=["exhibits"])
    def read(exhibit: str) -> Response:
        return JSONResponse(members_of(platform.exhibit(exhibit)))


def members_of(view: ExhibitView) -> dict[str, object]:
    """An exhibit for a program; where a person would see a link, an address."""
    return {
        "exhibit": view.exhibit,
        "address": f"/exhibits/{view.exhibit}",
        "kind": view.kind,
        "claimed_name": view.claimed_name,
        "person": view.person or None,
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
        members = canonical.parse_any(text)
    except Malformed as error:
        raise _malformed(str(error)) from error
    if not isinstance(members, dict) or not set(members) <= _ORDER_MEMBERS:
        raise _malformed("other members")
    if not all(isinstance(one, str) for one in members.values()):
        raise _malformed("a member that is not text")
    return members


def _malformed(found: str) -> Refused:
    expected = f"an object of {', '.join(sorted(_ORDER_MEMBERS))}"
    return Refused("web.malformed-json", expected=expected, found=found[:200])
