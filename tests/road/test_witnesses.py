"""The whole road with witnesses: an exhibit is sealed at the quorum, and not before."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config, load
from guzheng.proof import instant
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import read
from guzheng.verifier.main import main as verify
from guzheng.words import LANGUAGES, find_words
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.stations.ledgers import require_no_fork
from tests.witnesses import Witness, environment_of, policy_of, three

Three = tuple[Witness, Witness, Witness]


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three(ml_dsa=True) as those:
        yield those


def opened(folder: Path, witnesses: Three) -> Platform:
    return Platform(load(folder / "data", environment=environment_of(folder, witnesses)))


def test_sealed_at_the_quorum(tmp_path: Path, witnesses: Three) -> None:
    platform = opened(tmp_path, witnesses)
    exhibit = platform.deposit("a.txt", [b"words"])
    assert platform.walk(exhibit, silent) == "certified"
    view = platform.exhibit(exhibit)
    assert view.entry is not None
    assert view.entry.state == "cosigned"
    assert view.entry.awaited == ()
    names = [one.name for one in view.entry.witnesses]
    assert names == ["court", "notary", "school"]
    entry = TlogProof.parse(read(platform.blobs, f"exhibits/{exhibit}/entry.tlog-proof"))
    assert len(entry.note.signatures) >= 2 + 3
    facts = json.loads(read(platform.blobs, f"exhibits/{exhibit}/certificate.json"))
    named = [one["name"] for one in facts["entry"]["witnesses"]]
    assert named == sorted(one.key.name for one in witnesses)
    times = {instant.encode(one.attested_at) for one in view.entry.witnesses}
    assert {one["attested_at"] for one in facts["entry"]["witnesses"]} == times
    assert places(platform) == []
    platform.write_package([exhibit], tmp_path / "p.zip")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(platform.roots_pem())
    theirs = tmp_path / "theirs.policy"  # of whoever does not take the platform's
    theirs.write_bytes(policy_of(witnesses, 3, [platform.ledger.vkey]))
    for policy in ([], ["--policy", str(theirs)]):
        assert verify([str(tmp_path / "p.zip"), "--roots", str(roots), *policy]) == 0


def test_below_the_quorum_it_waits_and_says_for_whom(
    tmp_path: Path, witnesses: Three, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = opened(tmp_path, witnesses)
    platform.walk(platform.deposit("first.txt", [b"first"]), silent)
    witnesses[0].mood = witnesses[2].mood = "busy"
    exhibit = platform.deposit("a.txt", [b"words"])
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"ledger\.no-quorum"):
            platform.walk(exhibit, silent)
    view = platform.exhibit(exhibit)
    assert view.state == "fixed"
    assert view.entry is not None
    assert (view.entry.state, view.entry.index) == ("checkpointed", 1)
    assert view.entry.awaited == ("court", "school")
    assert "entry.tlog-proof" in view.missing
    assert platform.index.unfinished() == (exhibit,)
    assert platform.ledger.entries.size() == 2  # it has its number, once
    with pytest.raises(Refused, match=r"package\.not-complete"):
        platform.write_package([exhibit], tmp_path / "p.zip")
    assert places(platform) == []
    witnesses[0].mood = "well"
    assert platform.walk(exhibit, silent) == "certified"
    entry = platform.exhibit(exhibit).entry
    assert entry is not None
    assert [one.name for one in entry.witnesses] == ["court", "notary"]
    assert platform.ledger.entries.size() == 2


def test_nobody_can_be_asked_at_the_start(tmp_path: Path, witnesses: Three) -> None:
    for one in witnesses:
        one.mood = "down"
    platform = opened(tmp_path, witnesses)
    exhibit = platform.deposit("a.txt", [b"words"])
    with pytest.raises(Unavailable, match=r"ledger\.witnesses-silent"):
        platform.walk(exhibit, silent)
    entry = platform.exhibit(exhibit).entry
    assert entry is not None
    assert (entry.state, entry.index) == ("sequenced", 0)
    assert entry.awaited == ("court", "notary", "school")
    assert platform.ledger.signed() is None
    for one in witnesses:
        one.mood = "well"
    assert platform.walk(exhibit, silent) == "certified"


def test_what_was_sealed_before_there_were_witnesses_is_not_damaged(
    tmp_path: Path, witnesses: Three
) -> None:
    alone = Platform(Config(tmp_path / "data", clock_profile="evaluation"))
    exhibit = alone.deposit("a.txt", [b"before"])
    assert alone.walk(exhibit, silent) == "certified"
    platform = opened(tmp_path, witnesses)
    other = platform.deposit("b.txt", [b"since"])
    assert platform.walk(other, silent) == "certified"
    assert places(platform) == []
    told = json.dumps(platform.rehearsing.of(exhibit, verify=True).value())
    assert "verify-failed" not in told
    assert '"verified"' in told
    platform.write_package([exhibit], tmp_path / "p.zip")
    policy = tmp_path / "theirs.policy"
    policy.write_bytes(policy_of(witnesses, 2, [platform.ledger.vkey]))
    assert verify([str(tmp_path / "p.zip"), "--policy", str(policy)]) == 2, (
        "nobody says it is fine"
    )


def test_cosignatures_that_were_taken_away_are_a_fault(
    tmp_path: Path, witnesses: Three
) -> None:
    """Whether or not the listing of before is there to say so."""
    platform = opened(tmp_path, witnesses)
    exhibit = platform.deposit("a.txt", [b"words"])
    assert platform.walk(exhibit, silent) == "certified"
    paper = tmp_path / "data" / "blobs" / "exhibits" / exhibit / "entry.tlog-proof"
    lines = paper.read_bytes().splitlines(keepends=True)
    names = [b"\xe2\x80\x94 " + one.key.name.encode() for one in witnesses]
    paper.chmod(0o600)
    paper.write_bytes(b"".join(one for one in lines if not one.startswith(tuple(names))))
    assert places(platform) == [f"exhibits/{exhibit}/entry.tlog-proof"]
    (tmp_path / "data" / "index.sqlite").unlink()
    platform = opened(tmp_path, witnesses)
    platform.rebuild()
    assert f"exhibits/{exhibit}/certificate.json" in places(platform)


def test_a_restored_backup_and_the_way_back(tmp_path: Path, witnesses: Three) -> None:
    data, yesterday = tmp_path / "data", tmp_path / "yesterday"
    platform = opened(tmp_path, witnesses)
    platform.walk(platform.deposit("a.txt", [b"a"]), silent)
    shutil.copytree(data, yesterday)
    platform.walk(platform.deposit("b.txt", [b"b"]), silent)
    sealed = platform.ledger.read("checkpoint")
    shutil.copytree(data / "blobs/ledger", tmp_path / "mirrored")
    # Everything from yesterday, the papers too: the witnesses alone know of b.txt.
    data.rename(tmp_path / "lost")
    yesterday.rename(data)
    platform = opened(tmp_path, witnesses)
    exhibit = platform.deposit("c.txt", [b"c"])
    for _ in range(2):
        with pytest.raises(Refused, match=r"ledger\.witness-ahead"):
            platform.walk(exhibit, silent)
    assert platform.ledger.entries.size() == 1
    for language in LANGUAGES:
        assert find_words("ledger.witness-ahead", language)
        assert "rebuild" in (find_words("act.ledger.witness-ahead", language) or "")
    # The way back: the ledger's files from a mirror, then rebuild.
    shutil.copytree(tmp_path / "mirrored", data / "blobs/ledger", dirs_exist_ok=True)
    platform = opened(tmp_path, witnesses)
    with pytest.raises(Refused, match=r"ledger\.memory-behind"):
        platform.walk(exhibit, silent)
    assert platform.rebuild().damaged == ()
    assert platform.ledger.entries.size() == 3  # what was seen, and then c.txt
    assert platform.walk(exhibit, silent) == "certified"
    require_no_fork(platform.ledger, [sealed or b""])
    entry = platform.exhibit(exhibit).entry
    assert entry is not None
    assert (entry.state, entry.index) == ("cosigned", 2)


def test_without_a_policy_nobody_is_asked_and_it_is_said(tmp_path: Path) -> None:
    platform = Platform(load(tmp_path / "data", environment={}))
    exhibit = platform.deposit("a.txt", [b"words"])
    assert platform.walk(exhibit, silent) == "certified"
    entry = platform.exhibit(exhibit).entry
    assert entry is not None
    assert (entry.state, entry.witnesses, entry.awaited) == ("checkpointed", (), ())


@pytest.mark.parametrize(
    "text", ["quorum none", "log x\nquorum none\n", "log {other}\nquorum none\n", "witness\n"]
)
def test_a_policy_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    other = "ledger.example/1+53dc5414+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
    file = tmp_path / "ledger.policy"
    file.write_text(text.replace("{other}", other))
    environment = {"GUZHENG_LEDGER_POLICY": str(file)}
    if text == "quorum none":  # a ledger knows its own keys
        assert not Platform(
            load(tmp_path / "data", environment=environment)
        ).shards.gathering.witnesses
        return
    with pytest.raises(Refused, match=r"config\.value-refused"):
        Platform(load(tmp_path / "data", environment=environment))
