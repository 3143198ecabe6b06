"""质证预演: what an opponent may hold against an exhibit, and what its record says to that.

For one exhibit every byte is read again first, unless it is large: then the page says so, and a
link asks for it. For a case it is a list with what is open, exhibit by exhibit."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from guzheng.accounts import Permission
from guzheng.cases.rehearsal import STATES
from guzheng.web import readings
from guzheng.web.cases import Desk
from guzheng.web.gate import require_own
from guzheng.web.pages import READ, Pages
from guzheng.web.ports import Platform

RULES: Final = {
    "GET /exhibits/{exhibit}/rehearsal": Permission.READ,
    "GET /cases/{case}/rehearsal": Permission.READ,
}
AT_ONCE: Final = 32 * 1024 * 1024  # octets that are read again without being asked to


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/exhibits/{exhibit}/rehearsal", methods=READ)
    def of_exhibit(
        request: Request, exhibit: str, case: str = "", verify: str = ""
    ) -> Response:
        if case:
            require_own(request, "case", case)
        view = platform.exhibit(exhibit)
        size = sum(one.size for one in view.papers)
        reads = size <= AT_ONCE or bool(verify)
        facts = {
            "section": "exhibits",
            "view": view,
            "title": readings.title_of(view),
            "rehearsal": platform.rehearsing.of(exhibit, case, verify=reads),
            "states": STATES,
            "case": case,
            "cases": platform.cases.of_exhibit(
                exhibit, account=platform.account_of_exhibit(exhibit) or ""
            ),
            "reads": reads,
            "size": size,
        }
        return pages.render(request, "rehearsal.html", facts)

    @router.api_route("/cases/{case}/rehearsal", methods=READ)
    def of_case(request: Request, case: str, start: int = 0) -> Response:
        return Desk(platform, pages).page(request, "rehearsal", case, start=start)

    return router
