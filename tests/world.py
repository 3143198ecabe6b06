"""The simulated outside: an authority that misbehaves, a page to capture, a disk that is full.

Real HTTP on loopback and a real file system; nothing of ours is replaced. Whoever needs another
time than now hands a clock to `open_parts`.
"""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler

import pytest

from guzheng import fix
from guzheng.proof import timestamp
from guzheng.proof.digest import Digest, sha256

REPLY = "application/timestamp-reply"
PAGE = "<!doctype html><title>一个网页</title><h1>页面</h1><p>evidence</p>".encode()
LOGIN = (
    "<!doctype html><title>登录</title><h1>请登录</h1><form><input name=user>"
    "<input type=password><button>登录</button></form>"
).encode()


def now() -> datetime:
    return datetime.now(UTC)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asks may go away in the middle."""


@contextlib.contextmanager
def _served(door: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), door)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def dripping(part: str, kind: str = "text/plain") -> Iterator[str]:
    """Answers whatever is asked an octet at a time, for ever: `part` is where: "handshake" (a
    record of TLS), "status", "head", "interim" (answers before the answer), "body"; or
    "greeting", of a server of mail, which speaks first."""
    ended = threading.Event()
    begins = {
        "greeting": b"220-",
        "handshake": b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0",
        "status": b"HTTP/1.1 200 ",
        "head": b"HTTP/1.1 200 OK\r\nContent-Type: ",
        "interim": b"",
        "body": f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode(),
    }
    repeated = b"HTTP/1.1 100 Continue\r\n\r\n" if part == "interim" else b"x"

    class Door(BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                if part != "greeting":
                    self.request.recv(1 << 16)
                self.request.sendall(begins[part])
                while not ended.wait(0.02):
                    self.request.sendall(repeated)

    server = _Server(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        scheme = "https" if part == "handshake" else "http"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Authority:
    """An RFC 3161 authority of its own keys. `mood` is how it answers from now on:

    well, slow (well, but late), garbled, refuses (503), wrong-imprint, wrong-nonce, dies (in
    mid answer). `name` is what an installation calls it among further authorities.
    """

    url: str
    roots: Path
    name: str = "world"
    mood: str = "well"
    asked: int = 0
    refuses_first: int = 0  # so many questions, whatever its mood
    delay_seconds: float = 30.0
    released: threading.Event = field(default_factory=threading.Event)

    def environment(self) -> dict[str, str]:
        """The settings that make an installation ask it."""
        return {
            "GUZHENG_TIMESTAMP_URL": self.url,
            "GUZHENG_TIMESTAMP_ROOTS": str(self.roots),
            "GUZHENG_TIMESTAMP_SECONDS": "2",
            "GUZHENG_RETRY_SECONDS": "1",
            "GUZHENG_CLOCK_PROFILE": "evaluation",
            "GUZHENG_ACCOUNTS": "off",
        }


def further(*outside: Authority, required: int, folder: Path) -> dict[str, str]:
    """The settings that make an installation ask these besides its own, in this order."""
    roots = folder / "further-roots.pem"
    roots.write_bytes(b"".join(one.roots.read_bytes() for one in outside))
    return {
        "GUZHENG_AUTHORITIES": ",".join(f"{one.name} {one.url}" for one in outside),
        "GUZHENG_AUTHORITIES_REQUIRED": str(required),
        "GUZHENG_TIMESTAMP_ROOTS": str(roots),
        "GUZHENG_TIMESTAMP_SECONDS": "2",
        "GUZHENG_RETRY_SECONDS": "1",
        "GUZHENG_CLOCK_PROFILE": "evaluation",
    }


@contextlib.contextmanager
def authority(
    folder: Path,
    name: str = "World",
    *,
    made: Callable[[], datetime] = now,
    clock: Callable[[], datetime] = now,
) -> Iterator[Authority]:
    """`made`: when its keys were made; `clock`: what it attests."""
    keys = fix.load_or_make(folder / f"{name}-tsa", now=made, entropy=os.urandom, operator=name)
    local = fix.local_authority(keys, now=clock, entropy=os.urandom)
    roots = folder / f"{name}-roots.pem"
    roots.write_bytes(fix.roots_pem(keys))
    outside = Authority("", roots, name.lower())

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            outside.asked += 1
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if outside.mood == "refuses" or outside.asked <= outside.refuses_first:
                self.send_error(503)
                return
            if outside.mood == "slow":
                outside.released.wait(outside.delay_seconds)
            if outside.mood == "wrong-imprint":
                query = timestamp.encode_request(sha256(b"another file"), 1)
            answer = local.respond(query)
            if outside.mood == "wrong-nonce":
                asked = Digest("sha256", timestamp.parse(answer).imprint)
                answer = local.respond(timestamp.encode_request(asked, 1))
            if outside.mood == "garbled":
                answer = bytes(octet ^ 0x55 for octet in answer)
            self.send_response(200)
            self.send_header("Content-Type", REPLY)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2 if outside.mood == "dies" else None])

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        outside.url = url
        try:
            yield outside
        finally:
            outside.released.set()


@contextlib.contextmanager
def site() -> Iterator[str]:
    """/ is well, /500 is an error, /login a wall, /redirect leads to a cloud's secrets."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
                self.end_headers()
                return
            self.send_response(500 if self.path == "/500" else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            body = LOGIN if self.path == "/login" else PAGE
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        yield url


@contextlib.contextmanager
def small_disk(folder: Path, octets: int) -> Iterator[Path]:
    """A file system that is full after so many octets; skips where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={octets},mode=700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        # At once out of sight, and gone when the last file in it is closed.
        subprocess.run(["umount", "-l", str(folder)], check=True)
