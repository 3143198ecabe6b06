"""Time in papers: one spelling, always with a zone, cut and never rounded."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof import instant
from guzheng.proof.errors import Malformed
from tests.strategies import INSTANTS

NOON = datetime(2026, 11, 21, 12, 0, 0, 38_999, tzinfo=UTC)
FIRST = datetime(instant.FIRST_YEAR, 1, 1, tzinfo=UTC)
LAST = datetime(instant.LAST_YEAR, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@given(INSTANTS)
@example(FIRST)
@example(LAST)
def test_parse_undoes_encode(at: datetime) -> None:
    text = instant.encode(at)
    assert instant.parse(text) == at
    assert len(text) == 24
    assert len(instant.beijing(at)) == 35  # and every time can be shown


def test_milliseconds_are_cut() -> None:
    assert instant.encode(NOON) == "2026-11-21T12:00:00.038Z"


def test_a_zone_is_turned_into_utc() -> None:
    shanghai = NOON.astimezone(timezone(timedelta(hours=8)))
    assert instant.encode(shanghai) == instant.encode(NOON)
    assert instant.beijing(NOON) == "2026-11-21 20:00:00.038 (UTC+08:00)"


def test_a_time_without_a_zone_is_no_evidence() -> None:
    with pytest.raises(Malformed) as refusal:
        instant.encode(NOON.replace(tzinfo=None))
    assert refusal.value.code == "instant.no-zone"


@pytest.mark.parametrize(
    "at",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
        datetime(instant.LAST_YEAR, 12, 31, 23, tzinfo=timezone(-timedelta(hours=12))),
    ],
)
def test_the_ends_of_the_calendar_are_no_time_of_evidence(at: datetime) -> None:
    with pytest.raises(Malformed) as refusal:
        instant.encode(at)
    assert refusal.value.code == "instant.malformed"


@given(st.text("0123456789-:.TZ+ ", max_size=26) | st.text(max_size=30))
@example("2026-11-21T12:00:00Z")
@example("2026-11-21T12:00:00.0Z")
@example("2026-11-21T12:00:00.000000Z")
@example("2026-11-21 12:00:00.000Z")
@example("2026-11-21t12:00:00.000z")
@example("2026-11-21T12:00:00.000+00:00")
@example("2026-11-21T24:00:00.000Z")
@example("2026-11-21T12:00:60.000Z")
@example("2026-02-29T12:00:00.000Z")
@example("0000-11-21T12:00:00.000Z")
@example("0999-11-21T12:00:00.000Z")
@example("9999-12-31T23:59:59.999Z")
@example("２０２６-11-21T12:00:00.000Z")
@example("2026-11-21T12:00:00.000Z\n")
@example("2026-W47-6T12:00:00.000Z")
def test_any_other_spelling_is_refused(text: str) -> None:
    try:
        at = instant.parse(text)
    except Malformed as refusal:
        assert refusal.code == "instant.malformed"
    else:
        assert instant.encode(at) == text
