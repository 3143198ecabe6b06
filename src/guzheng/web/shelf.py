"""`/exhibits`: the list of an account's evidence, narrowed, searched, chosen from.

What was chosen travels in the form: ticked boxes of this page, hidden fields of the others. So
a selection survives paging, searching and reloading without a script, and ends with the page.
Dates are days of Beijing, as certificates print them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from guzheng.accounts import Permission
from guzheng.app.evidence import MOST_AT_ONCE
from guzheng.intake.catalogue import STATES, WANTED, Sought
from guzheng.refusals import Refused
from guzheng.web.gate import Rule, acting_of
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.problems import trouble_of
from guzheng.web.spelling import BEIJING

PER_PAGE: Final = 30
KINDS: Final = ("web", "deposit", "hash-only")
_FILTERS: Final = ("q", "kind", "state", "since", "until")

RULES: Final[Mapping[str, Rule]] = {
    "GET /exhibits": Permission.READ,
    "GET /exhibits/{exhibit}/thumbnail": Permission.READ,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/exhibits", methods=READ)
    def listing(
        request: Request,
        before: str = "",
        exhibit: list[str] = Query(default=[]),  # noqa: B008 - FastAPI's way
        every: str = "",
        none: str = "",
    ) -> Response:
        account = acting_of(request).account
        asked = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
        chosen = () if none else tuple(dict.fromkeys(exhibit))
        sought, refused = Sought(), None
        try:
            sought = sought_of(asked)
            if every:
                found = platform.evidence.names(sought, account=account)
                chosen = tuple(dict.fromkeys((*chosen, *found)))
            _require_few(chosen)
        except Refused as problem:
            chosen, refused = chosen[:MOST_AT_ONCE], problem
        page = platform.evidence.search(
            sought, limit=PER_PAGE, before=before or None, account=account
        )
        here = [one.exhibit for one in page.rows]
        facts = {
            "section": "exhibits",
            "rows": page.rows,
            "marked": platform.ordering.given_up(here),
            "following": page.following,
            "before": before,
            "asked": asked,
            "narrowed": any(asked.values()),
            "chosen": frozenset(chosen),
            "elsewhere": [one for one in chosen if one not in here],
            "kinds": KINDS,
            "states": (*STATES, WANTED),
            "wanted": platform.evidence.wanted(account=account),
            "trouble": refused and trouble_of(refused, language_of(request)),
        }
        return pages.render(request, "exhibits.html", facts)

    @router.api_route("/exhibits/{exhibit}/thumbnail", methods=READ)
    def thumbnail(exhibit: str) -> Response:
        try:
            opened = platform.evidence.open_preview(exhibit)
        except Refused as refused:
            if refused.code != "web.no-preview":
                raise
            blank = f"/static/{pages.static_digest}/no-preview.svg"
            return RedirectResponse(blank, HTTPStatus.SEE_OTHER)
        return StreamingResponse(
            iter(lambda: opened.read(65536), b""),
            media_type="image/jpeg",
            headers={
                "Content-Security-Policy": HOSTILE_BYTES_POLICY,
                "Cache-Control": "private, max-age=86400",
                "Content-Disposition": "inline",
            },
            background=BackgroundTask(opened.close),
        )

    return router


def sought_of(asked: Mapping[str, str]) -> Sought:
    """What is asked for; Refused when it is nothing one can ask for."""
    kind, state = asked.get("kind", ""), asked.get("state", "")
    if kind not in {"", *KINDS} or state not in {"", *STATES, WANTED}:
        expected = ", ".join((*KINDS, *STATES, WANTED))
        raise Refused("web.malformed-query", expected=expected, found=f"{kind} {state}"[:80])
    since, until = _day(asked.get("since", "")), _day(asked.get("until", ""))
    if until is not None:
        until += timedelta(days=1)  # that day too
    return Sought(asked.get("q", ""), kind, state, since, until)


def _day(text: str) -> datetime | None:
    """Its first moment in Beijing."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(
            "web.malformed-query", expected="YYYY-MM-DD", found=repr(text[:20])
        ) from error


def _require_few(chosen: tuple[str, ...]) -> None:
    if len(chosen) > MOST_AT_ONCE:
        raise Refused(
            "web.too-many-exhibits",
            expected=f"≤ {MOST_AT_ONCE}",
            found=str(len(chosen)),
            act="choose fewer, and make several packages",
        )
