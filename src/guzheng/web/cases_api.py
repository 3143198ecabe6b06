"""`/api/cases`: cases for programs, to read; and what a rehearsal says of an exhibit.

The same values as the court package and the pages have. To change a case, use the pages: what
is entered there is a person's statement."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from guzheng.accounts import Permission
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.web.gate import acting_of, require_own
from guzheng.web.ports import Platform

MOST: Final = 100
RULES: Final = {
    "GET /api/cases": Permission.READ,
    "GET /api/cases/{case}": Permission.READ,
    "GET /api/exhibits/{exhibit}/rehearsal": Permission.READ,
}


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/cases", tags=["cases"])
    def listing(request: Request, before: str | None = None, limit: int = 30) -> Response:
        """Newest first; `before` is the last number already seen."""
        if not 1 <= limit <= MOST:
            raise Refused(
                "web.malformed-query", expected=f"limit: 1 to {MOST}", found=str(limit)
            )
        found = platform.cases.page(limit, before, account=acting_of(request).account)
        cases = [
            {
                "case": one.case,
                "name": one.facts.name,
                "opened_at": instant.encode(one.opened_at),
                "state": "closed" if one.closing else "open",
                "hold": one.hold is not None,
                "exhibits": len(one.exhibits),
            }
            for one in found
        ]
        return JSONResponse({"cases": cases})

    @router.get("/cases/{case}", tags=["cases"])
    def case_value(case: str) -> Response:
        """Facts, parties, exhibits in order, comparisons, damages, the guide as n of m."""
        return JSONResponse(platform.cases.value(case))

    @router.get("/exhibits/{exhibit}/rehearsal", tags=["cases"])
    def rehearsal(
        request: Request, exhibit: str, case: str = "", *, verify: bool = False
    ) -> Response:
        """The twenty-two objections as codes (docs/cases.md §5). `verify`: read every byte
        again first."""
        if case:
            require_own(request, "case", case)
        return JSONResponse(platform.rehearsing.of(exhibit, case, verify=verify).value())

    return router
