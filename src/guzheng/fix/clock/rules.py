"""When a clock may be believed, and how far: pure decisions over what sources have said.

Each source claims an interval: standard time minus ours is `offset ± uncertainty`. The hull of
the points that more than half of those who answered have in common holds the truth as long as
more than half of them are right; whoever has nothing in common with it is a falseticker, and is
named. (Marzullo 1984; RFC 5905 §11.2.1 selects likewise. The hull, and not the narrowest common
part, because only the hull cannot be made to miss the truth by a minority.)

A measurement ages: its bound grows by 500 ppm, the most by which the kernel may bend a clock.
It is void once CLOCK_REALTIME has jumped against CLOCK_BOOTTIME, or the machine started anew.

All times are whole microseconds. Nothing here reads a clock or asks anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from guzheng.refusals import Unavailable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DRIFT = 500, 1_000_000  # parts per million: MAXFREQ of the kernel, and RFC 5905's MAXFREQ
JUMP = 10_000  # what reading two clocks one after another may differ by on a busy machine
WINDOW, WINDOW_SLACK = 100_000, 1_000
LEAP_PAUSE = 5_000_000  # on either side of the end of the month
_MILLISECOND = 1000
_CLEAR = "the operator looks at guzheng doctor, and sets the machine's clock right"


@dataclass(frozen=True, slots=True)
class Tick:
    """Both clocks of the machine, read together; `gap`: how far apart at most."""

    realtime: int
    boottime: int
    gap: int
    boot: str  # which start of the machine

    @property
    def at(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.realtime)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says: standard time minus ours, and by how much that may be wrong."""

    source: str
    offset: int
    uncertainty: int
    leap: bool = False  # it announces a leap second at the end of the month


@dataclass(frozen=True, slots=True)
class Agreement:
    """What more than half of those who answered have in common."""

    offset: int
    uncertainty: int
    agreeing: tuple[str, ...]
    false: tuple[str, ...]
    leap: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """One round of asking in which somebody answered. `agreement` None: they contradict."""

    tick: Tick
    claims: tuple[Claim, ...]
    agreement: Agreement | None
    leap_at: int | None  # realtime of an announced leap second, or of one just passed


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator's policy allows."""

    bound: int = 1_000_000  # largest error: ETSI EN 319 422 allows one second
    age: int = 512_000_000  # of a measurement
    sources: int = 1  # how many must agree


def agree(claims: Sequence[Claim]) -> Agreement | None:
    """None when no point is common to more than half of the claims."""
    majority = len(claims) // 2 + 1
    edges = sorted(
        edge
        for one in claims
        for edge in (
            (one.offset - one.uncertainty, 0),  # at one point, beginnings come before ends
            (one.offset + one.uncertainty, 1),
        )
    )
    depth, low, high = 0, None, None
    for at, end in edges:
        if end:
            if depth >= majority:
                high = at
            depth -= 1
        else:
            depth += 1
            if depth >= majority and low is None:
                low = at
    if low is None or high is None:
        return None
    agreeing = [
        one
        for one in claims
        if one.offset - one.uncertainty <= high and one.offset + one.uncertainty >= low
    ]
    middle = (low + high) // 2
    return Agreement(
        offset=middle,
        uncertainty=max(high - middle, middle - low),
        agreeing=tuple(one.source for one in agreeing),
        false=tuple(one.source for one in claims if one not in agreeing),
        leap=any(one.leap for one in agreeing),
    )


def measured(tick: Tick, claims: Sequence[Claim], before: Measurement | None) -> Measurement:
    """A round that ended at `tick`; a leap second that was announced is not forgotten."""
    agreement = agree(claims)
    leap_at = month_end(tick.realtime) if agreement and agreement.leap else None
    if leap_at is None and before and before.leap_at is not None:
        leap_at = before.leap_at if tick.realtime < before.leap_at + LEAP_PAUSE else None
    return Measurement(tick, tuple(claims), agreement, leap_at)


def month_end(realtime: int) -> int:
    """Midnight (UTC) that ends the month, where leap seconds are: RFC 5905 §7.3."""
    at = EPOCH + timedelta(microseconds=realtime)
    after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return (after - EPOCH) // timedelta(microseconds=1)


def jumped(before: Tick, now: Tick) -> int | None:
    """By how much CLOCK_REALTIME was set since; None when it was not."""
    moved = (now.realtime - now.boottime) - (before.realtime - before.boottime)
    return moved if abs(moved) > JUMP + before.gap + now.gap else None


