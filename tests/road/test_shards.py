"""An installation turns to the next shard of its ledger: papers, pages, the court, upkeep."""

import hashlib
import json
import shutil
from pathlib import Path

import httpx
import pytest

from guzheng.app import Platform
from guzheng.cli.main import run
from guzheng.config import Config
from guzheng.ledger import Numbered
from guzheng.ledger.row import begin_with_year
from guzheng.proof import policy, tree
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.note import VerifierKey
from guzheng.proof.report import Outcome
from guzheng.proof.tlogproof import TlogProof
from guzheng.prove import Match, Question
from guzheng.store.directory import DirectoryBlobs
from guzheng.web import create_app
from tests.faces.conftest import serving
from tests.road.deaths import silent

KEY = "a key that the operator gave out"


def opened(data: Path) -> Platform:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return Platform(
        Config(
            data,
            clock_profile="evaluation",
            ledger_keys=(digest,),
            public_url="https://guzheng.example",
        )
    )


def finished(platform: Platform, name: str) -> str:
    exhibit = platform.deposit(name, [name.encode()])
    assert platform.walk(exhibit, silent) == "certified"
    return exhibit


def paper(platform: Platform, exhibit: str, name: str) -> bytes:
    with platform.open_paper(exhibit, name) as stream:
        return stream.read()


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """One exhibit in each of two shards."""
    data = tmp_path_factory.mktemp("shards") / "data"
    platform = opened(data)
    before = finished(platform, "before.txt")
    waiting = platform.deposit("waiting.txt", [b"waiting"])
    assert run(["ledger", "turn", "--data", str(data)]) == 0  # another program
    assert platform.ledger.shard == "first"
    assert platform.walk(waiting, silent) == "certified"  # and it learns of it
    return data, before, waiting


def test_papers_of_both_are_good(turned: tuple[Path, str, str], tmp_path: Path) -> None:
    data, before, after = turned
    platform = opened(data)
    year = platform.ledger.shard
    origins = [
        TlogProof.parse(paper(platform, one, "entry.tlog-proof")).checkpoint.origin
        for one in (before, after)
    ]
    assert origins[1] == f"{origins[0]}/{year}"
    report = platform.write_package([before, after], tmp_path / "both.zip")
    assert not report.of(Outcome.FAILED)
    assert platform.fsck(lambda _exhibit: None) == []
    view = platform.exhibit(after).entry
    assert view is not None
    assert (view.shard, view.index) == (year, 1)
    findings = platform.entries.monitor([], []).findings
    assert {one.outcome for one in findings if one.step == "monitor.chain"} == {Outcome.PASSED}
    assert not platform.verify_journal().faults


def test_the_court_names_shard_and_number(turned: tuple[Path, str, str]) -> None:
    data, before, after = turned
    platform = opened(data)
    year = platform.ledger.shard
    entry = platform.shards.index_of(paper(platform, before, "leaf"))
    assert entry is not None
    for question in (
        Question(index=entry.number),
        Question(index=1, shard=year),
        Question(file=sha256(b"before.txt")),
        Question(file=sha256(b"waiting")),
    ):
        assert [one.match for one in platform.court(question)] == [Match.CONSISTENT], question
    for question, code in (
        (Question(index=0, shard=year), "court.entry-of-no-exhibit"),
        (Question(index=2, shard=year), "court.no-such-entry"),
        (Question(index=1, shard="2190"), "court.no-such-entry"),
    ):
        assert platform.court(question)[0].code == code
    assert platform.exhibit(after).state == "certified"


