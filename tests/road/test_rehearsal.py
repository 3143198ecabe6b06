"""Rehearsals of real records: a captured page, a deposit, a digest, an attempt that failed.

Golden: what each objection comes to is written down here, exhibit by exhibit."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from guzheng.app import Platform
from guzheng.cases import Exhibited, Facts, Party, Tick, course, guide
from guzheng.cases.rehearsal import (
    ANSWERED,
    NOT_APPLICABLE,
    NUMBERS,
    OPEN,
    PARTLY,
    Rehearsal,
)
from guzheng.cli.main import commands
from guzheng.config import load
from guzheng.intake import Upload
from guzheng.refusals import Refused
from guzheng.store.blobs import read
from tests import world
from tests.ports import free_port
from tests.road.deaths import come_in, silent

STATES = {"a": ANSWERED, "p": PARTLY, "o": OPEN, "-": NOT_APPLICABLE}


class Kept:
    """One installation without witnesses, whose clock nobody verified."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.platform = Platform(
            load(
                self.data,
                environment={
                    "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
                    "GUZHENG_ACCOUNTS": "off",
                    "GUZHENG_CAPTURES_WAITING": "0",
                    "GUZHENG_CLOCK_PROFILE": "evaluation",
                },
            )
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("rehearsals")
    yield Kept(folder)
    shutil.rmtree(folder, ignore_errors=True)


def states(told: Rehearsal) -> str:
    letters = {state: letter for letter, state in STATES.items()}
    assert [one.number for one in told.objections] == list(NUMBERS)
    return "".join(letters[one.state] for one in told.objections)


def codes(told: Rehearsal, number: str) -> set[str]:
    found = next(one for one in told.objections if one.number == number)
    return {one.code for one in (*found.answers, *found.against, *found.missing)}


#         R- 1234567890123456789012
DEPOSIT = "o-ooopaaopa-ooop-paapp"  # two files, one of them a picture
DIGEST = "o-o-oppp"


def test_a_deposit(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "deposit")
    kept.platform.walk(exhibit, silent)
    told = kept.platform.rehearsing.of(exhibit, verify=True)
    assert states(told) == DEPOSIT
    assert codes(told, "R-7") == {"verified"}
    assert "clock-unverified" in codes(told, "R-13")
    assert codes(told, "R-22") == {"sealed-at-once", "made-when"}


def test_a_deposit_that_was_altered_is_not_answered(kept: Kept) -> None:
    exhibit = kept.platform.road.deposit((Upload("甲.txt", [b"one"]),), largest=100).exhibit
    kept.platform.walk(exhibit, silent)
    item = next((kept.data / "blobs" / "exhibits" / exhibit / "items").iterdir())
    item.chmod(0o600)
    item.write_bytes(b"two")
    told = kept.platform.rehearsing.of(exhibit, verify=True)
    assert codes(told, "R-7") == {"verify-failed"}
    seventh = told.objections[6]
    assert seventh.state == OPEN
    assert "keep.altered" in seventh.against[0].found


def test_a_digest_alone(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "hash-only")
    kept.platform.walk(exhibit, silent)
    told = kept.platform.rehearsing.of(exhibit, verify=True)
    assert states(told).startswith(DIGEST)
    for number in ("R-7", "R-8", "R-18"):
        assert "original-elsewhere" in codes(told, number)
    assert "papers" in codes(told, "R-7")
    assert "verified" not in codes(told, "R-7"), "of bytes that were never here"


def test_an_exhibit_on_its_road_says_so(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "deposit")
    told = kept.platform.rehearsing.of(exhibit, verify=True)
    assert told.of(ANSWERED) == ()
    for number in ("R-8", "R-11", "R-13", "R-20", "R-21", "R-22"):
        assert "on-its-road" in codes(told, number)


