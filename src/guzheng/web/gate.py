"""The one gate of the face: who may come in where, decided before any route runs.

Every address has a rule, in the `RULES` of the module that serves it: PUBLIC, SIGNED_IN,
OPERATOR, or a `Permission`. A route without a rule, a rule without a route, and a path
parameter of which nobody said whether it is somebody's own, keep the application from being
made: what was forgotten is refused at the start, and never open.

Who asks is found once for a request, by `Identities`. Who is not signed in is sent to sign in
(a page) or told 401 (a program). A parameter that names something of an account (an exhibit,
an order, a case) must be the asking account's: else the answer is, word for word, that of a
name which nobody has, so that it tells nothing of what others keep. The operator's addresses
concern the whole installation, and ask for no owner.

What a route reads out of a query or a body it has judged by `require_own`. The gate knows
nothing of papers; what it answers becomes HTTP in problems.py."""

import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from guzheng.accounts import Acting, Permission
from guzheng.app.auditing import Accesses
from guzheng.refusals import Refused
from guzheng.web.ports import Identities, Platform


class Access(Enum):
    """Who may come in, where it is not a permission that decides."""

    PUBLIC = "public"  # anybody; who is signed in is known if a page wants to know
    # Whoever acts for an account, the route may ask for more; a program's key below /api alone.
    SIGNED_IN = "signed-in"
    OPERATOR = "operator"  # who may do what concerns the whole installation


PUBLIC, SIGNED_IN, OPERATOR = Access.PUBLIC, Access.SIGNED_IN, Access.OPERATOR
Rule = Access | Permission

SIGN_IN: Final = "/login"
PROVE: Final = "/me/prove"
NOT_DONE: Final = "not-done"  # in the address of a page: what was posted there before
SECURITY: Final = "/me/security"
# What is one's own, and open to who still has to set up or show a second step.
_BEFORE_SECOND_STEP: Final = re.compile(
    r"/me(/(security|passkeys|prove|sessions|account)(/.*)?)?"
)
# Path parameters that name nothing of an account.
UNOWNED: Final = frozenset(
    {"decision", "digest", "index", "name", "number", "path", "shard"}
    # A person may be of several accounts, and whether of this one is asked of the members; the
    # secret of a link is what opens it.
    | {"person", "secret"}
    # For the operator alone.
    | {"review", "grant"}
    # Of the person who is signed in, and asked for as his.
    | {"passkey", "session", "token"}
)
KEY_REFUSED: Final = "accounts.key-refused"  # unknown, revoked or over
_REFUSALS: Final = frozenset({"accounts.not-permitted", "accounts.operator-only"})
# What somebody is told who did not come in, whoever he is.
_NOT_IN: Final = frozenset(
    {"accounts.sign-in-refused", "accounts.code-wrong", "accounts.code-over"}
    | {"accounts.too-often", "accounts.link-dead", "accounts.identity-not-proved"}
    | {"accounts.identity-over", "accounts.identity-unknown"}
    | {"accounts.passkey-unknown", "accounts.passkey-refused", "accounts.passkey-copied"}
)
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\s\x00-\x1f\x7f]*")
_LONGEST_RETURN: Final = 1000


@dataclass(frozen=True, slots=True)
class Owned:
    """A kind of thing that belongs to an account: whose one is, and what it is to have none."""

    code: str
    account_of: Callable[[str], str | None]


def owners_of(platform: Platform) -> Mapping[str, Owned]:
    """Of each path parameter that names something of an account, who says whose it is."""
    exhibit = Owned("exhibit.not-found", platform.account_of_exhibit)
    return {
        "exhibit": exhibit,
        "one": exhibit,  # the two sides of a comparison
        "other": exhibit,
        "order": Owned("commission.not-found", platform.ordering.account_of_order),
        "batch": Owned("commission.not-found", platform.ordering.account_of_batch),
        "package": Owned("package.not-found", platform.exports.account_of),
        "share": Owned("sharing.not-found", platform.shares.account_of),
        "case": Owned("cases.not-found", platform.cases.account_of),
        "upload": Owned("upload.not-found", platform.uploads.account_of),
        "schedule": Owned("commission.not-found", platform.repeating.account_of_schedule),
        "invitation": Owned(
            "accounts.invitation-not-found", platform.members.account_of_invitation
        ),
        "endpoint": Owned("webhooks.not-found", platform.webhooks.account_of),
        "key": Owned("accounts.key-not-found", platform.keys.account_of_key),
    }


