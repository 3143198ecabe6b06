"""A real server of traps on loopback, and of pages nobody here wrote; it logs what it served.

Standard library only. Every path that is a trap says what a browser must not fall for.
"""

import base64
import contextlib
import gzip
import hashlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

METADATA = "http://169.254.169.254/latest/meta-data/"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
TWO_GIB = 2 * 1024**3
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Log:
    """What the server saw: method, path and status of each request; octets of big bodies."""

    seen: list[tuple[str, str, int]] = field(default_factory=list)
    octets_of_download: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, path: str, status: int) -> None:
        with self.lock:
            self.seen.append((method, path, status))


class Traps(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive, as most servers are."""

    protocol_version = "HTTP/1.1"
    log: Log

    def __init__(self, *arguments: object, log: Log) -> None:
        self.log = log
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        size = int(self.headers.get("content-length", "0"))
        self.rfile.read(size)
        if special := SPECIAL.get(path):
            special(self)
            return
        status, headers, body = PAGES.get(path, (404, {}, b"<title>404</title>nothing here"))
        if path.startswith("/item/"):
            status, headers, body = 200, {"content-type": "image/png"}, PNG
        self.send(status, {"content-type": "text/html; charset=utf-8", **headers}, body)

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.log.add(self.command, self.path, status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self, content_type: str, parts: Iterator[bytes], **headers: str) -> None:
        """A body that ends when the browser goes away, or when `parts` does."""
        self.log.add(self.command, self.path, 200)
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", content_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(OSError):
            for part in parts:
                self.wfile.write(part)
                self.log.octets_of_download += len(part)


def _never(handler: Traps) -> None:
    handler.log.add(handler.command, handler.path, 0)
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.settimeout(60)
        handler.connection.recv(1)  # until the browser gives up


def _loop(handler: Traps) -> None:
    count = int(handler.path.partition("?")[2] or "0")
    handler.send(302, {"location": f"/loop?{count + 1}"}, b"")


def _endless(handler: Traps) -> None:
    def parts() -> Iterator[bytes]:
        yield b"<!doctype html><title>endless</title>"
        while True:
            yield b"<p>and on, and on" * 4000

    handler.stream("text/html", parts())


def _drip(handler: Traps) -> None:
    def parts() -> Iterator[bytes]:
        yield b"<!doctype html><title>drip</title>"
        while True:
            time.sleep(0.2)
            yield b"<p>drop"

    handler.stream("text/html", parts())


def _download(handler: Traps) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(TWO_GIB // 65536):
            yield bytes(65536)

    handler.stream(
        "application/zip",
        parts(),
        content_length=str(TWO_GIB),
        content_disposition='attachment; filename="two-gib.zip"',
    )


def _events(handler: Traps) -> None:
    def parts() -> Iterator[bytes]:
        for number in range(600):
            yield f"data: tick {number}\n\n".encode()
            time.sleep(0.1)

    handler.stream("text/event-stream", parts())


def _socket(handler: Traps) -> None:
    """A WebSocket that greets and stays (RFC 6455)."""
    key = handler.headers.get("sec-websocket-key", "")
    accept = base64.b64encode(
        hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
    ).decode()
    handler.log.add(handler.command, handler.path, 101)
    handler.close_connection = True
    handler.send_response(101)
    handler.send_header("upgrade", "websocket")
    handler.send_header("connection", "upgrade")
    handler.send_header("sec-websocket-accept", accept)
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(b"\x81\x05hello")
        handler.connection.settimeout(60)
        handler.connection.recv(1)


def _page(title: str, body: str = "", head: str = "") -> Answer:
    return (
        200,
        {},
        f"<!doctype html><html><head><title>{title}</title>{head}</head>"
        f"<body>{body}</body></html>".encode(),
    )


def _script(title: str, script: str, body: str = "") -> Answer:
    return _page(title, f"{body}<script>{script}</script>")


SPECIAL: dict[str, Callable[[Traps], None]] = {
    "/silent": _never,
    "/loop": _loop,
    "/endless": _endless,
    "/drip": _drip,
    "/download": _download,
    "/events": _events,
    "/socket": _socket,
}
_RICH = """
navigator.serviceWorker && navigator.serviceWorker.register('/worker-service.js');
new Worker('/worker.js');
fetch('/api/json', {method: 'POST', body: '{"a":1}', headers: {'content-type': 'text/plain'}});
fetch('/api/head', {method: 'HEAD'});
fetch('/missing.json');
fetch('/moved');
navigator.sendBeacon('/api/beacon', 'seen');
new EventSource('/events');
new WebSocket('ws://' + location.host + '/socket');
const image = new Image(); image.src = '/item/late.png'; document.body.append(image);
"""
PAGES: dict[str, Answer] = {
    "/": _page("plain", "<h1>Plain page</h1>"),
    "/favicon.ico": (200, {"content-type": "image/png"}, PNG),
    "/redirect-metadata": (302, {"location": METADATA}, b""),
    "/script-metadata": _script("led away", f"location.href = '{METADATA}'"),
    "/meta-metadata": _page(
        "led away", head=f'<meta http-equiv="refresh" content="0;url={METADATA}">'
    ),
    "/within-metadata": _script(
        "reaches inside",
        f"fetch('{METADATA}fetch').catch(() => 0); "
        "try { new WebSocket('ws://169.254.169.254/socket') } catch (e) {}; "
        "fetch('http://[::ffff:127.0.0.1]:8009/').catch(() => 0); "
        "fetch('http://127.0.0.2:8009/').catch(() => 0); "
        "fetch('http://2130706434/').catch(() => 0); "
        "fetch('http://0177.0.0.3:8009/').catch(() => 0); "
        "fetch('/redirect-metadata', {mode: 'no-cors'}).catch(() => 0); "
        "new Worker('/worker-inside.js?worker'); "
        "navigator.serviceWorker.register('/worker-inside.js?service')",
        f'<img src="{METADATA}image"><iframe src="{METADATA}frame"></iframe>',
    ),
    "/worker-inside.js": (
        200,
        {"content-type": "text/javascript"},
        f"fetch('{METADATA}' + location.search, {{mode: 'no-cors'}}).catch(() => 0)".encode(),
    ),
    "/moved": (301, {"location": "/moved-again"}, b""),
    "/moved-again": (302, {"location": "/arrived"}, b""),
    "/arrived": _page("arrived", "<h1>Here</h1>"),
    "/script-moves": _script("moves on", "location.replace('/arrived')"),
    "/error": (500, {}, b"<!doctype html><title>broken</title><h1>Internal error</h1>"),
    "/error-empty": (503, {}, b""),
    "/no-content": (204, {}, b""),
    "/dialogs": _script(
        "dialogs",
        "onbeforeunload = e => { e.preventDefault(); e.returnValue = 'stay' };"
        "alert('hello'); confirm('sure?'); prompt('name?'); "
        "document.body.append('after the dialogs')",
    ),
    "/popups": _script("popups", "for (let i = 0; i < 5; i++) window.open('/arrived?' + i)"),
    "/spin": _script("spins", "setTimeout(() => { while (true) {} }, 300)"),
    "/busy": _script(
        "busy",
        "setTimeout(() => { const end = Date.now() + 26000; while (Date.now() < end) {}"
        "document.body.append('done at last') }, 300)",
    ),
    "/many": _script(
        "many", "for (let i = 0; i < 2000; i++) fetch('/item/' + i + '.png').catch(() => 0)"
    ),
    "/scroll": _script(
        "never ends",
        "let n = 0; const more = () => { for (let i = 0; i < 20; i++) {"
        "const image = new Image(); image.src = '/item/' + (n++) + '.png';"
        "image.style = 'display:block;height:100px'; document.body.append(image) } };"
        "more(); addEventListener('scroll', more)",
    ),
    "/vast": _page(
        "vast",
        "<div style='position:absolute;left:0;top:0;width:12000px;height:50000px;"
        "background:linear-gradient(red,blue)'>",
    ),
    "/long": _page("long", "<div style='height:20000px;background:linear-gradient(red,blue)'>"),
    "/lazy": _page(
        "lazy",
        "".join(
            f"<div style='height:1500px'></div><img loading=lazy src='/item/lazy-{n}.png'>"
            for n in range(6)
        ),
    ),
    "/reloads": _script("again", "setTimeout(() => location.reload(), 150)"),
    "/frames": _page("frames", "<iframe src='/frames?'></iframe><iframe src='/frames?2'>"),
    "/odd": _script(
        "odd",
        "document.title = '\\ud800' + 't'.repeat(100000) + '\\u202e';"
        "history.pushState(0, '', '/' + 'p'.repeat(20000) + '?\\udfff');"
        "document.documentElement.remove = 0; window.scrollTo = 0; Array = 0; JSON = 0",
    ),
    "/closes": _script("closes", "window.close(); document.open(); document.write('gone')"),
    "/gbk": (
        200,
        {"content-type": "text/html"},
        "<!doctype html><meta charset=gbk><title>证据</title><p>固证".encode("gbk"),
    ),
    "/gzip": (
        200,
        {"content-encoding": "gzip"},
        gzip.compress(b"<!doctype html><title>packed</title><p>unpacked", mtime=0),
    ),
    "/download-within": _script("offers a file", "location.href = '/download'"),
    "/rich": _script(
        "rich",
        _RICH,
        "<img src='/item/1.png'><iframe src='/frame'></iframe><link rel=stylesheet "
        "href='/style.css'>",
    ),
    "/frame": _page("frame", "<img src='/item/2.png'>"),
    "/style.css": (
        200,
        {"content-type": "text/css"},
        b"body{background:url(/item/3.png)}",
    ),
    "/worker.js": (
        200,
        {"content-type": "text/javascript"},
        b"fetch('/api/from-worker')",
    ),
    "/worker-service.js": (
        200,
        {"content-type": "text/javascript"},
        b"oninstall = e => e.waitUntil(fetch('/api/from-service-worker'))",
    ),
    "/api/json": (200, {"content-type": "application/json"}, b'{"ok":true}'),
    "/api/head": (200, {"content-type": "text/plain"}, b"body that HEAD does not get"),
    "/api/beacon": (204, {}, b""),
    "/api/from-worker": (200, {"content-type": "text/plain"}, b"worker"),
    "/api/from-service-worker": (200, {"content-type": "text/plain"}, b"service worker"),
}


class Folder(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, as they are."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, folder: Path, log: Log) -> None:
        self.record = log
        super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        del size
        self.record.add(self.command, self.path, int(code))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is the point of most tests."""


@contextlib.contextmanager
def serving(
    handler: Callable[..., http.server.BaseHTTPRequestHandler],
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The address it serves at, without a slash at the end."""
    server = _Server((host, 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
