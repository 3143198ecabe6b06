"""Somebody else's program that takes webhooks: a real server on loopback, with moods.

It checks signatures by the letter of Standard Webhooks, with nothing of ours."""

import base64
import contextlib
import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.world import _served


@dataclass(frozen=True)
class Heard:
    path: str
    headers: Mapping[str, str]
    body: bytes

    def is_signed(self, secret: str) -> bool:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        name, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        mac = hmac.new(key, f"{name}.{at}.".encode() + self.body, hashlib.sha256).digest()
        offered = self.headers["webhook-signature"].split(" ")
        return f"v1,{base64.b64encode(mac).decode()}" in offered


@dataclass
class Receiver:
    """`status`: what it answers from now on; `mood`: well, redirects, dawdles."""

    url: str
    status: int = 204
    mood: str = "well"
    heard: list[Heard] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    one = Receiver("")

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            one.heard.append(Heard(self.path, headers, octets))
            if one.mood == "dawdles":  # a status line that comes letter by letter
                with contextlib.suppress(OSError):
                    for letter in b"HTTP/1.1 200 OK" * 40:
                        self.wfile.write(bytes([letter]))
                        self.wfile.flush()
                        if one.released.wait(0.1):
                            break
                return
            self.send_response(302 if one.mood == "redirects" else one.status)
            if one.mood == "redirects":
                self.send_header("Location", f"{one.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        one.url = url
        try:
            yield one
        finally:
            one.released.set()
