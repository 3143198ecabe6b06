"""A provider that compares names, on loopback; what it was asked is kept."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "a-key-of-the-provider"


@dataclass
class Register:
    """`mood`: agrees, differs, or how it fails."""

    mood: str = "agrees"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def answer(self) -> tuple[int, bytes]:
        match self.mood:
            case "agrees" | "differs":
                said = {"agrees": self.mood == "agrees", "reference": "R-7\n〈一致〉"}
                return 200, json.dumps(said, ensure_ascii=False).encode()
            case "garbled":
                return 200, b"{"
            case "deep":
                return 200, b"[" * 10_000
            case "other":
                return 200, b'{"agrees": "yes"}'
            case "endless":
                return 200, b" " * (1 << 20)
            case "moved":
                return 302, b""
            case _:
                return 500, b"{}"


@contextlib.contextmanager
def register_served() -> Iterator[Register]:
    register = Register()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            register.asked.append((self.headers["Authorization"], json.loads(octets)))
            status, answer = register.answer()
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who is told too much hangs up
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Tests say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    register.address = f"http://127.0.0.1:{server.server_address[1]}/compare"
    try:
        yield register
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
