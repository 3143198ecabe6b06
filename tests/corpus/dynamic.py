"""What a folder cannot answer: WebSocket, events, streams, redirects, tags, preflights.

Behind nginx, which writes the log that captures are held against.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import struct
import threading
import time
from collections.abc import Iterator

from tests.corpus.heavy import EACH, LAZY

_LARGE = 13 * 1024 * 1024
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


class Dynamic(http.server.BaseHTTPRequestHandler):
    """One answer for each path; everything else says its own path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        match path.removeprefix("/dyn/"):
            case "ws":
                self._echo()
            case "events":
                self._stream("text/event-stream", self._events())
            case "chunked":
                self._stream("text/plain", (f"part {n}\n".encode() for n in range(20)))
            case "large":
                self._stream("application/octet-stream", self._large())
            case "redirect/2":
                self._send(301, b"", Location="/dyn/redirect/1")
            case "redirect/1":
                self._send(302, b"", Location="/dyn/arrived")
            case "tagged":
                known = self.headers.get("If-None-Match") == '"one"'
                self._send(304 if known else 200, b"" if known else b"tagged", ETag='"one"')
            case "more":
                page = int(query.partition("=")[2])
                first = LAZY * 2 + page * EACH
                self._send(200, json.dumps(list(range(first, first + EACH))).encode())
            case "double":
                self.send_response(200)
                self.send_header("Set-Cookie", "a=1")
                self.send_header("Set-Cookie", "b=2")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case other:
                self._send(200, other.encode())

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        self._send(200, self.rfile.read(size))

    def do_PUT(self) -> None:
        self.do_POST()

    def do_OPTIONS(self) -> None:
        self._send(204, b"")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Methods", "PUT, GET, POST")
        self.send_header("Access-Control-Allow-Headers", "x-own")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, kind: str, parts: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):  # the page went away, as it does
            for part in parts:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    def _events(self) -> Iterator[bytes]:
        for number in range(5):
            yield f"data: event {number}\n\n".encode()
            time.sleep(0.02)
        yield b"data: last\n\n"
        time.sleep(5)  # the page closes it

    def _large(self) -> Iterator[bytes]:
        for _ in range(_LARGE // 65536):
            yield bytes(65536)
            time.sleep(0.005)

    def _echo(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET).digest()).decode()  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError, struct.error):
            while True:
                first, second = struct.unpack(">BB", self.rfile.read(2))
                size = second & 0x7F
                mask = self.rfile.read(4)
                body = bytes(one ^ mask[at % 4] for at, one in enumerate(self.rfile.read(size)))
                self.wfile.write(bytes((first, size)) + body)
                if first & 0x0F == 8:
                    return


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that goes away in the middle is what is tested."""


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """The port it serves at, on 127.0.0.1."""
    server = _Server(("127.0.0.1", 0), Dynamic)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
