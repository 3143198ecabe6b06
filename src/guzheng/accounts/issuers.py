"""An identity provider of others (统一登录): where it is asked, and what it answers.

OpenID Connect Discovery 1.0 §4, and the code flow of Core 1.0 §3.1 with PKCE (RFC 7636, S256)
and the issuer in the answer (RFC 9207). The operator named the issuer, so its own origin is
contacted wherever it is; what its metadata names elsewhere must be an address that a stranger
may have us contact, like a webhook's (`calling`). Nothing is asked in clear but on this
machine, no redirect is followed, answers are bounded in octets and time. What was learnt is
kept for an hour; a key that nobody knows is looked for at most once a minute. A provider that
is slow or dead holds up few who ask, and none for long: the others are told at once.
"""

import base64
import ipaddress
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode

from guzheng.accounts import calling, idtokens
from guzheng.accounts.idtokens import Expected, Identity
from guzheng.addresses import Network
from guzheng.refusals import Problem, Refused, Unavailable

SCOPES: Final = "openid email profile"
KEPT: Final = timedelta(hours=1)
ASKED_AGAIN: Final = timedelta(minutes=1)
SECONDS: Final = 10.0
SPARED: Final = timedelta(seconds=5)  # after a failure nobody else waits for it
AT_ONCE: Final = 4
TURN_SECONDS: Final = 2.0
_MOST_OCTETS: Final = 256 * 1024
_MOST_KEYS: Final = 50
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_EVERYWHERE: Final[tuple[Network, ...]] = (
    ipaddress.ip_network("0.0.0.0/0"),
    ipaddress.ip_network("::/0"),
)
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Known:
    """What the issuer says of itself (Discovery §3), as far as we use it."""

    authorize: str
    token: str
    jwks: str
    methods: frozenset[str]
    says_who: bool  # RFC 9207: its answers name it
    learnt_at: datetime


