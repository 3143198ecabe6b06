"""Papers that come after the certificate: receipts and renewals, on a whole platform.

Real authorities, a real EVM, a calendar; then the package as a stranger judges it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.keep import Fault
from guzheng.proof import package
from guzheng.proof.report import Outcome
from guzheng.refusals import Refused
from guzheng.store.blobs import read
from guzheng.verifier.verdict import Verdict
from tests import anchoring, world
from tests.anchoring import CHAIN
from tests.verifier.packed import codes, judged, members_of, unpacked

YEAR = timedelta(days=365)


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def opened(folder: Path, clock: Clock, **settings: object) -> Platform:
    config = Config(data=folder / "data", **settings)  # type: ignore[arg-type]
    return Platform(config, open_parts(config, now=clock, entropy=os.urandom))


def deposited(platform: Platform, octets: bytes = b"light") -> str:
    exhibit = platform.deposit("photo.txt", [octets])
    assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    return exhibit


def packed(platform: Platform, exhibit: str, folder: Path) -> Path:
    out = folder / "package.zip"
    platform.write_package((exhibit,), out)
    return out


def steps(verdict: Verdict) -> dict[str, tuple[Outcome, str]]:
    return {one.step: (one.outcome, one.found) for one in verdict.report.findings}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime, str, str]:
    """A data directory with two exhibits, made once; each test has a copy."""
    folder, clock = tmp_path_factory.mktemp("sealed"), Clock(datetime.now(UTC))
    platform = opened(folder, clock)
    first, second = deposited(platform), deposited(platform, b"second")
    return folder / "data", clock.at, first, second


@pytest.fixture
def clock(sealed: tuple[Path, datetime, str, str]) -> Clock:
    return Clock(sealed[1])


@pytest.fixture
def exhibits(sealed: tuple[Path, datetime, str, str], tmp_path: Path) -> tuple[str, str]:
    shutil.copytree(sealed[0], tmp_path / "data")
    return sealed[2:]


# ---- renewals ----------------------------------------------------------------------------


@pytest.fixture
def aged(exhibits: tuple[str, str], tmp_path: Path, clock: Clock) -> Iterator[Platform]:
    """Sealed by its own authority; years later there is a younger one."""
    clock.at += 4 * YEAR + timedelta(days=200)
    with world.authority(tmp_path, made=clock, clock=clock) as outside:
        roots, url = str(outside.roots), outside.url
        yield opened(tmp_path, clock, timestamp_url=url, timestamp_roots=roots)


def test_renewed_in_time_it_still_stands(
    aged: Platform, exhibits: tuple[str, str], tmp_path: Path
) -> None:
    exhibit, other = exhibits
    later = f"{aged.now() + YEAR:%Y-%m-%d}"
    bare = packed(aged, exhibit, tmp_path)
    assert judged(bare).report.outcome is Outcome.PASSED, "at the time of the token"
    assert codes(judged(bare, "--at", later)) == {"renewal.aged"}
    entries = aged.ledger.entries.size()
    assert {one.exhibit for one in aged.ages().due} == set(exhibits)
    done, faults = aged.renew()
    assert (set(done), faults) == (set(exhibits), ())
    assert aged.renew() == ((), ()), "a second run finds nothing to do"
    assert aged.ages().due == ()
    assert aged.ledger.entries.size() == entries + 1
    out = packed(aged, exhibit, tmp_path)
    verdict = judged(out)
    assert verdict.report.outcome is Outcome.PASSED, codes(verdict)
    assert steps(verdict)["renewal.covered"][0] is Outcome.PASSED
    assert steps(judged(out, "--at", later))["seal.age"][0] is Outcome.PASSED
    far = f"{aged.now() + 9 * YEAR:%Y-%m-%d}"
    assert codes(judged(out, "--at", far)) == {"renewal.aged"}
    assert list(aged.fsck(lambda _: None)) == []
    # The record of another exhibit, which is as sound and covers others.
    members = members_of(out.read_bytes())
    name = f"exhibits/{exhibit}/renewals/0001.ers"
    members[name] = read(aged.blobs, f"exhibits/{other}/renewals/0001.ers")
    assert "renewal.group-differs" in codes(judged(unpacked(members, tmp_path / "forged")))


def test_killed_while_it_renews(aged: Platform, exhibits: tuple[str, str]) -> None:
    """kill -9 between two records: the next run finds the one that is left."""
    config = aged.config
    given = [str(config.data), config.timestamp_url, config.timestamp_roots]
    done = subprocess.run(
        [sys.executable, "-m", "tests.road.renewal_death", *given, aged.now().isoformat()],
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    entries = aged.ledger.entries.size()
    renewed = {one for one in exhibits if "renewals/0001.ers" in aged.road.papers(one)}
    assert len(renewed) == 1, "one is kept, whole"
    left = set(exhibits) - renewed
    assert {one.exhibit for one in aged.ages().due} == left
    assert aged.renew() == (tuple(left), ())
    assert aged.renew() == ((), ())
    assert aged.ledger.entries.size() == entries + 1, "one token more, and nothing else"
    assert list(aged.fsck(lambda _: None)) == []


def test_what_was_missed_is_named(
    aged: Platform, exhibits: tuple[str, str], clock: Clock
) -> None:
    clock.at += 2 * YEAR
    done, faults = aged.renew(1)
    assert done == ()
    assert {(one.place, one.code) for one in faults} == {
        (f"exhibits/{one}/", "keep.renewal-missed") for one in exhibits
    }


def test_the_end_of_a_hash_is_a_setting(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    with pytest.raises(Refused) as refused:
        opened(tmp_path, clock, hash_ends=("md5=2030-01-01",)).ages()
    assert refused.value.code == "config.value-refused"
    platform = opened(tmp_path, clock, hash_ends=("sha256=2030-01-01",))
    assert {one.because for one in platform.ages().ages} == {"hash"}


# ---- anchors -----------------------------------------------------------------------------


def test_anchored_everywhere_and_judged(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    first, second = exhibits
    with (
        world.authority(tmp_path, made=clock, clock=clock) as court,
        anchoring.evm() as node,
        anchoring.calendar() as calendar,
    ):
        key = tmp_path / "evm.key"
        key.write_text(node.key.hex())
        key.chmod(0o600)
        settings: dict[str, object] = {
            "timestamp_roots": str(court.roots),
            "anchor_authorities": (f"court {court.url}",),
            "anchor_evm_url": node.url,
            "anchor_evm_chain": CHAIN,
            "anchor_evm_contract": node.address,
            "anchor_evm_key": str(key),
            "anchor_calendars": (f"calendar {calendar.url}",),
        }
        platform = opened(tmp_path, clock, **settings)
        (view,), problems = platform.anchor()
        for _ in range(10):  # a busy node takes its time over a block
            if "anchors/checkpoint.evm.evm.json" not in view.awaited:
                break
            (view,), problems = platform.anchor()
        assert problems == ()
        assert view.awaited == ("anchors/checkpoint.calendar.ots",)
        receipts = {"anchors/checkpoint.court.tsa", "anchors/checkpoint.evm.evm.json"}
        assert receipts <= platform.road.papers(second)
        # The first was logged under a smaller checkpoint: its leaf is shown under this one.
        assert package.ANCHORED in platform.road.papers(first)
        assert package.ANCHORED not in platform.road.papers(second)
        calendar.height = 900_000
        (view,), problems = platform.anchor()
        assert (view.awaited, problems) == ((), ())
        for exhibit in (first, second):
            verdict = judged(packed(platform, exhibit, tmp_path))
            assert verdict.report.outcome is Outcome.PASSED, codes(verdict)
            told = steps(verdict)
            assert told["anchor.checkpoint"][0] is Outcome.PASSED
            assert told["anchor.trust"][0] is Outcome.PASSED
            assert told["anchor.evm"][1].startswith(f"chain {CHAIN}, contract {node.address}")
            assert told["anchor.ots"][1].startswith("Bitcoin block 900000")
        openssl_agrees(tmp_path, platform, first, court.roots)
        asked = calendar.asked, court.asked
        assert platform.anchoring.round() == ()
        assert (calendar.asked, court.asked) == asked, "what is done is not asked again"
        assert list(platform.fsck(lambda _: None)) == []
        # The receipts of one exhibit under another's name.
        members = members_of(packed(platform, first, tmp_path).read_bytes())
        proof = f"exhibits/{first}/{package.ANCHORED}"
        del members[proof]
        place = unpacked(members, tmp_path / "forged")
        assert {
            "anchor.evm-differs",
            "anchor.ots-differs",
            "timestamp.imprint-differs",
        } <= codes(judged(place))


def openssl_agrees(folder: Path, platform: Platform, exhibit: str, roots: Path) -> None:
    """The two commands of docs/spec/anchors.md §2."""
    held = f"exhibits/{exhibit}/"
    place = unpacked(members_of(packed(platform, exhibit, folder).read_bytes()), folder / "by")
    commands = (
        f"awk 'BEGIN{{RS=\"\"}} NR==2' {held}anchors/checkpoint.tlog-proof > ../body && "
        f"openssl ts -verify -data ../body -in {held}anchors/checkpoint.court.tsa "
        f"-CAfile {roots}"
    )
    done = subprocess.run(
        ["bash", "-c", commands], cwd=place, capture_output=True, text=True, check=False
    )
    assert "Verification: OK" in done.stdout, done.stderr


def test_anchors_that_are_away_hinder_nobody(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    settings: dict[str, object] = {"anchor_calendars": ("c http://127.0.0.1:9",)}
    platform = opened(tmp_path, clock, **settings)
    views, problems = platform.anchor()
    assert [one.code for one in problems] == ["anchor.unavailable"]
    assert [one.receipts for one in views] == [()]
    assert not any(one.startswith("anchors/") for one in platform.road.papers(exhibits[0]))


def test_no_anchor_is_the_usual_case(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    platform = opened(tmp_path, clock)
    assert platform.anchor() == ((), ())
    assert not [one for one in platform.blobs.names() if one.startswith("anchors/")]


def test_settings_that_are_no_anchor(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    bad: list[dict[str, object]] = [
        {"anchor_authorities": ("Court http://127.0.0.1:9",)},
        {"anchor_calendars": ("c ftp://127.0.0.1",)},
        {"anchor_evm_url": "http://127.0.0.1:9", "anchor_evm_key": str(tmp_path / "none")},
    ]
    for settings in bad:
        with pytest.raises(Refused):
            opened(tmp_path, clock, **settings)


def test_one_still_on_its_way_and_an_altered_receipt(
    exhibits: tuple[str, str], tmp_path: Path, clock: Clock
) -> None:
    with world.authority(tmp_path, made=clock, clock=clock) as court:
        settings: dict[str, object] = {
            "timestamp_roots": str(court.roots),
            "anchor_authorities": (f"court {court.url}",),
        }
        platform = opened(tmp_path, clock, **settings)
        on_its_way = platform.deposit("third.txt", [b"third"])
        while package.ENTRY not in platform.road.papers(on_its_way):
            platform.road.advance(on_its_way, lambda _step, _detail: None)
        assert platform.anchor()[1] == ()
        receipt = "anchors/checkpoint.court.tsa"
        assert receipt not in platform.road.papers(on_its_way), "it has no certificate yet"
        platform.walk(on_its_way, lambda _step, _detail: None)
        assert platform.anchoring.round() == ()
        assert receipt in platform.road.papers(on_its_way)
        assert court.asked == 1
        name = f"exhibits/{exhibits[0]}/anchors/checkpoint.court.tsa"
        octets = bytearray(read(platform.blobs, name))
        octets[-1] ^= 1
        platform.blobs.replace(name, bytes(octets))
        faults: list[Fault] = platform.fsck(lambda _: None)
        assert [one.place for one in faults] == [name]
