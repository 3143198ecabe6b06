"""`/login/identity`: to the identity provider and back, and the links that a person has.

A browser is sent there by a link and no form: the content policy lets no form lead away from
here, not even by a redirect. What it brings back is judged against a sealed cookie of this very
browser, once. An answer that links is shown first, and linked by a form that the person sends.
The provider itself may say that somebody signed out there (Back-Channel Logout).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from guzheng.app.federation import BACK, LOGOUT, TO_ENTER, TO_LINK, TO_PROVE, Arrived, Begun
from guzheng.app.people import Halfway, Proposed
from guzheng.refusals import Problem, Refused
from guzheng.web.gate import PUBLIC, SIGNED_IN, Rule, local_path
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages
from guzheng.web.people import Show, second_address, shower
from guzheng.web.ports import Platform
from guzheng.web.sessions import (
    WAY,
    caller_of,
    onward_of,
    require_accounts,
    see,
    set_half,
    set_session,
    set_way,
)

RULES: Final[Mapping[str, Rule]] = {
    "GET /login/identity": PUBLIC,
    f"GET {BACK}": PUBLIC,
    f"POST {LOGOUT}": PUBLIC,  # the provider itself, whose token is judged
    "GET /me/prove/identity": SIGNED_IN,
    "GET /me/security/identities/new": SIGNED_IN,
    "POST /me/security/identities": SIGNED_IN,
    "POST /me/security/identities/remove": SIGNED_IN,
}
_SECURITY: Final = "/me/security"
_LONGEST: Final = 2000
_ANSWERED: Final = ("code", "state", "iss", "error")


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(
        include_in_schema=False, dependencies=[Depends(lambda: require_accounts(platform))]
    )
    show = shower(pages)
    _away(router, platform, show)
    _back(router, platform, show)
    _links(router, platform)
    _logout(router, platform)
    return router


def _away(router: APIRouter, platform: Platform, show: Show) -> None:
    federation = platform.people.federation

    def leave(request: Request, begun: Begun) -> Response:
        response = RedirectResponse(begun.address, status_code=HTTPStatus.SEE_OTHER)
        return set_way(response, request, platform, begun.kept)

    @router.api_route("/login/identity", methods=READ)
    def sign_in(request: Request) -> Response:
        try:
            begun = federation.begin(TO_ENTER, onward_of(request))
        except Problem as problem:  # the other ways stand beside what went wrong
            return at_the_door(platform, show, request, problem)
        return leave(request, begun)

    @router.api_route("/me/prove/identity", methods=READ)
    def prove(request: Request) -> Response:
        session = platform.people.require_session(request.cookies)
        return leave(request, federation.begin(TO_PROVE, onward_of(request), session))

    @router.api_route("/me/security/identities/new", methods=READ)
    def link(request: Request) -> Response:
        session = platform.people.require_session(request.cookies)
        return leave(request, federation.begin(TO_LINK, _SECURITY, session))


def _back(router: APIRouter, platform: Platform, show: Show) -> None:
    people = platform.people

    @router.api_route(BACK, methods=READ)
    def back(request: Request) -> Response:
        session = people.find_session(request.cookies)
        told = {name: request.query_params.getlist(name) for name in _ANSWERED}
        # Once each (RFC 6749 §3.1): what is said twice is said by two, and counts as nothing.
        answer = {
            name: said[0][:_LONGEST] if len(said) == 1 else ""
            for name, said in told.items()
            if said
        }
        kept = request.cookies.get(WAY, "")
        try:
            arrived = people.federation.finish(kept, answer, session, caller_of(request))
        except Problem as problem:
            if session is None:
                return at_the_door(platform, show, request, problem)
            raise
        if isinstance(arrived.outcome, Proposed):
            return show(request, "identity.html", {}, proposed=arrived.outcome)
        response = _arrived(request, platform, arrived)
        response.delete_cookie(WAY, httponly=True, samesite="lax")
        return response


def _arrived(request: Request, platform: Platform, arrived: Arrived) -> Response:
    onward = local_path(arrived.onward)
    if isinstance(arrived.outcome, Halfway):
        return set_half(see(second_address(onward)), request, platform, arrived.outcome.token)
    former = platform.people.find_session(request.cookies)
    if former is not None and arrived.purpose == TO_ENTER:  # a browser has one session
        platform.people.end_session(former, former.session, caller_of(request))
    assert not isinstance(arrived.outcome, Proposed)  # noqa: S101 - shown, and not come here
    return set_session(see(onward), request, platform, arrived.outcome.token)


def _links(router: APIRouter, platform: Platform) -> None:
    people = platform.people

    @router.post("/me/security/identities")
    def linked(request: Request) -> Response:
        session, token = people.require_session(request.cookies), form_of(request)
        entered = people.federation.link(session, token.get("token", ""), caller_of(request))
        return set_session(see(_SECURITY), request, platform, entered.token)

    @router.post("/me/security/identities/remove")
    def removed(request: Request) -> Response:
        session, form = people.require_session(request.cookies), form_of(request)
        entered = people.federation.unlink(
            session, form.get("issuer", ""), form.get("subject", ""), caller_of(request)
        )
        return set_session(see(_SECURITY), request, platform, entered.token)


def _logout(router: APIRouter, platform: Platform) -> None:
    @router.post(LOGOUT)
    def logged_out(request: Request) -> Response:
        """Back-Channel Logout §2.8: 200, or 400 with why; never kept by a cache."""
        token = form_of(request).get("logout_token", "")
        try:
            platform.people.federation.logged_out(token, caller_of(request))
        except Refused as refused:
            if refused.code != "accounts.identity-not-proved":
                raise
            said = {"error": "invalid_request", "error_description": refused.expected}
            return JSONResponse(said, HTTPStatus.BAD_REQUEST)
        return Response(status_code=HTTPStatus.OK)


def at_the_door(platform: Platform, show: Show, request: Request, problem: Problem) -> Response:
    """The sign-in page, with what went wrong."""
    return show(
        request,
        "login.html",
        {},
        problem,
        operator=platform.people.has_operator(),
        provider=platform.people.federation,
    )