def bound_at(agreement: Agreement, since: Tick, now: Tick) -> int:
    """By how much `now` may be wrong: whole milliseconds, rounded up.

    The offset is part of it, since the time that is told is the machine's own; so is what is
    lost when that time is cut to milliseconds."""
    elapsed = max(now.boottime - since.boottime, 0)
    moved = abs((now.realtime - now.boottime) - (since.realtime - since.boottime))
    parts, whole = DRIFT
    error = abs(agreement.offset) + agreement.uncertainty + -(-elapsed * parts // whole)
    error += moved + since.gap + now.gap + _MILLISECOND
    return -(-error // _MILLISECOND) * _MILLISECOND


def require_sound(last: Measurement | None, now: Tick, limits: Limits) -> int:
    """By how much `now` may be wrong; `Unavailable` with a code when that cannot be said."""
    if last is None:
        raise _unsound("clock.no-source", "an answer of a source of time", "none")
    if last.tick.boot != now.boot:
        raise _unsound("clock.no-source", "an answer since the machine started", "none")
    set_by = jumped(last.tick, now)
    if set_by is not None:
        found = f"it was set by {set_by / 1e6:+.3f} s"
        raise _unsound("clock.jumped", "a clock that runs evenly", found)
    agreement = last.agreement
    if agreement is None:
        found = "; ".join(
            f"{one.source} {one.offset / 1e6:+.3f} s ± {one.uncertainty / 1e6:.3f} s"
            for one in last.claims
        )
        raise _unsound("clock.sources-differ", "sources that agree", found)
    if len(agreement.agreeing) < limits.sources:
        found = f"{len(agreement.agreeing)}: {', '.join(agreement.agreeing)}"
        raise _unsound("clock.too-few-sources", f"{limits.sources} that agree", found)
    if last.leap_at is not None and last.leap_at - LEAP_PAUSE <= now.realtime:
        raise _unsound(
            "clock.leap-second",
            f"{LEAP_PAUSE // 1_000_000} s before and after a leap second to be over",
            "a leap second at the end of this month",
        )
    age = now.boottime - last.tick.boottime
    if not 0 <= age <= limits.age:
        expected = f"an answer in the last {limits.age // 1_000_000} s"
        raise _unsound("clock.stale", expected, f"{age // 1_000_000} s ago")
    bound = bound_at(agreement, last.tick, now)
    if bound > limits.bound:
        raise _unsound(
            "clock.over-limit",
            f"within {limits.bound // _MILLISECOND} ms of standard time",
            f"{agreement.offset / 1e6:+.3f} s, and at most {bound / 1e6:.3f} s wrong",
        )
    return bound


@dataclass(frozen=True, slots=True)
class Window:
    """A moment in which every tick is sound within `bound`, so that a thousand tokens need not
    be judged one by one. `skew`: CLOCK_REALTIME less CLOCK_BOOTTIME; another one shows that
    the clock was set."""

    bound: int
    skew: int
    boot: str
    first: int  # CLOCK_BOOTTIME
    last: int

    def covers(self, now: Tick) -> bool:
        moved = abs(now.realtime - now.boottime - self.skew)
        within = self.first <= now.boottime <= self.last
        return within and moved + now.gap <= WINDOW_SLACK and now.boot == self.boot


def window_from(last: Measurement, now: Tick, limits: Limits) -> Window:
    """From `now` on; `Unavailable` when the clock is not sound to its end."""
    end = replace(
        now,
        realtime=now.realtime + WINDOW,
        boottime=now.boottime + WINDOW,
        gap=now.gap + 2 * WINDOW_SLACK,
    )
    bound = require_sound(last, end, limits)
    skew = now.realtime - now.boottime
    moved = abs(skew - (last.tick.realtime - last.tick.boottime))
    if moved + WINDOW_SLACK > JUMP + last.tick.gap:  # what it may move yet would be a jump
        raise _unsound("clock.jumped", "a clock that runs evenly", f"moved by {moved} µs")
    return Window(bound, skew, now.boot, now.boottime, now.boottime + WINDOW)


def require_not_before(last_issued: int, now: Tick) -> None:
    """No token is older than one that was issued before it, in any process or earlier run."""
    if now.realtime < last_issued:
        raise _unsound(
            "clock.behind",
            f"the last token's time, {EPOCH + timedelta(microseconds=last_issued)}, or later",
            str(now.at),
        )


def _unsound(code: str, expected: str, found: str) -> Unavailable:
    return Unavailable(code, expected=expected, found=found, act=_CLEAR)
