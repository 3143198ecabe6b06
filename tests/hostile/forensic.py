"""A page that does all that a recorder must see, on two sites that are strangers."""

import base64
import contextlib
import hashlib
import struct
from collections.abc import Callable, Iterator
from functools import partial

from tests.hostile.site import PNG, Answer, Log, Traps, serving

LONG_FRAME = "长" * 100_000  # 300,000 octets of UTF-8: more than is kept of one frame
POSTED = bytes(range(256)) * 4
_MAIN = """<!doctype html><html><head><meta charset="utf-8"><title>取证页</title>
<link rel="icon" href="/icon.png"></head><body><h1>取证</h1>
<p id="last">第一段</p>
<details><summary>更多</summary><p>隐藏的文字</p>
<img loading="lazy" src="/img/details.png"></details>
<div style="width:90px;height:90px;overflow:hidden;position:relative">
<img loading="lazy" width="9" height="9" style="position:absolute;left:30000px"
 src="/img/aside.png">
</div>
<img srcset="/img/one.png 1x, /img/two.png 2x" src="/img/none.png" width="20" height="20">
<video preload="none" src="/film.webm"></video>
<iframe src="STRANGER/frame" width="300" height="100"></iframe>
<div id="airy">槽内的文字</div><div id="shut"></div><div id="unseen" hidden></div>
<div style="height:3000px"></div>
<img loading="lazy" src="/img/deep.png" width="10" height="10">
<div id="notice" style="position:fixed;left:0;right:0;bottom:0;background:#fff">
我们使用 Cookie，详见隐私政策。
<button onclick="notice.remove(); document.title = 'closed'">拒绝</button>
<button>全部接受</button><a href="/policy">关闭</a></div>
<script>
const tree = airy.attachShadow({mode: 'open'});
tree.innerHTML = '<style>p{color:red}</style>树中'
  + '<p>树里的文字 <span id=deeper></span></p><slot></slot>';
tree.getElementById('deeper').attachShadow({mode: 'open'}).innerHTML = '<i>更深的文字</i>';
shut.attachShadow({mode: 'closed'}).innerHTML = '<p>封闭的文字</p>';
unseen.attachShadow({mode: 'open'}).innerHTML = '<p>看不见的文字</p>';
console.log('said', 7, {a: 1}); console.error('错误');
setTimeout(() => { throw Error('boom') }, 0);
navigator.serviceWorker.register('/service.js');
new Worker('/worker.js'); new SharedWorker('/shared.js');
fetch('/moved'); fetch('/twice'); fetch('/head', {method: 'HEAD'});
fetch('/fresh').then(r => r.text()).then(() => fetch('/fresh', {cache: 'no-cache'}));
fetch('/post', {method: 'POST', body: Uint8Array.from({length: 1024}, (_, n) => n % 256)});
fetch('STRANGER/put', {method: 'PUT', body: 'x', headers: {'x-mark': 'y'}});
navigator.sendBeacon('/beacon', 'seen');
const events = new EventSource('/events');
events.onmessage = e => { if (e.data === 'three') events.close() };
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/socket');
socket.binaryType = 'arraybuffer';
socket.onopen = () => { socket.send('问'); socket.send(new Uint8Array([1, 2, 255])) };
let heard = 0;
socket.onmessage = () => { if (++heard === 3) socket.close() };
let ticks = 0;
const timer = setInterval(() => {
  last.textContent = '第 ' + (++ticks) + ' 段'; if (ticks > 15) clearInterval(timer) }, 40);
</script></body></html>"""
_STRANGER = (
    "<!doctype html><title>stranger</title><img src='/img/within.png'>"
    "<script>fetch('/from-frame'); console.log('from the frame')</script>"
)
_SCRIPTS = {
    "/worker.js": "fetch('/from-worker')",
    "/shared.js": "fetch('/from-shared-worker')",
    "/service.js": "oninstall = e => e.waitUntil(fetch('/from-service-worker'))",
}


_FLOOD = """<!doctype html><title>flood</title><p>seen<div hidden id=deep></div><script>
deep.attachShadow({mode: 'closed'}).innerHTML = '<b></b>'.repeat(310000);
for (let n = 0; n < 20000; n++) console.log('flood', n);
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/flood-socket');
</script>"""


