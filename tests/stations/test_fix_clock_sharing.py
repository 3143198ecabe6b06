"""Tokens of one millisecond share a reading, and no token shares an older one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from guzheng.fix.clock import Reading
from guzheng.fix.clock.sharing import SHARED, shared
from guzheng.refusals import Unavailable
from tests.stations.timestamps import NOON


@dataclass
class Clock:
    """Counts how often it is asked, and can be stopped."""

    asked: int = 0
    verified: bool = True
    stopped: bool = False
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def __call__(self) -> Reading:
        self.asked += 1
        if self.stopped:
            raise Unavailable("clock.too-old")
        return Reading(self.at, timedelta(milliseconds=3), self.verified, "here")


def test_a_millisecond_is_asked_for_once() -> None:
    clock = Clock()
    read = shared(clock, clock.now)
    first = read()
    clock.at = NOON + SHARED * 0.9
    assert read() is first
    assert clock.asked == 1
    clock.at = NOON + SHARED * 1.1
    later = read()
    assert clock.asked == 2
    assert later.at > first.at


def test_its_bound_is_a_millisecond_wider_if_it_was_measured() -> None:
    clock = Clock()
    assert shared(clock, clock.now)().bound == timedelta(milliseconds=4)
    clock.verified = False
    assert shared(clock, clock.now)().bound == timedelta(milliseconds=3)


def test_a_refusal_is_not_shared_and_ends_the_sharing() -> None:
    clock = Clock()
    read = shared(clock, clock.now)
    read()
    clock.stopped, clock.at = True, NOON + timedelta(seconds=1)
    for asked in (2, 3):
        with pytest.raises(Unavailable):
            read()
        assert clock.asked == asked
    clock.stopped = False
    assert read().at == NOON + timedelta(seconds=1)


@pytest.mark.parametrize("by", [-SHARED / 10, -timedelta(days=1), timedelta(days=1)])
def test_a_clock_that_was_set_is_judged_at_once(by: timedelta) -> None:
    clock = Clock()
    read = shared(clock, clock.now)
    read()
    clock.at += by
    read()
    assert clock.asked == 2
