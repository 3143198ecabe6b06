"""Exhibits into a case: from the list, by their numbers, or into one that is chosen here.

Lists and pages of exhibits lead to `/cases/add`; a case leads to the list (`?into=`), whose
form comes back to it. What is too much at once goes back to where it was ticked or typed."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from guzheng.accounts import Permission
from guzheng.cases import values
from guzheng.refusals import Problem, Refused
from guzheng.web import problems, shelf
from guzheng.web.arriving import apart_if_long
from guzheng.web.case_forms import Form
from guzheng.web.cases import PER_PAGE, Desk, see
from guzheng.web.gate import acting_of, require_own
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform

RULES: Final = {
    "GET /cases/add": Permission.CASES,
    "POST /cases/add": Permission.CASES,
    "POST /cases/{case}/exhibits": Permission.CASES,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _choosing_routes(router, platform, pages)
    _taking_routes(router, platform, pages)
    return router


def _choosing_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """Which case: asked with the exhibits named."""

    def choice(request: Request, exhibits: list[str], refused: Problem | None) -> Response:
        acting = acting_of(request)
        chosen = [require_own(request, "exhibit", one) for one in dict.fromkeys(exhibits)]
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        facts = {
            "section": "cases",
            "chosen": platform.cases.named({one: values.Exhibited() for one in chosen}),
            "cases": [
                one
                for one in platform.cases.page(PER_PAGE, account=acting.account)
                if one.closing is None
            ],
            "trouble": trouble,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "case_add.html", facts, status_code=status)

    @router.api_route("/cases/add", methods=READ)
    def choose(request: Request, exhibit: list[str] = Query(default=[])) -> Response:  # noqa: B008 - FastAPI's way
        if refusal := shelf.too_many(request, platform, pages, frozenset(exhibit)):
            return refusal
        return choice(request, exhibit, None)

    @router.post("/cases/add")
    @apart_if_long
    def add(request: Request) -> Response:
        form = Form.read(request)
        exhibits, case = form.all("exhibit"), form.text("case")
        if refusal := shelf.too_many(request, platform, pages, exhibits, sent=form.pairs):
            return refusal
        try:
            if not case:
                raise Refused("cases.nothing-chosen", expected="a case", found="none")
            require_own(request, "case", case)
            platform.cases.link(case, exhibits, person=acting_of(request).person)
        except Problem as problem:
            return choice(request, list(exhibits), problem)
        return see(f"/cases/{case}/exhibits")


def _taking_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """Into this case."""
    desk = Desk(platform, pages)

    @router.post("/cases/{case}/exhibits")
    @apart_if_long
    def link(request: Request, case: str) -> Response:
        form = Form.read(request)
        ticked = form.all("exhibit")
        into = (*form.pairs, ("into", case))
        if refusal := shelf.too_many(request, platform, pages, ticked, sent=into):
            return refusal
        typed = form.text("exhibits").replace(",", " ").split()
        try:
            exhibits = tuple(dict.fromkeys((*ticked, *typed)))
            shelf.require_few(exhibits)
            platform.cases.link(case, exhibits, person=acting_of(request).person)
        except Problem as problem:
            return desk.page(request, "exhibits", case, refused=problem, form=form)
        return see(f"/cases/{case}/exhibits")