class Forensic(Traps):
    """Answers as `stranger` names the other site."""

    stranger = ""

    def __init__(self, *arguments: object, log: Log, stranger: str) -> None:
        self.stranger = stranger
        super().__init__(*arguments, log=log)

    def do_OPTIONS(self) -> None:  # noqa: N802 - the library calls it so
        self.answer()

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if special := _SPECIAL.get(path):
            special(self)
            return
        status, headers, answer = self._page(path, body)
        self.send(status, headers, answer)

    def _page(self, path: str, body: bytes) -> Answer:
        if path.startswith("/img/") or path == "/icon.png":
            return 200, {"content-type": "image/png"}, PNG
        if path in _SCRIPTS:
            return 200, {"content-type": "text/javascript"}, _SCRIPTS[path].encode()
        html = {"content-type": "text/html; charset=utf-8"}
        match path:
            case "/":
                return 200, html, _MAIN.replace("STRANGER", self.stranger).encode()
            case "/frame":
                return 200, html, _STRANGER.encode()
            case "/flood":
                return 200, html, _FLOOD.encode()
            case "/moved":
                return 301, {"location": "/moved-on"}, b""
            case "/moved-on":
                return 302, {"location": "/arrived"}, b""
            case "/fresh" if self.headers.get("if-none-match") == '"1"':
                return 304, {"etag": '"1"'}, b""
            case "/fresh":
                return 200, {"content-type": "text/plain", "etag": '"1"'}, b"fresh"
            case "/post":
                right = b"yes" if body == POSTED else b"no"
                return 200, {"content-type": "text/plain"}, right
            case "/put":
                return 200, {**_OPEN, "content-type": "text/plain"}, b"put"
            case "/film.webm":
                return 404, html, b"no film"
            case _:
                return 200, {"content-type": "text/plain"}, path.encode()


_OPEN = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "x-mark",
    "access-control-allow-methods": "PUT",
}


def _twice(handler: Forensic) -> None:
    handler.log.add(handler.command, handler.path, 200)
    handler.send_response(200)
    for value in ("a=1; Path=/", "b=2; Path=/"):
        handler.send_header("set-cookie", value)
    handler.send_header("x-twice", "one")
    handler.send_header("x-twice", "two")
    handler.send_header("content-length", "5")
    handler.end_headers()
    handler.wfile.write(b"twice")


def _events(handler: Forensic) -> None:
    """The page goes away after the third; nothing could be fetched afterwards."""

    def parts() -> Iterator[bytes]:
        yield b": begin\n\n"
        for word in ("one", "two", "three"):
            yield f"data: {word}\n\n".encode()
        handler.connection.settimeout(60)
        handler.connection.recv(1)

    handler.stream("text/event-stream", parts())


def _shake_hands(handler: Forensic) -> None:
    key = handler.headers.get("sec-websocket-key", "")
    accept = base64.b64encode(
        hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
    ).decode()
    handler.log.add(handler.command, handler.path, 101)
    handler.close_connection = True
    handler.send_response(101)
    for name, value in (
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", accept),
    ):
        handler.send_header(name, value)
    handler.end_headers()


def _socket(handler: Forensic) -> None:
    """Hears two frames, then says three (RFC 6455): text, octets, and one that is long."""
    _shake_hands(handler)
    with contextlib.suppress(OSError):
        for _ in range(2):
            _, length = handler.rfile.read(2)
            handler.rfile.read(4 + (length & 0x7F))
        handler.wfile.write(_frame(1, "答".encode()) + _frame(2, b"\x00\x01\xfe"))
        handler.wfile.write(_frame(1, LONG_FRAME.encode()))
        handler.connection.settimeout(60)
        handler.rfile.read(2)


def _flood(handler: Forensic) -> None:
    _shake_hands(handler)
    with contextlib.suppress(OSError):
        handler.wfile.write(_frame(1, b"flood") * 21_000)
        handler.connection.settimeout(60)
        handler.rfile.read(2)


def _frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        return struct.pack(">BB", 0x80 | opcode, len(payload)) + payload
    return struct.pack(">BBQ", 0x80 | opcode, 127, len(payload)) + payload


_SPECIAL: dict[str, Callable[[Forensic], None]] = {
    "/twice": _twice,
    "/events": _events,
    "/socket": _socket,
    "/flood-socket": _flood,
}


@contextlib.contextmanager
def two_sites(log: Log, stranger_log: Log) -> Iterator[tuple[str, str]]:
    """The page's site by address, the stranger's by name: no browser takes them for one."""
    handler = partial(Forensic, log=stranger_log, stranger="")
    with serving(handler) as other:
        stranger = other.replace("127.0.0.1", "localhost")
        handler = partial(Forensic, log=log, stranger=stranger)
        with serving(handler) as address:
            yield address, stranger