class Issuer:
    """One issuer, as the operator names it; threads may share it."""

    def __init__(
        self,
        issuer: str,
        client: str,
        secret: str,
        allowed: Sequence[Network],
        seconds: float = SECONDS,
    ) -> None:
        self.issuer, self.client, self._secret = issuer, client, secret
        self._allowed, self._seconds = tuple(allowed), seconds
        self._origin = _origin(calling.parse_address(issuer))
        self._learning, self._room = threading.Semaphore(), threading.Semaphore(AT_ONCE)
        self._failed_at: datetime | None = None
        self._known: Known | None = None
        self._keys: tuple[Mapping[str, Any], ...] = ()
        self._keys_at: datetime | None = None

    # ---- the two halves of a sign-in -------------------------------------------------

    def address(
        self, back: str, state: str, nonce: str, challenge: str, now: datetime, *, anew: bool
    ) -> str:
        """Where the browser is sent. `anew`: the person is to show there again who he is."""
        query = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": back,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if anew:
            query |= {"prompt": "login", "max_age": "0"}
        where = self._learnt(now).authorize
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query, quote_via=quote)}"

    def redeemed(
        self, code: str, verifier: str, back: str, expected: Expected, now: datetime
    ) -> Identity:
        """Who it is: the code is exchanged for a token, which is judged."""
        known = self._learnt(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self._secret and known.methods == {"client_secret_post"}:
            form |= {"client_id": self.client, "client_secret": self._secret}
        elif self._secret:  # what every provider must know: RFC 6749 §2.3.1
            pair = f"{quote(self.client, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.client
        status, answer = self._asked("POST", known.token, headers, urlencode(form).encode())
        if status == 400:  # RFC 6749 §5.2: the code was used, is too old, or is not ours
            raise idtokens.not_proved("a code that the issuer takes", str(answer.get("error")))
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise self._away("HTTP 200 with an id_token", f"HTTP {status}")
        access = answer.get("access_token")
        return idtokens.judged(
            token,
            self._keys_for(token, known, now),
            expected,
            now,
            access if isinstance(access, str) else "",
        )

    def keys_for(self, token: str, now: datetime) -> tuple[Mapping[str, Any], ...]:
        """The keys that it publishes, asked for again where this token names another."""
        return self._keys_for(token, self._learnt(now), now)

    def require_own_answer(self, issuer: str, now: datetime) -> None:
        """RFC 9207: an answer that names another issuer was led here from there."""
        if issuer != self.issuer and (issuer or self._learnt(now).says_who):
            raise idtokens.not_proved(f"iss: {self.issuer}", issuer or "none")

    # ---- what it says of itself ------------------------------------------------------

    def _learnt(self, now: datetime) -> Known:
        with self._turn(self._learning):
            if self._known is None or now - self._known.learnt_at > KEPT:
                if self._failed_at is not None and now - self._failed_at < SPARED:
                    raise self._away("an answer", "none a moment ago")
                self._failed_at = now
                self._known, self._failed_at = self._learn(now), None
            return self._known

    @contextmanager
    def _turn(self, of: threading.Semaphore) -> Iterator[None]:
        if not of.acquire(timeout=TURN_SECONDS):
            raise self._away("an answer", "others wait for one, too")
        try:
            yield
        finally:
            of.release()

    def _learn(self, now: datetime) -> Known:
        status, said = self._asked("GET", self.issuer.rstrip("/") + _WELL_KNOWN)
        if status != 200:
            raise self._away("HTTP 200", f"HTTP {status}")
        if said.get("issuer") != self.issuer:  # Discovery §4.3: exactly
            raise self._away(f"issuer: {self.issuer}", repr(said.get("issuer"))[:120])
        methods = said.get("token_endpoint_auth_methods_supported")
        return Known(
            authorize=self._place(said, "authorization_endpoint"),
            token=self._place(said, "token_endpoint"),
            jwks=self._place(said, "jwks_uri"),
            methods=frozenset(map(str, methods) if isinstance(methods, list) else ()),
            says_who=said.get("authorization_response_iss_parameter_supported") is True,
            learnt_at=now,
        )

    def _place(self, said: Mapping[str, Any], name: str) -> str:
        place = said.get(name)
        if not isinstance(place, str) or not self._may_be_asked(place):
            raise self._away(f"{name}: an https:// address", repr(place)[:120])
        return place

    def _may_be_asked(self, address: str) -> bool:
        try:
            parts = calling.parse_address(address)
        except Refused:
            return False
        return parts.scheme == "https" or _origin(parts) == self._origin

    def _keys_for(
        self, token: str, known: Known, now: datetime
    ) -> tuple[Mapping[str, Any], ...]:
        with self._turn(self._learning):
            age = None if self._keys_at is None else now - self._keys_at
            fresh = age is not None and age <= KEPT
            renewed = not idtokens.may_name(self._keys, token)
            if not fresh or (renewed and age is not None and age > ASKED_AGAIN):
                self._keys, self._keys_at = self._ask_for_keys(known.jwks), now
            return self._keys

    def _ask_for_keys(self, address: str) -> tuple[Mapping[str, Any], ...]:
        status, said = self._asked("GET", address)
        keys = said.get("keys")
        if status != 200 or not isinstance(keys, list) or len(keys) > _MOST_KEYS:
            raise self._away("HTTP 200 with keys", f"HTTP {status}")
        return tuple(one for one in keys if isinstance(one, dict))

    # ---- the line --------------------------------------------------------------------

    def _asked(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, dict[str, Any]]:
        parts = calling.parse_address(address)
        own = _origin(parts) == self._origin
        try:
            line = calling.looked_up(
                parts, _EVERYWHERE if own else self._allowed, calling.resolved
            )
        except Problem as problem:
            raise self._away("an address that may be contacted", problem.found) from problem
        with self._turn(self._room):
            status, octets = calling.ask(
                line,
                method,
                headers or {},
                body,
                most_octets=_MOST_OCTETS,
                seconds=self._seconds,
            )
        if not status:
            raise self._away(f"an answer within {self._seconds:.0f} s", "none")
        try:
            return status, idtokens.parse_object(octets)
        except ValueError as error:
            raise self._away("a JSON object", f"HTTP {status}: {error}"[:120]) from error

    def _away(self, expected: str, found: str) -> Unavailable:
        return Unavailable(
            "accounts.issuer-unavailable",
            expected=expected,
            found=found,
            act="sign in another way, or try again",
        )


def open_issuer(
    issuer: str, client: str, secret_file: str, allowed: Sequence[Network]
) -> Issuer | None:
    """What the settings name; None where they name none. Raises Refused."""
    if not issuer:
        return None
    try:
        parts = calling.parse_address(issuer)
    except Refused as error:
        raise _unusable("oidc_issuer: an https:// address", "another") from error
    if parts.query or not (parts.scheme == "https" or parts.hostname in _HERE):
        raise _unusable("oidc_issuer: an https:// address", parts.scheme)
    if not client or not client.isascii() or not client.isprintable():
        raise _unusable("oidc_client: what the issuer knows us by", "none")
    return Issuer(issuer, client, _secret_in(secret_file), allowed)


def _secret_in(secret_file: str) -> str:
    if not secret_file:
        return ""  # a public client: PKCE alone binds the code to us
    path = Path(secret_file)
    try:
        exposed, secret = path.stat().st_mode & 0o077, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable("oidc_secret: a file with the secret", type(error).__name__) from error
    if exposed or not secret or not secret.isprintable():
        raise _unusable("oidc_secret: a file that only its owner can read", "another")
    return secret


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or calling.PORTS[parts.scheme]


def _unusable(expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused", expected=expected, found=found, act="mend the setting"
    )
