"""The papers are the truth: index and ledger table come back from them."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from guzheng.app import ExhibitView, Platform, set_aside_damaged
from guzheng.app.upkeep import Rebuilt
from tests.road.conftest import Opened
from tests.road.deaths import silent
from tests.road.test_fsck import flip, places, rewrite
from tests.world import now

TABLES = ("index.sqlite", "ledger.sqlite", "jobs.sqlite")


def listed(platform: Platform) -> list[ExhibitView]:
    return [replace(view, progress=()) for view in platform.exhibits(100)]


def lose(data: Path, name: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data / (name + suffix)).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "lost", [one for size in (1, 2, 3) for one in itertools.combinations(TABLES, size)]
)
def test_a_lost_table(data: Path, opened: Opened, lost: tuple[str, ...]) -> None:
    waiting = opened().deposit("waiting.txt", [b"waiting"])
    before = listed(opened())
    entries = opened().ledger.entries
    named = [entries.exhibit_of(number) for number in range(entries.size())]
    for name in lost:
        lose(data, name)
    platform = opened()
    assert platform.rebuild() == Rebuilt(4, ())
    assert listed(platform) == before
    assert platform.index.unfinished() == (waiting,)
    assert [platform.ledger.entries.exhibit_of(one) for one in range(len(named))] == named
    assert places(platform) == []
    assert platform.walk(platform.deposit("next.txt", [b"next"]), silent) == "certified"
    assert platform.walk(waiting, silent) == "certified"
    assert places(platform) == []


@pytest.mark.parametrize("name", TABLES[:2])
def test_a_damaged_table_is_set_aside(data: Path, opened: Opened, name: str) -> None:
    before = listed(opened())
    # With its -wal, which may hold a sound copy of every page while someone has it open.
    lose(data, name)
    (data / name).write_bytes(b"nothing" * 1000)
    aside = set_aside_damaged(data, now())
    assert aside[0].read_bytes() == b"nothing" * 1000
    platform = opened()
    platform.rebuild()
    assert listed(platform) == before
    assert places(platform) == []
    assert set_aside_damaged(data, now()) == []


def test_again_and_again(opened: Opened) -> None:
    platform = opened()
    before = listed(platform)
    for _ in range(3):
        platform.rebuild()
    assert listed(platform) == before
    assert places(platform) == []


def test_a_damaged_exhibit_keeps_no_other_from_coming_back(data: Path, opened: Opened) -> None:
    first, second, _ = sorted(opened().road.exhibits())
    flip(data / "blobs/exhibits" / first / "order.json", 0.0)
    rewrite(data / "blobs/exhibits" / second / "leaf", b"not what was logged")
    lose(data, "index.sqlite")
    platform = opened()
    size = platform.ledger.entries.size()
    rebuilt = platform.rebuild()
    assert rebuilt.count == 1
    assert {one.place for one in rebuilt.damaged} == {
        f"exhibits/{first}/",
        f"exhibits/{second}/",
    }
    assert platform.ledger.entries.size() == size, "a damaged leaf must not be logged"


def test_what_came_in_meanwhile_stays(opened: Opened) -> None:
    """A line that was not there when the papers were looked through is not removed."""
    platform = opened()
    before = platform.index.names()
    exhibit = opened().deposit("meanwhile.txt", [b"x"])
    platform.index.rebuild([], before)  # as if every paper were gone
    assert platform.index.names() == {exhibit}
    assert platform.index.unfinished() == (exhibit,)


def test_papers_whose_index_was_never_written(data: Path, opened: Opened) -> None:
    """As after a kill between the order and the index: the next worker takes it up."""
    exhibit = opened().deposit("a.txt", [b"words"])
    opened().index.forget(exhibit)
    assert places(opened()) == [f"exhibits/{exhibit}/"]
    platform = opened()
    assert platform.recover() == 0
    assert platform.index.unfinished() == (exhibit,)
    assert platform.walk(exhibit, silent) == "certified"
    assert places(platform) == []


def test_items_without_an_order_are_cleared(data: Path, opened: Opened) -> None:
    exhibit = opened().deposit("a.txt", [b"words"])
    opened().index.forget(exhibit)
    (data / "blobs/exhibits" / exhibit / "order.json").unlink()
    platform = opened()
    assert platform.recover() == 1
    assert places(platform) == []
    assert exhibit not in set(platform.road.exhibits())


def test_rooms_of_captures_that_are_over(data: Path, opened: Opened) -> None:
    exhibit = next(opened().road.exhibits())
    for name in (exhibit, "ex_" + "0" * 26):
        shutil.copytree(data / "keys", data / "captures" / name / "done")
    opened().recover()
    assert list((data / "captures").iterdir()) == []
