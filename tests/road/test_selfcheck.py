"""Self-checks of an installation: when, of what, and that nobody can write one later."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.keep import selfcheck
from guzheng.store.blobs import read
from tests.road.deaths import silent
from tests.road.test_clock import Clock
from tests.road.test_fsck import places

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def opened(data: Path, clock: Clock, hours: int = 24) -> Platform:
    config = Config(data, selfcheck_hours=hours)
    return Platform(config, open_parts(config, now=clock))


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def platform(tmp_path: Path, clock: Clock) -> Platform:
    return opened(tmp_path, clock)


def numbers(platform: Platform) -> int:
    return len(list(platform.blobs.names(selfcheck.FOLDER)))


def outcomes(platform: Platform) -> dict[str, tuple[bool, str]]:
    newest = platform.parts.checks.newest()
    assert newest is not None
    return {one.name: (one.passed, one.observed) for one in newest.paper.findings}


def deposited(platform: Platform, words: bytes = b"words") -> str:
    exhibit = platform.deposit("a.txt", [words])
    platform.walk(exhibit, silent)
    return exhibit


def test_one_at_the_start_and_one_a_day(platform: Platform, clock: Clock) -> None:
    for minutes, wanted in ((0, 1), (1, 1), (61, 1), (23 * 60, 1), (24 * 60 + 1, 2)):
        clock.at = NOON + timedelta(minutes=minutes)
        platform.selfchecking.round()
        assert numbers(platform) == wanted, minutes
    assert places(platform) == []


def test_never_by_itself_where_that_is_set(tmp_path: Path, clock: Clock) -> None:
    platform = opened(tmp_path, clock, hours=0)
    platform.selfchecking.round()
    assert numbers(platform) == 0
    assert platform.selfchecking.check().number == 1


def test_what_was_looked_at(platform: Platform, clock: Clock) -> None:
    for words in (b"1", b"2", b"3", b"4"):
        deposited(platform, words)
    platform.fsck(lambda _: None)
    platform.selfchecking.round()
    found = outcomes(platform)
    assert tuple(found) == selfcheck.NAMES
    assert found["sample"] == (True, "3")
    assert found["queue"] == (True, "0")
    assert found["ledger"] == (True, "4 / 4")
    assert found["reading"][0]
    assert found["clock"] == (False, "—")  # nobody was asked: that is told, not hidden
    clock.at += timedelta(minutes=61)
    platform.selfchecking.round()
    assert numbers(platform) == 1  # what has not changed is not said again


def test_what_changes_is_written_within_the_hour(
    platform: Platform, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = platform.deposit("a.txt", [b"words"])
    platform.selfchecking.round()
    assert outcomes(platform)["queue"] == (True, "1")
    clock.at += timedelta(hours=23, minutes=59)
    platform.selfchecking.round()
    assert numbers(platform) == 1
    clock.at += timedelta(days=1)
    with caplog.at_level(logging.WARNING, "guzheng.selfcheck"):
        platform.selfchecking.round()
    assert outcomes(platform)["queue"] == (False, "1")
    told = json.loads(caplog.records[-1].message)
    assert (told["event"], told["failed"]["queue"]) == ("selfcheck", "1")
    platform.walk(waiting, silent)
    clock.at += timedelta(minutes=61)
    platform.selfchecking.round()
    assert outcomes(platform)["queue"] == (True, "0")


def test_a_damaged_exhibit_is_found_by_chance_and_named(
    platform: Platform, tmp_path: Path
) -> None:
    exhibit = deposited(platform)
    item = tmp_path / "blobs" / "exhibits" / exhibit / "items" / "a.txt"
    item.chmod(0o600)
    item.write_bytes(b"sword")
    platform.selfchecking.check()
    assert outcomes(platform)["sample"] == (False, f"{exhibit}: keep.altered")


def test_of_two_programs_one_writes(tmp_path: Path, clock: Clock) -> None:
    """Both found one due; whoever comes second finds it written."""
    one, other = opened(tmp_path, clock), opened(tmp_path, clock)
    one.selfchecking.round()
    newest = one.parts.checks.newest()
    clock.at += timedelta(days=2)
    one.selfchecking.round()
    assert other.selfchecking.check(newest).number == 2
    assert numbers(one) == 2


def test_none_can_be_altered_left_out_or_written_later(
    platform: Platform, tmp_path: Path
) -> None:
    for _ in range(3):
        platform.selfchecking.check()
    folder = tmp_path / "blobs" / "checks"
    second = folder / "000002.json"
    kept = second.read_bytes()
    altered = kept.replace(b'"outcome":"failed"', b'"outcome":"passed"')
    assert altered != kept
    for octets, wanted in ((altered, "000002"), (None, "000003")):
        second.chmod(0o600)
        second.unlink()
        if octets is not None:
            second.write_bytes(octets)
        assert any(wanted in place for place in places(platform)), octets
        second.write_bytes(kept)
    assert places(platform) == []


def test_a_paper_whose_program_died_is_entered_by_the_next_who_looks(
    platform: Platform, tmp_path: Path, clock: Clock
) -> None:
    """Killed between paper and ledger: only the paper is there."""
    platform.selfchecking.check()
    again = tmp_path / "again"
    (again / "blobs" / "checks").mkdir(parents=True)
    first = read(platform.blobs, selfcheck.name_of(1))
    fresh = opened(again, clock)
    fresh.blobs.put(selfcheck.name_of(1), [first])
    assert [one for one in places(fresh) if "000001" in one]
    fresh.selfchecking.round()
    assert places(fresh) == []
    second = opened(tmp_path / "third", clock)
    second.blobs.put(selfcheck.name_of(1), [first])
    second.rebuild()
    assert places(second) == []
