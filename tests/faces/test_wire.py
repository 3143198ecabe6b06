"""A large body leaves the HTTP parser: the same octets, and the connection is none the worse.

A small application says what it was given, behind real sockets: with the connection of `serve`
and with uvicorn's own, on both event loops. What comes after a body, in whatever pieces, is the
next request and nothing else."""

import contextlib
import hashlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Problem, Refused
from guzheng.web import create_app
from guzheng.web.arriving import SHORT, Gathered, apart, body_of
from guzheng.web.inflow import AHEAD, TURN
from guzheng.web.wire import LEAST, Wire
from tests.faces.conftest import Face as Shown
from tests.faces.conftest import serving

WAIT_SECONDS = 60
FILE = random.Random(7).randbytes(5 * TURN + 12_345)
FORM = "multipart/form-data; boundary=b"
Address = tuple[str, int]


def probe() -> FastAPI:
    app = FastAPI()
    app.state.seen = []
    app.state.begun = False
    app.state.go_on = threading.Event()

    def told(request: Request, pieces: Iterator[bytes]) -> Response:
        octets = b"".join(pieces)
        app.state.seen.append(len(octets))
        flowing = getattr(request.state, "wire", None) is not None
        digest = hashlib.sha256(octets).hexdigest()
        return JSONResponse({"size": len(octets), "sha256": digest, "wire": flowing})

    @app.put("/whole")
    @apart
    def whole(request: Request) -> Response:
        app.state.begun = True
        return told(request, body_of(request, limit=1 << 30))

    @app.put("/impatient")
    @apart
    def impatient(request: Request) -> Response:
        pieces: list[bytes] = []
        try:
            pieces.extend(body_of(request, limit=1 << 30, patience_seconds=0.5))
        except Refused as refused:
            return JSONResponse({"code": refused.code, "size": len(b"".join(pieces))}, 400)
        return told(request, iter(pieces))

    @app.put("/some")
    @apart
    def some(request: Request) -> Response:
        body = body_of(request, limit=1 << 30)
        app.state.held = body  # as the frames of an error hold it
        return told(request, islice(body, 3))

    @app.put("/slow")
    @apart
    def slow(request: Request) -> Response:
        body = body_of(request, limit=1 << 30)
        first = next(body)
        assert app.state.go_on.wait(WAIT_SECONDS)
        return told(request, iter([first, *body]))

    @app.put("/limited")
    @apart
    def limited(request: Request) -> Response:
        return told(request, body_of(request, limit=2 * TURN))

    @app.get("/here")
    def here() -> str:
        return "here"

    def refused(_: Request, error: Exception) -> Response:
        code = error.code if isinstance(error, Problem) else ""
        app.state.seen.append(code)
        return JSONResponse({"code": code}, 400)

    app.add_exception_handler(Refused, refused)
    return app


class Hasty(Wire):
    head_seconds = 1.0


@contextlib.contextmanager
def served(app: ASGIApp, http: str, loop: str) -> Iterator[tuple[Address, uvicorn.Server]]:
    config = uvicorn.Config(
        app,
        http={"wire": Wire, "hasty": Hasty}.get(http, "h11"),
        loop="uvloop" if loop == "uvloop" else "asyncio",
        log_level="critical",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=WAIT_SECONDS,
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started)
        yield listening.getsockname(), server
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)
        listening.close()
        assert not thread.is_alive(), "it ends, whatever was being received"


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(
    scope="module",
    params=[("wire", "uvloop"), ("wire", "asyncio"), ("h11", "uvloop")],
    ids="-".join,
)
def face(request: pytest.FixtureRequest) -> Iterator[tuple[Address, FastAPI, bool]]:
    app = probe()
    with served(app, *request.param) as (address, _):
        yield address, app, request.param[0] == "wire"


