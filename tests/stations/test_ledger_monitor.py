"""The monitor compares every place that speaks of the ledger, and alarms when one differs."""

import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.ledger import Ledger, Monitor, Place
from guzheng.ledger.anchors.asking import Asker
from guzheng.ledger.ledger import CHECKPOINT, FOLDER
from guzheng.proof.report import Outcome, Report
from guzheng.refusals import Refused, Unavailable
from tests.stations.ledgers import append
from tests.stations.test_ledger_gathering import Three, bound
from tests.witnesses import three
from tests.world import _served, dripping


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three() as those:
        yield those


@pytest.fixture
def sound(
    tmp_path: Path, witnesses: Three, copy_of: tuple[str, Path]
) -> tuple[Ledger, Monitor, str, Path]:
    """A ledger, its monitor, and a faithful copy."""
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(20))
    shutil.copytree(tmp_path / "ledger/blobs" / FOLDER, copy_of[1])
    return ledger, monitor, *copy_of


@pytest.fixture
def copy_of(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder as a web server gives it out: a mirror, or our ledger seen from outside."""
    folder = tmp_path / "copy"

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = folder / self.path.lstrip("/")
            octets = file.read_bytes() if file.is_file() else b""
            self.send_response(200 if file.is_file() else 404)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        yield url, folder


def place(url: str) -> Place:
    return Place(url, timeout_seconds=30)


def grown(folder: Path, witnesses: Three, numbers: range) -> tuple[Ledger, Monitor]:
    ledger, gathering = bound(folder, witnesses)
    (*_, index) = append(ledger, numbers)
    gathering.cosign(index)
    return ledger, Monitor(ledger, gathering.policy, gathering.witnesses)


def findings(report: Report, outcome: Outcome) -> set[tuple[str, str, str]]:
    return {(one.step, one.subject, one.code) for one in report.of(outcome)}


def test_all_agree(tmp_path: Path, witnesses: Three, copy_of: tuple[str, Path]) -> None:
    url, copy = copy_of
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(300))
    shutil.copytree(tmp_path / "ledger/blobs" / FOLDER, copy)
    early = ledger.read(CHECKPOINT) or b""
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(600))
    report = Monitor(
        ledger,
        monitor.demanded,
        monitor.witnesses,
        served=[place(url)],
        mirrors=[place(url)],
        anchored=[("anchors/300", early)],
    ).report()
    assert findings(report, Outcome.FAILED) | findings(report, Outcome.NOT_CHECKED) == set()
    assert [one.step for one in report.findings] == [
        *("monitor.memory", "monitor.tiles", "monitor.table", "monitor.published"),
        *("monitor.served", "monitor.witness", "monitor.witness", "monitor.witness"),
        *("monitor.mirror", "monitor.anchor"),
    ]


def test_who_is_silent_is_not_checked(
    tmp_path: Path, witnesses: Three, copy_of: tuple[str, Path]
) -> None:
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(30))
    witnesses[0].mood, witnesses[1].mood, witnesses[2].mood = "down", "garbled", "hides"
    report = Monitor(
        ledger, monitor.demanded, monitor.witnesses, mirrors=[place(copy_of[0])]
    ).report()
    assert report.outcome is Outcome.NOT_CHECKED
    assert findings(report, Outcome.NOT_CHECKED) == {
        ("monitor.witness", "court", "ledger.witness-unreachable"),
        ("monitor.witness", "notary", "ledger.witness-unsound"),
        ("monitor.witness", "school", "monitor.witness-shows-nothing"),
        ("monitor.mirror", copy_of[0], "ledger.place-unreachable"),
    }


def test_a_checkpoint_that_waits_for_witnesses(tmp_path: Path, witnesses: Three) -> None:
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(30))
    append(ledger, range(31))
    ledger.integrate()
    assert findings(monitor.report(), Outcome.NOT_CHECKED) == {
        ("monitor.published", "", "monitor.awaited")
    }


def test_somebody_has_seen_more_or_another_tree(
    tmp_path: Path, witnesses: Three, copy_of: tuple[str, Path]
) -> None:
    """Two ledgers under one key: each is what the other must not find."""
    url, copy = copy_of
    grown(tmp_path / "ledger", witnesses, range(300))
    shutil.copytree(tmp_path / "ledger", tmp_path / "old")
    larger, _ = grown(tmp_path / "ledger", witnesses, range(520))
    shutil.copytree(tmp_path / "ledger/blobs" / FOLDER, copy)
    note = larger.read(CHECKPOINT) or b""
    ledger, gathering = bound(tmp_path / "old", witnesses)
    others = Monitor(
        ledger,
        gathering.policy,
        gathering.witnesses,
        served=[place(url)],
        mirrors=[place(url)],
        anchored=[("anchors/520", note)],
    )
    wanted = {("monitor.witness", one.name) for one in witnesses}
    wanted |= {
        ("monitor.served", url),
        ("monitor.mirror", url),
        ("monitor.anchor", "anchors/520"),
    }
    found = findings(others.report(), Outcome.FAILED)
    assert found == {(*one, "monitor.ahead") for one in wanted}
    with pytest.raises(Refused, match=r"witness-ahead"):  # the monitor signs nothing
        ledger.integrate()
    for one in witnesses:  # and now it would fork, if nobody had seen
        one.mood = "down"
    append(ledger, range(1000, 1300))
    for one in witnesses:
        one.mood = "well"
    found = findings(others.report(), Outcome.FAILED)
    assert found == {(*one, "monitor.differs") for one in wanted}


def test_damage_is_an_alarm(
    tmp_path: Path, witnesses: Three, copy_of: tuple[str, Path]
) -> None:
    url, copy = copy_of
    ledger, monitor = grown(tmp_path / "ledger", witnesses, range(300))
    shutil.copytree(tmp_path / "ledger/blobs" / FOLDER, copy)
    for file in (copy / "tile/1").rglob("*"):
        if file.is_file():
            file.write_bytes(bytes(len(file.read_bytes())))
    report = Monitor(ledger, monitor.demanded, (), mirrors=[place(url)]).report()
    assert findings(report, Outcome.FAILED) == {
        ("monitor.mirror", url, "monitor.mirror-damaged")
    }
    (copy / "checkpoint").write_bytes(b"not a checkpoint")
    report = Monitor(ledger, monitor.demanded, (), mirrors=[place(url)]).report()
    assert {one[0] for one in findings(report, Outcome.FAILED)} == {"monitor.mirror"}
    for file in (tmp_path / "ledger/blobs" / FOLDER / "tile/0").rglob("*"):
        if file.is_file():
            file.write_bytes(bytes(len(file.read_bytes())))
    ledger, _ = bound(tmp_path / "ledger", witnesses)
    report = Monitor(ledger, monitor.demanded).report()
    assert ("monitor.tiles", "", "monitor.differs") in findings(report, Outcome.FAILED)


def test_one_that_drips_holds_neither_monitor_nor_anchors(
    tmp_path: Path, witnesses: Three
) -> None:
    """Each wait is short, and there is no end of them: what is bounded is their sum."""
    ledger, monitor = grown(tmp_path, witnesses, range(5))
    with dripping("body") as url:
        slow = Place(url, timeout_seconds=0.5)
        report = Monitor(ledger, monitor.demanded, (), served=[slow], mirrors=[slow]).report()
        assert findings(report, Outcome.FAILED) == set()
        found = {(one.step, one.found) for one in report.of(Outcome.NOT_CHECKED)}
        told = "no whole answer in 0.5 s"
        assert {("monitor.served", told), ("monitor.mirror", told)} <= found
        with pytest.raises(Unavailable, match=r"anchor\.unavailable") as away:
            Asker("calendar", url, timeout_seconds=0.5).ask("POST", content=b"x")
        assert away.value.found == told


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_shown_is_judged_and_never_believed(
    sound: tuple[Ledger, Monitor, str, Path], data: st.DataObject
) -> None:
    """Any octets, or a true checkpoint with some of them altered."""
    ledger, monitor, url, copy = sound
    note = ledger.read(CHECKPOINT) or b""
    at = data.draw(st.integers(0, len(note) - 1))
    shown = data.draw(
        st.binary(max_size=400)
        | st.builds(lambda one: note[:at] + one + note[at + len(one) :], st.binary(max_size=9))
    )
    (copy / "checkpoint").write_bytes(shown)
    places = [place(url)]
    report = Monitor(ledger, monitor.demanded, (), served=places, mirrors=places).report()
    of_them = {one.outcome for one in report.findings if one.subject == url}
    signed = b"".join(note.splitlines(keepends=True)[:5])  # the text, and the log's own line
    if not shown.startswith(signed):
        assert Outcome.PASSED not in of_them
    (copy / "checkpoint").write_bytes(note)


def test_nothing_yet(tmp_path: Path, witnesses: Three) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    report = Monitor(ledger, gathering.policy, gathering.witnesses).report()
    assert report.outcome is Outcome.NOT_CHECKED
    assert report.of(Outcome.FAILED) == ()
    with pytest.raises(Refused, match=r"ledger\.place-url"):
        place("file:///etc/passwd")
