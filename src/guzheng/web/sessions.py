"""The cookie of a session, and who the browser says it is.

HttpOnly, SameSite=Lax, Secure wherever the address is https, for the whole host and nothing
beside it; there it goes by a name that browsers bind to that (`cookies`). What a page may lead
to after a sign-in is an address of this server (`gate.local_path`).
"""

from http import HTTPStatus
from typing import Final, Literal

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from guzheng.app.people import Caller
from guzheng.refusals import Refused
from guzheng.web.gate import local_path
from guzheng.web.pages import language_of
from guzheng.web.ports import Platform

COOKIE: Final = "guzheng_session"
HALF: Final = "guzheng_second"  # between the password and the second step
HALF_SECONDS: Final = 300
WAITING: Final = "guzheng_waiting"  # for the code of a letter or a short message
WAITING_SECONDS: Final = 600
WAY: Final = "guzheng_way"  # a sign-in at an identity provider is under way
WAY_SECONDS: Final = 600


def require_accounts(platform: Platform) -> None:
    """Refused where accounts are switched off: nobody signs in there."""
    if not platform.people.are_on:
        raise Refused("accounts.off", expected="accounts = on", found="off")


_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def caller_of(request: Request) -> Caller:
    peer = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")[:400]
    return Caller(agent, peer, language_of(request))


def asked_of(request: Request) -> str:
    """The address by which the reader reached us."""
    return f"{request.url.scheme}://{request.url.netloc}"


def reached_of(request: Request) -> str:
    """Likewise, for a letter to somebody else than who asks: what the request calls us is his
    word, and would be where the letter leads. So it is this machine's own name, or the address
    that was connected to."""
    server = request.scope.get("server")
    named = request.url.hostname or ""
    if server is None or server[1] is None or named in {*_THIS_MACHINE, server[0]}:
        return asked_of(request)
    host = f"[{server[0]}]" if ":" in server[0] else server[0]
    return f"{request.url.scheme}://{host}:{server[1]}"


def onward_of(request: Request) -> str:
    return local_path(request.query_params.get("next", "/"))


def see(address: str) -> Response:
    """303: what was posted is not posted again by a reload."""
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)


def set_session(
    response: Response, request: Request, platform: Platform, token: str
) -> Response:
    seconds = platform.people.session_seconds
    return _with_cookie(response, request, platform, COOKIE, token, seconds, "lax")


def set_half(response: Response, request: Request, platform: Platform, token: str) -> Response:
    return _with_cookie(response, request, platform, HALF, token, HALF_SECONDS, "strict")


def set_waiting(
    response: Response, request: Request, platform: Platform, kept: str
) -> Response:
    return _with_cookie(response, request, platform, WAITING, kept, WAITING_SECONDS, "strict")


def set_way(response: Response, request: Request, platform: Platform, kept: str) -> Response:
    """Lax: the browser comes back from another site, and brings it then."""
    return _with_cookie(response, request, platform, WAY, kept, WAY_SECONDS, "lax")


def _with_cookie(
    response: Response,
    request: Request,
    platform: Platform,
    name: str,
    value: str,
    seconds: int,
    samesite: Literal["lax", "strict"],
) -> Response:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite=samesite,
        secure=_is_secure(request, platform),
    )
    return response


def clear(response: Response, request: Request, platform: Platform) -> Response:
    secure = _is_secure(request, platform)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=secure)
    # What the browser keeps of the person's work (unfinished uploads, what it cached) goes too;
    # the choice of language is a cookie, and stays.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _is_secure(request: Request, platform: Platform) -> bool:
    return platform.people.address(asked_of(request)).startswith("https://")


def device_of(agent: str) -> str:
    """A browser and its system by their own names, from what it says of itself."""
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("HarmonyOS", "HarmonyOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    )
    browsers = (
        ("MicroMessenger/", "微信"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    found = [
        next((name for sign, name in known if sign in agent), "")
        for known in (browsers, systems)
    ]
    return " · ".join(one for one in found if one) or agent[:40] or "—"
