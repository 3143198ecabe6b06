"""Seals of outside authorities, end to end: asked, kept, demanded, believed and said (R-9).

They misbehave in every way over real HTTP; the exhibit waits for as many as are demanded, goes
on with the others, and whoever does not believe the operator still learns who attests what.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng import road
from guzheng.app import Platform
from guzheng.config import load
from guzheng.proof import canonical, package, timestamp
from guzheng.proof.report import Outcome
from guzheng.refusals import Refused, Unavailable
from guzheng.verifier import main
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.verifier.packed import judged
from tests.world import Authority, authority, further

LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
WRONG = ("slow", "garbled", "refuses", "wrong-imprint", "wrong-nonce", "dies")


@pytest.fixture
def three(tmp_path: Path) -> Iterator[tuple[Authority, ...]]:
    with contextlib.ExitStack() as stack:
        yield tuple(
            stack.enter_context(authority(tmp_path, name)) for name in ("Ann", "Ben", "Cem")
        )


def opened(folder: Path, *outside: Authority, required: int) -> Platform:
    environment = further(*outside, required=required, folder=folder)
    return Platform(load(folder / "data", environment=environment))


def walked(platform: Platform) -> str:
    exhibit = platform.deposit("a.txt", [b"words"])
    assert platform.walk(exhibit, silent) == "certified"
    return exhibit


def seals(platform: Platform, exhibit: str) -> set[str]:
    outside = {one for one in platform.road.papers(exhibit) if one.startswith("seal.")}
    return outside - {package.SEAL, package.SEAL_SM2}


def facts_of(platform: Platform, exhibit: str) -> dict[str, object]:
    return canonical.parse_object(
        (platform.folder(exhibit) / package.CERTIFICATE_JSON).read_bytes()
    )


def test_each_adds_its_seal_and_the_certificate_says_who_and_when(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    platform = opened(tmp_path, *three, required=2)
    exhibit = walked(platform)
    assert seals(platform, exhibit) == {"seal.ann.tsa", "seal.ben.tsa", "seal.cem.tsa"}
    assert [one.asked for one in three] == [1, 1, 1]
    named = facts_of(platform, exhibit)["further_seals"]
    assert isinstance(named, list)
    said = {one["paper"]: one for one in named}
    for paper in seals(platform, exhibit):
        token = timestamp.parse((platform.folder(exhibit) / paper).read_bytes())
        assert said[paper]["serial"] == f"{token.serial:x}"
        assert paper.split(".")[1].title() in str(said[paper]["authority"])
    out = tmp_path / "court.zip"
    platform.write_package((exhibit,), out)
    assert judged(out).report.outcome is Outcome.PASSED
    assert judged(out, "--authorities", "4").report.outcome is Outcome.PASSED
    five = judged(out, "--authorities", "5")
    assert five.report.outcome is Outcome.NOT_CHECKED
    assert [one.code for one in five.report.of(Outcome.NOT_CHECKED)] == [
        "policy.authorities-missing"
    ]
    assert places(platform) == []


def test_who_does_not_believe_the_operator_still_learns_who_attests_what(
    tmp_path: Path, three: tuple[Authority, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """R-9: with the roots of one outside authority alone."""
    platform = opened(tmp_path, three[0], required=1)
    exhibit = walked(platform)
    out = tmp_path / "court.zip"
    platform.write_package((exhibit,), out)
    report = judged(out, "--roots", three[0].roots).report
    assert report.outcome is Outcome.NOT_CHECKED
    assert not report.of(Outcome.FAILED)
    found = {(one.step, Path(one.subject).name): one for one in report.findings}
    assert found["seal.trust", "seal.tsa"].outcome is Outcome.NOT_CHECKED
    assert found["seal.trust", "seal.ann.tsa"].outcome is Outcome.PASSED
    attested = found["authorities", "manifest.json"]
    assert attested.outcome is Outcome.PASSED
    assert "Ann" in attested.found
    token = timestamp.parse((platform.folder(exhibit) / "seal.ann.tsa").read_bytes())
    assert token.attested_at.strftime("%Y-%m-%dT%H:%M:%S") in attested.found
    assert main.main([str(out), "--roots", str(three[0].roots)]) == 2
    assert "Ann" in capsys.readouterr().out


@pytest.mark.parametrize("mood", WRONG)
def test_it_waits_for_what_is_demanded_and_keeps_what_came(
    tmp_path: Path, three: tuple[Authority, ...], mood: str
) -> None:
    ann, ben = three[:2]
    platform = opened(tmp_path, ann, ben, required=2)
    exhibit = platform.deposit("a.txt", [b"words"])
    ben.mood = mood
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"fix\.authorities-missing") as problem:
            platform.walk(exhibit, silent)
        assert "ben: fix.a" in problem.value.found
    papers = platform.road.papers(exhibit)
    assert package.SEAL in papers, "the first seal is not held back by the others"
    assert package.LEAF not in papers
    assert seals(platform, exhibit) == {"seal.ann.tsa"}
    assert ann.asked == 1, "a seal that came is never asked for again"
    ben.mood = "well"
    ben.released.set()
    assert platform.walk(exhibit, silent) == "certified"
    assert ann.asked == 1
    assert places(platform) == []


def test_one_that_is_away_is_passed_over(tmp_path: Path, three: tuple[Authority, ...]) -> None:
    three[0].mood = "refuses"
    platform = opened(tmp_path, *three, required=2)
    exhibit = walked(platform)
    assert seals(platform, exhibit) == {"seal.ben.tsa", "seal.cem.tsa"}


def test_none_is_demanded_and_none_answers(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    three[0].mood = "refuses"
    platform = opened(tmp_path, three[0], required=0)
    exhibit = walked(platform)
    assert not seals(platform, exhibit)
    named = facts_of(platform, exhibit).get("further_seals", [])
    assert "ann" not in json.dumps(named)


def test_one_that_keeps_failing_is_left_alone(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    three[0].mood = "refuses"
    platform = opened(tmp_path, three[0], required=0)
    for _ in range(6):
        walked(platform)
    assert three[0].asked == 3


def test_one_authority_under_two_names_counts_once(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    """sigstore-go#471."""
    ann = three[0]
    again = Authority(ann.url, ann.roots, "again")
    platform = opened(tmp_path, ann, again, required=2)
    exhibit = platform.deposit("a.txt", [b"words"])
    with pytest.raises(Unavailable, match=r"fix\.authorities-missing"):
        platform.walk(exhibit, silent)
    assert seals(platform, exhibit) == {"seal.ann.tsa", "seal.again.tsa"}


