"""`/orders`: what was ordered and how far it is; one order watched, looked at and decided.

A decision is posted and answered by the page of the order (303), so that a reload repeats
nothing; what is posted twice happens once (app/ordering.py). The pages show the picture of a
hostile page: it is sent as a picture or not at all."""

import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Acting, Permission
from guzheng.app.repeating import typed_moment
from guzheng.app.wishes import CommissionView, Wanted
from guzheng.commission import Timing, rules
from guzheng.intake.rules import OPTIONS
from guzheng.refusals import Problem, Refused
from guzheng.web import problems, readings
from guzheng.web.gate import Rule, acting_of
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.intake_form import address_of, claims_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.uploads import PLAIN_FORM_LIMIT, Field, parts_of

PER_PAGE: Final = 30
_WITH_FORM: Final = frozenset({"retry", "repeat"})
_STEPS: Final = ("ordered", "capturing", "previewable", "decided")


RULES: Final[Mapping[str, Rule]] = {
    "GET /orders": Permission.READ,
    "GET /orders/{order}": Permission.READ,
    "GET /orders/{order}/live.jpg": Permission.READ,
    "POST /orders/{order}/{decision}": Permission.CAPTURE,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/orders", methods=READ)
    def listing(request: Request, before: str | None = None) -> Response:
        account = acting_of(request).account
        views = platform.ordering.page(PER_PAGE + 1, before, account=account)
        facts = {
            "section": "exhibits",
            "views": views[:PER_PAGE],
            "next": views[PER_PAGE - 1].commission.commission
            if len(views) > PER_PAGE
            else None,
            "before": before,
            "quota": platform.ordering.quota(account),
            "allowance": platform.ordering.limit_of(account),
        }
        return pages.render(request, "orders.html", facts)

    @router.api_route("/orders/{order}", methods=READ)
    def detail(request: Request, order: str) -> Response:
        view = platform.ordering.view(order)
        return pages.render(request, "order.html", _facts(platform, view, None))

    @router.api_route("/orders/{order}/live.jpg", methods=READ)
    def live(order: str) -> Response:
        picture = platform.ordering.live_picture(platform.ordering.view(order))
        if picture is None or readings.picture_type(picture[:16]) != "image/jpeg":
            raise Refused("web.no-preview", expected="JPEG", found="none")
        headers = {
            "Content-Security-Policy": HOSTILE_BYTES_POLICY,
            "Cache-Control": "private, max-age=60",
        }
        return Response(picture, media_type="image/jpeg", headers=headers)

    @router.post("/orders/{order}/{decision}")
    def decide(request: Request, order: str, decision: str) -> Response:
        form = form_of(request) if decision in _WITH_FORM else {}
        view = platform.ordering.view(order)
        try:
            person = acting_of(request).person
            return _see(_decided(platform, order, decision, form, person))
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            facts = _facts(platform, view, trouble) | {"form": form}
            return pages.render(request, "order.html", facts, status_code=trouble.status)

    return router


def _decided(
    platform: Platform, order: str, decision: str, form: Mapping[str, str], person: str
) -> str:
    """Carry it out; the address to go on at."""
    match decision:
        case "confirm":
            platform.ordering.confirm(order, person=person)
        case "give-up":
            platform.ordering.give_up(order, person=person)
        case "cancel":
            platform.ordering.cancel(order, person=person)
        case "retry":
            reason, token = form.get("reason", ""), form.get("token", "")
            view = platform.ordering.retry(order, reason, token=token, person=person)
            return f"/orders/{view.commission.commission}"
        case "repeat":
            timing, token = timing_of(form, platform), form.get("token", "")
            made = platform.repeating.again(order, timing, token=token, person=person)
            return f"/schedules/{made.name}"
        case _:
            raise Refused("web.not-found", found=decision[:60])
    return f"/orders/{order}"


def _facts(
    platform: Platform, view: CommissionView, trouble: problems.Trouble | None
) -> dict[str, object]:
    going = view.state in {"ordered", "capturing"}
    exhibit = None if going and not view.events else _exhibit(platform, view)
    live = platform.ordering.live_picture(view) if view.state == "capturing" else None
    others = platform.ordering.together(view)
    return {
        "section": "exhibits",
        "view": view,
        "one": view.commission,
        "exhibit": exhibit,
        "steps": steps_of(view),
        "progress": exhibit.progress[-1] if exhibit and exhibit.progress else None,
        "picture": readings.find_preview(exhibit) if exhibit else None,
        "live": zlib.crc32(live) if live else None,
        "going": going or (view.exhibit_state not in readings.TERMINAL and not view.is_final),
        "others": others if len(others) > 1 else (),
        "retries": platform.ordering.retries_of(view.commission.commission),
        "trouble": trouble,
        "form": {},
        "tokens": {
            "retry": platform.ordering.new_token(),
            "repeat": platform.repeating.new_token(),
        },
        "every": rules.EVERY,
    }


def _exhibit(platform: Platform, view: CommissionView) -> ExhibitView | None:
    try:
        return platform.exhibit(view.commission.exhibit)
    except Refused:
        return None  # entered a moment ago, and placed in the next


def steps_of(view: CommissionView) -> list[dict[str, object]]:
    """ordered → being captured → to be looked at → decided, each done, now or to come."""
    at = {one.kind: one.observed_at for one in view.events}
    last = view.reason
    times = [at.get("ordered"), at.get("began"), at.get("captured")]
    times.append(last.observed_at if last else None)
    ended_in = len(_STEPS)
    if view.state in {"failed", "cancelled"}:
        ended_in = 3 if "captured" in at else 1  # unseen and undecided unless there is a page
        times = [*times[:ended_in], times[3], None, None]
    place = {"ordered": 1, "capturing": 1, "previewable": 3}.get(view.state, 4)
    steps: list[dict[str, object]] = []
    for number, name in enumerate(_STEPS):
        progress = "done" if number < place else "now" if number == place else "waiting"
        if name == "previewable" and view.state == "previewable":
            progress = "done"
        if number >= ended_in:
            progress = "stopped" if number == ended_in else "skipped"
        steps.append({"name": name, "progress": progress, "at": times[number]})
    return steps


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form without files."""
    parts = parts_of(request, limit=PLAIN_FORM_LIMIT)
    return {part.name: part.text for part in parts if isinstance(part, Field)}


def vantages_of(form: Mapping[str, str], platform: Platform) -> tuple[str, ...]:
    """A box for each vantage point: a name may come once in a form."""
    return tuple(one for one in platform.vantages.names if form.get(f"vantage.{one}"))


def options_of(form: Mapping[str, str]) -> tuple[str, ...]:
    """A box for each."""
    return tuple(one for one in OPTIONS if form.get(f"option.{one}"))


def order_from(form: dict[str, str], platform: Platform, acting: Acting) -> str:
    """Order what the form asks for; the address of the order."""
    address = address_of(form)
    claims = claims_of(form)
    platform.require_browser()
    views = platform.ordering.order(
        Wanted(
            address,
            claims.name or "",
            claims.applicant or "",
            claims.purpose or "",
            vantages_of(form, platform),
            options_of(form),
            token=form.get("token", ""),
            account=acting.account,
            person=acting.person,
        )
    )
    return f"/orders/{views[0].commission.commission}"


def timing_of(form: Mapping[str, str], platform: Platform) -> Timing:
    first, until = form.get("first", "").strip(), form.get("until", "").strip()
    return Timing(
        form.get("every", rules.ONCE),
        typed_moment(first) if first else platform.now(),
        typed_moment(until) if until else None,
    )


def _see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