@contextlib.contextmanager
def connected(address: Address, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection(
        address, timeout=WAIT_SECONDS, source_address=(source, 0)
    ) as connection:
        yield connection


def head(path: str, size: int, *more: str, method: str = "PUT") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Content-Length: {size}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """One answer, and not an octet more."""
    said = b""
    while b"\r\n\r\n" not in said:
        octet = connection.recv(1)
        assert octet, said
        said += octet
    status = int(said.split()[1])
    if status == 100:
        return status, {}
    length = int(said.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    found = json.loads(body)
    return status, found if isinstance(found, dict) else {"said": found}


def of(octets: bytes, *, wire: bool) -> dict[str, object]:
    digest = hashlib.sha256(octets).hexdigest()
    return {"size": len(octets), "sha256": digest, "wire": wire}


Face = tuple[Address, FastAPI, bool]


@pytest.mark.parametrize("size", [1, LEAST - 1, LEAST, LEAST + 1, TURN, len(FILE)])
def test_every_octet_and_then_the_next_request(face: Face, size: int) -> None:
    address, _, wire = face
    with connected(address) as connection:
        for path in ("/whole", "/whole", "/whole"):
            connection.sendall(head(path, size) + FILE[:size])
            assert answer(connection) == (200, of(FILE[:size], wire=wire))


@pytest.mark.parametrize("cut", [1, 100, TURN - 1, TURN + LEAST, len(FILE) - 1])
def test_in_whatever_pieces(face: Face, cut: int) -> None:
    address, _, wire = face
    whole = head("/whole", len(FILE)) + FILE
    with connected(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(whole[:cut])
        time.sleep(0.05)  # most likely apart; nothing depends on it
        for at in range(cut, min(cut + 700, len(whole)), 7):
            connection.sendall(whole[at : min(at + 7, cut + 700)])
        connection.sendall(whole[cut + 700 :])
        assert answer(connection) == (200, of(FILE, wire=wire))


def test_a_second_request_right_behind_the_body(face: Face) -> None:
    """Pipelined, large and small, and in one piece with what is before."""
    address, _, wire = face
    small = head("/whole", 5) + b"small"
    with connected(address) as connection:
        large = head("/whole", len(FILE)) + FILE
        threading.Thread(
            target=connection.sendall, args=(large + small + large + small,)
        ).start()
        for octets in (FILE, b"small", FILE, b"small"):
            assert answer(connection) == (200, of(octets, wire=wire))


def test_a_body_longer_than_it_said_is_no_part_of_it(face: Face) -> None:
    address, _, wire = face
    with connected(address) as connection:
        connection.sendall(head("/whole", len(FILE) - 9) + FILE)
        assert answer(connection) == (200, of(FILE[:-9], wire=wire))
        said = connection.recv(1000)
        assert said.startswith(b"HTTP/1.1 400 ") or not said, "nine octets are no request"


@pytest.mark.parametrize("sent", [0, 1, 70_000, LEAST, 2 * TURN + 5, len(FILE) - 1])
@pytest.mark.parametrize("abruptly", [True, False])
def test_a_sender_that_goes_away(face: Face, sent: int, abruptly: bool) -> None:
    address, app, _ = face
    app.state.seen.clear()
    with connected(address) as connection:
        connection.sendall(head("/whole", len(FILE)) + FILE[:sent])
        if abruptly:
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    until(lambda: app.state.seen)
    assert app.state.seen == ["web.cut-off"]


def test_a_sender_that_waits_to_be_told(face: Face) -> None:
    address, _, wire = face
    with connected(address) as connection:
        for _ in range(2):
            connection.sendall(head("/whole", len(FILE), "Expect: 100-continue"))
            assert answer(connection)[0] == 100
            connection.sendall(FILE)
            assert answer(connection) == (200, of(FILE, wire=wire))


def test_without_a_length_it_goes_the_ordinary_way(face: Face) -> None:
    address, _, wire = face
    with connected(address) as connection:
        lines = "PUT /whole HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = [FILE[at : at + 100_000] for at in range(0, len(FILE), 100_000)]
        connection.sendall(lines.encode())
        for chunk in chunks:
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n" + head("/whole", 3) + b"abc")
        assert answer(connection) == (200, of(FILE, wire=wire))
        assert answer(connection) == (200, of(b"abc", wire=wire))


@pytest.mark.parametrize("path", ["/some", "/limited"])
def test_what_nobody_wants_does_not_become_a_request(face: Face, path: str) -> None:
    """Given up half way: the answer comes, the rest is read and thrown away, and a request that
    stands inside the body is not answered."""
    address, _, wire = face
    inside = head("/here", 0, method="GET") * 40_000
    with connected(address) as connection:
        whole = head(path, len(inside)) + inside + head("/whole", 3) + b"abc"
        threading.Thread(target=connection.sendall, args=(whole,)).start()
        status, said = answer(connection)
        assert (status, said.get("code")) in {(200, None), (400, "web.upload-too-big")}
        assert answer(connection) == (200, of(b"abc", wire=wire))


def test_a_sender_of_whom_nothing_more_comes(face: Face) -> None:
    """What came is not lost to who keeps it part by part (tus)."""
    address, _, _ = face
    for sent in (0, 9, 2 * TURN + 77):
        with connected(address) as connection:
            connection.sendall(head("/impatient", len(FILE)) + FILE[:sent])
            assert answer(connection) == (400, {"code": "web.cut-off", "size": sent})


def test_who_waits_for_the_disk_lets_the_sender_wait(face: Face) -> None:
    address, app, wire = face
    app.state.go_on.clear()
    large = FILE * 12
    sent = 0
    with connected(address) as connection:
        connection.sendall(head("/slow", len(large)))
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while sent < len(large):
                sent += connection.send(large[sent : sent + 65_536])
        buffers = 16 << 20  # of the two sockets, at most
        assert sent < (AHEAD + 3) * TURN + buffers < len(large)
        app.state.go_on.set()
        connection.settimeout(WAIT_SECONDS)
        connection.sendall(large[sent:])
        assert answer(connection) == (200, of(large, wire=wire))


def test_a_hundred_that_wait_keep_nobody_out(face: Face) -> None:
    address, _, wire = face
    with contextlib.ExitStack() as stack:
        sources = [f"127.0.0.{one % 4 + 1}" for one in range(100)]  # none may have them all
        idle = [stack.enter_context(connected(address, one)) for one in sources]
        for one in idle:
            one.sendall(head("/whole", LEAST * 2) + FILE[:LEAST])
        with connected(address) as connection:
            connection.sendall(head("/here", 0, method="GET"))
            assert answer(connection) == (200, {"said": "here"})
            connection.sendall(head("/whole", len(FILE)) + FILE)
            assert answer(connection) == (200, of(FILE, wire=wire))
        for one in idle:
            one.sendall(FILE[LEAST : LEAST * 2])
        for one in idle:
            assert answer(one) == (200, of(FILE[: LEAST * 2], wire=wire))


@pytest.mark.parametrize("kind", ["tus", "form", "original", "verify", "lookup"])
def test_slow_senders_keep_nobody_from_a_page(tmp_path: Path, kind: str) -> None:
    """More of them than the common pool has threads; at the end each is answered."""
    count = 45
    config = Config(tmp_path / "data", uploads_open=count)
    with serving(create_app(Platform(config))) as shown, contextlib.ExitStack() as stack:
        host, _, port = shown.address.removeprefix("http://").partition(":")
        size = LEAST + 10
        opening = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        closing = b"\r\n--b--\r\n"
        body = opening + b"x" * (size - len(opening) - len(closing)) + closing
        idle: list[socket.socket] = []
        for _ in range(count):
            address, said = beginning(shown, kind, size)
            one = stack.enter_context(connected((host, int(port))))
            method = "PATCH" if kind == "tus" else "POST"
            one.sendall(head(address, size, *said, method=method) + body[:1000])
            idle.append(one)
        assert shown.client.get("/").status_code == 200
        for one in idle:
            one.sendall(body[1000:])
        assert {int(one.recv(12).split()[1]) for one in idle} <= {200, 204, 303, 422}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/cases", "/cases/add", "/packages", "/captures"])
def test_slow_senders_of_long_forms(tmp_path: Path, path: str, *, chunked: bool) -> None:
    """Of more than is waited for without a thread: they have those of uploads. A short form
    waits behind nobody, though its account holds all the places it may."""
    kind = "application/x-www-form-urlencoded" if path == "/packages" else FORM
    size = SHORT + 1000
    with serving(create_app(Platform(Config(tmp_path / "data")))) as shown:
        host, _, port = shown.address.removeprefix("http://").partition(":")
        with contextlib.ExitStack() as stack:
            for _ in range(85):  # of the 80 that one sender may have, and the 40 of everybody
                one = stack.enter_context(connected((host, int(port))))
                opening = head(path, size, f"Content-Type: {kind}", method="POST")
                if chunked:
                    length = b"Content-Length: %d" % size
                    opening = opening.replace(length, b"Transfer-Encoding: chunked")
                    opening += b"%x\r\n" % size
                one.sendall(
                    opening + (b"--b\r\n" + b"x" * SHORT)[: SHORT + 1 if chunked else 9]
                )
            assert shown.client.get("/").status_code == 200
            assert shown.client.post(path, data={"title": "a"}).status_code < 500
            assert shown.client.get("/").status_code == 200


def test_a_form_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    """By what it announces: a stranger who signs in has no thread to keep waiting."""
    config = Config(tmp_path / "data", accounts="on")
    with serving(create_app(Platform(config))) as shown, contextlib.ExitStack() as stack:
        host, _, port = shown.address.removeprefix("http://").partition(":")
        one = stack.enter_context(connected((host, int(port))))
        said = head("/login", SHORT + 1, f"Content-Type: {FORM}", method="POST")
        one.sendall(said + b"--b\r\n")
        assert one.recv(12) == b"HTTP/1.1 413"


def test_a_long_body_is_read_in_no_thread_of_everybodys() -> None:
    app = FastAPI()

    @app.post("/")
    def forgetful(request: Request) -> Response:
        return Response(b"".join(body_of(request, limit=SHORT + 1)))

    with served(Gathered(app), "wire", "uvloop") as (address, _):
        for size, status in ((SHORT, b"200"), (SHORT + 1, b"500")):
            with connected(address) as connection:
                connection.sendall(head("/", size, method="POST") + b"x" * size)
                assert connection.recv(12) == b"HTTP/1.1 " + status


@pytest.mark.parametrize("chunked", [False, True])
def test_slow_senders_of_forms_hold_no_thread(tmp_path: Path, *, chunked: bool) -> None:
    """Of those that the common pool answers, sign-in before all."""
    with serving(create_app(Platform(Config(tmp_path / "data")))) as shown:
        host, _, port = shown.address.removeprefix("http://").partition(":")
        form = "Content-Type: application/x-www-form-urlencoded"
        body = b"name=a&size=1&sha256=" + b"0" * 64
        with contextlib.ExitStack() as stack:
            idle: list[socket.socket] = []
            for _ in range(45):
                one = stack.enter_context(connected((host, int(port))))
                opening = head("/digests", len(body), form, method="POST")
                if chunked:
                    length = b"Content-Length: %d" % len(body)
                    opening = opening.replace(length, b"Transfer-Encoding: chunked")
                    opening += b"%x\r\n" % len(body)
                one.sendall(opening + body[:9])
                idle.append(one)
            assert shown.client.get("/").status_code == 200
            for one in idle:
                one.sendall(body[9:] + (b"\r\n0\r\n\r\n" if chunked else b""))
            assert {one.recv(12) for one in idle} == {b"HTTP/1.1 303"}


def test_a_form_of_which_nothing_more_comes() -> None:
    app = probe()
    impatient = Gathered(app, patience_seconds=0.5)
    with (
        served(impatient, "wire", "uvloop") as (address, _),
        connected(address) as connection,
    ):
        connection.sendall(head("/whole", 10) + b"1234")
        assert answer(connection) == (400, {"code": "web.cut-off"})
        assert app.state.seen == ["web.cut-off"]


def beginning(shown: Shown, kind: str, size: int) -> tuple[str, tuple[str, ...]]:
    """Where to send it, and under which headers."""
    form = ("Content-Type: multipart/form-data; boundary=b",)
    match kind:
        case "form":
            return "/deposits", form
        case "verify":
            return "/verify", form
        case "lookup":
            return "/ledger/lookup", form
        case "original":
            said = {"name": "a", "size": size, "sha256": "0" * 64}
            made = shown.client.post("/api/digests", json=said).json()
            return f"/exhibits/{made['exhibit']}/original", form
        case _:
            pass
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size)}
    made = shown.client.post(
        "/api/uploads", headers={**tus, "Upload-Metadata": "filename YQ=="}
    )
    return made.headers["location"], (
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        "Content-Type: application/offset+octet-stream",
    )


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("sent", [0, LEAST, 3 * TURN])
def test_a_server_that_ends_meanwhile(loop: str, sent: int) -> None:
    """While the sender is still there and silent: `served` sees that it ended."""
    app = probe()
    with contextlib.ExitStack() as stack, served(app, "wire", loop) as (address, _):
        connection = stack.enter_context(connected(address))
        connection.sendall(head("/whole", len(FILE)) + FILE[:sent])
        connection.sendall(b"x")
        until(lambda: app.state.begun)


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def hasty(request: pytest.FixtureRequest) -> Iterator[Address]:
    with served(probe(), "hasty", request.param) as (address, _):
        yield address


def is_ended(connection: socket.socket, octet: bytes = b"") -> bool:
    """Whether the other side ends it, though such an octet is sent now and again."""
    connection.settimeout(0.2)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            connection.sendall(octet)
            if connection.recv(1) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /here HTTP/1.1\r\nX: "])
def test_a_head_that_never_ends_ends_the_connection(hasty: Address, begun: bytes) -> None:
    """Silent, or an octet at a time: as many as there are files would keep all others out."""
    with connected(hasty) as connection:
        connection.sendall(begun)
        assert is_ended(connection, b"x" if begun else b"")


def test_the_next_head_has_as_long(hasty: Address) -> None:
    with connected(hasty) as connection:
        for _ in range(2):
            connection.sendall(b"GET /here HTTP/1.1\r\nHost: here\r\n\r\n")
            assert answer(connection) == (200, {"said": "here"})
        connection.sendall(b"GET /here HTTP/1.1\r\nX: ")
        assert is_ended(connection, b"x")


@pytest.mark.parametrize("size", [LEAST // 2, 2 * LEAST])
def test_a_body_may_take_longer_than_a_head(hasty: Address, size: int) -> None:
    with connected(hasty) as connection:
        connection.sendall(head("/whole", size) + FILE[: size - 3])
        for at in range(size - 3, size):
            time.sleep(Hasty.head_seconds / 2)
            connection.sendall(FILE[at : at + 1])
        status, said = answer(connection)
        assert (status, said["size"]) == (200, size)


@pytest.mark.parametrize(
    "fields",
    [
        b"HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        b"HTTP/1.0\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_body_that_two_readers_end_elsewhere_is_refused(
    hasty: Address, fields: bytes
) -> None:
    """RFC 9112 §6.1: whoever stands before us may have seen another end, and let in behind it
    what he never judged."""
    with connected(hasty) as connection:
        connection.sendall(b"PUT /whole " + fields + b"\r\n\r\n0\r\n\r\n")
        connection.sendall(b"GET /here HTTP/1.1\r\nHost: here\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while octets := connection.recv(65536):
                said += octets
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1, "nothing behind it is a request"
