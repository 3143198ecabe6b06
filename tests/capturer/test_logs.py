"""What is heard during a visit, within its limits: frames, console, and the list made of both.

A page decides how much it says and what; the limits decide how much of it is kept, and whatever
is left out is said.
"""

import base64
import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer import har
from guzheng.capturer.clock import Clock
from guzheng.capturer.console import ConsoleLog
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.limits import (
    CONSOLE_LINES,
    CONSOLE_OCTETS,
    CONSOLE_TEXT,
    SOCKET_FRAMES,
    SOCKET_PAYLOAD_OCTETS,
    SOCKETS_OCTETS,
)
from guzheng.capturer.matroska import MatroskaWriter
from guzheng.capturer.sockets import SocketLog
from guzheng.proof import canonical
from tests.ebml import elements

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLOCK = Clock(now=lambda: NOON, monotonic=lambda: 100.0)


def _exchange(**more: object) -> Exchange:
    values: dict[str, object] = {
        "number": 7,
        "method": "GET",
        "url": "ws://example.org/socket",
        "kind": "websocket",
        "frame": "",
        "session": "",
        "request": "r1",
        "began_at": NOON,
    }
    return Exchange(**{**values, **more})  # type: ignore[arg-type]


def _frame(payload: str, opcode: int = 1, at: float = 11.5) -> dict[str, object]:
    return {"timestamp": at, "response": {"opcode": opcode, "payloadData": payload}}


def _lines(octets: bytes | None) -> list[dict[str, object]]:
    return [json.loads(line) for line in (octets or b"").splitlines()]


def test_no_socket_no_item() -> None:
    assert SocketLog().octets is None


def test_a_frame_has_its_time_by_the_clocks_of_the_browser() -> None:
    log, exchange = SocketLog(), _exchange()
    log.opened(exchange, {"timestamp": 10.0})
    log.take(exchange, "sent", _frame("固证"))
    log.take(exchange, "received", _frame(base64.b64encode(b"\xff\x00").decode(), 2, 9.0))
    _, text, octets = _lines(log.octets)
    assert text == {
        "request": 7,
        "observed_at": "2026-11-22T12:00:01.500Z",
        "direction": "sent",
        "opcode": 1,
        "octets": 6,
        "sha256": hashlib.sha256("固证".encode()).hexdigest(),
        "text": "固证",
    }
    assert octets["base64"] == "/wA="
    assert octets["observed_at"] == "2026-11-22T12:00:00.000Z"  # never before it was opened
    assert not log.is_cut


def test_a_long_frame_and_one_past_the_room_are_kept_by_digest() -> None:
    log, exchange = SocketLog(), _exchange()
    log.opened(exchange, {})
    long = "x" * (SOCKET_PAYLOAD_OCTETS + 1)
    log.take(exchange, "received", _frame(long))
    full = "y" * SOCKET_PAYLOAD_OCTETS
    for _ in range(SOCKETS_OCTETS // SOCKET_PAYLOAD_OCTETS + 1):
        log.take(exchange, "received", _frame(full))
    _, first, *others, last = _lines(log.octets)
    assert log.is_cut
    assert "text" not in first
    assert first["sha256"] == hashlib.sha256(long.encode()).hexdigest()
    assert all(one["text"] == full for one in others)
    assert "text" not in last
    assert last["octets"] == SOCKET_PAYLOAD_OCTETS


def test_more_frames_than_a_reader_can_count_are_not_listed() -> None:
    log, exchange = SocketLog(), _exchange()
    log.opened(exchange, {})
    for _ in range(SOCKET_FRAMES + 10):
        log.take(exchange, "received", _frame(""))
    assert log.is_cut
    assert (log.octets or b"").count(b"\n") == SOCKET_FRAMES + 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"]),
    st.dictionaries(
        st.sampled_from(
            ["args", "timestamp", "type", "entry", "exceptionDetails", "stackTrace"]
        ),
        json_values,
    ),
)
def test_whatever_the_browser_tells_becomes_a_line(
    method: str, values: dict[str, object]
) -> None:
    log = ConsoleLog(CLOCK)
    log.take(method, values, "s")
    for line in log.octets.splitlines():
        canonical.parse_object(line)


