"""`/keys`: the keys by which programs act for an account; each is shown once, when made.

The answer to the form that makes a key is the page itself with the secret on it: kept is only
a digest, so there is nothing to be led to. It is not stored by a browser (`no-store`)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from guzheng.accounts import Permission, roles
from guzheng.accounts.keys import DAYS, SCOPES
from guzheng.refusals import Problem
from guzheng.web import paging, problems
from guzheng.web.gate import Rule, acting_of
from guzheng.web.members import prove_first
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import see

RULES: Final[Mapping[str, Rule]] = {
    "GET /keys": Permission.MEMBERS,
    "POST /keys": Permission.MEMBERS,
    "POST /keys/{key}/revoke": Permission.MEMBERS,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def page(request: Request, status: int = 200, **facts: object) -> Response:
        by = acting_of(request)
        views, around = paging.part(platform.keys.of(by.account), paging.asked(request))
        shown: dict[str, object] = {
            "section": "me",
            "views": views,
            "around": around,
            "scopes": tuple(one for one in Permission if one in SCOPES & by.permissions),
            "days": DAYS,
            "secret": "",
            "made": None,
            "base": str(request.base_url).rstrip("/"),
            "trouble": None,
            "form": {},
        }
        return pages.render(request, "keys.html", shown | facts, status_code=status)

    @router.api_route("/keys", methods=READ)
    def listing(request: Request) -> Response:
        return page(request)

    @router.post("/keys")
    def make(request: Request) -> Response:
        if first := prove_first(request, platform, "/keys"):
            return first
        form = form_of(request)
        scopes = frozenset(one for one in roles.EVERYTHING if form.get(f"may.{one}"))
        days = form.get("days", "")
        try:
            made, secret = platform.keys.make(
                acting_of(request),
                scopes,
                days=int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0,
                note=form.get("note", ""),
            )
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            return page(request, int(trouble.status), trouble=trouble, form=form)
        return page(request, int(HTTPStatus.CREATED), made=made, secret=secret)

    @router.post("/keys/{key}/revoke")
    def revoke(request: Request, key: str) -> Response:
        platform.keys.revoke(acting_of(request), key)
        return see("/keys")

    return router
