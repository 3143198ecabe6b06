"""`/compare`: two exhibits beside each other, and what differs between them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.intake.sources import Sought
from guzheng.proof import canonical
from guzheng.web.gate import Rule, acting_of, require_own
from guzheng.web.pages import READ, Pages
from guzheng.web.ports import Platform

OFFERED: Final = 50  # captures that the form suggests
RULES: Final[Mapping[str, Rule]] = {
    "GET /compare": Permission.READ,
    "GET /compare/{one}/{other}.json": Permission.READ,
    "GET /compare/{one}/{other}": Permission.READ,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/compare", methods=READ)
    def choose(request: Request, one: str = "", other: str = "") -> Response:
        """The form; from it, the two numbers become one address."""
        asked = [each.strip() for each in (one, other)]
        if not all(asked):
            newest = platform.evidence.search(
                Sought(kind="web"), limit=OFFERED, account=acting_of(request).account
            )
            facts = {"section": "exhibits", "asked": asked, "newest": newest.rows}
            return pages.render(request, "compare.html", facts)
        sides = [require_own(request, "exhibit", each) for each in asked]
        address = f"/compare/{sides[0]}/{sides[1]}"
        return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)

    @router.api_route("/compare/{one}/{other}.json", methods=READ)
    def paper(one: str, other: str) -> Response:
        name = f"{one}-{other}.comparison.json"
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        octets = platform.comparison(one, other)
        return Response(octets, media_type="application/json", headers=headers)

    @router.api_route("/compare/{one}/{other}", methods=READ)
    def compared(request: Request, one: str, other: str) -> Response:
        value = canonical.parse_object(platform.comparison(one, other))
        facts = {"section": "exhibits", "report": value, "one": one, "other": other}
        return pages.render(request, "comparison.html", facts)

    return router