class Unruled(Exception):
    """An address that nobody gave a rule: a fault of ours, found at the start."""


class Doorkeeper:
    """The rules of an application, and who is let in by them."""

    def __init__(self, identities: Identities, owners: Mapping[str, Owned]) -> None:
        self._identities = identities
        self._owners = owners
        self._rules: dict[str, Rule] = {}
        self._routers: list[APIRouter] = []

    # ---- when the application is made ------------------------------------------------

    def include(self, app: FastAPI, rules: Mapping[str, Rule], router: APIRouter) -> None:
        """Serve these routes under these rules. Raises Unruled when the two do not match."""
        seen: set[str] = set()
        _answer_heads(router)
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise Unruled(f"{route!r} is no route that the gate stands before")
            for key in keys_of(route):
                if key not in rules:
                    raise Unruled(f"no rule for {key}")
                if key in self._rules and route.methods != {"HEAD"}:
                    raise Unruled(f"two routes for {key}")
                self._require_owners(key, route, rules[key])
                self._rules[key] = rules[key]
                seen.add(key)
        if stale := rules.keys() - seen:
            raise Unruled(f"rules without a route: {', '.join(sorted(stale))}")
        self._routers.append(router)
        app.include_router(router)

    def _require_owners(self, key: str, route: APIRoute, rule: Rule) -> None:
        for name in route.param_convertors:
            if name not in self._owners and name not in UNOWNED:
                raise Unruled(f"{key}: nobody says whether {{{name}}} is somebody's own")
            if name in self._owners and rule is PUBLIC:
                raise Unruled(f"{key}: {{{name}}} is somebody's own, and the address public")

    def require_whole(self, app: FastAPI) -> None:
        """Raises Unruled when the application serves anything past the gate."""
        for route in app.routes:
            if getattr(route, "original_router", None) in self._routers:
                continue
            if getattr(route, "path", None) == app.openapi_url:  # says what all may know
                continue
            if isinstance(route, APIRoute) and set(keys_of(route)) <= self._rules.keys():
                continue
            raise Unruled(f"served past the gate: {route!r}")

    @property
    def rules(self) -> Mapping[str, Rule]:
        """Every address with its rule, as they stand."""
        return dict(self._rules)

    # ---- at each request -------------------------------------------------------------

    def introduce(self, request: Request) -> None:
        """So that whoever asks can be found, where the gate was not reached too."""
        request.state.identities = self._identities
        request.state.owners = self._owners

    async def admit(self, request: Request) -> None:
        """Before every route. Raises Refused (accounts.…, ….not-found) for who may not."""
        self.introduce(request)
        route = request.scope.get("route")
        method = "GET" if request.method == "HEAD" else request.method
        rule = self._rules.get(f"{method} {getattr(route, 'path', '')}")
        if rule is PUBLIC:
            return
        await run_in_threadpool(_require, request, rule)


def keys_of(route: APIRoute) -> tuple[str, ...]:
    """The names of its rules; to ask for the head of a page is to ask for the page."""
    methods = set(route.methods or ())
    if "HEAD" in methods:
        methods = methods - {"HEAD"} | {"GET"}
    return tuple(f"{method} {route.path}" for method in sorted(methods))