@pytest.mark.browser
def test_a_captured_page_and_an_attempt_that_failed(kept: Kept) -> None:
    with world.site() as site:
        exhibit = kept.platform.order_capture(site)
        assert kept.platform.walk(exhibit, silent) == "certified"
    told = kept.platform.rehearsing.of(exhibit, verify=True)
    by_number = {one.number: one.state for one in told.objections}
    assert by_number["R-3"] == by_number["R-7"] == by_number["R-8"] == ANSWERED
    assert by_number["R-14"] == by_number["R-22"] == ANSWERED
    assert by_number["R-16"] == NOT_APPLICABLE
    assert {"environment-report", "profile-fresh"} <= codes(told, "R-1")
    assert "private-allowed" in codes(told, "R-2"), "a test's loopback is told as it is"
    assert by_number["R-2"] == OPEN
    assert {"artefacts", "trace"} <= codes(told, "R-10")
    assert {"one-vantage", "once"} == codes(told, "R-17")

    failed = kept.platform.order_capture(f"http://127.0.0.1:{free_port()}/gone")
    kept.platform.walk(failed, silent)
    attempt = kept.platform.rehearsing.of(failed, verify=True)
    assert attempt.kind == "web-attempt"
    assert codes(attempt, "R-10") == {"attempt-log", "one-attempt"}
    assert "record-kept" in codes(attempt, "R-18")
    assert codes(attempt, "R-7") == {"verified"}

    again = kept.platform.ordering.of_exhibit(exhibit)
    assert again is not None
    retried = kept.platform.ordering.retry(again.commission.commission, "再取一次")
    assert "once" in codes(kept.platform.rehearsing.of(exhibit), "R-17"), "it did not come yet"
    blobs = kept.platform.blobs
    record = read(blobs, f"exhibits/{exhibit}/capture.json")
    blobs.put(f"exhibits/{retried.commission.exhibit}/capture.json", [record])
    assert "repeated" in codes(kept.platform.rehearsing.of(exhibit), "R-17")


def test_a_case_adds_what_it_knows_and_keeps_accounts_apart(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "deposit")
    kept.platform.walk(exhibit, silent)
    cases = kept.platform.cases
    case = cases.open(Facts(name="甲_乙_20261122")).case
    with pytest.raises(Refused, match=r"cases\.not-linked"):
        kept.platform.rehearsing.of(exhibit, case)
    cases.link(case, [exhibit])
    assert "no-licence" in codes(kept.platform.rehearsing.of(exhibit, case), "R-15")
    licence = "91110000802100433B"
    cases.set(case, course.PARTY, Party(name="甲", licence=licence))
    assert "licence" in codes(kept.platform.rehearsing.of(exhibit, case), "R-15")
    (told,) = kept.platform.rehearsing.of_case(case)
    assert codes(told, "R-7") == {"not-verified-now"}
    strangers = cases.open(Facts(name="x"), account="ac_01J000000000000000000000ZZ").case
    with pytest.raises(Refused, match=r"exhibit\.not-found"):
        cases.link(strangers, [exhibit])
    assert cases.of_exhibit(exhibit, account="ac_01J000000000000000000000ZZ") == ()
    assert [one.case for one in cases.of_exhibit(exhibit)] == [case]


def test_the_day_of_hearing_is_told_to_whoever_shares(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "deposit")
    cases = kept.platform.cases
    assert cases.hearing_of([exhibit]) == ""
    case = cases.open(Facts(name="x", hearing_on="2027-03-01")).case
    cases.link(case, [exhibit])
    assert cases.hearing_of([exhibit]) == "2027-03-01"
    assert cases.units_of(cases.case(case)) == 0
    known = guide.guide_named("1688")
    cases.tick(case, "1688", "A1", Tick(exhibit=exhibit))
    (shown,) = cases.shown(cases.case(case))
    assert shown.purpose == known.sections[0].purpose["zh"], "the guide's, while none is stated"
    cases.set(case, course.EXHIBIT, Exhibited(purpose="证明甲"), subject=exhibit)
    assert cases.shown(cases.case(case))[0].purpose == "证明甲"
    cases.set(case, course.PARTY, Party("logistics", "乙物流", level="3"))
    assert cases.parties_said(cases.case(case)) == ("物流合作方：乙物流（企业诚信通等级 3）",)
    value = cases.value(case)
    assert value["state"] == "open"
    assert value["hold"] is False


def test_the_shell_rehearses_too(kept: Kept) -> None:
    exhibit = come_in(kept.platform, "deposit")
    kept.platform.walk(exhibit, silent)
    shell = CliRunner()
    told = shell.invoke(commands, ["--data", str(kept.data), "rehearse", exhibit])
    assert told.exit_code == 0, told.output
    assert "R-22" in told.output
    assert "存证不等于创作或权属" in told.output
    as_json = shell.invoke(
        commands, ["--data", str(kept.data), "--json", "rehearse", exhibit, "--open"]
    )
    assert '"guzheng.rehearsal/1"' in as_json.output
