"""`/shares`: links to exhibits for whoever has no account; `/s/…`: what such a link shows.

The owner makes a link, sees it once, sees who opened it, revokes it. Whoever opens it finds, on
a page for a telephone, what it is, what to fetch, and how to check it; what is over is told
with 410. A link is nobody else's business: its pages are in no index, send no referrer, and
stand in no cache."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.app.sharing import WantedShare, is_offered
from guzheng.proof import package as layout
from guzheng.refusals import Problem, Refused
from guzheng.sharing import Share, Visitor, rules
from guzheng.store import ids
from guzheng.web import exhibits, problems, readings, shelf
from guzheng.web.gate import PUBLIC, Rule, acting_of, require_own
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.uploads import plain_fields

RULES: Final[Mapping[str, Rule]] = {
    "GET /shares": Permission.SHARE,
    "GET /shares/new": Permission.SHARE,
    "POST /shares": Permission.SHARE,
    "GET /shares/{share}": Permission.SHARE,
    "POST /shares/{share}/revoke": Permission.SHARE,
    "GET /s/{secret}": PUBLIC,
    "POST /s/{secret}": PUBLIC,
    "GET /s/{secret}/package.zip": PUBLIC,
    "GET /s/{secret}/{number}/{name:path}": PUBLIC,
}
PER_PAGE: Final = 30
_FIRST: Final = {"screenshot.png": 0, "page.pdf": 1, "page.wacz": 2}
DAYS: Final = (7, 30, 90, 180, 365)
USUAL_DAYS: Final = 30
COOKIE: Final = "guzheng_share"
_SECRET: Final = 43  # letters of a link
_PRIVATE: Final = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _owner_routes(router, platform, pages)
    _visitor_routes(router, platform, pages)
    return router


# ---- the owner's ---------------------------------------------------------------------


def _owner_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    @router.api_route("/shares", methods=READ)
    def listing(request: Request, before: str = "") -> Response:
        account, before = acting_of(request).account, before if ids.is_id(before) else ""
        found = platform.shares.page(account, PER_PAGE + 1, before or None)
        views = found[:PER_PAGE]
        facts = {
            "section": "exhibits",
            "views": views,
            "titles": {one.share.share: _title(request, platform, one.share) for one in views},
            "next": views[-1].share.share if len(found) > PER_PAGE else None,
            "before": before,
        }
        return pages.render(request, "shares.html", facts)

    @router.api_route("/shares/new", methods=READ)
    def new(
        request: Request,
        exhibit: list[str] = Query(default=[]),  # noqa: B008 - FastAPI's way
    ) -> Response:
        names = dict.fromkeys(exhibit)
        if refusal := shelf.too_many(request, platform, pages, names, most=rules.MOST_EXHIBITS):
            return refusal
        own = tuple(require_own(request, "exhibit", one) for one in names)
        if not own:
            return RedirectResponse("/exhibits", status_code=HTTPStatus.SEE_OTHER)
        title = readings.title_of_several(platform, own, language_of(request))
        hearing = platform.cases.hearing_of(own, account=acting_of(request).account)
        days = platform.shares.lasting(hearing, DAYS, USUAL_DAYS)
        return _form(request, platform, pages, WantedShare(own, days, title=title))

    @router.post("/shares")
    def make(request: Request) -> Response:
        wanted = _wanted(request)
        acting = acting_of(request)
        try:
            made = platform.shares.make(wanted, account=acting.account, person=acting.person)
        except Problem as problem:
            return _form(request, platform, pages, wanted, problem)
        facts = {
            "section": "exhibits",
            "view": made.view,
            "link": f"{platform.people.address(str(request.base_url))}/s/{made.secret}",
        }
        return pages.render(request, "share_made.html", facts, status_code=HTTPStatus.CREATED)

    @router.api_route("/shares/{share}", methods=READ)
    def show(request: Request, share: str) -> Response:
        view = platform.shares.view(share)
        facts = {
            "section": "exhibits",
            "view": view,
            "title": _title(request, platform, view.share),
            "titles": _titles(platform, view.share.exhibits),
            "log": platform.shares.log(share),
        }
        return pages.render(request, "share.html", facts)

    @router.post("/shares/{share}/revoke")
    def revoke(request: Request, share: str) -> Response:
        platform.shares.revoke(share, person=acting_of(request).person)
        return RedirectResponse(f"/shares/{share}", status_code=HTTPStatus.SEE_OTHER)


def _form(
    request: Request,
    platform: Platform,
    pages: Pages,
    wanted: WantedShare,
    problem: Problem | None = None,
) -> Response:
    trouble = problems.trouble_of(problem, language_of(request)) if problem else None
    facts = {
        "section": "exhibits",
        "wanted": wanted,
        "titles": _titles(platform, wanted.exhibits),
        "days": DAYS,
        "token": wanted.token or platform.shares.new_token(),
        "hearing": platform.cases.hearing_of(
            wanted.exhibits, account=acting_of(request).account
        ),
        "shortest": rules.SHORTEST_CODE,
        "trouble": trouble,
    }
    status = trouble.status if trouble else HTTPStatus.OK
    return pages.render(request, "share_new.html", facts, status_code=status)


def _title(request: Request, platform: Platform, share: Share) -> str:
    named = share.claimed_title
    return named or readings.title_of_several(platform, share.exhibits, language_of(request))


def _titles(platform: Platform, names: tuple[str, ...]) -> dict[str, str]:
    return {one: readings.title_of(platform.exhibit(one)) for one in names}


def _wanted(request: Request) -> WantedShare:
    form = {one.name: one.text.strip() for one in plain_fields(request)}
    names = dict.fromkeys(form.get("exhibits", "").split())
    days = form.get("days", "")
    return WantedShare(
        tuple(require_own(request, "exhibit", one) for one in names),
        int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0,
        form.get("code", ""),
        form.get("title", ""),
        bool(form.get("package")),
        form.get("token", ""),
    )


# ---- the visitor's -------------------------------------------------------------------


def _visitor_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    @router.api_route("/s/{secret}", methods=READ)
    def opened(request: Request, secret: str) -> Response:
        visitor = _visitor(request, platform)
        share = platform.shares.opened(_whole(secret), _passed(request), visitor)
        if share is None:
            return _ask_code(request, pages, secret)
        if request.method == "GET":
            platform.shares.seen(share, visitor)
        return _shown(request, platform, pages, share, secret)

    @router.post("/s/{secret}")
    def enter(request: Request, secret: str) -> Response:
        form = {one.name: one.text for one in plain_fields(request)}
        visitor = _visitor(request, platform)
        try:
            passed = platform.shares.enter(_whole(secret), form.get("code", ""), visitor)
        except Refused as refused:
            if refused.code not in {"sharing.wrong-code", "sharing.too-many-codes"}:
                raise
            return _ask_code(request, pages, secret, refused)
        response = RedirectResponse(f"/s/{secret}", status_code=HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            passed,
            max_age=int(rules.PASS_LASTS.total_seconds()),
            path=f"/s/{secret}",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @router.api_route("/s/{secret}/package.zip", methods=READ)
    def package(request: Request, secret: str) -> Response:
        visitor = _visitor(request, platform)
        found = platform.shares.package(_whole(secret), _passed(request), visitor)
        return _private(exhibits.zip_of(request, found, found.name))

    @router.api_route("/s/{secret}/{number}/{name:path}", methods=READ)
    def file(request: Request, secret: str, number: int, name: str) -> Response:
        visitor = _visitor(request, platform)
        opened = platform.shares.open(_whole(secret), _passed(request), number, name, visitor)
        shown = name == layout.CERTIFICATE_PDF and request.query_params.get("view") == "inline"
        within = f"{secret}/{number}"
        given = exhibits.attachment(request, opened, within, name, inline=shown)
        return _private(given)


def _shown(
    request: Request, platform: Platform, pages: Pages, share: Share, secret: str
) -> Response:
    views = platform.shares.exhibits(share)
    facts = {
        "section": "",
        "share": share,
        "title": _title(request, platform, share),
        "secret": secret,
        "views": [_facts(one) for one in views],
        "own_authority": platform.runs_own_authority(),
    }
    response = pages.render(request, "shared.html", facts)
    response.headers["Referrer-Policy"] = "no-referrer"
    return _private(response)


def _facts(view: ExhibitView) -> dict[str, object]:
    return {
        "view": view,
        "title": readings.title_of(view),
        "items": _for_a_reader(readings.items_of(view)),
        "capture": readings.fact(view.facts, "capture"),
        "attested": readings.text_fact(view.facts, "attested_applicant", "name"),
        "interval": readings.interval_of(view),
        "number": readings.text_fact(view.facts, "number"),
        "offered": {one.name for one in view.papers if is_offered(one.name)},
    }


def _for_a_reader(
    items: tuple[readings.ItemReading, ...],
) -> tuple[readings.ItemReading, ...]:
    """First what shows a captured page by itself, then what an expert opens."""
    return tuple(sorted(items, key=lambda one: _FIRST.get(one.name, len(_FIRST))))


def _ask_code(
    request: Request, pages: Pages, secret: str, refused: Refused | None = None
) -> Response:
    """Asked with nothing told of what is behind it. Its form is sent to ourselves: a browser
    that sends no Fetch Metadata must be able to say so in Origin, so there is a referrer policy
    that lets it, to this site only."""
    trouble = problems.trouble_of(refused, language_of(request)) if refused else None
    facts = {"section": "", "secret": secret, "trouble": trouble}
    status = trouble.status if trouble else HTTPStatus.OK
    headers = problems.headers_of(trouble) if trouble else None
    response = pages.render(
        request, "share_code.html", facts, status_code=status, headers=headers
    )
    return _private(response)


def _private(response: Response) -> Response:
    for name, value in _PRIVATE.items():
        response.headers[name] = value
    return response


def _whole(secret: str) -> str:
    """Raises Refused for what cannot be a link, before anything is looked up."""
    if len(secret) != _SECRET:
        raise Refused(
            "sharing.not-found",
            expected="a link as it was sent",
            found=f"{len(secret)} letters",
            act="open the whole link, or ask whoever sent it",
        )
    return secret


def _passed(request: Request) -> str:
    return request.cookies.get(COOKIE, "")[:100]


def _visitor(request: Request, platform: Platform) -> Visitor:
    peer = request.client.host if request.client else ""
    return platform.shares.visitor(peer, request.headers.get("user-agent", ""))
