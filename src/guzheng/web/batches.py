"""`/batches`: orders from a table, all or none; the state of each; the result to take away."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng import words
from guzheng.accounts import Permission
from guzheng.app.wishes import BadTable, BatchView
from guzheng.commission import table
from guzheng.intake.rules import OPTIONS
from guzheng.proof import instant
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.arriving import apart
from guzheng.web.gate import Rule, acting_of
from guzheng.web.intake_form import MULTIPART_OVERHEAD
from guzheng.web.orders import options_of, vantages_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.uploads import Field, parts_of

_COLUMNS: Final = ("line", "url", "name", "order", "state", "exhibit", "vantage", "why", "at")


RULES: Final[Mapping[str, Rule]] = {
    "GET /batches": Permission.CAPTURE,
    "POST /batches": Permission.CAPTURE,
    "GET /batches/{batch}": Permission.READ,
    "GET /batches/{batch}/result.csv": Permission.READ,
    "POST /batches/{batch}/{decision}": Permission.CAPTURE,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _ordering_routes(router, platform, pages)
    _batch_routes(router, platform, pages)
    return router


def _ordering_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """The form, and a table that is ordered."""

    def form_page(request: Request, refused: Problem | None) -> Response:
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        facts = {
            "section": "capture",
            "trouble": trouble,
            "bad": refused.lines if isinstance(refused, BadTable) else (),
            "token": platform.ordering.new_batch_token(),
            "vantages": platform.vantages.names,
            "options": OPTIONS,
            "most": table.MAX_LINES,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "batch_form.html", facts, status_code=status)

    @router.api_route("/batches", methods=READ)
    def show_form(request: Request) -> Response:
        return form_page(request, None)

    @router.post("/batches")
    @apart
    def order(request: Request) -> Response:
        try:
            batch = _ordered(request, platform)
        except Problem as problem:
            return form_page(request, problem)
        return RedirectResponse(f"/batches/{batch}", status_code=HTTPStatus.SEE_OTHER)


def _batch_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """One table that was ordered."""

    @router.api_route("/batches/{batch}", methods=READ)
    def show(request: Request, batch: str) -> Response:
        view = platform.ordering.batch(batch)
        counts = {
            state: sum(one.state == state for one in view.views)
            for state in dict.fromkeys(one.state for one in view.views)
        }
        going = any(one.state in {"ordered", "capturing"} for one in view.views)
        facts = {
            "section": "exhibits",
            "view": view,
            "counts": counts,
            "going": going,
        }
        return pages.render(request, "batch.html", facts)

    @router.api_route("/batches/{batch}/result.csv", methods=READ)
    def result(request: Request, batch: str) -> Response:
        octets = result_of(platform.ordering.batch(batch), language_of(request))
        disposition = f"attachment; filename*=UTF-8''{batch}.csv"
        headers = {"Content-Disposition": disposition}
        return Response(octets, media_type="text/csv; charset=utf-8", headers=headers)

    @router.post("/batches/{batch}/{decision}")
    def decide(request: Request, batch: str, decision: str) -> Response:
        """For all that wait for a decision: each stands for itself, and may be late."""
        verbs = {"confirm": platform.ordering.confirm, "give-up": platform.ordering.give_up}
        if decision not in verbs:
            raise Refused("web.not-found", found=decision[:60])
        person = acting_of(request).person
        for view in platform.ordering.batch(batch).views:
            if view.state == "previewable":
                verbs[decision](view.commission.commission, person=person)
        return RedirectResponse(f"/batches/{batch}", status_code=HTTPStatus.SEE_OTHER)


def _ordered(request: Request, platform: Platform) -> str:
    acting, form = acting_of(request), dict[str, str]()
    for part in parts_of(request, limit=table.MAX_OCTETS + MULTIPART_OVERHEAD):
        if isinstance(part, Field):
            form[part.name] = part.text
        elif part.name:
            platform.require_browser()
            view = platform.ordering.order_table(
                b"".join(part.chunks),
                part.name,
                vantages=vantages_of(form, platform),
                options=options_of(form),
                skip_bad=bool(form.get("skip_bad")),
                token=form.get("token", ""),
                account=acting.account,
                person=acting.person,
            )
            return view.batch.batch
    raise Refused("web.no-file", expected="one file", found="none")


def result_of(view: BatchView, language: words.Language) -> bytes:
    """One row for each order, and one for each line that was left out."""
    heads = [words.say(f"page.batch.column-{one}", language) for one in _COLUMNS]
    rows = []
    for one in view.views:
        made, reason = one.commission, one.reason
        code = reason.code if reason else ""
        rows.append(
            (
                str(made.line),
                made.url,
                made.claimed_name,
                made.commission,
                words.say(f"order.state.{one.state}", language),
                made.exhibit,
                made.vantage,
                " ".join(
                    words.find_words(each, language) or each
                    for each in ((code,) if code else ()) + one.warnings
                ),
                instant.beijing((reason or one.events[-1]).observed_at),
            )
        )
    for line in view.left_out:
        why = words.find_words(line.code, language) or line.code
        left_out = words.say("page.batch.left-out", language)
        rows.append((str(line.number), line.found, "", "", left_out, "", "", why, ""))
    return table.encode(heads, rows)
