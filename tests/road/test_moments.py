"""The moments of a capture: stamped while it is under way, checked by a stranger."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import load
from guzheng.proof import moments, package
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.report import Outcome, Report
from guzheng.proof.verify import verify_exhibit
from guzheng.refusals import Unavailable
from guzheng.store.blobs import read
from guzheng.verifier.main import main as verify
from tests import world
from tests.frontend.test_same_verdicts import Question, differences
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.witnesses import environment_of, three

pytestmark = pytest.mark.browser
STAMPED = ("moments/opening.tsa", "moments/closing.tsa")


class Captured:
    """One capture of a platform with witnesses; every test looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with three() as witnesses, world.site() as site:
            environment = environment_of(folder, witnesses)
            environment["GUZHENG_ALLOW_PRIVATE"] = "127.0.0.1/32"
            environment["GUZHENG_CAPTURES_WAITING"] = "0"
            self.platform = Platform(load(folder / "data", environment=environment))
            self.platform.walk(self.platform.deposit("a.txt", [b"words"]), silent)
            self.exhibit = self.platform.order_capture(site)
            self.state = self.platform.walk(self.exhibit, silent)
            self.faults = places(self.platform)
            self.package = folder / "p.zip"
            self.platform.write_package([self.exhibit], self.package)
        names = self.platform.road.papers(self.exhibit) - {"order.json"}
        place = f"exhibits/{self.exhibit}/"
        self.papers = {one: read(self.platform.blobs, place + one) for one in names}

    @property
    def facts(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.papers["certificate.json"])
        return found

    def judged(self, **changed: bytes | None) -> Report:
        papers = {**self.papers, **{name: one for name, one in changed.items() if one}}
        for name in (name for name, one in changed.items() if one is None):
            papers.pop(name, None)
        observed = {name: _observed(octets) for name, octets in papers.items()}
        kept = {name: one for name, one in papers.items() if package.is_paper(name)}
        return verify_exhibit(kept, observed, self.platform.trust)


def _observed(octets: bytes) -> package.Observed:
    from guzheng.proof.digest import sha256

    return package.Observed(len(octets), sha256(octets))


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    folder = tmp_path_factory.mktemp("moments")
    yield Captured(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_opening_and_closing_are_stamped_and_on_the_record(captured: Captured) -> None:
    assert captured.state == "certified"
    record = CaptureRecord.parse(captured.papers["capture.json"])
    found = moments.moments_of(record)
    names = [one.name for one in found if one.token]
    assert (names[0], names[-1]) == ("opening", "closing")
    assert {*STAMPED, moments.BEFORE} <= set(captured.papers)
    assert "capture.moment-not-stamped" not in str(record.fields["notes"])


def test_how_the_clock_stood_before_and_after_is_written_down(captured: Captured) -> None:
    report = json.loads(captured.papers["items/environment.json"])
    told = report["clock"]["claimed_by_platform"]
    assert set(told) == {"before", "after"}
    for one in told.values():
        assert one["standing"] == captured.platform.clock().standing
        assert one["source"]
    assert report["room"]["exhibit"] == captured.exhibit


def test_every_step_passes_and_the_times_are_told(captured: Captured) -> None:
    report = captured.judged()
    assert [one for one in report.findings if one.outcome is not Outcome.PASSED] == []
    told = {one.step: one.found for one in report.findings if one.step.startswith("moment.")}
    assert all(one in told["moment.order"] for one in ("opening: ", "closing: ", "seal: "))
    assert "moment.before" in told
    assert captured.faults == []


def test_the_package_has_them_and_the_program_checks_them(
    captured: Captured, capsys: pytest.CaptureFixture[str]
) -> None:
    roots = captured.folder / "roots.pem"
    roots.write_bytes(captured.platform.roots_pem())
    assert verify([str(captured.package), "--roots", str(roots), "--lang", "en"]) == 0
    assert "moment" in capsys.readouterr().out.lower()


def test_the_certificate_shows_the_bracket(captured: Captured) -> None:
    facts = captured.facts
    bound, stamps = facts["not_before"], facts["moments"]
    assert isinstance(bound, dict)
    assert isinstance(stamps, list)
    times = [bound["at"], *(one["attested_at"] for one in stamps)]
    assert times == sorted(times)
    assert bound["contained_in"] == "record"
    assert bound["at"] == min(one["attested_at"] for one in bound["witnesses"])


@pytest.mark.parametrize("name", [*STAMPED, moments.BEFORE])
def test_none_can_be_taken_away(captured: Captured, name: str) -> None:
    report = captured.judged(**{name: None})
    assert _code(report, "moment.named") == "package.member-missing"


def test_none_can_be_exchanged_or_added(captured: Captured) -> None:
    opening, closing = (captured.papers[one] for one in STAMPED)
    report = captured.judged(**{STAMPED[0]: closing, STAMPED[1]: opening})
    assert _code(report, "moment.token") == "moment.token-differs"
    record = json.loads(captured.papers["capture.json"])
    asked = {one["name"] for one in record["moments"] if "token" in one}
    for name in set(moments.NAMES) - asked:
        report = captured.judged(**{moments.paper_of(name): opening})
        assert _code(report, "moment.named") == "package.member-extra"


def test_the_checkpoint_is_the_one_that_the_record_names(captured: Captured) -> None:
    note = captured.papers[moments.BEFORE]
    report = captured.judged(**{moments.BEFORE: note[: note.rindex("—".encode())]})
    assert _code(report, "moment.before") == "moment.note-differs"


def test_the_browsers_engine_says_the_same(captured: Captured, tmp_path: Path) -> None:
    """Of a witnessed capture: whole, and with each paper of its moments gone or changed."""
    questions: list[tuple[str, Question]] = [("whole", {"file": str(captured.package)})]
    for number, name in enumerate([*STAMPED, moments.BEFORE, package.CAPTURE]):
        for spoilt in (None, number):
            folder = tmp_path / f"{number}-{spoilt}"
            with zipfile.ZipFile(captured.package) as archive:
                archive.extractall(folder)
            paper = folder / "exhibits" / captured.exhibit / name
            octets = paper.read_bytes()
            if spoilt is None:
                paper.unlink()
            else:
                middle = len(octets) // 2
                paper.write_bytes(octets[:middle] + b"X" + octets[middle + 1 :])
            questions.append((f"{name}, {spoilt}", {"folder": str(folder)}))
    assert differences(questions) == []


def test_an_authority_that_is_away_costs_no_capture(tmp_path: Path) -> None:
    with world.authority(tmp_path) as outside, world.site() as site:
        outside.mood = "refuses"
        allowed = {"GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32", "GUZHENG_CAPTURES_WAITING": "0"}
        platform = Platform(
            load(tmp_path / "data", environment=outside.environment() | allowed)
        )
        exhibit = platform.order_capture(site)
        with pytest.raises(Unavailable):
            platform.walk(exhibit, silent)
        record = CaptureRecord.parse(read(platform.blobs, f"exhibits/{exhibit}/capture.json"))
        assert not record.failed
        assert "capture.moment-not-stamped" in str(record.fields["notes"])
        assert {one.token for one in moments.moments_of(record)} == {None}
        outside.mood = "well"
        assert platform.walk(exhibit, silent) == "certified"
        assert places(platform) == []


def _code(report: Report, step: str) -> str:
    found = [one for one in report.findings if one.step == step and one.code != "ok"]
    assert found, step
    return found[0].code
