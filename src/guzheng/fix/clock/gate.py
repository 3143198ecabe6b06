"""The gate between the machine's clock and everybody who signs its word. It fails closed.

Three profiles (the setting `clock_profile`):
    production   a reading is verified, or there is none
    evaluation   nobody is asked; every reading is unverified, and says so
    auto         evaluation as long as no source of time has ever been reached; production from
                 then on, also after a restart: a loss is never answered by asking less

What is told is the machine's own time, never one corrected by what was measured: everything
else here (receipts, logs) is dated by it too, and setting it right is chronyd's work. How far
it is off goes into the bound instead. A change of standing is written into the ledger before
the first reading that depends on it is given, and an alarm is raised.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from guzheng.fix.clock.asking import Heard
from guzheng.fix.clock.memory import Memory, Round, Standing, Turn
from guzheng.fix.clock.reading import CUSTOMARY_BOUND, Reading
from guzheng.fix.clock.rules import (
    Limits,
    Measurement,
    Tick,
    Window,
    jumped,
    measured,
    require_not_before,
    require_sound,
    window_from,
)
from guzheng.refusals import Problem, Refused, Unavailable

PRODUCTION, EVALUATION, AUTO = "production", "evaluation", "auto"
PROFILES = (AUTO, PRODUCTION, EVALUATION)
AGES = 8  # rounds that may fail before a measurement is too old
SOONEST = 16_000_000  # microseconds between two rounds at least: RFC 5905, MINPOLL
MACHINE = "system clock"
_PACE_SECONDS = 0.2  # between two looks, however many readings are refused meanwhile


@dataclass(frozen=True, slots=True)
class Change:
    """A change of standing, as it goes into the ledger."""

    at: datetime
    standing: Standing
    profile: str
    code: str = ""  # why it stopped
    measured: Measurement | None = None


class Changes(Protocol):
    """Where changes of standing are kept so that nobody can deny them."""

    def last(self) -> Standing | None:
        """None when there never was a change: the clock was never verified."""
        ...

    def append(self, change: Change) -> None:
        """Durable on return. A second one with the standing of the last is the same one."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How often sources are asked and how long they are waited for."""

    every_seconds: int = 64
    timeout_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be said of the clock without asking anybody."""

    standing: Standing
    profile: str
    source: str
    offset: timedelta | None = None
    bound: timedelta | None = None
    synced_at: datetime | None = None
    problem: Problem | None = None
    silent: tuple[tuple[str, str], ...] = ()
    false: tuple[str, ...] = ()


class Gate:
    """A `Clock` (reading.py). Threads may share it, and programs the folder of its memory."""

    def __init__(
        self,
        memory: Memory,
        changes: Changes,
        ask: Callable[[frozenset[str], float], Heard],
        ticks: Callable[[], Tick],
        *,
        profile: str,
        limits: Limits,
        timing: Timing | None = None,
        alarm: Callable[[Change], None] = lambda _change: None,
    ) -> None:
        self.profile = profile
        self._memory, self._changes, self._ask, self._ticks = memory, changes, ask, ticks
        self._limits, self._alarm = limits, alarm
        self._timing = timing or Timing()
        self._every = self._timing.every_seconds * 1_000_000
        self._watched = False
        self._wake = threading.Event()
        self._reconciled = False
        self._never = False
        self._alarmed: Standing | None = None
        self._window: tuple[Window, timedelta, str] | None = None
        self.refused = 0  # readings that were not given, for whoever counts

    # ---- readings ------------------------------------------------------------------------

    def __call__(self) -> Reading:
        """A reading, or `Unavailable`. Asks the sources first when nobody else does."""
        try:
            return self._read()
        except Refused as refusal:  # a record that is damaged: whoever asks can only wait
            raise Unavailable(
                refusal.code, expected=refusal.expected, found=refusal.found, act=refusal.act
            ) from refusal

    def _read(self) -> Reading:
        if self.profile == EVALUATION and self._never_verified():
            now = self._ticks()
            return Reading(now.at, CUSTOMARY_BOUND, verified=False, source=MACHINE)
        with self._memory.turn() as turn:  # nobody else gives out a time meanwhile
            quick = self._within_window(turn)
        if quick is not None:
            return quick
        self._refresh()
        with self._memory.turn() as turn:
            now, reading = self._judged(turn)
            if reading.verified:
                turn.issue(now)
                self._open_window(now, reading.source)
        return reading

    def _within_window(self, turn: Turn) -> Reading | None:
        """What was judged a moment ago still holds: no more than two looks and one write."""
        opened = self._window
        if opened is None or turn.issued.standing is not Standing.VERIFIED:
            return None
        now = self._ticks()
        window, bound, source = opened
        if not window.covers(now) or now.realtime < turn.issued.not_before(now.boot):
            return None
        turn.issue(now)
        return Reading(now.at, bound, verified=True, source=source)

    def _open_window(self, now: Tick, source: str) -> None:
        last = self._memory.newest()
        self._window = None
        if last is not None and last.measured is not None:
            with suppress(Unavailable):
                window = window_from(last.measured, now, self._limits)
                self._window = window, timedelta(microseconds=window.bound), source

    def _judged(self, turn: Turn) -> tuple[Tick, Reading]:
        self._reconcile(turn)
        now, last = self._ticks(), self._memory.newest()
        if self._is_evaluation(turn.issued.standing, last):
            self._stand(turn, Change(now.at, Standing.UNVERIFIED, self.profile))
            return now, Reading(now.at, CUSTOMARY_BOUND, verified=False, source=MACHINE)
        newest = last.measured if last else None
        try:
            bound = require_sound(newest, now, self._limits)
            require_not_before(turn.issued.not_before(now.boot), now)
        except Unavailable as problem:
            self.refused += 1
            stopped = Change(now.at, Standing.STOPPED, self.profile, problem.code, newest)
            self._stand(turn, stopped)
            self._wake.set()
            raise
        self._stand(turn, Change(now.at, Standing.VERIFIED, self.profile, "", newest))
        micros = timedelta(microseconds=bound)
        return now, Reading(now.at, micros, verified=True, source=source_of(newest))

    def look(self) -> Sight:
        """How it stands, for pages and doctors; asks nobody, changes and raises nothing."""
        if self.profile == EVALUATION:
            return Sight(Standing.UNVERIFIED, self.profile, MACHINE)
        try:
            return self._seen()
        except Problem as problem:
            return Sight(Standing.STOPPED, self.profile, MACHINE, problem=problem)

    def _seen(self) -> Sight:
        now, last = self._ticks(), self._memory.newest()
        silent = tuple(sorted(last.silent.items())) if last else ()
        if self._is_evaluation(self._memory.standing() or self._changes.last(), last):
            return Sight(Standing.UNVERIFIED, self.profile, MACHINE, silent=silent)
        newest = last.measured if last else None
        agreement = newest.agreement if newest else None
        sight = Sight(
            Standing.STOPPED,
            self.profile,
            source_of(newest),
            offset=timedelta(microseconds=agreement.offset) if agreement else None,
            silent=silent,
            false=agreement.false if agreement else (),
        )
        try:
            bound = require_sound(newest, now, self._limits)
            require_not_before(self._memory.last(now.boot), now)
        except Unavailable as problem:
            return replace(sight, problem=problem)
        return replace(
            sight,
            standing=Standing.VERIFIED,
            bound=timedelta(microseconds=bound),
            synced_at=newest.tick.at if newest else None,
        )

    def _never_verified(self) -> bool:
        """Nothing was ever promised here, so there is nothing to remember or to take back."""
        if not self._reconciled:
            self._reconciled = self._never = self._changes.last() is None
        return self._never

    def _is_evaluation(self, standing: Standing | None, last: Round | None) -> bool:
        if self.profile != AUTO:
            return self.profile == EVALUATION
        if standing in {Standing.VERIFIED, Standing.STOPPED}:
            return False
        return last is None or last.measured is None

    # ---- standing ------------------------------------------------------------------------

    def _reconcile(self, turn: Turn) -> None:
        """Once in a program: what was recorded is the truth, the file only remembers it."""
        if not self._reconciled:
            standing = self._changes.last() or Standing.UNVERIFIED
            if turn.issued.standing is not standing:
                turn.stand(standing)
            self._reconciled = True

    def _stand(self, turn: Turn, change: Change) -> None:
        """Recorded first: killed between the two, the next one finds it there."""
        if turn.issued.standing is change.standing:
            return
        if self._alarmed is not change.standing:  # once, also when it cannot be recorded
            self._alarmed = change.standing
            self._alarm(change)
        self._changes.append(change)
        turn.stand(change.standing)

    def settle(self) -> None:
        """See whether the standing changed, although nobody asks for a reading."""
        with self._memory.turn() as turn, suppress(Unavailable):
            self._judged(turn)

    # ---- asking --------------------------------------------------------------------------

    def measure(self) -> None:
        """Ask the sources, unless somebody has just done so."""
        with self._memory.asking():
            before, now = self._memory.newest(), self._ticks()
            if not self._is_due(before, now):
                return
            resting = {
                name: until
                for name, until in (before.resting if before else {}).items()
                if before and before.asked.boot == now.boot and until > now.boottime
            }
            heard = self._ask(frozenset(resting), self._timing.timeout_seconds)
            after = self._ticks()
            newest = before.measured if before else None
            if heard.claims and jumped(now, after) is None:  # else it was set while we asked
                newest = measured(now, heard.claims, newest)
            rests = {
                name: after.boottime + microseconds
                for name, microseconds in heard.resting.items()
            }
            self._window = None
            self._memory.keep(Round(after, newest, heard.silent, resting | rests))

    def _is_due(self, before: Round | None, now: Tick) -> bool:
        return self._due_in(before, now) <= 0

    def _due_in(self, before: Round | None, now: Tick, grace: int = 0) -> int:
        """Microseconds until the sources may be asked again; `grace` more if it is no hurry."""
        if before is None or before.asked.boot != now.boot:
            return 0
        wait = self._every + grace
        if before.measured is not None:  # else nobody is there, and is not asked sooner for it
            try:
                require_sound(before.measured, now, self._limits)
            except Unavailable:
                wait = min(self._every, SOONEST)
        age = now.boottime - before.asked.boottime
        return wait - age if age >= 0 else 0

    def _refresh(self) -> None:
        if self.profile == EVALUATION:
            return
        last = self._memory.newest()
        if last is None:
            self.measure()
        elif not self._watched and self._due_in(last, self._ticks(), SOONEST) <= 0:
            self.measure()  # else a program that watches comes first, and nobody waits

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A thread of this program asks the sources from time to time until this ends."""
        if self.profile == EVALUATION:
            yield
            return
        stopped = threading.Event()

        def watch() -> None:
            while not stopped.is_set():
                with suppress(Problem):  # a full disk: what was measured grows old, and stops
                    self.measure()
                    self.settle()
                self._wake.wait(
                    max(self._due_in(self._memory.newest(), self._ticks()), 0) / 1e6
                )
                self._wake.clear()
                stopped.wait(_PACE_SECONDS)

        thread = threading.Thread(target=watch, name="clock", daemon=True)
        self._watched = True
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            self._wake.set()
            thread.join()
            self._watched = False


def source_of(measurement: Measurement | None) -> str:
    """Who agreed, for a reader."""
    agreement = measurement.agreement if measurement else None
    return ", ".join(agreement.agreeing) if agreement else ""
