"""`/login/passkey` and `/me/passkeys`: what `static/passkeys.js` says to the server, in JSON.

The browser's own dialogue stands between two requests: the first gives the options with a fresh
challenge, the second brings what the device signed. Errors are problem+json, whose title the
page shows.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused
from guzheng.web.arriving import whole_body
from guzheng.web.gate import PUBLIC, SIGNED_IN, Rule, local_path
from guzheng.web.ports import Platform
from guzheng.web.sessions import asked_of, caller_of, require_accounts, set_session

RULES: Final[Mapping[str, Rule]] = {
    "POST /login/passkey/options": PUBLIC,
    "POST /login/passkey": PUBLIC,
    "POST /me/prove/passkey": SIGNED_IN,
    "POST /me/passkeys/options": SIGNED_IN,
    "POST /me/passkeys": SIGNED_IN,
}
_LIMIT: Final = 64 * 1024


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(
        include_in_schema=False, dependencies=[Depends(lambda: require_accounts(platform))]
    )
    people = platform.people

    @router.post("/login/passkey/options")
    def ask(request: Request) -> Response:
        return JSONResponse(people.ask_passkey(asked_of(request)))

    @router.post("/login/passkey")
    def come_in(request: Request) -> Response:
        body = _object(request)
        former = people.find_session(request.cookies)
        entered = people.sign_in_by_passkey(
            asked_of(request), _answer(body), caller_of(request)
        )
        if former is not None:
            people.end_session(former, former.session, caller_of(request))
        return set_session(_onward(body), request, platform, entered.token)

    @router.post("/me/prove/passkey")
    def prove(request: Request) -> Response:
        body, session = _object(request), people.require_session(request.cookies)
        entered = people.prove_by_passkey(
            session, asked_of(request), _answer(body), caller_of(request)
        )
        return set_session(_onward(body), request, platform, entered.token)

    @router.post("/me/passkeys/options")
    def ask_for_another(request: Request) -> Response:
        session = people.require_session(request.cookies)
        return JSONResponse(people.ask_for_passkey(session, asked_of(request)))

    @router.post("/me/passkeys")
    def add(request: Request) -> Response:
        body, session = _object(request), people.require_session(request.cookies)
        entered = people.add_passkey(
            session,
            asked_of(request),
            _answer(body),
            str(body.get("name", "")),
            caller_of(request),
        )
        onward = JSONResponse({"next": "/me/security"})
        return set_session(onward, request, platform, entered.token)

    return router


def _object(request: Request) -> dict[str, Any]:
    """JSON alone, so that no form of another site can be taken for it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        octets = whole_body(request, limit=_LIMIT)
        body = canonical.parse_any(octets) if "json" in kind else None
    except Malformed as error:
        raise Refused("web.malformed-json", expected="an object", found=str(error)) from error
    if not isinstance(body, dict):
        raise Refused("web.malformed-json", expected="application/json: an object", found=kind)
    return body


def _answer(body: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = body.get("credential")
    if not isinstance(answer, dict):
        raise Refused("web.malformed-json", expected="credential: an object", found="another")
    return answer


def _onward(body: Mapping[str, Any]) -> Response:
    return JSONResponse({"next": local_path(str(body.get("next", "/")))})
