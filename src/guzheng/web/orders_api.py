"""`/api/orders`: the flow of orders for programs: order, look, confirm or give up, cancel.

The same rules as on the pages. `token` makes asking twice order once; an answer is a list,
since several vantage points make several orders."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from itertools import chain
from typing import Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from guzheng.accounts import Permission
from guzheng.app.wishes import Wanted
from guzheng.intake.rules import OPTIONS
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.web.arriving import whole_body
from guzheng.web.gate import Rule, acting_of
from guzheng.web.ports import Platform

JSON_LIMIT: Final = 64 * 1024
LIST_LIMIT: Final = 100
_TEXTS: Final = ("url", "claimed_name", "claimed_applicant", "claimed_purpose", "token")
_LISTS: Final = ("vantages", "options")
_TEXT: Final = {"type": "string", "maxLength": 500}
_ORDER: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["url"],
                    "additionalProperties": False,
                    "properties": {
                        **dict.fromkeys(_TEXTS, _TEXT),
                        "vantages": {"type": "array", "items": _TEXT, "maxItems": 8},
                        "options": {
                            "type": "array",
                            "items": {"type": "string", "enum": list(OPTIONS)},
                        },
                    },
                }
            }
        },
    }
}
Decision = Literal["confirm", "give-up", "cancel"]


RULES: Final[Mapping[str, Rule]] = {
    "POST /api/orders": Permission.CAPTURE,
    "GET /api/orders": Permission.READ,
    "GET /api/orders/{order}": Permission.READ,
    "POST /api/orders/{order}/{decision}": Permission.CAPTURE,
}


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["orders"])

    @router.post("/orders", status_code=HTTPStatus.CREATED, openapi_extra=_ORDER)
    def order(request: Request) -> Response:
        """Order a capture: durable and queued when this answers, and not confirmed."""
        wanted = wanted_of(whole_body(request, limit=JSON_LIMIT))
        acting = acting_of(request)
        wanted = replace(wanted, account=acting.account, person=acting.person)
        platform.require_browser()
        views = platform.ordering.order(wanted)
        headers = {"Location": f"/api/orders/{views[0].commission.commission}"}
        content = {"orders": [one.value() for one in views]}
        return JSONResponse(content, status_code=HTTPStatus.CREATED, headers=headers)

    @router.get("/orders")
    def listing(
        request: Request,
        before: str | None = None,
        limit: int = Query(default=30, ge=1, le=LIST_LIMIT),
    ) -> Response:
        account = acting_of(request).account
        views = platform.ordering.page(limit, before, account=account)
        return JSONResponse({"orders": [one.value() for one in views]})

    @router.get("/orders/{order}")
    def read(order: str) -> Response:
        return JSONResponse(platform.ordering.view(order).value())

    @router.post("/orders/{order}/{decision}")
    def decide(request: Request, order: str, decision: Decision) -> Response:
        """Asked again, it stays decided; what is too late is refused with 409."""
        verbs = {
            "confirm": platform.ordering.confirm,
            "give-up": platform.ordering.give_up,
            "cancel": platform.ordering.cancel,
        }
        person = acting_of(request).person
        return JSONResponse(verbs[decision](order, person=person).value())

    return router


def wanted_of(body: bytes) -> Wanted:
    try:
        value = canonical.parse_any(body)
    except Malformed as error:
        raise _malformed(str(error)) from error
    if not isinstance(value, Mapping) or not value.keys() <= {*_TEXTS, *_LISTS}:
        raise _malformed("other members")
    texts = {name: value.get(name, "") for name in _TEXTS}
    lists = {name: value.get(name, []) for name in _LISTS}
    listed = all(isinstance(one, list) for one in lists.values())
    if not listed or not all(
        isinstance(one, str) for one in (*texts.values(), *chain(*lists.values()))
    ):
        raise _malformed("a member of another type")
    vantages, options = (tuple(lists[name]) for name in _LISTS)
    return Wanted(**texts, vantages=vantages, options=options)


def _malformed(found: str) -> Refused:
    expected = f"an object of {', '.join((*_TEXTS, *_LISTS))}"
    return Refused("web.malformed-json", expected=expected, found=found[:200])
