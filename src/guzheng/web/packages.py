"""`/packages`: a court package chosen, checked, ordered, watched while it is made, fetched.

The first form chooses exhibits; the second says what each is to prove, onto what it goes and
with which documents. What stands against it is shown before anything is made. Making outlives
the request (app/exports.py); its page renews itself until it is done."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.app.exports import of_case
from guzheng.app.volumes import APART, DOCUMENTS, Precheck, WantedPackage
from guzheng.cases import course
from guzheng.intake.sources import Sought
from guzheng.prove import Chosen, Selection, selection
from guzheng.refusals import Problem
from guzheng.store import ids
from guzheng.web import problems, ranges, readings, shelf
from guzheng.web.arriving import apart_if_long
from guzheng.web.exhibits import disposition_of
from guzheng.web.gate import Rule, acting_of, require_own
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.uploads import plain_fields

RULES: Final[Mapping[str, Rule]] = {
    "GET /packages": Permission.DOWNLOAD,
    "GET /packages/new": Permission.DOWNLOAD,
    "POST /packages": Permission.DOWNLOAD,
    "GET /packages/{package}": Permission.DOWNLOAD,
    "GET /packages/{package}/files/{name}": Permission.DOWNLOAD,
}
PER_PAGE: Final = 30
OFFERED: Final = 50  # exhibits to tick in the first form
FORM_LIMIT, MOST_FIELDS = 4 << 20, 700  # a hundred exhibits, with all that is said of them
_HEADS: Final = ("title", "case_number", "cause", "submitter", "parties", "relation")
_SAID: Final = ("purpose", "authenticity", "legality", "relevance")


class Portion(NamedTuple):
    """Which exhibits of a case these are, where it has more than one package takes."""

    case: str
    after: int
    until: int
    whole: int


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _list_routes(router, platform, pages)
    _package_routes(router, platform, pages)
    return router


def _list_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """What was ordered, and the form for another."""

    @router.api_route("/packages", methods=READ)
    def listing(request: Request, before: str = "") -> Response:
        account, before = acting_of(request).account, before if ids.is_id(before) else ""
        found = platform.exports.page(account, PER_PAGE + 1, before or None)
        views = found[:PER_PAGE]
        facts = {
            "section": "exhibits",
            "views": views,
            "titles": {
                one.ordered.package: _title(request, platform, one.wanted) for one in views
            },
            "next": views[-1].ordered.package if len(found) > PER_PAGE else None,
            "before": before,
        }
        return pages.render(request, "packages.html", facts)

    @router.api_route("/packages/new", methods=READ)
    def new(
        request: Request,
        exhibit: list[str] = Query(default=[]),  # noqa: B008 - FastAPI's way
        case: str = "",
        after: int = Query(default=0, ge=0, le=course.MOST[course.EXHIBIT]),
    ) -> Response:
        of = None
        if case:
            whole = len(platform.cases.case(require_own(request, "case", case)).exhibits)
            after = after if after < whole else 0
            wanted = of_case(platform.cases, case, after, language_of(request))
            of = Portion(case, after, after + len(wanted.entries), whole)
        elif exhibit:
            names = dict.fromkeys(exhibit)
            if refusal := shelf.too_many(request, platform, pages, names, most=selection.MOST):
                return refusal
            own = [require_own(request, "exhibit", one) for one in names]
            title = readings.title_of_several(platform, own, language_of(request))
            wanted = Selection(tuple(map(Chosen, own)), title=title)
        else:
            return _choose(request, platform, pages)
        return _form(request, platform, pages, WantedPackage(wanted), of=of)

    @router.post("/packages")
    @apart_if_long
    def order(request: Request) -> Response:
        form = _read(request)
        wanted = _wanted(request, form)
        try:
            checked = platform.exports.check(wanted)
            if form.get("step") != "make" or checked.blocking:
                status = HTTPStatus.UNPROCESSABLE_ENTITY if checked.blocking else HTTPStatus.OK
                return _form(
                    request, platform, pages, wanted, checked=checked, form=form, status=status
                )
            acting = acting_of(request)
            package = platform.exports.order(
                wanted,
                account=acting.account,
                person=acting.person,
                token=form.get("token", ""),
            )
        except Problem as problem:
            return _form(request, platform, pages, wanted, form=form, problem=problem)
        return RedirectResponse(f"/packages/{package}", status_code=HTTPStatus.SEE_OTHER)


def _package_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """One that was ordered, and its files."""

    @router.api_route("/packages/{package}", methods=READ)
    def show(request: Request, package: str) -> Response:
        view = platform.exports.view(package)
        language = language_of(request)
        facts = {
            "section": "exhibits",
            "view": view,
            "title": _title(request, platform, view.wanted),
            "trouble": view.problem and problems.trouble_of(view.problem, language),
            "percent": min(99, 100 * view.written // view.size) if view.size else 0,
            "profile": platform.exports.packaging.profiles.get(view.wanted.profile),
            "again": "&".join(
                f"exhibit={one.exhibit}" for one in view.wanted.selection.entries
            ),
        }
        return pages.render(request, "package.html", facts)

    @router.api_route("/packages/{package}/files/{name}", methods=READ)
    def fetch(request: Request, package: str, name: str) -> Response:
        opened = platform.exports.open(package, name)
        headers = {
            "Content-Disposition": disposition_of(name, inline=False),
            "Content-Security-Policy": HOSTILE_BYTES_POLICY,
            "Cache-Control": "private, no-store",
        }
        tag = ranges.tag_of(package, name)
        return ranges.given(request, opened, "application/octet-stream", headers, tag=tag)


def _title(request: Request, platform: Platform, wanted: WantedPackage) -> str:
    names = [one.exhibit for one in wanted.selection.entries]
    named = wanted.selection.title
    return named or readings.title_of_several(platform, names, language_of(request))


def _choose(request: Request, platform: Platform, pages: Pages) -> Response:
    """The newest that are finished; others are chosen from the list of all."""
    account = acting_of(request).account
    found = platform.evidence.search(Sought(state="certified"), limit=OFFERED, account=account)
    views = platform.views_of(found.rows)
    facts = {"section": "exhibits", "views": views, "title_of": readings.title_of}
    return pages.render(request, "package_choose.html", facts)


def _form(
    request: Request,
    platform: Platform,
    pages: Pages,
    wanted: WantedPackage,
    *,
    checked: Precheck | None = None,
    form: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    of: Portion | None = None,
) -> Response:
    language = language_of(request)
    trouble = problems.trouble_of(problem, language) if problem else None
    names = [one.exhibit for one in wanted.selection.entries]
    exports = platform.exports
    last = exports.last_verified(names)
    facts = {
        "section": "exhibits",
        "wanted": wanted,
        "heads": _HEADS,
        "said": _SAID,
        "titles": {one: readings.title_of(platform.exhibit(one)) for one in names},
        "profiles": exports.packaging.profiles.values(),
        "documents": DOCUMENTS,
        "apart": APART,
        "checked": checked,
        "last": last,
        "old": {one: exports.is_old(last.get(one)) for one in names},
        "token": (form or {}).get("token") or exports.new_token(),
        "trouble": trouble,
        "of": of,
    }
    code = trouble.status if trouble else status
    return pages.render(request, "package_new.html", facts, status_code=code)


def _read(request: Request) -> dict[str, str]:
    fields = plain_fields(request, limit=FORM_LIMIT, most=MOST_FIELDS)
    return {one.name: one.text.strip() for one in fields}


def _wanted(request: Request, form: Mapping[str, str]) -> WantedPackage:
    """What the form asks for. Raises Refused for an exhibit that is not the asker's."""
    listed = dict.fromkeys(form.get("exhibits", "").split())
    names = _ordered([require_own(request, "exhibit", one) for one in listed], form)
    entries = tuple(
        Chosen(one, *(_lines(form.get(f"{name}.{one}", "")) for name in _SAID)) for one in names
    )
    return WantedPackage(
        Selection(entries, **{name: _lines(form.get(name, "")) for name in _HEADS}),
        form.get("profile", "zip"),
        tuple(one for one in (*DOCUMENTS, *APART) if form.get(f"document.{one}")),
        language_of(request),
    )


def _ordered(names: Sequence[str], form: Mapping[str, str]) -> list[str]:
    """By the places that were typed; who typed none stays where he was."""

    def place(number: int, name: str) -> int:
        typed = form.get(f"place.{name}", "")
        whole = typed.isascii() and typed.isdecimal() and len(typed) < 10
        return int(typed) if whole else number

    keyed = [(place(number, name), number, name) for number, name in enumerate(names, 1)]
    return [name for _, _, name in sorted(keyed)]


def _lines(text: str) -> str:
    """A statement of several lines is printed as one."""
    return " ".join(text.split())
