"""HTTP as it passed: each way of saying an exchange, and each way of saying it wrongly."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import Malformed
from guzheng.transcript import http1, http2
from guzheng.transcript.exchanges import Exchange, url_of
from guzheng.transcript.http1 import Side
from guzheng.transcript.websocket import frames_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def first(sent: bytes, received: bytes, *, ended_well: bool = True) -> list[Exchange]:
    found: list[Exchange] = []
    sides = (Side(sent, [], ended_well=True), Side(received, [], ended_well=ended_well))
    http1.exchanges_of(1, "http", *sides, found)
    return found


@pytest.mark.parametrize(
    ("answer", "body", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", b"ok", False),
        (b"HTTP/1.1 200\r\nContent-Length: 2, 2\r\n\r\nok", b"ok", True),
        (b"HTTP/1.1 200 OK\n\nuntil the end", b"until the end", True),
        (b"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nA: b\r\n\r\n",
         b"ok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", b"ok", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"ok", False),
        (b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n  folded\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Len", b"", False),
        (b"", b"", False),
    ],
)  # fmt: skip
def test_an_answer_ends_as_rfc_9112_says(answer: bytes, body: bytes, *, whole: bool) -> None:
    (one,) = first(GET, answer)
    assert (bytes(one.body), one.whole) == (body, whole)
    assert bool(one.why) == (not whole)


def test_a_body_without_end_that_was_cut_off_is_not_whole() -> None:
    (one,) = first(GET, b"HTTP/1.1 200 OK\r\n\r\nsome", ended_well=False)
    assert (bytes(one.body), one.whole) == (b"some", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n",
        b"HTTP/1.1 99 ?\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * (2 << 20) + b"\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        first(GET, answer)
    assert caught.value.code == "transcript.http-malformed"


def test_bodies_of_requests_are_passed_over() -> None:
    sent = b"POST /a HTTP/1.1\r\nHost: A:80\r\nContent-Length: 3\r\n\r\nGET" + GET
    sent += b"PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n"
    found = first(sent, b"HTTP/1.1 204 No\r\n\r\n" * 3)
    assert [(one.method, one.url, bytes(one.request_body)) for one in found] == [
        ("POST", "http://a/a", b"GET"),
        ("GET", "http://a/", b""),
        ("PUT", "http:///b", b"GET"),
    ]


def test_a_socket_is_counted() -> None:
    sent = GET + b"\x81\x85aaaa" + b"hello" + b"\x88\x80aaaa"
    answer = b"HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\n\r\n\x01\x02ab\x80\x01c\x82\x7e\x00\x7e"
    (one,) = first(sent, answer + bytes(126) + b"\x81\x7f\0\0")
    assert one.frames is not None
    assert (one.frames.sent, one.frames.received, one.frames.control) == (1, 2, 1)
    with pytest.raises(Malformed):
        frames_of(b"\x83\x00", b"")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_octets_are_read_or_refused(sent: bytes, received: bytes) -> None:
    for prefix, answer in ((b"", b""), (GET, b"HTTP/1.1 200 OK\r\n")):
        try:
            first(prefix + sent, answer + received)
        except Malformed as error:
            assert error.code == "transcript.http-malformed"


@pytest.mark.parametrize(
    ("authority", "target", "url"),
    [
        ("A.Example:443", "/x?y", "https://a.example/x?y"),
        ("a:8443", "/", "https://a:8443/"),
        ("a", "https://b/c", "https://b/c"),
    ],
)
def test_a_url_is_spelled_as_a_browser_does(authority: str, target: str, url: str) -> None:
    assert url_of("https", authority, target) == url


# ---- HTTP/2

ASKED = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return (
        len(content).to_bytes(3, "big")
        + bytes((kind, flags))
        + stream.to_bytes(4, "big")
        + content
    )


def second(sent: bytes, received: bytes) -> list[Exchange]:
    found: list[Exchange] = []
    sides = (
        Side(http2.PREFACE + sent, [], ended_well=True),
        Side(received, [], ended_well=True),
    )
    http2.exchanges_of(1, *sides, found)
    return found


def test_an_exchange_of_http2() -> None:
    mine, theirs = hpack.Encoder(), hpack.Encoder()
    block = mine.encode(ASKED)
    sent = frame(4, 0, 0, b"\0\1\0\1\0\0") + frame(
        1, 0x1 | 0x20, 1, b"\0\0\0\0\x10" + block[:5]
    )
    sent += frame(9, 0x4, 1, block[5:])
    sent += frame(1, 0x4 | 0x1 | 0x8, 3, b"\2" + mine.encode(ASKED) + b"\0\0")
    theirs.header_table_size = 65536
    answer = frame(4, 1, 0) + frame(1, 4, 1, theirs.encode([(":status", "103")]))
    answer += frame(1, 4, 1, theirs.encode([(":status", "200"), ("x", "y" * 5000)]))
    answer += frame(0, 0x8, 1, b"\3bodypad") + frame(6, 0, 0, bytes(8))
    answer += frame(1, 5, 1, theirs.encode([("trailer", "t")]))
    answer += frame(1, 4, 3, theirs.encode([(":status", "200"), ("x", "y" * 5000)]))
    answer += frame(3, 0, 3, b"\0\0\0\2")
    one, other = second(sent, answer)
    assert (one.status, bytes(one.body), one.whole, one.informed) == (200, b"body", True, [103])
    assert one.url == "https://a/"
    assert (other.status, other.whole) == (200, False)
    assert other.why == "the server ended the stream (code 2)"


def test_what_the_server_pushes_leaves_the_table_as_it_must_be() -> None:
    mine, theirs = hpack.Encoder(), hpack.Encoder()
    sent = frame(1, 5, 1, mine.encode(ASKED))
    answer = frame(5, 4, 1, b"\0\0\0\2" + theirs.encode([*ASKED, ("k", "v")]))
    answer += frame(1, 4, 2, theirs.encode([(":status", "200"), ("k", "v")]))
    answer += frame(1, 5, 1, theirs.encode([(":status", "404"), ("k", "v")]))
    (one,) = second(sent, answer)
    assert (one.status, dict(one.response_headers)["k"]) == (404, "v")


@pytest.mark.parametrize(
    "answer",
    [
        frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(1, 0, 1, b"\x88") + frame(0, 0, 1),
        frame(1, 0, 1, b"\x88") + frame(9, 4, 3),
        frame(0, 8, 1, b"\5abc"),
        frame(1, 4, 0, b"\x88"),
        frame(1, 5, 1, b"\x0f\x00\x03:st"),
    ],
)
def test_frames_out_of_their_form_are_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        second(frame(1, 5, 1, hpack.Encoder().encode(ASKED)), answer)


def test_a_bomb_of_headers_is_refused() -> None:
    encoder = hpack.Encoder()
    block = encoder.encode([("a", "b" * 4000)])
    bomb = block + encoder.encode([("a", "b" * 4000)]) * 2000
    with pytest.raises(Malformed):
        second(frame(1, 5, 1, hpack.Encoder().encode(ASKED)), frame(1, 5, 1, bomb))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_frames_are_read_or_refused(sent: bytes, received: bytes) -> None:
    whole = frame(1, 5, 1, hpack.Encoder().encode(ASKED))
    for prefix, octets in ((b"", b""), (whole, b"\0\0\x10\x01\x04\0\0\0\x01")):
        try:
            second(prefix + sent, octets + received)
        except Malformed as error:
            assert error.code == "transcript.http-malformed"
