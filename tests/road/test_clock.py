"""The clock is an argument: what happens when it is wrong, and in years to come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.proof import instant
from guzheng.refusals import Unavailable
from tests.road.deaths import silent
from tests.road.test_fsck import places

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that one can set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def platform(tmp_path: Path, clock: Clock) -> Platform:
    config = Config(tmp_path)
    return Platform(config, open_parts(config, now=clock))


@pytest.mark.timeout(60)  # at this very time asyncio once spelled out the signature for minutes
def test_every_time_is_the_given_clocks(platform: Platform, clock: Clock) -> None:
    exhibit = platform.deposit("a.txt", [b"words"])
    clock.at += timedelta(minutes=5)
    assert platform.walk(exhibit, silent) == "certified"
    facts = platform.exhibit(exhibit).facts
    assert facts is not None
    assert facts["observed_at"] == instant.encode(NOON)
    assert isinstance(facts["seal"], dict)
    assert facts["seal"]["attested_at"] == instant.encode(NOON + timedelta(minutes=5))


def test_a_clock_that_was_ahead_when_the_file_came_in(platform: Platform, clock: Clock) -> None:
    """A seal from before the file came in would refute itself for ever: it is waited for."""
    clock.at = NOON + timedelta(hours=1)
    exhibit = platform.deposit("a.txt", [b"words"])
    clock.at = NOON
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"fix\.clocks-apart"):
            platform.walk(exhibit, silent)
    assert places(platform) == []
    clock.at = NOON + timedelta(hours=1)
    assert platform.walk(exhibit, silent) == "certified"
    assert places(platform) == []


def test_a_small_difference_is_no_contradiction(platform: Platform, clock: Clock) -> None:
    clock.at += timedelta(hours=1)  # the authority's certificate is valid from noon on
    exhibit = platform.deposit("a.txt", [b"words"])
    clock.at -= timedelta(seconds=30)
    assert platform.walk(exhibit, silent) == "certified"
    assert places(platform) == []


def test_in_years_the_authority_has_expired_and_old_exhibits_have_not(
    platform: Platform, clock: Clock
) -> None:
    old = platform.deposit("old.txt", [b"words"])
    platform.walk(old, silent)
    clock.at += timedelta(days=365 * 15)
    fresh = platform.deposit("fresh.txt", [b"words"])
    with pytest.raises(Unavailable, match=r"timestamp\.not-granted"):
        platform.walk(fresh, silent)
    assert platform.exhibit(fresh).state == "manifested"
    assert places(platform) == []
