"""The timestamp authority misbehaves: the exhibit waits for it, and loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng import road
from guzheng.app import Platform
from guzheng.config import load
from guzheng.refusals import Unavailable
from guzheng.worker import work_until_idle
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.world import Authority, authority


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Authority]:
    with authority(tmp_path) as one:
        yield one


def opened(folder: Path, outside: Authority) -> Platform:
    return Platform(load(folder / "data", environment=outside.environment()))


MOODS = {
    "slow": r"fix\.authority-unreachable",
    "garbled": r"fix\.answer-unsound",
    "refuses": r"fix\.authority-declined",
    "wrong-imprint": r"fix\.answer-unsound",
    "dies": r"fix\.authority-unreachable",
}


@pytest.mark.parametrize("mood", MOODS)
def test_it_waits_and_then_goes_on(tmp_path: Path, outside: Authority, mood: str) -> None:
    platform = opened(tmp_path, outside)
    exhibit = platform.deposit("a.txt", [b"words"])
    outside.mood = mood
    for _ in range(2):
        with pytest.raises(Unavailable, match=MOODS[mood]):
            platform.walk(exhibit, silent)
    assert platform.exhibit(exhibit).state == "manifested"
    assert platform.index.unfinished() == (exhibit,)
    assert places(platform) == []
    outside.mood = "well"
    outside.released.set()
    assert platform.walk(exhibit, silent) == "certified"
    facts = platform.exhibit(exhibit).facts
    assert facts is not None
    assert "World" in str(facts["seal"])
    assert places(platform) == []


def test_an_authority_whose_root_is_not_believed(tmp_path: Path, outside: Authority) -> None:
    environment = outside.environment()
    del environment["GUZHENG_TIMESTAMP_ROOTS"]
    platform = Platform(load(tmp_path / "data", environment=environment))
    exhibit = platform.deposit("a.txt", [b"words"])
    with pytest.raises(Unavailable, match=r"chain\.unknown-root"):
        platform.walk(exhibit, silent)


def test_the_queue_tries_again_by_itself(tmp_path: Path, outside: Authority) -> None:
    platform = opened(tmp_path, outside)
    exhibit = platform.deposit("a.txt", [b"words"])
    outside.refuses_first = 1
    assert work_until_idle(platform) == ((exhibit,), ())
    assert outside.asked == 5, "the refusal, a token, the seal, two for the certificate"
    assert platform.exhibit(exhibit).state == "certified"


def test_what_cannot_be_finished_stays_unfinished(tmp_path: Path, outside: Authority) -> None:
    platform = opened(tmp_path, outside)
    waiting = [platform.deposit(f"{number}.txt", [b"x"]) for number in range(3)]
    outside.mood = "refuses"
    assert work_until_idle(platform) == ((), tuple(waiting))
    failure = platform.jobs.failure(waiting[0])
    assert isinstance(failure, Unavailable)
    assert failure.code == "fix.authority-declined"
    outside.mood = "well"
    assert work_until_idle(platform) == (tuple(waiting), ())
    assert places(platform) == []


def test_one_exhibit_that_can_never_be_finished_holds_up_no_other(
    tmp_path: Path, outside: Authority
) -> None:
    platform = opened(tmp_path, outside)
    broken = platform.deposit("broken.txt", [b"words"])
    sound = platform.deposit("sound.txt", [b"words"])
    item = tmp_path / "data/blobs/exhibits" / broken / "items/broken.txt"
    item.chmod(0o600)
    item.write_bytes(b"WORDS")
    assert work_until_idle(platform) == ((sound,), (broken,))
    failure = platform.jobs.failure(broken)
    assert failure is not None
    assert failure.code == "intake.item-damaged"


def test_tokens_that_were_given_are_not_asked_for_again(
    tmp_path: Path, outside: Authority
) -> None:
    platform = opened(tmp_path, outside)
    exhibit = platform.deposit("a.txt", [b"words"])
    platform.road.advance(exhibit, silent)
    platform.road.advance(exhibit, silent)
    asked = outside.asked
    assert asked == 2, "one for the original, one for the manifest"
    assert platform.road.advance(exhibit, silent) is road.Step.LOG
    assert outside.asked == asked
