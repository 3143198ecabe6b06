"""Of a body without end: what may be called its beginning, and what is said of the rest."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer.exchange import IN_PART, RECORDED, WITHOUT_BODY, Exchange
from guzheng.capturer.streams import REPLACED, Stream

Kind = Literal["given", "told"]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARTS = st.lists(st.tuples(st.sampled_from(("given", "told")), st.binary(min_size=1)))


def _exchange(stream: Stream, **more: object) -> Exchange:
    exchange = Exchange(1, "GET", "https://a/", "eventsource", "F", "S", "1", NOON)
    exchange.stream, exchange.status = stream, 200
    exchange.octets_reported = stream.reported
    for name, value in more.items():
        setattr(exchange, name, value)
    exchange.close()
    return exchange


@given(PARTS, st.booleans(), st.integers(0, 9))
def test_only_a_true_beginning_is_kept(
    parts: list[tuple[Kind, bytes]], has_kept: bool, heard_after: int
) -> None:
    """`told`: without octets, as before it was asked. The answer is heard after some parts."""
    whole = b"".join(octets for _, octets in parts)
    asked = next((n for n, (kind, _) in enumerate(parts) if kind == "given"), len(parts))
    before = b"".join(octets for _, octets in parts[:asked])
    stream, heard = Stream(), min(asked + heard_after, len(parts))
    for n in range(len(parts) + 1):
        if n == heard:
            stream.begin(before if has_kept else b"")
        if n < len(parts):
            kind, octets = parts[n]
            stream.take(len(octets), octets if kind == "given" else b"")
    assert stream.reported == len(whole)
    assert whole.startswith(stream.beginning)
    assert bool(stream.why) == (stream.beginning != whole)
    if before and not has_kept:
        assert stream.beginning == b""
        assert f"the first {len(before)} of {len(whole)} octets" in stream.why


def test_what_was_told_before_anybody_asked_is_missing() -> None:
    stream = Stream(14)
    stream.begin(b"")
    assert [stream.take(14, b"data: tick 1\n\n") for _ in range(3)] == [0, 0, 0]
    exchange = _exchange(stream, failed_because="net::ERR_ABORTED")
    assert (exchange.outcome, exchange.body) == (WITHOUT_BODY, None)
    assert exchange.why == (
        "net::ERR_ABORTED; the first 14 of 56 octets came before they were asked for"
    )


def test_a_body_that_ended_is_given_whole_whatever_was_missed() -> None:
    stream = Stream(4)
    stream.begin(b"")
    stream.take(4, b"cdef")
    exchange = _exchange(stream, body=b"abcdcdef", finished=True)
    assert (exchange.outcome, exchange.body) == (RECORDED, b"abcdcdef")


def test_what_follows_a_gap_is_counted_alone() -> None:
    stream = Stream()
    stream.begin(b"")
    assert stream.take(2, b"ab") == 2
    assert stream.take(2, b"") == 0
    assert stream.take(2, b"ef") == 0
    stream.begin(b"")  # asked again
    exchange = _exchange(stream)
    assert (exchange.outcome, exchange.body) == (IN_PART, b"ab")
    assert exchange.why == "the body had not ended; 2 of 6 octets were given"


@pytest.mark.parametrize("kept", [b"", b"\x89PNG of the last alone"])
def test_of_pictures_that_replace_each_other_the_last_is_not_the_body(kept: bytes) -> None:
    stream = Stream(100)
    stream.begin(b"")
    exchange = _exchange(stream, kind="image", mime=REPLACED, body=kept)
    assert (exchange.outcome, exchange.body) == (WITHOUT_BODY, None)