def test_served_to_everybody(turned: tuple[Path, str, str]) -> None:
    data, _, _ = turned
    platform = opened(data)
    year = platform.ledger.shard
    with serving(create_app(platform)) as face:
        first, named = (
            face.client.get(path) for path in ("/checkpoint", "/ledger/first/checkpoint")
        )
        assert first.content == named.content
        assert "max-age=3600" in first.headers["cache-control"]
        open_one = face.client.get(f"/ledger/{year}/checkpoint")
        assert open_one.text.startswith(f"{platform.ledger.origin}\n")
        assert "must-revalidate" in open_one.headers["cache-control"]
        tile = face.client.get(f"/ledger/{year}/tile/entries/000.p/2")
        assert "immutable" in tile.headers["cache-control"]
        assert b"guzheng/shard/v1\n" in tile.content
        for path in ("/ledger/2190/checkpoint", "/ledger/x/checkpoint", "/ledger/first/tile/9"):
            assert face.client.get(path).status_code == 404, path
        stated = policy.parse_ledger_policy(face.client.get("/ledger.policy").content)
        names = {VerifierKey.parse(one).name for one in stated.logs}
        assert names == {one.ledger.origin for one in platform.shards.row.begun}
        assert (
            platform.ledger.vkey,
            f"https://guzheng.example/ledger/{year}/",
        ) in stated.log_urls
        page = face.client.get("/ledger").text
        assert f"/ledger/{year}/checkpoint" in page
        assert platform.ledger.vkey in page
        answer = face.client.get("/api/ledger/lookup", params={"index": f"{year}/1"}).json()
        assert answer["answers"][0]["match"] == "consistent"
        assert face.client.get("/api/ledger/lookup?index=/1").status_code == 422
        _require_commitments(face.client, platform, year)


def _require_commitments(client: httpx.Client, platform: Platform, year: str) -> None:
    """What an earlier shard has is not entered twice; what is new is in the open one."""
    old, new = bytes(32), b"\x01" * 32
    closed = platform.shards.shard("first").ledger
    assert closed.entries.index_of(LEAF_LABEL + old) is None
    answer = client.post(
        "/api/ledger/entries",
        content=old + new,
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/octet-stream",
        },
    )
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert said["shard"] == year
    number = said["indexes"][1]
    got = client.get(f"/api/ledger/entries/{number}/proof", params={"shard": year})
    proof = TlogProof.parse(got.content)
    leaf, head = tree.leaf_hash(LEAF_LABEL + new), proof.checkpoint
    tree.require_included(leaf, number, head.size, proof.path, head.root)


def test_commands(turned: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    data, _, _ = turned
    assert run(["ledger", "shards", "--data", str(data), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.get("state") for one in lines] == ["closed", "open", None]
    assert lines[-1]["step"] == "monitor.chain"
    assert run(["ledger", "shards", "--data", str(data), "--lang", "en"]) == 0
    assert "shards chained" in capsys.readouterr().out
    assert run(["ledger", "turn", "--prepare", "--data", str(data), "--json"]) == 0
    prepared = json.loads(capsys.readouterr().out)
    assert run(["ledger", "turn", "--prepare", "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "没有配置见证人" in said
    assert "已认可" not in said, "nobody was asked"
    assert run(["ledger", "policy", "--data", str(data)]) == 0
    assert prepared["vkey"] in capsys.readouterr().out


def test_everything_comes_back_from_papers_and_tiles(
    turned: tuple[Path, str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(turned[0], data)
    platform = opened(data)
    named = {one: platform.shards.index_of(paper(platform, one, "leaf")) for one in turned[1:]}
    for file in [*data.glob("ledger*.sqlite*"), *data.glob("index.sqlite*")]:
        file.unlink()
    again = opened(data)
    assert again.rebuild().damaged == ()
    assert again.fsck(lambda _exhibit: None) == []
    for exhibit, entry in named.items():
        assert entry is not None
        assert again.shards.exhibit_of(entry) == exhibit
        leaf = paper(again, exhibit, "leaf")
        assert again.shards.append(leaf, exhibit) == entry


def test_who_turns_by_the_calendar(tmp_path: Path) -> None:
    """A new installation does; one that was there before does not, until it is turned."""
    platform = opened(tmp_path / "new")
    year = platform.shards.row.year()
    assert year == platform.now().year
    (tmp_path / "new/blobs/shards/years").unlink()
    again = opened(tmp_path / "new")
    assert again.shards.row.year() is None
    begin_with_year(DirectoryBlobs(tmp_path / "new/blobs"), 2026)
    assert again.shards.row.year() == 2026
    assert str(Numbered("first", 3)) == "3"
