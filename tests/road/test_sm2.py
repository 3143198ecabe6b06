"""The second seal, under SM2: made where the machine can, judged as a step, missed if gone."""

import json
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.package import SEAL_SM2 as SEAL
from guzheng.proof.package import Observed
from guzheng.proof.policy import parse_roots
from guzheng.proof.report import Outcome, Report
from guzheng.proof.verify import verify_exhibit
from guzheng.refusals import Refused
from guzheng.road import BESIDE
from tests.stations.sm2_cases import NO_SM2

pytestmark = pytest.mark.skipif(bool(NO_SM2), reason=NO_SM2)


def silent(_step: str, _detail: str) -> None:
    return


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return opened(tmp_path_factory.mktemp("sm2") / "data")


def opened(data: Path, sm2: str = "auto") -> Platform:
    return Platform(Config(data, sm2=sm2, clock_profile="evaluation"))


def made(platform: Platform) -> Path:
    exhibit = platform.deposit("photo.jpg", [b"light"])
    assert platform.walk(exhibit, silent) == "certified"
    return platform.folder(exhibit)


def packed(platform: Platform, folder: Path, out: Path) -> Report:
    return platform.write_package([folder.name], out)


def test_the_manifest_is_sealed_over_its_sm3_and_the_certificate_says_so(
    platform: Platform, tmp_path: Path
) -> None:
    folder = made(platform)
    token = timestamp.parse((folder / SEAL).read_bytes())
    timestamp.require_imprint(token, sm3((folder / "manifest.json").read_bytes()).value, "sm3")
    facts = json.loads((folder / "certificate.json").read_bytes())
    assert [one["paper"] for one in facts["further_seals"]] == [SEAL]
    report = packed(platform, folder, tmp_path / "x.zip")
    assert report.outcome is Outcome.PASSED
    told = [one for one in report.findings if one.subject.endswith(SEAL)]
    assert [one.step for one in told] == ["seal.imprint", "seal.signature", "seal.trust"]


def test_both_roots_are_handed_out(platform: Platform) -> None:
    made(platform)
    roots = parse_roots(platform.roots_pem())
    assert roots is not None
    assert len(roots) == 2
    names = [one.subject.rfc4514_string() for one in roots]
    assert "SM2" in names[1]
    assert "SM2" not in names[0]


def judged(platform: Platform, folder: Path, seal: bytes) -> Report:
    """What the kernel says of these papers with this SM2 seal; empty: with none."""
    papers = {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and one.name not in BESIDE and one.name != SEAL
    }
    if seal:
        papers[SEAL] = seal
    observed = {name: Observed(len(papers[name]), sha256(papers[name])) for name in papers}
    return verify_exhibit(papers, observed, platform.trust, folder=folder.name)


@pytest.mark.parametrize("at", [60, -3, 700])
def test_an_altered_seal_fails_its_steps_and_no_other(platform: Platform, at: int) -> None:
    folder = made(platform)
    octets = bytearray((folder / SEAL).read_bytes())
    assert judged(platform, folder, bytes(octets)).outcome is Outcome.PASSED
    octets[at] ^= 1
    report = judged(platform, folder, bytes(octets))
    assert report.outcome is Outcome.FAILED
    failed = {one.subject for one in report.of(Outcome.FAILED)}
    assert failed <= {SEAL, "certificate.json", "certificate.pdf"}
    assert SEAL in failed


def test_a_seal_of_another_manifest_or_none_fails(platform: Platform) -> None:
    one, other = made(platform), made(platform)
    swapped = judged(platform, one, (other / SEAL).read_bytes())
    assert "timestamp.imprint-differs" in {found.code for found in swapped.of(Outcome.FAILED)}
    missing = judged(platform, one, b"")
    assert missing.outcome is not Outcome.PASSED, "the certificate names it"


def test_without_sm2_all_else_is_made_and_it_may_come_later(tmp_path: Path) -> None:
    without = opened(tmp_path / "data", sm2="off")
    before = {
        one: one.read_bytes() for one in (tmp_path / "data/keys").rglob("*") if one.is_file()
    }
    first = made(without)
    assert not (first / SEAL).exists()
    assert without.tending.sm2() == (True, "sm2 = off")
    assert packed(without, first, tmp_path / "first.zip").outcome is Outcome.PASSED
    later = opened(tmp_path / "data", sm2="required")
    second = made(later)
    assert (second / SEAL).exists()
    kept = {one: one.read_bytes() for one in before if "last-signed" not in one.name}
    assert all(before[one] == octets for one, octets in kept.items())
    for folder in (first, second):
        out = tmp_path / f"{folder.name}.zip"
        assert packed(later, folder, out).outcome is Outcome.PASSED
    # And away again: what was sealed under SM2 is judged without the machine's help.
    again = opened(tmp_path / "data", sm2="off")
    assert packed(again, second, tmp_path / "again.zip").outcome is Outcome.PASSED


def test_lost_sm2_keys_are_not_made_anew(tmp_path: Path) -> None:
    """Another root in the place of the old one would orphan every SM2 seal."""
    data = tmp_path / "data"
    made(opened(data))
    (data / "keys/sm2").rename(tmp_path / "away")
    with pytest.raises(Refused) as refusal:
        opened(data)
    assert (refusal.value.code, "sm2" in refusal.value.found) == ("fix.keys-missing", True)
    (tmp_path / "away").rename(data / "keys/sm2")
    made(opened(data))
