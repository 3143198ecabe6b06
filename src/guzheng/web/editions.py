"""`/me/edition`: what an account's edition has, and what is left; `/operator/accounts`: grants.

`FUNCTIONS` says which addresses begin something that an edition may lack: behind the gate,
whoever lacks it is told so and where to get it (402). Nothing that only shows is among them:
what was made stays readable under every edition. Captures and deposits are asked for where
they come in, with their unit, by whatever door (app/entitling.py)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Acting
from guzheng.accounts.editions import FUNCTIONS as ALL_FUNCTIONS
from guzheng.accounts.entitlements import KINDS
from guzheng.app.entitling import NO_LIMIT, end_of_day, units_of
from guzheng.refusals import Problem, Refused
from guzheng.store import ids
from guzheng.web import problems
from guzheng.web.gate import OPERATOR, SIGNED_IN, Rule, acting_of
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform

RULES: Final[Mapping[str, Rule]] = {
    "GET /me/edition": SIGNED_IN,
    "GET /operator/accounts": OPERATOR,
    "POST /operator/accounts": OPERATOR,
    "POST /operator/accounts/{grant}/end": OPERATOR,
}
FUNCTIONS: Final[Mapping[str, str]] = {
    "POST /batches": "batch",
    "POST /schedules": "schedule",
    "POST /cases": "cases",
    "POST /packages": "package",
    "POST /shares": "share",
    # Nobody is to fill in a form that will be refused.
    "GET /cases/new": "cases",
    "GET /packages/new": "package",
    "GET /shares/new": "share",
    "POST /members/invitations": "members",
    "POST /keys": "programs",
    # What programs begin with a key; the pages' own scripts use some of these with a session.
    "POST /api/exhibits": "programs",
    "POST /api/orders": "programs",
    "POST /api/digests": "programs",
    "POST /api/uploads": "programs",
}
_LISTED: Final = 50
_FIELDS: Final = (
    "account",
    "kind",
    "edition",
    "units",
    "unlimited",
    "source",
    "reason",
    "expires",
)


class Editions:
    """Stands behind the gate, before every route: the function, after the permission."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def admit(self, request: Request) -> None:
        """Raises Refused (accounts.not-in-edition) for what the account's edition lacks."""
        path = getattr(request.scope.get("route"), "path", "")
        function = FUNCTIONS.get(f"{request.method} {path}")
        if function is not None and self._platform.entitlements.is_on:
            await run_in_threadpool(self._require, request, function)

    def _require(self, request: Request, function: str) -> None:
        acting = acting_of(request)
        if request.scope["path"].startswith("/api/") and acting.by != "key":
            return  # a page's own script
        self._platform.entitlements.require(acting.account, function)


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _own_routes(router, platform, pages)
    _operator_routes(router, platform, pages)
    return router


def _own_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    @router.api_route("/me/edition", methods=READ)
    def own_edition(request: Request) -> Response:
        view = platform.entitlements.view(acting_of(request).account)
        facts = {
            "section": "me",
            "view": view,
            "functions": ALL_FUNCTIONS,
            "url": platform.entitlements.url,
            "is_on": platform.entitlements.is_on,
        }
        return pages.render(request, "edition.html", facts)


def _operator_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def listing(
        request: Request, form: Mapping[str, str], refused: Problem | None = None
    ) -> Response:
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        account = form.get("account", "").strip()
        entitlements = platform.entitlements
        before, after = (_number(request, name) for name in ("before", "founded"))
        grants = entitlements.latest(_LISTED + 1, before or None)
        founded = platform.members.rows.latest(_LISTED + 1, after or None)
        facts = {
            "section": "me",
            "accounts": [
                (one, platform.members.founder_name(one)) for one in founded[:_LISTED]
            ],
            "before": before,
            "founded_before": after,
            "next": grants[_LISTED - 1].grant if len(grants) > _LISTED else None,
            "next_founded": founded[_LISTED - 1] if len(founded) > _LISTED else None,
            "view": entitlements.view(account) if account else None,
            "latest": grants[:_LISTED],
            "editions": entitlements.editions,
            "functions": ALL_FUNCTIONS,
            "kinds": KINDS,
            "form": {name: form.get(name, "") for name in _FIELDS},
            "token": entitlements.new_token(),
            "trouble": trouble,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "entitlements.html", facts, status_code=status)

    @router.api_route("/operator/accounts", methods=READ)
    def show(request: Request, account: str = "") -> Response:
        return listing(request, {"account": account[:64]})

    @router.post("/operator/accounts")
    def grant(request: Request) -> Response:
        form = form_of(request)
        try:
            account = _granted(platform, acting_of(request), form)
        except Problem as problem:
            return listing(request, form, problem)
        return _see(f"/operator/accounts?account={account}")

    @router.post("/operator/accounts/{grant}/end")
    def end(request: Request, grant: str) -> Response:
        form = form_of(request)
        try:
            account = platform.entitlements.end(
                acting_of(request), grant, form.get("reason", "")
            )
        except Problem as problem:
            return listing(request, {"account": form.get("account", "")}, problem)
        return _see(f"/operator/accounts?account={account}")


def _number(request: Request, name: str) -> str:
    """After which grant or account the page goes on; empty: from the newest."""
    asked = request.query_params.get(name, "")
    return asked if ids.is_id(asked) or asked == ids.LOCAL else ""


def _granted(platform: Platform, acting: Acting, form: Mapping[str, str]) -> str:
    made = platform.entitlements.grant(
        acting,
        form.get("account", "").strip(),
        form.get("kind", ""),
        form.get("source", ""),
        form.get("reason", ""),
        edition=form.get("edition", ""),
        units=units_of(_units(form), form.get("edition", ""), platform.entitlements.editions),
        expires_at=end_of_day(form.get("expires", "")),
        token=form.get("token", ""),
    )
    return made.account


def _units(form: Mapping[str, str]) -> str:
    """As it was typed; a tick beside it says that there is no limit."""
    typed = form.get("units", "").strip()
    if not form.get("unlimited"):
        return typed
    if typed not in {"", NO_LIMIT}:
        raise Refused(
            "accounts.grant-refused", expected="a number, or no limit", found=f"{typed[:40]}, ∞"
        )
    return NO_LIMIT


def _see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
