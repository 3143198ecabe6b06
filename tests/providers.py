"""An identity provider of somebody else, on loopback: OpenID Connect with real keys, and moods.

It keeps the rules of its side by the letter: a code is good once, for the client, the address
and the verifier it was made for. What it says can be twisted, claim by claim."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.world import _served

CLIENT = "guzheng-at-test"
SECRET = "a-secret: of/the client"
Twist = Callable[[dict[str, Any], dict[str, Any]], None]

_RSA = rsa.generate_private_key(65537, 2048)
_OTHER = rsa.generate_private_key(65537, 2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def websafe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _number(value: int, octets: int = 0) -> str:
    return websafe(value.to_bytes(octets or (value.bit_length() + 7) // 8, "big"))


def signed(header: dict[str, Any], claims: dict[str, Any], *, by: str = "own") -> str:
    """`by`: own, other (a key that is not published)."""
    first = websafe(json.dumps(header).encode())
    told = f"{first}.{websafe(json.dumps(claims).encode())}"
    key = _RSA if by == "own" else _OTHER
    match header["alg"]:
        case "ES256":
            r, s = decode_dss_signature(_EC.sign(told.encode(), ec.ECDSA(SHA256())))
            mac = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case "PS256":
            pss = padding.PSS(padding.MGF1(SHA256()), 32)
            mac = key.sign(told.encode(), pss, SHA256())
        case "none":
            mac = b""
        case "HS256":  # the public key taken for a secret, as of old
            import hmac

            mac = hmac.digest(
                _number(_RSA.public_key().public_numbers().n).encode(), told.encode(), "sha256"
            )
        case _:
            mac = key.sign(told.encode(), padding.PKCS1v15(), SHA256())
    return f"{told}.{websafe(mac)}"


def jwks() -> list[dict[str, str]]:
    of_rsa, of_ec = _RSA.public_key().public_numbers(), _EC.public_key().public_numbers()
    return [
        {"kty": "RSA", "kid": "r1", "use": "sig", "n": _number(of_rsa.n), "e": "AQAB"},
        {"kty": "EC", "kid": "e1", "use": "sig", "crv": "P-256",
         "x": _number(of_ec.x, 32), "y": _number(of_ec.y, 32)},
    ]  # fmt: skip


@dataclass
class Person:
    """Who sits before the provider's page."""

    subject: str = "248289761001"
    email: str = "jane@example.com"
    verified: bool | str = True
    name: str = "Jane Doe"


@dataclass
class Provider:
    """`mood`: well, declines, dead (500), dawdles, garbled, redirects, elsewhere (its token
    endpoint lies on a private address of another machine)."""

    issuer: str = ""
    mood: str = "well"
    person: Person = field(default_factory=Person)
    algorithm: str = "RS256"
    key: str = "own"
    twist: Twist = lambda _header, _claims: None
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def said(self) -> dict[str, Any]:
        token = "http://192.168.7.7" if self.mood == "elsewhere" else self.issuer
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{token}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorized(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        back = {"state": query["state"], "iss": self.issuer}
        if self.mood == "declines":
            back["error"] = "access_denied"
        else:
            code = f"code-{len(self.codes)}-{time.monotonic_ns()}"
            self.codes[code] = query
            back["code"] = code
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def redeemed(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        # RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
        known = parse_qs(f"c={pair.partition(':')[0]}&s={pair.partition(':')[2]}")
        if known != {"c": [CLIENT], "s": [SECRET]}:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = websafe(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "at",
            "token_type": "Bearer",
            "id_token": self.token(asked),
        }

    def token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        header: dict[str, Any] = {
            "alg": self.algorithm,
            "kid": "e1" if self.algorithm == "ES256" else "r1",
        }
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.person.subject,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "email": self.person.email,
            "email_verified": self.person.verified,
            "name": self.person.name,
        }
        if "max_age" in asked:
            claims["auth_time"] = now
        self.twist(header, claims)
        return signed(header, claims, by=self.key)


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    one = Provider()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            one.asked.append(parts.path)
            if parts.path == "/authorize":
                query = {key: value[0] for key, value in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", one.authorized(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(200, {"keys": jwks()} if parts.path == "/jwks" else one.said())

        def do_POST(self) -> None:
            one.asked.append(self.path)
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            form = {key: value[0] for key, value in parse_qs(octets.decode()).items()}
            self._answer(*one.redeemed(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            octets = json.dumps(said).encode()
            if one.mood == "garbled":
                octets = octets[:-7]
            with contextlib.suppress(OSError):
                if one.mood == "dawdles":
                    self._dawdle()
                    return
                self.send_response({"dead": 500, "redirects": 302}.get(one.mood, status))
                self.send_header("Location", f"{one.issuer}/elsewhere")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

        def _dawdle(self) -> None:
            """A status line that comes letter by letter, for ever."""
            for letter in b"HTTP/1.1 200 OK" * 400:
                self.wfile.write(bytes([letter]))
                self.wfile.flush()
                if one.released.wait(0.1):
                    break

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests say nothing."""

    with _served(Door) as url:
        one.issuer = url
        try:
            yield one
        finally:
            one.released.set()
