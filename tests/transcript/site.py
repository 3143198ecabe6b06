"""A site over TLS whose page asks in many ways: one capture of it answers many questions."""

import base64
import contextlib
import gzip
import hashlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGE = """<!doctype html><meta charset=utf-8><title>一页</title><body style="margin:0">
<img src=/moved.png style="display:block;width:200px;height:100px">
<div style="height:50px;width:300px;background:url(/back.png)"></div>
<p>正文</p><iframe src=/frame style="border:0;width:300px;height:60px;display:block"></iframe>
<script>
fetch('/form', {method: 'POST', body: 'a=1'});
fetch('/head', {method: 'HEAD'});
fetch('/chunks');
const socket = new WebSocket(location.href.replace('http', 'ws') + 'socket');
socket.onopen = () => socket.send('你好');
</script>"""
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args: object) -> None:
        """The test's output stays clean."""

    def do_GET(self) -> None:
        match self.path:
            case "/":
                self._give(gzip.compress(PAGE.encode()), "text/html", gzipped=True)
            case "/frame":
                self._give(b"<body style='margin:0'>inside the frame", "text/html")
            case "/moved.png":
                self.send_response(302)
                self.send_header("Location", "/a.png")
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"moved")
            case "/a.png" | "/back.png":
                self._give(PICTURE, "image/png")
            case "/chunks":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
            case "/socket":
                self._socket()
            case _:
                self._give(b"nothing", "text/plain", status=404)

    def do_HEAD(self) -> None:
        self._give(b"", "text/plain")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def _give(
        self, body: bytes, kind: str, *, gzipped: bool = False, status: int = 200
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _socket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + _ACCEPT
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.wfile.write(b"\x81\x05hello\x89\x00")
        self.rfile.read(2 + 4 + len("你好".encode()))
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away is no fault here."""


@contextlib.contextmanager
def serving(chain: Path, key: Path) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
