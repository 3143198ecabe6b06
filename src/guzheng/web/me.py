"""`/me`: what is one's own: name, ways to sign in, sessions, and the way to all the rest.

Whatever could lock a person out, or let another in, is shown only to somebody who proved a
moment ago who he is, and refused to everybody else (`accounts.prove-again`): the page leads to
`/me/prove` and back. Recovery codes are shown once, on the answer that made them.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Final

import segno
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from guzheng.refusals import Problem
from guzheng.web.gate import SIGNED_IN, Rule, acting_of, local_path, prove_address
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages
from guzheng.web.people import Show, shower
from guzheng.web.ports import Platform
from guzheng.web.sessions import (
    asked_of,
    caller_of,
    device_of,
    onward_of,
    reached_of,
    require_accounts,
    see,
    set_session,
    set_waiting,
)

RULES: Final[Mapping[str, Rule]] = dict.fromkeys(
    (
        "GET /me",
        "POST /me",
        "GET /me/prove",
        "POST /me/prove",
        "GET /me/security",
        "POST /me/security/password",
        "POST /me/security/address",
        "POST /me/security/totp",
        "POST /me/security/totp/confirm",
        "POST /me/security/totp/remove",
        "POST /me/security/codes",
        "POST /me/security/passkeys/{passkey}/remove",
        "GET /me/sessions",
        "POST /me/sessions/end-others",
        "POST /me/sessions/{session}/end",
    ),
    SIGNED_IN,
)
SECURITY: Final = "/me/security"


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(
        include_in_schema=False, dependencies=[Depends(lambda: require_accounts(platform))]
    )
    show = shower(pages)
    _overview(router, platform, show)
    _proving(router, platform, show)
    _passwords(router, platform, show)
    _second_step(router, platform, show)
    _sessions(router, platform, show)
    return router


def _overview(router: APIRouter, platform: Platform, show: Show) -> None:
    def overview(request: Request, problem: Problem | None) -> Response:
        acting = acting_of(request)
        person = platform.people.find_person(acting.person)
        form = {"name": person.name if person else ""}
        facts = {"person": person, "mine": acting}
        sent = platform.people.short_messages() if acting.operator else ()
        return show(request, "me.html", form, problem, **facts, short_messages=sent)

    @router.api_route("/me", methods=READ)
    def mine(request: Request) -> Response:
        return overview(request, None)

    @router.post("/me")
    def renamed(request: Request) -> Response:
        session = platform.people.require_session(request.cookies)
        try:
            platform.people.rename(session, form_of(request).get("name", ""))
        except Problem as problem:
            return overview(request, problem)
        return see("/me")


def _proving(router: APIRouter, platform: Platform, show: Show) -> None:
    people = platform.people

    @router.api_route("/me/prove", methods=READ)
    def prove(request: Request) -> Response:
        person = people.require_session(request.cookies).person
        return show(request, "prove.html", {}, **_proofs(platform, person))

    @router.post("/me/prove")
    def proved(request: Request) -> Response:
        form, session = form_of(request), people.require_session(request.cookies)
        try:
            entered = people.prove(session, form.get("password", ""), caller_of(request))
        except Problem as problem:
            kept, proofs = form.get("next", SECURITY), _proofs(platform, session.person)
            return show(request, "prove.html", {"next": kept}, problem, **proofs)
        onward = local_path(form.get("next", SECURITY))
        return set_session(see(onward), request, platform, entered.token)


def _proofs(platform: Platform, person: str) -> dict[str, object]:
    """By what this person can show that it is he."""
    federation = platform.people.federation
    return {
        "security": platform.people.security(person),
        "provider": federation if federation.is_on and federation.of(person) else None,
    }


def _passwords(router: APIRouter, platform: Platform, show: Show) -> None:
    people = platform.people

    @router.api_route(SECURITY, methods=READ)
    def security(request: Request) -> Response:
        return show_security(platform, show, request)

    @router.post("/me/security/password")
    def changed(request: Request) -> Response:
        form, session = form_of(request), people.require_session(request.cookies)
        password = form.get("password", "")
        try:
            entered = people.change_password(session, password, caller_of(request))
        except Problem as problem:
            return show_security(platform, show, request, problem)
        return set_session(see(SECURITY), request, platform, entered.token)

    @router.post("/me/security/address")
    def moving(request: Request) -> Response:
        form, session = form_of(request), people.require_session(request.cookies)
        typed = form.get("address", "")
        try:
            kept = people.ask_to_move(session, typed, reached_of(request), caller_of(request))
        except Problem as problem:
            return show_security(platform, show, request, problem, {"address": typed})
        return set_waiting(see("/sent"), request, platform, kept)

    @router.post("/me/security/passkeys/{passkey}/remove")
    def removed(request: Request, passkey: str) -> Response:
        session = people.require_session(request.cookies)
        entered = people.remove_passkey(session, passkey, caller_of(request))
        return set_session(see(SECURITY), request, platform, entered.token)


def _second_step(router: APIRouter, platform: Platform, show: Show) -> None:
    people = platform.people

    @router.post("/me/security/totp")
    def propose(request: Request) -> Response:
        people.propose_totp(people.require_session(request.cookies))
        return see(f"{SECURITY}#totp")

    @router.post("/me/security/totp/confirm")
    def confirm(request: Request) -> Response:
        form, session = form_of(request), people.require_session(request.cookies)
        try:
            code = form.get("code", "")
            entered, codes = people.confirm_totp(session, code, caller_of(request))
        except Problem as problem:
            return show_security(platform, show, request, problem)
        return set_session(_codes(show, request, codes), request, platform, entered.token)

    @router.post("/me/security/totp/remove")
    def remove(request: Request) -> Response:
        session = people.require_session(request.cookies)
        entered = people.remove_totp(session, caller_of(request))
        return set_session(see(SECURITY), request, platform, entered.token)

    @router.post("/me/security/codes")
    def renew(request: Request) -> Response:
        session = people.require_session(request.cookies)
        return _codes(show, request, people.renew_codes(session, caller_of(request)))


def _codes(show: Show, request: Request, codes: Sequence[str]) -> Response:
    return show(request, "codes.html", {}, codes=codes)


def _sessions(router: APIRouter, platform: Platform, show: Show) -> None:
    people = platform.people

    @router.api_route("/me/sessions", methods=READ)
    def sessions(request: Request) -> Response:
        own = people.require_session(request.cookies)
        return show(
            request,
            "sessions.html",
            {},
            own=own,
            sessions=people.sessions(own.person),
            device_of=device_of,
        )

    @router.post("/me/sessions/end-others")
    def end_others(request: Request) -> Response:
        people.end_others(people.require_session(request.cookies), caller_of(request))
        return see("/me/sessions")

    @router.post("/me/sessions/{session}/end")
    def end(request: Request, session: str) -> Response:
        people.end_session(people.require_session(request.cookies), session, caller_of(request))
        return see("/me/sessions")


def show_security(
    platform: Platform,
    show: Show,
    request: Request,
    problem: Problem | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The ways to sign in. Refused first for who has not proved himself, at his next act."""
    if problem is not None and problem.code == "accounts.prove-again":
        return see(prove_address(request, SECURITY))
    people = platform.people
    session = people.require_session(request.cookies)
    proved = session.is_proved(people.now())
    proposed = people.proposed_totp(session) if proved else None
    return show(
        request,
        "security.html",
        typed or {},
        problem,
        security=people.security(session.person),
        provider=people.federation,
        identities=people.federation.of(session.person),
        wanted=acting_of(request).wants_second_step,
        proved=proved,
        proposed=proposed,
        picture=_picture(proposed.address) if proposed else None,
        device_of=device_of,
        site=people.site(asked_of(request)),
        onward=onward_of(request),
    )


def _picture(address: str) -> str:
    """The QR code, drawn in the page itself: a file of it would be one more secret address."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=False, nl=False, scale=5, border=4
    )
    return out.getvalue().decode("utf-8")  # squares alone: no text of anybody is in it
