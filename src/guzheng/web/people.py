"""`/login`, `/register`, `/forgot` and what their letters lead to: coming in, and being let in.

Pages are complete without a script; only passkeys need one (`passkeys.py`). What is asked is in
`accounts`: here nothing is said that would tell a stranger who has an account. Where a reader
goes on afterwards is an address of this server, whatever `next` says.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from guzheng.accounts.letters import CONFIRM, FORGOT, MOVE, WELCOME
from guzheng.app.people import Halfway
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.gate import PUBLIC, Rule, find_acting, local_path, tell_refused
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import (
    HALF,
    WAITING,
    caller_of,
    clear,
    onward_of,
    reached_of,
    require_accounts,
    see,
    set_half,
    set_session,
    set_waiting,
)

RULES: Final[Mapping[str, Rule]] = {
    f"{method} {path}": PUBLIC
    for path in (
        "/login",
        "/login/second",
        "/register",
        "/forgot",
        "/confirm/{token}",
        "/reset/{token}",
        "/welcome/{token}",
        "/move/{token}",
    )
    for method in ("GET", "POST")
} | {
    "POST /logout": PUBLIC,
    "GET /sent": PUBLIC,
    "POST /sent": PUBLIC,
    "POST /sent/again": PUBLIC,
}

# Beside which field a refusal is shown; all others stand above the form.
FIELD_OF: Final = {
    "accounts.password-short": "password",
    "accounts.password-long": "password",
    "accounts.password-common": "password",
    "accounts.address-refused": "address",
    "accounts.address-taken": "address",
    "accounts.not-reachable": "address",
    "accounts.person-name-refused": "name",
    "accounts.code-wrong": "code",
    "accounts.code-over": "code",
    "accounts.sms-country": "address",
    "accounts.sms-budget": "address",
    "accounts.passwords-differ": "again",
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(
        include_in_schema=False, dependencies=[Depends(lambda: require_accounts(platform))]
    )
    show = shower(pages)
    _signing_in(router, platform, show)
    _asking(router, platform, show)
    _waiting(router, platform, show)
    _choosing(router, platform, show)
    _moving(router, platform, show)
    return router


Show = Callable[..., Response]


def shower(pages: Pages) -> Show:
    """A form, with what was typed and what is wrong with it."""

    def show(
        request: Request,
        template: str,
        form: Mapping[str, str],
        problem: Problem | None = None,
        **facts: object,
    ) -> Response:
        trouble = problem and problems.trouble_of(problem, language_of(request))
        if trouble:
            tell_refused(request, trouble.code, pages.accesses)
        field = FIELD_OF.get(problem.code, "") if problem else ""
        page: dict[str, object] = {
            "section": "me",
            "form": form,
            "trouble": trouble,
            "wrong": {field: trouble.title} if trouble and field else {},
            # A form that was refused leads where it led before.
            "onward": local_path(form["next"]) if "next" in form else onward_of(request),
        }
        return pages.render(
            request,
            template,
            page | facts,
            status_code=trouble.status if trouble else HTTPStatus.OK,
            headers=problems.headers_of(trouble) if trouble else {},
        )

    return show


def _signing_in(router: APIRouter, platform: Platform, show: Show) -> None:
    @router.api_route("/login", methods=READ)
    def asked(request: Request) -> Response:
        if find_acting(request) is not None:
            return see(onward_of(request))
        operator, provider = platform.people.has_operator(), platform.people.federation
        changed = request.query_params.get("changed", "")
        facts = {"operator": operator, "provider": provider, "changed": changed}
        return show(request, "login.html", {}, **facts)

    @router.post("/login")
    def signed_in(request: Request) -> Response:
        form = form_of(request)
        try:
            entered = platform.people.sign_in(
                form.get("address", ""), form.get("password", ""), caller_of(request)
            )
        except Problem as problem:
            typed = {"address": form.get("address", ""), "next": form.get("next", "/")}
            provider = platform.people.federation
            return show(request, "login.html", typed, problem, operator=True, provider=provider)
        onward = local_path(form.get("next", "/"))
        if isinstance(entered, Halfway):
            return set_half(see(second_address(onward)), request, platform, entered.token)
        _end_former(request)
        return set_session(see(onward), request, platform, entered.token)

    @router.api_route("/login/second", methods=READ)
    def second(request: Request) -> Response:
        if HALF not in request.cookies:
            return see("/login")
        return show(request, "second.html", {})

    @router.post("/login/second")
    def second_done(request: Request) -> Response:
        form = form_of(request)
        half = request.cookies.get(HALF, "")
        try:
            entered = platform.people.second_step(
                half, form.get("code", ""), caller_of(request)
            )
        except Problem as problem:
            return show(request, "second.html", {"next": form.get("next", "/")}, problem)
        _end_former(request)
        response = see(local_path(form.get("next", "/")))
        response.delete_cookie(HALF, httponly=True, samesite="strict")
        return set_session(response, request, platform, entered.token)

    @router.post("/logout")
    def left(request: Request) -> Response:
        _end_former(request)
        return clear(see("/login"), request, platform)

    def _end_former(request: Request) -> None:
        """A browser has one session: the one it had before ends."""
        session = platform.people.find_session(request.cookies)
        if session is not None:
            platform.people.end_session(session, session.session, caller_of(request))


def second_address(onward: str) -> str:
    """Where the second step is asked for, and where it leads."""
    return f"/login/second?{urlencode({'next': onward})}"


def _asking(router: APIRouter, platform: Platform, show: Show) -> None:
    @router.api_route("/register", methods=READ)
    def register(request: Request) -> Response:
        return show(request, "register.html", {}, kind="register")

    @router.post("/register")
    def registered(request: Request) -> Response:
        form = form_of(request)
        try:
            kept = platform.people.register(
                form.get("address", ""),
                local_path(form.get("next", "/")),
                reached_of(request),
                caller_of(request),
                language_of(request),
            )
        except Problem as problem:
            return show(request, "register.html", form, problem, kind="register")
        return set_waiting(see("/sent"), request, platform, kept)

    @router.api_route("/forgot", methods=READ)
    def forgot(request: Request) -> Response:
        return show(request, "register.html", {}, kind="forgot")

    @router.post("/forgot")
    def forgotten(request: Request) -> Response:
        form = form_of(request)
        try:
            kept = platform.people.forgot(
                form.get("address", ""),
                reached_of(request),
                caller_of(request),
                language_of(request),
            )
        except Problem as problem:
            return show(request, "register.html", form, problem, kind="forgot")
        return set_waiting(see("/sent"), request, platform, kept)


def _waiting(router: APIRouter, platform: Platform, show: Show) -> None:
    """For the code of a letter or a short message, typed without leaving the page."""
    people = platform.people

    def wait(request: Request, problem: Problem | None = None) -> Response:
        """The same for everybody: whether a letter went out is for whoever gets it to know."""
        waiting = people.waiting(request.cookies.get(WAITING, ""))
        facts = {
            "waiting": waiting,
            "is_short": waiting is not None and waiting.address.startswith("+"),
            "pause": waiting.pause_seconds(people.now()) if waiting else 0,
        }
        return show(request, "sent.html", {}, problem, **facts)

    @router.api_route("/sent", methods=READ)
    def sent(request: Request) -> Response:
        return wait(request)

    @router.post("/sent")
    def typed(request: Request) -> Response:
        form, kept = form_of(request), request.cookies.get(WAITING, "")
        try:
            onward = people.type_code(kept, form.get("code", ""), caller_of(request))
        except Problem as problem:
            return wait(request, problem)
        response = see(onward)
        response.delete_cookie(WAITING, httponly=True, samesite="strict")
        return response

    @router.post("/sent/again")
    def again(request: Request) -> Response:
        kept = request.cookies.get(WAITING, "")
        try:
            kept = people.send_again(
                kept, reached_of(request), caller_of(request), language_of(request)
            )
        except Problem as problem:
            return wait(request, problem)
        return set_waiting(see("/sent"), request, platform, kept)


def _choosing(router: APIRouter, platform: Platform, show: Show) -> None:
    """What is chosen under a link: a name and a password."""
    people = platform.people

    def choose(
        request: Request,
        kind: str,
        token: str,
        form: Mapping[str, str],
        problem: Problem | None = None,
    ) -> Response:
        if problem is not None and problem.code == "accounts.link-dead":
            raise problem
        kept = {name: form[name] for name in ("name", "address") if name in form}
        whom = people.letter_address(kind, token)
        return show(request, "choose.html", kept, problem, kind=kind, whom=whom)

    @router.api_route("/confirm/{token}", methods=READ)
    def confirm(request: Request, token: str) -> Response:
        return choose(request, CONFIRM, token, {})

    @router.post("/confirm/{token}")
    def confirmed(request: Request, token: str) -> Response:
        form = form_of(request)
        try:
            entered, onward = people.confirm(
                token, form.get("name", ""), _twice(form), caller_of(request)
            )
        except Problem as problem:
            return choose(request, CONFIRM, token, form, problem)
        return set_session(see(local_path(onward)), request, platform, entered.token)

    @router.api_route("/reset/{token}", methods=READ)
    def reset(request: Request, token: str) -> Response:
        return choose(request, FORGOT, token, {})

    @router.post("/reset/{token}")
    def was_reset(request: Request, token: str) -> Response:
        form = form_of(request)
        try:
            people.reset(token, _twice(form), caller_of(request))
        except Problem as problem:
            return choose(request, FORGOT, token, form, problem)
        return clear(see("/login?changed=reset"), request, platform)

    @router.api_route("/welcome/{token}", methods=READ)
    def welcome(request: Request, token: str) -> Response:
        return choose(request, WELCOME, token, {})

    @router.post("/welcome/{token}")
    def welcomed(request: Request, token: str) -> Response:
        form = form_of(request)
        try:
            entered = people.welcome(
                token,
                form.get("name", ""),
                form.get("address", ""),
                _twice(form),
                caller_of(request),
            )
        except Problem as problem:
            return choose(request, WELCOME, token, form, problem)
        return set_session(see("/me/security"), request, platform, entered.token)


def _moving(router: APIRouter, platform: Platform, show: Show) -> None:
    """Another address: shown first, since mail servers open links to look at them."""

    @router.api_route("/move/{token}", methods=READ)
    def move(request: Request, token: str) -> Response:
        whom = platform.people.letter_address(MOVE, token)
        return show(request, "move.html", {}, whom=whom)

    @router.post("/move/{token}")
    def moved(request: Request, token: str) -> Response:
        platform.people.move(token, caller_of(request))
        # The letter may have been opened where nobody is signed in.
        return see("/me" if find_acting(request) else "/login?changed=moved")


def _twice(form: Mapping[str, str]) -> str:
    """A password that nobody sees while he types it is typed twice."""
    password = form.get("password", "")
    if password != form.get("again", ""):
        raise Refused("accounts.passwords-differ", expected="the same twice")
    return password
