"""When a clock may be believed: pure decisions, held against every set of claims."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix.clock import rules
from guzheng.fix.clock.rules import Claim, Limits, Measurement, Tick
from guzheng.refusals import Unavailable

SECOND = 1_000_000
NOON = (datetime(2026, 11, 21, 12, tzinfo=UTC) - rules.EPOCH) // timedelta(microseconds=1)
START = Tick(NOON, 3600 * SECOND, 0, "boot")


def after(seconds: float, *, moved: float = 0, since: Tick = START) -> Tick:
    """Both clocks later; CLOCK_REALTIME set by `moved` besides."""
    later = int(seconds * SECOND)
    return replace(
        since,
        realtime=since.realtime + later + int(moved * SECOND),
        boottime=since.boottime + later,
    )


def of(*claims: Claim, tick: Tick = START, before: Measurement | None = None) -> Measurement:
    return rules.measured(tick, claims, before)


def claim(
    offset: float, uncertainty: float = 0.01, source: str = "a", *, leap: bool = False
) -> Claim:
    return Claim(source, int(offset * SECOND), int(uncertainty * SECOND), leap=leap)


WELL = of(claim(0.002))


def code_of(last: Measurement | None, now: Tick, limits: Limits | None = None) -> str:
    with pytest.raises(Unavailable) as refused:
        rules.require_sound(last, now, limits or Limits())
    assert refused.value.expected
    assert refused.value.found
    return refused.value.code


# -------------------------------------------------------------------------------- who is right

_SMALL = st.integers(-50, 50)


@given(
    truth=_SMALL,
    honest=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=7),
    liars=st.lists(st.tuples(_SMALL, st.integers(0, 30)), max_size=6),
)
def test_the_truth_is_inside_as_long_as_more_than_half_are_right(
    truth: int, honest: list[tuple[int, int]], liars: list[tuple[int, int]]
) -> None:
    claims = [
        # an interval that holds the truth, leaning to one side
        Claim(f"honest {at}", truth + lean % (2 * wide + 1) - wide, wide)
        for at, (lean, wide) in enumerate(honest)
    ]
    claims += [Claim(f"liar {at}", *one) for at, one in enumerate(liars[: len(honest) - 1])]
    found = rules.agree(claims)
    assert found is not None
    assert abs(truth - found.offset) <= found.uncertainty
    assert not [one for one in found.false if one.startswith("honest")]
    assert sorted((*found.agreeing, *found.false)) == sorted(one.source for one in claims)


@given(st.lists(st.tuples(_SMALL, st.integers(0, 30)), max_size=6), st.randoms())
def test_the_order_of_the_answers_changes_nothing(
    said: list[tuple[int, int]], chance: random.Random
) -> None:
    claims = [Claim(str(at), *one) for at, one in enumerate(said)]
    shuffled = list(claims)
    chance.shuffle(shuffled)
    one, other = rules.agree(claims), rules.agree(shuffled)
    if one is None or other is None:
        assert one is other
    else:
        assert (one.offset, one.uncertainty) == (other.offset, other.uncertainty)
        assert set(one.false) == set(other.false)


@pytest.mark.parametrize(
    ("claims", "agreeing", "false"),
    [
        ([], None, ()),
        ([claim(0, source="a")], ("a",), ()),
        ([claim(0, source="a"), claim(5, source="b")], None, ()),
        ([claim(0, source="a"), claim(0.02, source="b")], ("a", "b"), ()),  # they just touch
        (
            [claim(0, source="a"), claim(5, source="liar"), claim(0.01, source="b")],
            ("a", "b"),
            ("liar",),
        ),
        ([claim(n, source=str(n)) for n in range(4)], None, ()),
        # two against two is no majority
        ([claim(n // 2 * 5, source=str(n)) for n in range(4)], None, ()),
    ],
)
def test_more_than_half_must_agree(
    claims: list[Claim], agreeing: tuple[str, ...] | None, false: tuple[str, ...]
) -> None:
    found = rules.agree(claims)
    if agreeing is None:
        assert found is None
    else:
        assert found is not None
        assert (found.agreeing, found.false) == (agreeing, false)


# ------------------------------------------------------------------------------- by how much


def test_the_bound_is_offset_and_uncertainty_rounded_up() -> None:
    # 2 ms + 10 ms, and 1 ms that is lost when a time is cut to milliseconds
    assert rules.require_sound(WELL, START, Limits()) == 13_000
    odd = of(Claim("a", -2_001, 10_000))
    assert rules.require_sound(odd, START, Limits()) == 14_000


@given(st.integers(-900, 900), st.integers(0, 90), st.integers(0, 500))
def test_the_bound_only_grows_and_covers_a_clock_that_runs_as_badly_as_it_may(
    offset: int, uncertainty: int, seconds: int
) -> None:
    last = of(Claim("a", offset * 1000, uncertainty * 1000))
    assert last.agreement is not None
    fresh = rules.bound_at(last.agreement, START, START)
    later = rules.bound_at(last.agreement, START, after(seconds))
    assert later % 1000 == 0
    assert later >= fresh + seconds * 500
    assert later >= (abs(offset) + uncertainty) * 1000 + seconds * 500


def test_the_gap_between_two_looks_is_part_of_the_bound() -> None:
    late = replace(after(0), gap=4_000)
    assert rules.require_sound(WELL, late, Limits()) == 17_000


# ------------------------------------------------------------------------------ when it is not


def test_without_an_answer_there_is_no_time() -> None:
    assert code_of(None, START) == "clock.no-source"
    assert code_of(WELL, replace(after(1), boot="another")) == "clock.no-source"


def test_five_seconds_off_is_too_much() -> None:
    for offset in (5, -5, 1.0):
        assert code_of(of(claim(offset)), START) == "clock.over-limit"
    assert rules.require_sound(of(claim(0.9)), START, Limits()) == 911_000
    assert code_of(of(claim(0.9)), START, Limits(bound=500_000)) == "clock.over-limit"


def test_an_answer_ages() -> None:
    assert rules.require_sound(WELL, after(512), Limits()) == 269_000
    assert code_of(WELL, after(513)) == "clock.stale"
    assert code_of(WELL, after(2000), Limits(age=9_999 * SECOND)) == "clock.over-limit"
    assert code_of(
        WELL, replace(START, boottime=START.boottime - SECOND, realtime=NOON - SECOND)
    )


@pytest.mark.parametrize("moved", [0.05, -0.05, 1, -1, 3600, -86_400])
def test_a_clock_that_was_set_is_measured_anew(moved: float) -> None:
    assert code_of(WELL, after(10, moved=moved)) == "clock.jumped"


def test_a_machine_that_was_suspended_keeps_its_time_or_has_jumped() -> None:
    assert rules.require_sound(WELL, after(300), Limits())  # CLOCK_BOOTTIME counts sleep
    assert code_of(WELL, after(300, moved=0.2)) == "clock.jumped"


def test_a_small_move_is_no_jump_and_is_part_of_the_bound() -> None:
    assert rules.require_sound(WELL, after(0, moved=0.005), Limits()) == 18_000


def test_sources_that_contradict_each_other_are_named() -> None:
    last = of(claim(0, source="one"), claim(3, source="other"))
    with pytest.raises(Unavailable, match=r"clock\.sources-differ.*one.*other"):
        rules.require_sound(last, START, Limits())


def test_an_operator_may_want_more_than_one_source() -> None:
    assert code_of(WELL, START, Limits(sources=2)) == "clock.too-few-sources"
    two = of(claim(0, source="a"), claim(0, source="b"))
    assert rules.require_sound(two, START, Limits(sources=2))


def test_no_token_is_older_than_the_last() -> None:
    rules.require_not_before(NOON, START)
    with pytest.raises(Unavailable, match=r"clock\.behind"):
        rules.require_not_before(NOON + 1, START)


@given(
    st.integers(-900_000, 900_000),
    st.integers(0, 600_000),
    st.integers(0, 600 * SECOND),
    st.integers(-12_000, 12_000) | st.sampled_from([9_000, 9_001, 10_000, -9_500]),
    st.integers(0, 120_000),
    st.integers(-1_500, 1_500),
    st.integers(0, 1_500),
)
def test_in_a_window_every_tick_is_as_sound_as_it_says(
    offset: int, uncertainty: int, age: int, moved: int, later: int, jitter: int, gap: int
) -> None:
    last = of(Claim("a", offset, uncertainty))
    now = after(age / SECOND, moved=moved / SECOND)
    try:
        window = rules.window_from(last, now, Limits())
    except Unavailable:
        return
    tick = replace(
        now,
        realtime=now.realtime + later + jitter,
        boottime=now.boottime + later,
        gap=gap,
    )
    if window.covers(tick):
        assert rules.require_sound(last, tick, Limits()) <= window.bound
    assert not window.covers(replace(now, boot="another"))
    assert not window.covers(after(1, since=now))
    assert not window.covers(after(0, moved=0.01, since=now))


# -------------------------------------------------------------------------------- leap seconds

NEW_YEAR = (datetime(2027, 1, 1, tzinfo=UTC) - rules.EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_leap_seconds_are_at_the_end_of_a_month(at: datetime, end: datetime) -> None:
    micros = timedelta(microseconds=1)
    assert rules.month_end((at - rules.EPOCH) // micros) == (end - rules.EPOCH) // micros


def test_around_a_leap_second_there_is_no_time() -> None:
    eve = Tick(NEW_YEAR - 60 * SECOND, 0, 0, "boot")
    announced = of(claim(0, leap=True), tick=eve)
    assert rules.require_sound(announced, after(50, since=eve), Limits())
    for seconds in (55, 59.5, 60, 61, 64, 70, 300):  # afterwards too, until measured anew
        assert code_of(announced, after(seconds, since=eve)) == "clock.leap-second"
    # A server that has already forgotten it does not shorten the pause.
    during = after(62, since=eve)
    assert code_of(of(claim(0), tick=during, before=announced), during) == "clock.leap-second"
    over = after(66, since=eve)
    assert rules.require_sound(of(claim(0), tick=over, before=announced), over, Limits())


def test_a_leap_second_that_nobody_believed_announces_stops_nothing() -> None:
    eve = Tick(NEW_YEAR - SECOND, 0, 0, "boot")
    claims = [claim(0, source="a"), claim(9, source="liar", leap=True), claim(0, source="b")]
    assert rules.require_sound(of(*claims, tick=eve), eve, Limits())
    one_of_two = [claim(0, source="a"), claim(0, source="b", leap=True)]
    assert code_of(of(*one_of_two, tick=eve), eve) == "clock.leap-second"
