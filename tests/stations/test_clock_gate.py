"""The gate: a clock that can be set, sources that say what they are told, and real files."""

import contextlib
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from guzheng.fix.clock import (
    AUTO,
    EVALUATION,
    PRODUCTION,
    Change,
    Gate,
    Heard,
    Limits,
    Memory,
    Standing,
    Tick,
    Timing,
)
from guzheng.fix.clock.memory import ISSUED, MEASURED, Round
from guzheng.fix.clock.rules import EPOCH, Claim, measured
from guzheng.refusals import Problem, Refused, Unavailable
from tests.stations.test_clock_rules import NOON, SECOND


@dataclass
class Machine:
    """Its two clocks, and what the sources answer when they are asked now."""

    realtime: int = NOON
    boottime: int = 3600 * SECOND
    boot: str = "one"
    claims: tuple[Claim, ...] = ()
    resting: dict[str, int] = field(default_factory=dict)
    asked: list[frozenset[str]] = field(default_factory=list)
    set_while_asked: int = 0
    changes: list[Change] = field(default_factory=list)
    alarms: list[Change] = field(default_factory=list)
    journal_broken: bool = False

    def tick(self) -> Tick:
        return Tick(self.realtime, self.boottime, 0, self.boot)

    def ask(self, resting: frozenset[str], timeout_seconds: float) -> Heard:
        self.asked.append(resting)
        self.realtime += self.set_while_asked
        return Heard(self.claims, {} if self.claims else {"a": "silent"}, self.resting)

    def passes(self, seconds: float) -> None:
        self.realtime += int(seconds * SECOND)
        self.boottime += int(seconds * SECOND)

    def is_set(self, seconds: float) -> None:
        self.realtime += int(seconds * SECOND)

    def says(self, offset: float, *, leap: bool = False) -> None:
        self.claims = (Claim("a", int(offset * SECOND), 10_000, leap=leap),)

    # the journal
    def last(self) -> Standing | None:
        return self.changes[-1].standing if self.changes else None

    def append(self, change: Change) -> None:
        if self.journal_broken:
            raise Unavailable("store.disk-full")
        if self.last() is not change.standing:
            self.changes.append(change)

    @property
    def told(self) -> list[str]:
        return [f"{one.standing}{' ' if one.code else ''}{one.code}" for one in self.changes]


@pytest.fixture
def machine() -> Machine:
    return Machine()


def gate(machine: Machine, folder: Path, profile: str = AUTO, **limits: int) -> Gate:
    """Another program of the same installation, each time."""
    return Gate(
        Memory(folder),
        machine,
        machine.ask,
        machine.tick,
        profile=profile,
        limits=replace(Limits(), **limits),
        timing=Timing(),
        alarm=machine.alarms.append,
    )


def code_of(one: Gate) -> str:
    with pytest.raises(Unavailable) as refused:
        one()
    return refused.value.code


# -------------------------------------------------------------------------------- the profiles


