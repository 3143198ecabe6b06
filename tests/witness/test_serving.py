"""The small HTTP server: whatever is thrown at it, it answers in bounds, and goes on."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner import Refused
from guzheng.cosigner.serving import AT_ONCE, Answer, Asked, Server

DEADLINE = 60.0
LIMIT = 1000


def echo(asked: Asked) -> Answer:
    if asked.path == "/broken":
        raise LookupError("a bug of ours")
    return Answer(200, f"{asked.method} {asked.path} {len(asked.body)}".encode())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server("127.0.0.1", 0, echo, largest_body=LIMIT)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join(DEADLINE)
    server.server_close()


def send(server: Server, octets: bytes) -> bytes:
    """All that comes back until the server ends the connection, or says no more."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as peer:
        peer.sendall(octets)
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while block := peer.recv(65536):
                answer += block
        return answer


def post(head: str, body: bytes = b"") -> bytes:
    return f"POST /x HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("octets", "wanted"),
    [
        (post("Content-Length: 3\r\n", b"abc"), 200),
        (post("Content-Length: 1000\r\n", bytes(1000)), 200),
        (post("Content-Length: 1001\r\n"), 413),
        (post("Content-Length: 99999999999999999999\r\n"), 413),
        (post(""), 411),
        (post("Content-Length: -1\r\n"), 411),
        (post("Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), 411),
        (post("Content-Length: 0x3\r\n", b"abc"), 411),
        (post("Content-Length: \u0663\r\n", b"abc"), 411),
        (post("Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 411),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"abc"), 411),
        (b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
def test_each_request_has_its_answer(server: Server, octets: bytes, wanted: int) -> None:
    answer = send(server, octets)
    assert b"Traceback" not in answer
    if answer.startswith(b"HTTP/"):
        assert status(answer) == wanted
    else:  # before a version is known it answers as HTTP/0.9 does, without a status line
        assert wanted in (400, 505)
        assert b"Error response" in answer


def test_a_head_has_no_body_and_a_connection_is_kept(server: Server) -> None:
    two = b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = send(server, two)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"HEAD /a" not in answer
    assert answer.endswith(b"GET /b 0")
    assert b"Server: guzheng\r\n" in answer


def test_what_follows_a_body_that_was_not_read_is_no_request(server: Server) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n"
    answer = send(server, head.encode() + hidden)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"hidden" not in answer
    refused = send(server, post("Content-Length: 5000\r\n", hidden * 2))
    assert refused.count(b"HTTP/1.1 ") == 1


def test_a_body_cut_short_is_not_judged(server: Server) -> None:
    assert send(server, post("Content-Length: 10\r\n", b"abc")) == b""


def test_a_fault_of_ours_ends_one_connection_only(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    assert send(server, b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert status(send(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == 200
    said = capfd.readouterr().err
    assert "a bug of ours" not in said


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=400) | st.binary(max_size=200).map(b"POST /x HTTP/1.1\r\n".__add__))
def test_any_octets(server: Server, octets: bytes) -> None:
    answer = send(server, octets)
    assert b"Traceback" not in answer
    assert status(send(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


@pytest.mark.parametrize(
    "begun",
    [b"G", b"GET / HTTP/1.1\r\nx: ", post("Content-Length: 1000\r\n"), post("x: ")[:-4]],
)
def test_whoever_trickles_is_cut_off(begun: bytes) -> None:
    """An octet now and again is no silence; as many of these as there are places, and nobody
    would be cosigned for."""
    server = Server("127.0.0.1", 0, echo, largest_body=LIMIT, request_seconds=1.0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as peer:
            peer.sendall(begun)
            until, ended = time.monotonic() + DEADLINE, False
            while not ended and time.monotonic() < until:
                try:
                    peer.sendall(b"x")
                    ended = peer.recv(1) == b""
                except TimeoutError:
                    continue
                except OSError:
                    ended = True
            assert ended
        assert status(send(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == 200
    finally:
        server.shutdown()
        thread.join(DEADLINE)
        server.server_close()


def test_more_at_once_than_there_are_places(server: Server) -> None:
    """Those who say nothing take their places; when they go, others are served again."""
    silent = [
        socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
        for _ in range(AT_ONCE + 5)
    ]
    for one in silent:
        one.close()
    assert status(send(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


def test_a_port_that_is_taken(server: Server) -> None:
    with pytest.raises(Refused) as refused:
        Server("127.0.0.1", server.port, echo, largest_body=LIMIT)
    assert refused.value.code == "cosigner.port-taken"
    with pytest.raises(Refused):
        Server("no.such.host.invalid", 0, echo, largest_body=LIMIT)
