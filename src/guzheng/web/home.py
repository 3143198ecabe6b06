"""`/`: one field for an address, one place to drop files, and the latest exhibits below.

Whoever is not signed in sees what this is, and where to begin (S2-010)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Acting, Permission
from guzheng.intake.rules import OPTIONS
from guzheng.refusals import Problem
from guzheng.web import problems, readings, spelling
from guzheng.web.arriving import apart, apart_if_long
from guzheng.web.gate import (
    PUBLIC,
    SIGNED_IN,
    Rule,
    acting_of,
    find_acting,
    second_step_address,
)
from guzheng.web.intake_form import (
    MULTIPART_OVERHEAD,
    fields_before_files,
    receive_files,
)
from guzheng.web.orders import order_from
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.sessions import caller_of

LATEST: Final = 8


RULES: Final[Mapping[str, Rule]] = {
    "GET /": PUBLIC,
    "POST /captures": Permission.CAPTURE,
    "POST /deposits": Permission.DEPOSIT,
    "POST /notice": SIGNED_IN,
}


def routes(platform: Platform, pages: Pages, *, upload_limit: int) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def home(
        request: Request,
        form: Mapping[str, str],
        refused: list[tuple[str, Problem]],
        kept: list[str],
    ) -> Response:
        acting = find_acting(request)
        if acting is None:
            return pages.render(request, "landing.html", {"section": ""})
        language = language_of(request)
        troubles = [(name, problems.trouble_of(one, language)) for name, one in refused]
        facts = {
            **_facts(platform, acting),
            "form": form,
            "troubles": troubles,
            "kept": [platform.exhibit(one) for one in kept],
            "upload_limit": upload_limit,
        }
        status = troubles[0][1].status if troubles else HTTPStatus.OK
        return pages.render(request, "home.html", facts, status_code=status)

    @router.api_route("/", methods=READ)
    def show(request: Request) -> Response:
        acting = find_acting(request)
        if acting is not None and acting.wants_second_step:
            return _see(second_step_address(request))
        return home(request, {}, [], [])

    @router.post("/captures")
    @apart_if_long
    def capture(request: Request) -> Response:
        form: dict[str, str] = {}
        try:
            form = fields_before_files(request, limit=upload_limit + MULTIPART_OVERHEAD)
            address = order_from(form, platform, acting_of(request))
        except Problem as problem:
            return home(request, form, [("", problem)], [])
        return _see(address)

    @router.post("/deposits")
    @apart
    def deposit(request: Request) -> Response:
        received = receive_files(request, platform, limit=upload_limit)
        if received.problems:
            return home(request, received.form, received.problems, received.exhibits)
        if len(received.exhibits) == 1:
            return _see(f"/exhibits/{received.exhibits[0]}")
        return _see("/exhibits")

    @router.post("/notice")
    def acknowledge(request: Request) -> Response:
        """That this is no tool which finds similar pictures and complains of them (S2-018)."""
        session = platform.people.require_session(request.cookies)
        platform.people.acknowledge(session, caller_of(request))
        return _see("/")

    return router


def _facts(platform: Platform, acting: Acting) -> dict[str, object]:
    """What the page shows to whoever acts, before he typed anything."""
    names = platform.names
    return {
        "section": "capture",
        "name_wanted": names.is_required and not names.attested_name(acting.account),
        "today": spelling.beijing_day(platform.now()),
        "latest": _latest(platform, acting),
        "may_read": acting.may(Permission.READ),
        "may_capture": acting.may(Permission.CAPTURE),
        "may_deposit": acting.may(Permission.DEPOSIT),
        "notice": _has_notice(platform, acting),
        "title_of": readings.title_of,
        "token": platform.ordering.new_token(),
        "vantages": platform.vantages.names,
        "options": OPTIONS,
    }


def _has_notice(platform: Platform, acting: Acting) -> bool:
    """Shown to each person until he has acknowledged it; a seat is nobody who could."""
    if acting.by != "session" or not acting.may(Permission.DEPOSIT):
        return False
    return not platform.people.has_acknowledged(acting.person)


def _latest(platform: Platform, acting: Acting) -> Sequence[ExhibitView]:
    if not acting.may(Permission.READ):
        return ()
    return platform.exhibits(LATEST, account=acting.account)


def _see(address: str) -> Response:
    """303: what was posted is not posted again by a reload."""
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