def test_evaluation_asks_nobody_and_says_so(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    one = gate(machine, tmp_path, EVALUATION)
    reading = one()
    assert not reading.verified
    assert reading.bound == timedelta(seconds=1)
    assert one.look().standing is Standing.UNVERIFIED
    assert not machine.asked
    assert not machine.changes
    machine.is_set(-3600)
    assert one().at == EPOCH + timedelta(microseconds=machine.realtime)


def test_without_a_source_auto_is_evaluation(machine: Machine, tmp_path: Path) -> None:
    for _ in range(3):
        assert not gate(machine, tmp_path)().verified
    assert len(machine.asked) == 1  # the next program does not wait for nobody again
    machine.passes(81)
    assert not gate(machine, tmp_path)().verified
    assert len(machine.asked) == 2
    assert not machine.changes


def test_without_a_source_production_stops(machine: Machine, tmp_path: Path) -> None:
    one = gate(machine, tmp_path, PRODUCTION)
    assert code_of(one) == "clock.no-source"
    assert one.look().standing is Standing.STOPPED
    assert machine.told == ["stopped clock.no-source"]
    machine.says(0)
    machine.passes(81)
    assert one().verified
    assert machine.told[1:] == ["verified"]


def test_once_a_source_was_reached_auto_is_production(machine: Machine, tmp_path: Path) -> None:
    one = gate(machine, tmp_path)
    assert not one().verified
    machine.passes(81)
    machine.says(0.002)
    reading = one()
    assert reading.verified
    assert reading.source == "a"
    assert timedelta(milliseconds=13) <= reading.bound <= timedelta(milliseconds=14)
    machine.claims = ()
    machine.passes(400)
    assert one().verified  # what was measured still holds, with a wider bound
    machine.passes(200)
    for program in (one, gate(machine, tmp_path)):
        assert code_of(program) == "clock.stale"
        assert program.look().standing is Standing.STOPPED
    assert machine.told == ["verified", "stopped clock.stale"]


def test_a_restart_does_not_forget(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    assert gate(machine, tmp_path / "clock")().verified
    machine.claims = ()
    machine.boot, machine.boottime = "two", 5 * SECOND
    machine.realtime += 60 * SECOND
    assert code_of(gate(machine, tmp_path / "clock")) == "clock.no-source"
    # Not even without its own memory: the ledger remembers.
    assert code_of(gate(machine, tmp_path / "empty")) == "clock.no-source"
    assert machine.told == ["verified", "stopped clock.no-source"]


def test_a_wrong_clock_at_the_first_start_is_no_evaluation(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says(5)
    assert code_of(gate(machine, tmp_path)) == "clock.over-limit"
    assert machine.told == ["stopped clock.over-limit"]


def test_an_operator_may_go_back_to_evaluation_and_it_is_recorded(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says(0)
    assert gate(machine, tmp_path)().verified
    assert not gate(machine, tmp_path, EVALUATION)().verified
    assert machine.told == ["verified", "unverified"]
    assert gate(machine, tmp_path)().verified
    assert machine.told[2:] == ["verified"]


# ------------------------------------------------------------------------------------ refusals


def test_drift_stops_it_and_the_right_time_starts_it_again(
    machine: Machine, tmp_path: Path
) -> None:
    one = gate(machine, tmp_path)
    machine.says(0)
    assert one().verified
    machine.says(5)
    machine.passes(80)
    for _ in range(3):
        assert code_of(one) == "clock.over-limit"
    machine.says(0.1)
    machine.passes(10)
    assert code_of(one) == "clock.over-limit"  # nobody is asked more often than NTP allows
    machine.passes(10)
    for _ in range(3):
        assert one().verified
    assert machine.told == ["verified", "stopped clock.over-limit", "verified"]
    assert [one.standing for one in machine.alarms] == [one.standing for one in machine.changes]
    assert one.refused == 4


@pytest.mark.parametrize("seconds", [-30, -0.5, 0.5, 7200])
def test_a_jump_stops_it_until_it_was_measured_again(
    machine: Machine, tmp_path: Path, seconds: float
) -> None:
    one = gate(machine, tmp_path)
    machine.says(0)
    one()
    machine.passes(5)
    machine.is_set(seconds)
    assert code_of(one) == "clock.jumped"
    machine.passes(20)
    if seconds < -20:
        assert code_of(one) == "clock.behind"  # the sources agree; but a token was later
        machine.passes(-seconds)
    assert one().verified


def test_a_clock_that_is_set_while_the_sources_are_asked(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says(0)
    machine.set_while_asked = 3 * SECOND
    assert code_of(gate(machine, tmp_path, PRODUCTION)) == "clock.no-source"


def test_around_a_leap_second(machine: Machine, tmp_path: Path) -> None:
    one = gate(machine, tmp_path)
    machine.realtime = NOON + (9 * 86400 + 12 * 3600 - 30) * SECOND  # 30 s before December
    machine.says(0, leap=True)
    assert one().verified
    machine.passes(26)
    assert code_of(one) == "clock.leap-second"
    machine.is_set(-1)  # 23:59:60
    machine.says(0)
    machine.passes(5)
    assert code_of(one) in {"clock.leap-second", "clock.jumped"}
    machine.passes(20)
    assert one().verified


def test_liars_are_named_and_outvoted(machine: Machine, tmp_path: Path) -> None:
    machine.claims = tuple(Claim(name, 0, 10_000) for name in "abc")
    machine.claims += (Claim("liar", 5 * SECOND, 10_000),)
    one = gate(machine, tmp_path)
    assert one().source == "a, b, c"
    assert one.look().false == ("liar",)
    machine.passes(80)
    machine.claims = (Claim("a", 0, 10_000), Claim("liar", 5 * SECOND, 10_000))
    assert code_of(one) == "clock.sources-differ"


def test_who_wants_to_be_left_alone_is(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    machine.resting = {"rude": 100 * SECOND}
    gate(machine, tmp_path)()
    machine.resting = {}
    machine.passes(80)
    gate(machine, tmp_path)()
    machine.passes(80)
    gate(machine, tmp_path)()
    assert machine.asked == [frozenset(), frozenset({"rude"}), frozenset()]


# -------------------------------------------------------------------------------------- memory


def test_no_token_is_older_than_the_last_in_any_program(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says(0)
    one, other = gate(machine, tmp_path), gate(machine, tmp_path)
    first = one().at
    machine.realtime -= 5_000  # less than a jump
    assert code_of(other) == "clock.behind"
    assert other.look().standing is Standing.STOPPED
    machine.passes(0.005)
    assert other().at == first


def test_after_a_power_cut_what_was_not_on_the_disk_is_assumed(
    machine: Machine, tmp_path: Path
) -> None:
    machine.says(0)
    one = gate(machine, tmp_path)
    last = one().at
    for _ in range(4):
        machine.passes(0.3)
        last = one().at
    machine.boot, machine.boottime = "two", 0
    machine.realtime = (last - EPOCH) // timedelta(microseconds=1) - 60 * SECOND
    again = gate(machine, tmp_path)
    assert code_of(again) == "clock.behind"
    machine.passes(62)
    assert again().at > last


def test_what_is_not_recorded_is_not_issued(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    machine.journal_broken = True
    one = gate(machine, tmp_path)
    assert code_of(one) == "store.disk-full"
    machine.journal_broken = False
    assert one().verified
    machine.says(9)
    machine.passes(81)
    machine.journal_broken = True
    with pytest.raises(Unavailable):
        one()
    with pytest.raises(Unavailable):
        one()
    assert machine.told == ["verified"]
    assert [each.standing for each in machine.alarms] == ["verified", "stopped"]
    machine.journal_broken = False
    assert code_of(one) == "clock.over-limit"
    assert len(machine.changes) == 2


def test_a_memory_that_is_not_ours_is_not_believed(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    gate(machine, tmp_path)()
    (tmp_path / MEASURED).write_bytes(b"{")
    assert gate(machine, tmp_path)().verified  # it is asked again
    (tmp_path / ISSUED).write_bytes(b"x" * 60)
    assert code_of(gate(machine, tmp_path)) == "clock.memory-damaged"
    seen = gate(machine, tmp_path).look()
    assert seen.standing is Standing.STOPPED
    assert seen.problem is not None
    assert seen.problem.code == "clock.memory-damaged"


def test_a_memory_that_cannot_be_used_stops_it(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    (tmp_path / "clock").write_text("a file where the folder would be")
    one = gate(machine, tmp_path / "clock")
    assert code_of(one) == "clock.memory-unusable"
    assert one.look().standing is not Standing.VERIFIED


def test_a_record_that_is_damaged_stops_it(machine: Machine, tmp_path: Path) -> None:
    def damaged() -> Standing | None:
        raise Refused("keep.damaged", expected="a paper", found="none")

    machine.last = damaged  # type: ignore[method-assign]  # what was recorded, in this test
    machine.says(0)
    assert code_of(gate(machine, tmp_path)) == "keep.damaged"
    assert gate(machine, tmp_path).look().standing is Standing.STOPPED


def test_a_round_is_read_back_as_it_was(machine: Machine) -> None:
    machine.claims = (Claim("a", -3, 4, leap=True), Claim("b", 10**8, 1), Claim("c", 0, 9))
    for claims in (machine.claims, machine.claims[:2]):
        last = measured(machine.tick(), claims, None)
        one = Round(machine.tick(), last, {"d": "silent"}, {"e": 17})
        assert Round.parse(one.encode()) == one


# ------------------------------------------------------------------------- threads and programs


def test_a_watched_clock_notices_by_itself(machine: Machine, tmp_path: Path) -> None:
    noticed = threading.Condition()
    append = machine.append

    def counted(change: Change) -> None:
        with noticed:
            append(change)
            noticed.notify_all()

    machine.append = counted  # type: ignore[method-assign]  # the journal of this test
    machine.says(0)
    one = gate(machine, tmp_path)
    with one.watching(), noticed:
        assert noticed.wait_for(lambda: machine.told == ["verified"], 30)
        machine.says(5)
        machine.passes(81)
        with contextlib.suppress(Problem):
            noticed.release()
            try:
                one()
                machine.is_set(1)  # else it had been told of the old answer
                one()
            finally:
                noticed.acquire()
        assert noticed.wait_for(lambda: len(machine.changes) == 2, 30)
    assert machine.changes[1].standing is Standing.STOPPED


KILLED = """
import os, sys, time
from pathlib import Path
from guzheng.fix.clock import Gate, Limits, Memory, Heard, Tick
from guzheng.fix.clock.rules import Claim

class Journal:
    def last(self): return None
    def append(self, change): pass

start = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
def tick():
    since = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 - start
    return Tick(int(sys.argv[2]) + since, start + since, 0, "one")
def ask(resting, timeout): return Heard((Claim("a", 0, 10_000),), {}, {})
gate = Gate(Memory(Path(sys.argv[1])), Journal(), ask, tick, profile="auto", limits=Limits())
while True:
    at = gate().at
    os.write(1, at.isoformat().encode().ljust(40) + b"\\n")
"""


def test_after_kill_9_no_token_is_older_than_one_that_was_seen(
    machine: Machine, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(NOON)], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        for _ in range(200):
            line = running.stdout.readline()
        running.send_signal(signal.SIGKILL)
        line = (running.stdout.read() or line).splitlines()[-1]
    machine.says(0)
    machine.boottime += 10**12
    machine.realtime = NOON  # the clock of the next program is behind what was issued
    assert code_of(gate(machine, tmp_path)) == "clock.behind"
    reached = Memory(tmp_path).last("one")
    assert line.decode().strip() <= (EPOCH + timedelta(microseconds=reached)).isoformat()


def test_many_threads_get_times_that_never_go_back(machine: Machine, tmp_path: Path) -> None:
    machine.says(0)
    issued: list[int] = []
    one, other = gate(machine, tmp_path), gate(machine, tmp_path)

    def issue(each: Gate) -> None:
        for _ in range(100):
            machine.passes(0.000_01)
            with contextlib.suppress(Unavailable):
                each()
            issued.append(Memory(tmp_path).last("one"))

    threads = [threading.Thread(target=issue, args=(each,)) for each in (one, other)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Memory(tmp_path).last("one") == max(issued)
