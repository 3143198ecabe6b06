"""The ASGI application: guard outside, routes inside, errors mapped in one place."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from guzheng import words
from guzheng.app.auditing import Accesses
from guzheng.refusals import Problem, Refused
from guzheng.web import (
    adding,
    api,
    batches,
    case_adding,
    cases,
    cases_api,
    comparisons,
    court,
    custody,
    editions,
    exhibits,
    federation,
    home,
    keys,
    ledger,
    me,
    members,
    orders,
    orders_api,
    originals,
    packages,
    passkeys,
    people,
    problems,
    public,
    realnames,
    rehearsals,
    repetitions,
    resuming,
    shares,
    shelf,
    timestamps,
    tracing,
    verification,
    webhooks,
)
from guzheng.web.arriving import Gathered
from guzheng.web.gate import (
    Doorkeeper,
    Rule,
    owners_of,
    prove_address,
    second_step_address,
    sign_in_address,
    tell_refused,
)
from guzheng.web.guard import Guard
from guzheng.web.pages import Pages, language_of
from guzheng.web.ports import Identities, Platform

_log = logging.getLogger(__name__)

UPLOAD_LIMIT: Final = 8 * 1024**3
PACKAGE_LIMIT: Final = 4 * 1024**3

_CODE_OF_STATUS = {404: "web.not-found", 405: "web.method-not-allowed"}


def create_app(
    platform: Platform,
    *,
    version: str = "",
    upload_limit: int = UPLOAD_LIMIT,
    package_limit: int = PACKAGE_LIMIT,
    hosts: Sequence[str] = ("*",),
    only_https: bool = False,
    identities: Identities | None = None,
) -> ASGIApp:
    """`hosts`: the names this server answers to, besides addresses; name them, so that no other
    that is made to point here (`names`) can be used to read it. `only_https`: readers reach
    us by https, and browsers are told to come by nothing else. `identities`: who finds whoever
    asks, instead of the platform. Raises gate.Unruled for an address without a rule."""
    doorkeeper = Doorkeeper(identities or platform.identities, owners_of(platform))
    pages = Pages(platform, version=version)
    app = _inside(
        platform,
        pages,
        doorkeeper,
        version=version,
        upload_limit=upload_limit,
        package_limit=package_limit,
    )
    answer = _answers(pages, doorkeeper, platform.accesses)
    app.add_exception_handler(Problem, answer)
    app.add_exception_handler(HTTPException, answer)
    app.add_exception_handler(RequestValidationError, answer)
    app.add_exception_handler(Exception, answer)
    # Outermost, by hand: the framework's own answer to a fault must carry the headers too.
    return Guard(Gathered(app), refuse=_refusal(answer), answered=hosts, only_https=only_https)


def rules_of(platform: Platform) -> Mapping[str, Rule]:
    """Every address that is served, with its rule."""
    doorkeeper = Doorkeeper(platform.identities, owners_of(platform))
    _inside(platform, Pages(platform, version=""), doorkeeper)
    return doorkeeper.rules


def _inside(
    platform: Platform,
    pages: Pages,
    doorkeeper: Doorkeeper,
    *,
    version: str = "",
    upload_limit: int = UPLOAD_LIMIT,
    package_limit: int = PACKAGE_LIMIT,
) -> FastAPI:
    """Every family of addresses, each behind the gate."""
    app = FastAPI(
        title="guzheng",
        version=version or "0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/api/openapi.json",
        dependencies=[Depends(doorkeeper.admit), Depends(editions.Editions(platform).admit)],
    )
    verifying = verification.routes(
        platform, pages, upload_limit=upload_limit, package_limit=package_limit
    )
    for rules, router in (
        (home.RULES, home.routes(platform, pages, upload_limit=upload_limit)),
        (shelf.RULES, shelf.routes(platform, pages)),
        (exhibits.RULES, exhibits.routes(platform, pages)),
        (custody.RULES, custody.routes(platform)),
        (
            originals.RULES,
            originals.routes(platform, pages, upload_limit=upload_limit),
        ),
        (tracing.RULES, tracing.routes(platform, pages)),
        (batches.RULES, batches.routes(platform, pages)),
        # Before the cases: «add» is no number of one.
        (case_adding.RULES, case_adding.routes(platform, pages)),
        (cases.RULES, cases.routes(platform, pages)),
        (cases_api.RULES, cases_api.routes(platform)),
        (rehearsals.RULES, rehearsals.routes(platform, pages)),
        (repetitions.RULES, repetitions.routes(platform, pages)),
        (comparisons.RULES, comparisons.routes(platform, pages)),
        (orders.RULES, orders.routes(platform, pages)),
        (verification.RULES, verifying),
        (ledger.RULES, ledger.routes(platform, pages)),
        (timestamps.RULES, timestamps.routes(platform)),
        (adding.RULES, adding.routes(platform)),
        (court.RULES, court.routes(platform, pages, upload_limit=upload_limit)),
        (resuming.RULES, resuming.routes(platform)),
        (api.RULES, api.routes(platform, upload_limit=upload_limit)),
        (orders_api.RULES, orders_api.routes(platform)),
        (members.RULES, members.routes(platform, pages)),
        (keys.RULES, keys.routes(platform, pages)),
        (webhooks.RULES, webhooks.routes(platform, pages)),
        (people.RULES, people.routes(platform, pages)),
        (passkeys.RULES, passkeys.routes(platform)),
        (federation.RULES, federation.routes(platform, pages)),
        (me.RULES, me.routes(platform, pages)),
        (packages.RULES, packages.routes(platform, pages)),
        (shares.RULES, shares.routes(platform, pages)),
        (public.RULES, public.routes(platform, pages)),
        (realnames.RULES, realnames.routes(platform, pages)),
        (editions.RULES, editions.routes(platform, pages)),
    ):
        doorkeeper.include(app, rules, router)
    doorkeeper.require_whole(app)
    pages.addresses = frozenset(
        key.removeprefix("GET ") for key in doorkeeper.rules if key.startswith("GET ")
    )
    return app


_Answer = Callable[[Request, Exception], Response]


def _answers(pages: Pages, doorkeeper: Doorkeeper, accesses: Accesses) -> _Answer:
    """The one place where an error becomes an answer (problems.py has the mapping)."""

    def answer(request: Request, error: Exception) -> Response:
        language = language_of(request)
        trouble = _trouble(request, error, language)
        tell_refused(request, trouble.code, accesses)
        doorkeeper.introduce(request)  # a page says who is signed in, an error's page too
        if problems.wants_json(request):
            response = problems.problem_json(trouble)
        elif trouble.status == HTTPStatus.UNAUTHORIZED:
            return RedirectResponse(sign_in_address(request), HTTPStatus.SEE_OTHER)
        elif trouble.code == "accounts.prove-again":
            return RedirectResponse(prove_address(request), HTTPStatus.SEE_OTHER)
        elif trouble.code == "accounts.second-step-wanted":
            return RedirectResponse(second_step_address(request), HTTPStatus.SEE_OTHER)
        else:
            response = pages.trouble(request, trouble)
        if trouble.code == "web.fault" and request.scope["http_version"].startswith("1"):
            # The server closes the connection after a fault; said, so that a client does not
            # send its next request into it.
            response.headers["Connection"] = "close"
        return response

    return answer


def _trouble(request: Request, error: Exception, language: words.Language) -> problems.Trouble:
    if isinstance(error, Problem):
        return problems.trouble_of(error, language)
    if isinstance(error, HTTPException):
        code = _CODE_OF_STATUS.get(error.status_code, "web.not-found")
        found = f"{request.method} {request.url.path[:200]}"
        return problems.trouble_of(Refused(code, found=found), language)
    if isinstance(error, RequestValidationError):
        wrong = error.errors()[0]
        place = ".".join(str(one) for one in wrong["loc"])
        found = f"{place}: {str(wrong['input'])[:80]!r}"
        refused = Refused("web.malformed-query", expected=str(wrong["msg"]), found=found)
        return problems.trouble_of(refused, language)
    number = secrets.token_hex(4)
    # The server writes the traceback after this line; the number joins the two. The route, and
    # not the address: some addresses are links that open something.
    place = getattr(request.scope.get("route"), "path", "an address without a route")
    _log.error("fault %s at %s %s", number, request.method, place)
    return problems.fault(number, language)


def _refusal(
    answer: _Answer,
) -> Callable[[Scope, Receive, Send, Refused], Awaitable[None]]:
    async def refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
        response = await run_in_threadpool(answer, Request(scope), refused)
        await response(scope, receive, send)

    return refuse
