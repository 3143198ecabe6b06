"""HTTP/1.1 for a handful of paths, out of the standard library: bounded in every direction.

A request becomes an `Asked`, the program gives an `Answer`; that is all. Bodies have a declared
length and a limit, a peer that is silent is cut off, and so is one that trickles; so many are
served at once and no more. Behind a proxy that speaks TLS; this does not.
"""

import contextlib
import dataclasses
import io
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

from guzheng.cosigner import Refused

AT_ONCE = 64
SILENCE_SECONDS = 20
REQUEST_SECONDS = 30.0  # for all of one, from the connection or the answer before
STREAM_SECONDS = 300.0  # likewise, where the program itself reads; what came until then counts
_BLOCK, _DRAINED = 1 << 16, 1 << 22
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    body: bytes = b""
    media_type: str = ""
    encoding: str = ""
    read: Callable[[int], bytes] | None = None  # of a body that is taken as it comes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    media_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        respond: Callable[[Asked], Answer],
        *,
        largest_body: int,
        streamed: Mapping[str, int] | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """`streamed`: paths whose bodies the program itself reads, and the largest of each."""
        self.respond, self.largest_body = respond, largest_body
        self.streamed, self.request_seconds = streamed or {}, request_seconds
        self._places = threading.BoundedSemaphore(AT_ONCE)
        try:
            self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise Refused("cosigner.port-taken", host=host, port=port) from error

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(timeout=SILENCE_SECONDS):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: Any) -> None:
        """A peer that goes away is no fault of ours; anything else is named, and no more."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            sys.stderr.write(f"internal error: {type(error).__name__}\n")


class _Stream:
    """What is left of a body of declared length; ends early when the peer does."""

    def __init__(self, stream: BufferedIOBase, left: int) -> None:
        self._stream, self.left = stream, left

    def read(self, count: int) -> bytes:
        octets = self._stream.read1(min(count, self.left))
        self.left -= len(octets)
        return octets


class _Patient(io.RawIOBase):
    """What a peer sends until `until`; an octet now and again does not make it longer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self.until = connection, 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(SILENCE_SECONDS, left))
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SILENCE_SECONDS
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._coming = _Patient(self.connection)
        self.rfile = io.BufferedReader(self._coming)

    def handle_one_request(self) -> None:
        self._coming.until = time.monotonic() + self.server.request_seconds
        super().handle_one_request()

    def do_GET(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what follows would be taken for another request
        self._answer(Asked(self.command, self.path))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        # One length, or a proxy before us and we might disagree where the next request begins.
        length, *more = self.headers.get_all("Content-Length", [""])
        plain = length.isascii() and length.isdigit() and not more
        largest = self.server.streamed.get(self.path, self.server.largest_body)
        if "Transfer-Encoding" in self.headers or not plain:
            self._refuse(411, "a request with a Content-Length\n")
        elif len(length) > 12 or int(length) > largest:
            self._refuse(413, f"at most {largest} octets\n")
        elif self.path in self.server.streamed:
            self._answer_stream(_Stream(self.rfile, int(length)))
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._answer(Asked("POST", self.path, body))
            else:
                self.close_connection = True

    def _answer_stream(self, body: "_Stream") -> None:
        """An answer may come before the whole body has: then nothing more is read here."""
        self._coming.until = time.monotonic() + STREAM_SECONDS
        asked = Asked("POST", self.path, b"", self._header("Type"), self._header("Encoding"))
        answer = self.server.respond(dataclasses.replace(asked, read=body.read))
        self.close_connection = self.close_connection or body.left > 0
        self._send(answer)
        with contextlib.suppress(OSError):
            # Closed on what is still under way, the peer might not get to read the answer.
            for _ in range(_DRAINED // _BLOCK):
                if not body.read(_BLOCK):
                    break

    def _header(self, name: str) -> str:
        return str(self.headers.get(f"Content-{name}", "")).strip().lower()

    def _refuse(self, status: int, words: str) -> None:
        """The body is still on its way, so nothing more can be read here."""
        self.close_connection = True
        self._send(Answer(status, words.encode()))

    def _answer(self, asked: Asked) -> None:
        self._send(self.server.respond(asked))

    def _send(self, answer: Answer) -> None:
        self.connection.settimeout(SILENCE_SECONDS)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        with contextlib.suppress(OSError):
            self.wfile.flush()

    def version_string(self) -> str:
        return "guzheng"

    def log_message(self, format: str, *args: object) -> None:
        """Said by the program, in words; addresses of those who ask are kept nowhere."""
