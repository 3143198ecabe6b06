"""How `guzheng tsa` reads HTTP: octet by octet, hostile, ahead of the answer, to the end."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.app import Platform
from guzheng.app.timestamping import QUERY, REPLY
from guzheng.config import Config
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.web import heads
from guzheng.web.stamping import Stamping
from tests.faces.talking import Door, opened_door

ASKED = timestamp.encode_request(sha256(b"a photograph"), 0x1234_5678_9ABC)


def head(*fields: str, start: str = "POST /tsa HTTP/1.1", length: int | None = None) -> bytes:
    lines = [start, "Host: tsa.example", f"Content-Type: {QUERY}", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


QUESTION = head(length=len(ASKED)) + ASKED


@contextlib.contextmanager
def opened(platform: Platform, most: int = 900) -> Iterator[Door]:
    with opened_door(partial(Stamping, platform.timestamping), most) as door:
        yield door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    data = tmp_path_factory.mktemp("door") / "data"
    with opened(Platform(Config(data, tsa_rate=0, clock_profile="evaluation"))) as one:
        yield one


def require_token(answer: tuple[int, dict[str, str], bytes]) -> None:
    status, fields, body = answer
    assert (status, fields["content-type"]) == (200, REPLY)
    assert timestamp.parse(body).imprint == sha256(b"a photograph").value
    assert fields["date"].endswith(" GMT")


def test_octet_by_octet(door: Door) -> None:
    with door.connected() as talk:
        for at in range(len(QUESTION)):
            talk.send(QUESTION[at : at + 1])
        require_token(talk.answer())


def test_what_is_sent_ahead_is_answered_in_order(door: Door) -> None:
    other = head(start="GET /tsa HTTP/1.1")
    with door.connected() as talk:
        talk.send((QUESTION + other) * 40 + QUESTION)
        for _ in range(40):
            require_token(talk.answer())
            assert talk.answer()[0] == 405
        require_token(talk.answer())


def test_far_more_ahead_than_is_kept(door: Door) -> None:
    count = 800
    with door.connected() as talk:
        sender = threading.Thread(target=talk.send, args=(QUESTION * count,))
        sender.start()
        for _ in range(count):
            require_token(talk.answer())
        sender.join(60)


def test_who_closed_his_half_is_answered(door: Door) -> None:
    with door.connected() as talk:
        talk.send(QUESTION)
        talk.socket.shutdown(socket.SHUT_WR)
        require_token(talk.answer())
        assert talk.is_ended()


@pytest.mark.parametrize(
    ("request_head", "keeps"),
    [
        (head(length=len(ASKED)), True),
        (head("Connection: close", length=len(ASKED)), False),
        (head("Connection: x, Close", length=len(ASKED)), False),
        (head(start="POST /tsa HTTP/1.0", length=len(ASKED)), False),
        (head(start="POST http://tsa.example/tsa?x=1 HTTP/1.1", length=len(ASKED)), True),
    ],
)
def test_a_connection_is_kept_or_closed(door: Door, request_head: bytes, keeps: bool) -> None:
    with door.connected() as talk:
        talk.send(request_head + ASKED)
        answer = talk.answer()
        require_token(answer)
        assert (answer[1].get("connection") == "close") is not keeps
        if keeps:
            talk.send(request_head + ASKED)
            require_token(talk.answer())
        else:
            assert talk.is_ended()


def test_who_waits_for_leave_is_given_it(door: Door) -> None:
    with door.connected() as talk:
        talk.send(head("Expect: 100-continue", length=len(ASKED)))
        assert talk.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        talk.send(ASKED)
        require_token(talk.answer())
        talk.send(head("Expect: 100-continue", length=len(ASKED)) + ASKED)
        require_token(talk.answer())  # it did not wait


def test_chunks_and_what_comes_after_them(door: Door) -> None:
    cut = b"%x;x=y\r\n%b\r\n1\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (
        len(ASKED) - 1,
        ASKED[:-1],
        ASKED[-1:],
    )
    with door.connected() as talk:
        talk.send(head("Transfer-Encoding: chunked") + cut + QUESTION)
        require_token(talk.answer())
        require_token(talk.answer())
        for at in range(0, len(cut), 7):
            talk.send(
                (head("Transfer-Encoding: chunked") if at == 0 else b"") + cut[at : at + 7]
            )
        require_token(talk.answer())


def test_too_much_is_refused_and_still_read(door: Door) -> None:
    with door.connected() as talk:
        talk.send(head(length=1_000_000) + bytes(1_000_000))
        status, fields, _ = talk.answer()
        assert (status, fields["connection"]) == (413, "close")
    with door.connected() as talk, contextlib.suppress(OSError):
        talk.send(head("Transfer-Encoding: chunked") + b"4000\r\n" + bytes(0x4000))
        assert talk.answer()[0] == 413
        while True:  # who never ends is cut off
            talk.send(bytes(65536))


def test_nothing_is_said_to_who_asks_for_the_head_alone(door: Door) -> None:
    with door.connected() as talk:
        talk.send(head(start="HEAD /tsa HTTP/1.1") + QUESTION)
        answered = b""
        while not answered.endswith(b"\r\n\r\n"):
            answered += talk.socket.recv(1)
        assert answered.startswith(b"HTTP/1.1 405 ")
        require_token(talk.answer())


MALFORMED = [
    b"\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /tsa\r\n\r\n",
    QUESTION.replace(b"Host: tsa.example\r\n", b""),
    QUESTION.replace(b"Host:", b"Host :"),
    QUESTION.replace(b"\r\nContent-Type", b"\nContent-Type"),
    QUESTION.replace(b"Content-Type", b" folded: x\r\nContent-Type"),
    QUESTION.replace(b"Host:", b"A\0B: c\r\nHost:"),
    head("Transfer-Encoding: chunked", length=len(ASKED)) + ASKED,
    head("Transfer-Encoding: chunked", start="POST /tsa HTTP/1.0") + b"0\r\n\r\n",
    head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    head("Content-Length: 1", length=2) + b"xx",
    head("Content-Length: +1") + b"x",
    head("Content-Length: 0x1") + b"x",
    head("Transfer-Encoding: chunked") + b"+1\r\nx\r\n0\r\n\r\n",
    head("Transfer-Encoding: chunked") + b"1\r\nxx\r\n0\r\n\r\n",
    head("X: " + "x" * heads.HEAD_LIMIT, length=len(ASKED)) + ASKED,
    b"x" * (heads.HEAD_LIMIT + 1),
]


@pytest.mark.parametrize("octets", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_not_http_ends_the_connection(door: Door, octets: bytes) -> None:
    with door.connected() as talk:
        talk.send(QUESTION + octets + QUESTION)
        require_token(talk.answer())
        status, fields, body = talk.answer()
        assert (status, fields["connection"], body) == (400, "close", b"")
        assert talk.is_ended()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(QUESTION)), st.integers(0, 3), st.binary(max_size=4)).map(
        lambda one: QUESTION[: one[0]] + one[2] + QUESTION[one[0] + one[1] :]
    )
)
def test_no_octets_disturb_the_others(door: Door, octets: bytes) -> None:
    with door.connected() as steady, door.connected() as talk:
        talk.send(octets)
        talk.socket.shutdown(socket.SHUT_WR)
        while talk.socket.recv(65536):
            pass
        steady.send(QUESTION)
        require_token(steady.answer())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["Content-Length", "content-length", "Transfer-Encoding", "Connection", "X"]
            ),
            st.sampled_from(
                ["69", "069", "70", "chunked", "Chunked", "close", "a, b", " ", "\t"]
            ),
        ),
        max_size=4,
    )
)
def test_a_remembered_verdict_is_the_verdict(fields: list[tuple[str, str]]) -> None:
    octets = head(*(f"{name}: {value}" for name, value in fields))

    def verdict() -> object:
        try:
            return heads.judged(octets)
        except heads.Malformed:
            return None

    first = verdict()
    assert verdict() == first
    heads.judged.cache_clear()
    assert verdict() == first
    if isinstance(first, heads.Head):
        lengths = {value for name, value in fields if name.lower() == "content-length"}
        assert first.length is None or first.length == int(next(iter(lengths), "0"))


def test_who_was_asked_answers_before_it_ends(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data", tsa_rate=0, clock_profile="evaluation"))
    with opened(platform) as door, door.connected() as idle, door.connected() as talk:
        for one in (idle, talk):
            one.send(QUESTION)
            require_token(one.answer())
        talk.send(QUESTION)
        until = time.monotonic() + 60
        while not any(one.owed for one in list(door.face.connections)):
            if select.select([talk.socket], [], [], 0)[0]:
                break  # it was answered faster than we look
            assert time.monotonic() < until
        door.loop.call_soon_threadsafe(door.ended.set)
        require_token(talk.answer())
        assert idle.is_ended()
        assert talk.is_ended()


def test_nobody_is_served_beyond_the_limit(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data", tsa_rate=0, clock_profile="evaluation"))
    with opened(platform, 2) as door, door.connected() as first, door.connected() as second:
        for one in (first, second):
            one.send(QUESTION)
            require_token(one.answer())
        with door.connected() as third:
            assert third.answer()[0] == 503
        first.send(QUESTION)
        require_token(first.answer())
    assert platform.timestamping.counts.totals()["refused.web.busy"] == 1
