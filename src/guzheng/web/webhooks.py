"""`/webhooks`: which programs are told of finished work, and how each telling went.

The secret that messages are signed with is on the answer that made it, and nowhere else. A test
message is sent while the page waits, so that the answer shows how it went."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from guzheng.accounts import Permission
from guzheng.accounts.hooks import KINDS
from guzheng.refusals import Problem, Refused
from guzheng.web import paging, problems
from guzheng.web.gate import Rule, acting_of
from guzheng.web.members import prove_first, require_sure
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import see

RULES: Final[Mapping[str, Rule]] = {
    "GET /webhooks": Permission.MEMBERS,
    "POST /webhooks": Permission.MEMBERS,
    "GET /webhooks/{endpoint}": Permission.MEMBERS,
    "POST /webhooks/{endpoint}/{decision}": Permission.MEMBERS,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _list_routes(router, platform, pages)
    _endpoint_routes(router, platform, pages)
    return router


def _list_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def page(request: Request, status: int = 200, **facts: object) -> Response:
        known = platform.webhooks.of(acting_of(request).account)
        views, around = paging.part(known, paging.asked(request))
        shown: dict[str, object] = {
            "section": "me",
            "views": views,
            "around": around,
            "kinds": KINDS,
            "secret": "",
            "trouble": None,
            "form": {},
        }
        return pages.render(request, "webhooks.html", shown | facts, status_code=status)

    @router.api_route("/webhooks", methods=READ)
    def listing(request: Request) -> Response:
        return page(request)

    @router.post("/webhooks")
    def make(request: Request) -> Response:
        if first := prove_first(request, platform, "/webhooks"):
            return first
        form = form_of(request)
        kinds = frozenset(one for one in KINDS if form.get(f"kind.{one}"))
        try:
            _made, secret = platform.webhooks.add(
                acting_of(request), form.get("url", ""), kinds
            )
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            return page(request, int(trouble.status), trouble=trouble, form=form)
        return page(request, int(HTTPStatus.CREATED), secret=secret)


def _endpoint_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """One address that is told."""

    @router.api_route("/webhooks/{endpoint}", methods=READ)
    def detail(request: Request, endpoint: str) -> Response:
        return one(request, endpoint, None)

    @router.post("/webhooks/{endpoint}/{decision}")
    def decide(request: Request, endpoint: str, decision: str) -> Response:
        by, webhooks = acting_of(request), platform.webhooks
        try:
            match decision:
                case "test":
                    webhooks.test(by, endpoint)
                case "again":
                    webhooks.again(by, endpoint, form_of(request).get("message", ""))
                case "rotate":
                    if first := prove_first(request, platform, f"/webhooks/{endpoint}"):
                        return first
                    secret = webhooks.rotate(by, endpoint)
                    return one(request, endpoint, None, secret)
                case "remove":
                    require_sure(form_of(request))
                    webhooks.remove(by, endpoint)
                    return see("/webhooks")
                case _:
                    raise Refused("web.not-found", found=decision[:60])
        except Problem as problem:
            return one(request, endpoint, problems.trouble_of(problem, language_of(request)))
        return see(f"/webhooks/{endpoint}")

    def one(
        request: Request, endpoint: str, trouble: problems.Trouble | None, secret: str = ""
    ) -> Response:
        view = platform.webhooks.view(acting_of(request).account, endpoint)
        facts = {"section": "me", "view": view, "trouble": trouble, "secret": secret}
        status = int(trouble.status) if trouble else HTTPStatus.CREATED if secret else 200
        return pages.render(request, "webhook.html", facts, status_code=status)