def _answer_heads(router: APIRouter) -> None:
    """Whatever can be got has a head (RFC 9110 §9.3.2; the server leaves the body away). Pages
    say so themselves; addresses for programs do not, as each would stand twice in
    openapi.json."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    answered = {route.path for route in routes if "HEAD" in (route.methods or ())}
    for route in routes:
        if "GET" in (route.methods or ()) and route.path not in answered:
            head = copy(route)
            head.methods, head.include_in_schema = {"HEAD"}, False
            router.routes.append(head)


def _require(request: Request, rule: Rule | None) -> None:
    if rule is None:
        raise Refused("web.not-found", found=request.url.path[:200])
    acting = acting_of(request)
    path: str = request.scope["path"]  # as routed: what is made with `Host` may differ
    if acting.wants_second_step and not _BEFORE_SECOND_STEP.fullmatch(path):
        raise Refused(
            "accounts.second-step-wanted",
            expected="a passkey, or a code after the password",
            found="one step",
            act="set one up at /me/security",
        )
    if rule is OPERATOR:
        if not acting.operator:
            raise Refused("accounts.operator-only", expected="the operator", found="another")
        return
    if isinstance(rule, Permission):
        acting.require(rule)
    elif acting.by == "key" and not path.startswith("/api/"):
        # What asks for no permission is a person's own: his locks, his sessions, his accounts.
        raise Refused("accounts.not-permitted", expected="a person", found="a program's key")
    for name in request.path_params.keys() & request.state.owners.keys():
        require_own(request, name, str(request.path_params[name]))


def find_acting(request: Request) -> Acting | None:
    """Who asks, if that is known. May read the database: not for the event loop."""
    state = request.state
    if not hasattr(state, "acting"):
        identities: Identities | None = getattr(state, "identities", None)
        state.acting = identities.find(request.cookies, request.headers) if identities else None
    found: Acting | None = state.acting
    return found


def acting_of(request: Request) -> Acting:
    """Who asks. Raises Refused when nobody is signed in."""
    acting = find_acting(request)
    if acting is None:
        if request.headers.get("authorization", "").lower().startswith("bearer "):
            # Which of the three, a stranger is not told.
            raise Refused(KEY_REFUSED, expected="a key in force", found="no such key")
        raise Refused("accounts.not-signed-in", expected="a session or a key", found="none")
    return acting


def require_own(request: Request, kind: str, name: str) -> str:
    """The name itself, if it is of something that the asking account has. `kind`: as a path
    parameter would be called. Raises Refused, the same for another's and for nobody's."""
    owned: Owned = request.state.owners[kind]
    account = owned.account_of(name)
    if account != acting_of(request).account:
        request.state.is_anothers = account is not None  # told to the operator, and nobody else
        raise Refused(
            owned.code,
            expected="one that is kept here for your account",
            found=f"none named {name[:40]!r}",
        )
    return name


def tell_refused(request: Request, code: str, accesses: Accesses) -> None:
    """Tell the operator of somebody who is signed in and asked for what he may not have, and of
    somebody who did not come in, be it by a program's key."""
    acting: Acting | None = getattr(request.state, "acting", None)
    path = getattr(request.scope.get("route"), "path", "")
    rule = f"{request.method} {path}"
    is_dead_key = code == KEY_REFUSED
    if code in _NOT_IN or is_dead_key:
        accesses.not_entered(rule, code)
    elif acting is not None and (
        code in _REFUSALS or getattr(request.state, "is_anothers", False)
    ):
        accesses.refused(acting, rule, code)


# ---- to sign in, and back ------------------------------------------------------------


def local_path(text: str) -> str:
    """An address of this server to go on at: the text, or `/` when it leads elsewhere."""
    whole = _LOCAL.fullmatch(text) is not None and len(text) <= _LONGEST_RETURN
    return text if whole else "/"


def sign_in_address(request: Request) -> str:
    """The page to sign in at, which leads back to where the reader was."""
    return f"{SIGN_IN}?{urlencode({'next': _return_of(request)})}"


def prove_address(request: Request, back: str | None = None) -> str:
    """The page to show at that it is really the one who signed in, and back. Back there who
    had posted something is told that it was not done."""
    onward = _return_of(request) if back is None else back
    if request.method not in {"GET", "HEAD"}:
        onward += f"{'&' if '?' in onward else '?'}{NOT_DONE}=1"
    return f"{PROVE}?{urlencode({'next': onward})}"


def second_step_address(request: Request) -> str:
    """The page to set up or show a second step at, and back."""
    return f"{SECURITY}?{urlencode({'next': _return_of(request)})}"


def _return_of(request: Request) -> str:
    if request.method in {"GET", "HEAD"}:
        query = f"?{request.url.query}" if request.url.query else ""
        return local_path(quote(request.url.path) + query)
    # What was posted is not posted again: back to the page of the form.
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.headers.get("host", ""):
        return "/"
    return local_path(before.path + (f"?{before.query}" if before.query else ""))