@pytest.mark.parametrize(
    ("clock", "fault"),
    [
        (lambda: LONG_AGO, "fix.clocks-apart"),  # its seal would refute the exhibit
        (lambda: datetime.now(UTC), "fix.authority-declined"),  # its certificate has ended
    ],
    ids=["years-behind", "expired"],
)
def test_an_authority_that_has_grown_old(
    tmp_path: Path, clock: Callable[[], datetime], fault: str
) -> None:
    with authority(tmp_path, "Old", made=lambda: LONG_AGO, clock=clock) as old:
        platform = opened(tmp_path, old, required=1)
        exhibit = platform.deposit("a.txt", [b"words"])
        with pytest.raises(Unavailable, match=r"fix\.authorities-missing") as problem:
            platform.walk(exhibit, silent)
        assert fault in problem.value.found
    assert not seals(platform, exhibit)


def test_an_older_exhibit_is_not_held_back_by_a_later_demand(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    exhibit = walked(opened(tmp_path, three[0], required=0))
    later = opened(tmp_path, *three, required=3)
    assert later.walk(exhibit, silent) == "certified"
    assert road.next_step("deposit", later.road.papers(exhibit)) is None


def test_a_seal_that_the_certificate_names_cannot_be_taken_away_or_exchanged(
    tmp_path: Path, three: tuple[Authority, ...]
) -> None:
    platform = opened(tmp_path, *three[:2], required=2)
    exhibit, other = walked(platform), walked(platform)
    roots, ledger = tmp_path / "roots.pem", tmp_path / "ledger.policy"
    roots.write_bytes(platform.roots_pem())
    ledger.write_bytes(platform.ledger_policy())
    believed = ("--roots", roots, "--policy", ledger)
    folder, paper = platform.folder(exhibit), "seal.ann.tsa"
    assert judged(folder, *believed).report.outcome is Outcome.PASSED
    (folder / paper).unlink()
    report = judged(folder, *believed).report
    assert report.outcome is Outcome.NOT_CHECKED
    assert paper in {one.expected for one in report.of(Outcome.NOT_CHECKED)}
    (folder / paper).write_bytes((platform.folder(other) / paper).read_bytes())
    report = judged(folder, *believed).report
    assert report.outcome is Outcome.FAILED
    assert "timestamp.imprint-differs" in {one.code for one in report.findings}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"AUTHORITIES": "ca"}, "name address"),
        ({"AUTHORITIES": "sm2 http://127.0.0.1:9/"}, "name address"),
        ({"AUTHORITIES": "a http://127.0.0.1:9/,a http://127.0.0.1:9/"}, "once"),
        ({"AUTHORITIES": "a ftp://127.0.0.1/"}, "http"),
        ({"AUTHORITIES_REQUIRED": "2"}, "from 0 to the 1"),
        ({"AUTHORITIES_REQUIRED": "-1"}, "from 0"),
        ({"TIMESTAMP_ROOTS": ""}, "roots"),
    ],
)
def test_settings_that_cannot_be_carried_out_are_refused_at_the_start(
    tmp_path: Path, three: tuple[Authority, ...], settings: dict[str, str], fault: str
) -> None:
    environment = further(three[0], required=1, folder=tmp_path)
    environment |= {f"GUZHENG_{name}": value for name, value in settings.items()}
    with pytest.raises(Refused) as refusal:
        Platform(load(tmp_path / "data", environment=environment))
    assert fault in refusal.value.expected