frames = st.dictionaries(st.sampled_from(["opcode", "payloadData"]), json_values)


@given(
    st.fixed_dictionaries(
        {}, optional={"timestamp": json_values, "response": frames, "data": json_values}
    )
)
def test_whatever_a_socket_tells_becomes_a_line(values: dict[str, object]) -> None:
    log, exchange = SocketLog(), _exchange()
    log.opened(exchange, values)
    log.take(exchange, "received", values)
    log.take_event(exchange, values)
    for line in (log.octets or b"").splitlines():
        canonical.parse_object(line)


def test_a_console_that_floods_is_shut() -> None:
    log = ConsoleLog(CLOCK)
    call = {"type": "log", "args": [{"value": "again"}], "timestamp": 1.0e12}
    for _ in range(CONSOLE_LINES + 10):
        log.take("Runtime.consoleAPICalled", call, "s")
    assert log.is_cut
    assert len(log.octets.splitlines()) == CONSOLE_LINES + 1
    log = ConsoleLog(CLOCK)
    call = {"type": "log", "args": [{"value": "z" * 10 * CONSOLE_TEXT}]}
    for _ in range(CONSOLE_OCTETS // CONSOLE_TEXT + 10):
        log.take("Runtime.consoleAPICalled", call, "s")
    assert log.is_cut
    assert len(log.octets) < CONSOLE_OCTETS + 10 * CONSOLE_TEXT


def test_the_har_takes_what_pages_send() -> None:
    exchange = _exchange(
        method="POST",
        url="http://example.org/?a=1&b=%ff&a=",
        kind="fetch",
        request_headers=[("Content-Type", "text/\ud800"), ("X", "y")],
        request_body=b"\xff" * 100_000,
        response_headers=[("Set-Cookie", "a"), ("Set-Cookie", "b")],
        status=200,
        body=b"answer",
        finished=True,
        asked=1.0,
        answered=1.25,
        ended=1.5,
    )
    exchange.close()
    octets = har.encode(
        [exchange], url="u", title="", at=NOON, software="guzheng-capturer 1", browser="C/1"
    )
    (entry,) = json.loads(octets)["log"]["entries"]
    assert entry["timings"] == {"send": 0, "wait": 250, "receive": 250}
    assert entry["request"]["queryString"][0] == {"name": "a", "value": "1"}
    assert entry["request"]["bodySize"] == 100_000
    assert entry["response"]["content"]["_sha256"] == hashlib.sha256(b"answer").hexdigest()
    assert [one["value"] for one in entry["response"]["headers"]] == ["a", "b"]


@pytest.mark.parametrize("times", [[0], [0, 0, 1], [0, 40, 30, 20_000, 20_001, 90_000]])
def test_a_film_has_its_frames_at_their_times(times: list[int]) -> None:
    out = io.BytesIO()
    writer = MatroskaWriter(out, width=4, height=2, began_at=NOON, software="test")
    for number, at in enumerate(times):
        writer.add(at, b"jpeg%d" % number)
    writer.close()
    parts = elements(out.getvalue())
    assert list(parts) == [0x1A45DFA3, 0x18538067]  # the size of the segment is the true one
    segment = elements(parts[0x18538067][0])
    found = []
    for cluster in segment[0x1F43B675]:
        inside = elements(cluster)
        began = int.from_bytes(inside[0xE7][0], "big")
        for block in inside[0xA3]:
            found.append((began + int.from_bytes(block[1:3], "big", signed=True), block[4:]))
    later = [max(times[: number + 1]) for number in range(len(times))]
    assert found == [(at, b"jpeg%d" % number) for number, at in enumerate(later)]
    first = elements(elements(segment[0x1C53BB6B][0])[0xBB][0])
    place = int.from_bytes(elements(first[0xB7][0])[0xF1][0], "big")
    start = out.getvalue().index(b"\x15\x49\xa9\x66")
    assert out.getvalue()[start + place :].startswith(b"\x1f\x43\xb6\x75")  # a cue finds it
