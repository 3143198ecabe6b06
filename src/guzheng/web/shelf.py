"""`/exhibits`: the list of an account's evidence, narrowed, searched, chosen from.

What was chosen travels in the form: ticked boxes of this page, hidden fields of the others. So
a selection survives paging, searching and reloading without a script, and ends with the page.
`?into=` names a case that exhibits are chosen for: one press puts them there. Whoever is sent
more than he takes shows the list again (`too_many`), as it was, with all that was ticked.
Dates are days of Beijing, as certificates print them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from guzheng.accounts import Permission
from guzheng.app.evidence import MOST_AT_ONCE, Row
from guzheng.cases import Case, Facts
from guzheng.intake.catalogue import MOST_COUNTED, STATES, WANTED
from guzheng.intake.sources import Sought
from guzheng.refusals import Refused
from guzheng.sharing.rules import MOST_EXHIBITS
from guzheng.store import ids
from guzheng.web.gate import Rule, acting_of, require_own
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.problems import status_of, trouble_of, wants_json
from guzheng.web.spelling import BEIJING

PER_PAGE: Final = 30
KINDS: Final = ("web", "deposit", "hash-only")
Pairs = Sequence[tuple[str, str]]  # fields as a form sent them: a name may come several times
FILTERS: Final = ("q", "kind", "state", "since", "until", "person", "case")

RULES: Final[Mapping[str, Rule]] = {
    "GET /exhibits": Permission.READ,
    "GET /exhibits/{exhibit}/thumbnail": Permission.READ,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/exhibits", methods=READ)
    def listing(request: Request) -> Response:
        return _page(request, platform, pages, request.query_params.multi_items())

    _preview_routes(router, platform, pages)
    return router


def too_many(
    request: Request,
    platform: Platform,
    pages: Pages,
    exhibits: Collection[str],
    *,
    most: int = MOST_AT_ONCE,
    sent: Pairs | None = None,
) -> Response | None:
    """The list again where more are chosen than `most`, with why it is not done, and with its
    words, filters and ticks; None where they are no more. `sent`: the fields of a form that
    was posted. Raises Refused for a program, and for whoever may not see the list."""
    try:
        require_few(exhibits, most)
    except Refused as refused:
        if wants_json(request) or not acting_of(request).may(Permission.READ):
            raise
        pairs = request.query_params.multi_items() if sent is None else sent
        return _page(request, platform, pages, pairs, refused)
    return None


def require_few(exhibits: Collection[str], most: int = MOST_AT_ONCE) -> None:
    if len(exhibits) > most:
        raise Refused(
            "web.too-many-exhibits",
            expected=f"≤ {most}",
            found=str(len(exhibits)),
            act="choose fewer, and take the others another time",
        )


def _page(
    request: Request,
    platform: Platform,
    pages: Pages,
    pairs: Pairs,
    refused: Refused | None = None,
) -> Response:
    """The list for what its form sent. `refused`: by whom the choice was sent to, which is
    answered as a refusal; what the list itself refuses is shown in it."""
    status = status_of(refused.code) if refused else HTTPStatus.OK
    account, sent = acting_of(request).account, dict(pairs)
    asked = {name: sent.get(name, "").strip() for name in FILTERS}
    filled = _filled(request, platform, sent.get("into", ""))
    kept = _Kept(_ticked(pairs), sent.get("at" if refused else "before", ""), refused)
    sought = kept.judge(request, platform, asked, sent, filled)
    chosen, before = kept.chosen, kept.before
    page = platform.evidence.search(
        sought, limit=PER_PAGE, before=before or None, account=account
    )
    here = [one.exhibit for one in page.rows]
    facts = {
        "section": "exhibits",
        "rows": page.rows,
        "marked": platform.ordering.given_up(here),
        "following": page.following,
        "back_to": page.back_to,
        "cases_cut": page.cases_cut,
        "into": filled,
        "within": filled.exhibits if filled else (),
        "before": before,
        "asked": asked,
        "narrowed": any(asked.values()),
        "chosen": frozenset(chosen),
        "elsewhere": [one for one in chosen if one not in here],
        "most": MOST_AT_ONCE,
        "most_shared": MOST_EXHIBITS,
        "kinds": KINDS,
        "states": (*STATES, WANTED),
        "people": _people(platform, account, page.rows, asked["person"]),
        "cases": _cases(platform, account, sought.case),
        "wanted": _counted(platform.evidence.wanted(account=account)),
        "trouble": kept.refused and trouble_of(kept.refused, language_of(request)),
    }
    return pages.render(request, "exhibits.html", facts, status_code=status)


@dataclass(slots=True)
class _Kept:
    """What of a form is shown again, whatever is refused of it: the ticks, and which page."""

    chosen: tuple[str, ...]
    before: str
    refused: Refused | None

    def judge(
        self,
        request: Request,
        platform: Platform,
        asked: Mapping[str, str],
        sent: Mapping[str, str],
        filled: Case | None,
    ) -> Sought:
        """What is looked for, as far as it can be; `refused` says what of it was not taken."""
        sought = Sought()
        try:
            wanted = sought_of(asked)
            sought = replace(wanted, case="")
            if wanted.case:
                require_own(request, "case", wanted.case)
            sought = wanted
            _require_id(self.before, "ex")
            if sent.get("every"):
                account = acting_of(request).account
                found = platform.evidence.names(sought, account=account)
                self.chosen = tuple(dict.fromkeys((*self.chosen, *found)))
            if filled is not None:  # what is in it already is not chosen again
                self.chosen = tuple(one for one in self.chosen if one not in filled.exhibits)
            if len(self.chosen) > MOST_AT_ONCE:
                # Where it was ticked: it grows by no page with each that is turned.
                self.before = self.before and sent.get("at", "")
            require_few(self.chosen)
        except Refused as problem:
            self.refused = self.refused or problem
            self.before = self.before if ids.is_id(self.before) else ""
        return sought


def _ticked(pairs: Pairs) -> tuple[str, ...]:
    """Each once, in the order in which they came."""
    if any(name == "none" and text for name, text in pairs):
        return ()
    return tuple(dict.fromkeys(text for name, text in pairs if name == "exhibit"))


def _preview_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
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


def _filled(request: Request, platform: Platform, into: str) -> Case | None:
    """The case that exhibits are chosen for, while anything may be put into it."""
    if not into or not acting_of(request).may(Permission.CASES):
        return None
    require_own(request, "case", into)
    case = platform.cases.case(into)
    return case if case.closing is None else None


def _cases(platform: Platform, account: str, asked: str) -> Sequence[tuple[str, Facts]]:
    """The newest, and the one that is asked for."""
    offered = platform.cases.offered(account)
    if not asked or asked in {case for case, _ in offered}:
        return offered
    return (*offered, (asked, platform.cases.case(asked).facts))


def _counted(number: int) -> str:
    """Empty for none."""
    return f"{number}+" if number >= MOST_COUNTED else str(number or "")


def _people(
    platform: Platform, account: str, rows: Sequence[Row], asked: str
) -> Mapping[str, str]:
    """Who acts for the account, or made something for it once, by name; nobody where it is
    one person's alone."""
    acting = {one.person for one in platform.members.rows.people(account)}
    made = {*platform.evidence.makers(account=account), *(one.person for one in rows)}
    known = acting | made - {""}
    if len(known) < 2 and asked in {"", *known}:
        return {}
    names = platform.members.names_of(known)
    return dict(sorted(names.items(), key=lambda one: (one[1], one[0])))


def sought_of(asked: Mapping[str, str]) -> Sought:
    """What is asked for; Refused when it is nothing one can ask for."""
    kind, state = asked.get("kind", ""), asked.get("state", "")
    if kind not in {"", *KINDS} or state not in {"", *STATES, WANTED}:
        expected = ", ".join((*KINDS, *STATES, WANTED))
        raise Refused("web.malformed-query", expected=expected, found=f"{kind} {state}"[:80])
    person, case = asked.get("person", ""), asked.get("case", "")
    _require_id(person, "pe")
    _require_id(case, "ca")
    since, until = _day(asked.get("since", "")), _day(asked.get("until", ""))
    if until is not None:
        until += timedelta(days=1)  # that day too
    return Sought(asked.get("q", ""), kind, state, since, until, person, case)


def _require_id(text: str, prefix: str) -> None:
    if text and not (ids.is_id(text) and text.startswith(f"{prefix}_")):
        raise Refused("web.malformed-query", expected=f"{prefix}_…", found=repr(text[:40]))


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
