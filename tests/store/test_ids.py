"""Ids: one spelling, sorted by time, nothing of ours decides the time or the chance."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.refusals import Refused
from guzheng.store import ids

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 200 * 366 * 86_400_000_000).map(
    lambda microseconds: EPOCH + timedelta(microseconds=microseconds)
)


def test_the_layout_is_that_of_a_ulid() -> None:
    # The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
    then = EPOCH + timedelta(milliseconds=1469918176385)
    assert ids.new("ex", then, bytes) == "ex_01ARYZ6S41" + "0" * 16
    assert ids.new("ex", then, lambda size: b"\xff" * size) == "ex_01ARYZ6S41" + "Z" * 16


@given(TIMES, st.binary(min_size=10, max_size=10))
def test_what_is_new_is_an_id(now: datetime, chance: bytes) -> None:
    made = ids.new("ex", now, lambda size: chance[:size])
    assert ids.require_id(made, "ex") == made


@given(TIMES, TIMES)
def test_ids_sort_by_time_to_the_millisecond(one: datetime, two: datetime) -> None:
    first, second = (ids.new("ex", now, bytes) for now in (one, two))
    if one - two >= timedelta(milliseconds=1):
        assert first > second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ex_",
        "ac_01ARYZ6S410000000000000000",
        "ex_01ARYZ6S41000000000000000",
        "ex_01ARYZ6S4100000000000000000",
        "ex_81ARYZ6S410000000000000000",
        "ex_01aryz6s410000000000000000",
        "ex_01ARYZ6S41000000000000000I",
        "ex_01ARYZ6S41000000000000000U",
        "ex_01ARYZ6S410000000000000000\n",
        "ex_../../../../../../../etc/pa",
    ],
)
def test_what_is_not_an_id(text: str) -> None:
    with pytest.raises(Refused) as refused:
        ids.require_id(text, "ex")
    assert refused.value.code == "store.not-an-id"


def test_a_time_before_1970_has_no_id() -> None:
    with pytest.raises(ValueError, match="no id"):
        ids.new("ex", datetime(1969, 12, 31, tzinfo=UTC), bytes)


def test_an_id_says_when_it_was_made() -> None:
    at = datetime(2026, 11, 21, 10, 44, 12, 38_000, tzinfo=UTC)
    assert ids.made_at(ids.new("ex", at, lambda size: b"\xff" * size)) == at
    with pytest.raises(Refused):
        ids.made_at("ex_not-an-id")
