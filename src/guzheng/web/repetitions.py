"""`/schedules`: captures that are repeated, and what was missed."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.app.repeating import ScheduleView
from guzheng.app.wishes import CommissionView, Wanted
from guzheng.commission import rules
from guzheng.intake.rules import OPTIONS
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.gate import Rule, acting_of
from guzheng.web.orders import form_of, options_of, timing_of, vantages_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform

RULES: Final[Mapping[str, Rule]] = {
    "GET /schedules": Permission.READ,
    "POST /schedules": Permission.CAPTURE,
    "GET /schedules/{schedule}": Permission.READ,
    "POST /schedules/{schedule}/{decision}": Permission.CAPTURE,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _list_routes(router, platform, pages)
    _schedule_routes(router, platform, pages)
    return router


def _list_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def listing(request: Request, form: dict[str, str], refused: Problem | None) -> Response:
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        facts = {
            "section": "exhibits",
            "views": platform.repeating.views(account=acting_of(request).account),
            "form": form,
            "trouble": trouble,
            "token": platform.repeating.new_token(),
            "every": rules.EVERY,
            "vantages": platform.vantages.names,
            "options": OPTIONS,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "schedules.html", facts, status_code=status)

    @router.api_route("/schedules", methods=READ)
    def show_all(request: Request) -> Response:
        return listing(request, {}, None)

    @router.post("/schedules")
    def add(request: Request) -> Response:
        form, acting = form_of(request), acting_of(request)
        wanted = Wanted(
            form.get("url", ""),
            form.get("claimed_name", ""),
            vantages=vantages_of(form, platform),
            options=options_of(form),
            token=form.get("token", ""),
            account=acting.account,
            person=acting.person,
        )
        try:
            view = platform.repeating.add(wanted, timing_of(form, platform))
        except Problem as problem:
            return listing(request, form, problem)
        return _see(f"/schedules/{view.name}")


def _schedule_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """One repetition."""

    @router.api_route("/schedules/{schedule}", methods=READ)
    def show(request: Request, schedule: str) -> Response:
        view = platform.repeating.view(schedule)
        facts = {
            "section": "exhibits",
            "view": view,
            "one": view.schedule,
            "captures": pairs_of(view),
            "left_out": [slot for slot in view.slots if slot.outcome != "ran"],
        }
        return pages.render(request, "schedule.html", facts)

    @router.post("/schedules/{schedule}/{decision}")
    def decide(request: Request, schedule: str, decision: str) -> Response:
        verbs = {
            "pause": platform.repeating.pause,
            "resume": platform.repeating.resume,
            "stop": platform.repeating.stop,
        }
        if decision not in verbs:
            raise Refused("web.not-found", found=decision[:60])
        verbs[decision](schedule, person=acting_of(request).person)
        return _see(f"/schedules/{schedule}")


def pairs_of(view: ScheduleView) -> list[tuple[CommissionView, str]]:
    """Each capture, newest first, with the exhibit of the one before it from the same place."""
    before: dict[str, str] = {}
    found = []
    if view.schedule.repeats:
        before = dict.fromkeys(view.schedule.vantages or ("",), view.schedule.repeats)
    for one in view.captures:
        vantage, exhibit = one.commission.vantage, one.commission.exhibit
        captured = any(event.kind == rules.CAPTURED for event in one.events)
        found.append((one, before.get(vantage, "") if captured else ""))
        if captured:
            before[vantage] = exhibit
    return found[::-1]


def _see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
