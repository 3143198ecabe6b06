"""guzheng ledger status, monitor, policy; show: how far an entry is, and whom it awaits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.cli.main import run
from guzheng.config import load
from guzheng.proof.policy import parse_ledger_policy
from guzheng.refusals import Unavailable
from tests.road.deaths import silent
from tests.witnesses import Witness, environment_of, three

Three = tuple[Witness, Witness, Witness]


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three() as those:
        yield those


@pytest.fixture
def exhibits(
    tmp_path: Path, witnesses: Three, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """One that is sealed, one that waits for two witnesses."""
    environment = environment_of(tmp_path, witnesses)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    platform = Platform(load(tmp_path / "data", environment=environment))
    sealed = platform.deposit("sealed.txt", [b"sealed"])
    platform.walk(sealed, silent)
    for one in witnesses[1:]:
        one.mood = "busy"
    waiting = platform.deposit("waiting.txt", [b"waiting"])
    with pytest.raises(Unavailable):
        platform.walk(waiting, silent)
    return sealed, waiting


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = run(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.usefixtures("witnesses")
def test_how_far_and_whom_it_awaits(
    tmp_path: Path, exhibits: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data, (sealed, waiting) = str(tmp_path / "data"), exhibits
    _, out, _ = said(capsys, "show", sealed, "--data", data, "--json")
    entry = json.loads(out)["entry"]
    assert (entry["state"], entry["index"], entry["awaited"]) == ("cosigned", 0, [])
    assert [one["name"] for one in entry["witnesses"]] == ["court", "notary", "school"]
    assert all(one["attested_at"].endswith("Z") for one in entry["witnesses"])
    _, out, _ = said(capsys, "list", "--data", data, "--json")
    entries = {one["exhibit"]: one["entry"] for one in map(json.loads, out.splitlines())}
    assert entries[waiting] == {
        "state": "checkpointed",
        "index": 1,
        "witnesses": [],
        "awaited": ["notary", "school"],
    }
    for language, words in (
        ("zh", "等待见证人：notary、school"),
        ("en", "awaited witnesses: not"),
    ):
        status, _, err = said(capsys, "show", waiting, "--data", data, "--lang", language)
        assert status == 0
        assert words in err
    status, out, _ = said(capsys, "ledger", "status", "--data", data, "--json")
    standing = json.loads(out)
    assert status == 0
    assert [standing[one] for one in ("sequenced", "checkpointed", "published")] == [2, 2, 1]
    assert standing["witnesses"][0] == {"name": "court", "size": 2}
    _, out, _ = said(capsys, "ledger", "status", "--data", data)
    assert "notary：见过 1 条，等待中" in out


def test_policy_and_monitor(
    tmp_path: Path,
    exhibits: tuple[str, str],
    witnesses: Three,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = str(tmp_path / "data")
    status, out, _ = said(capsys, "ledger", "policy", "--data", data)
    stated = parse_ledger_policy(out.encode())
    assert status == 0
    assert [one.key for one in stated.witnesses] == [one.key for one in witnesses]
    assert len(stated.logs) >= 2
    status, out, err = said(capsys, "ledger", "monitor", "--data", data, "--json")
    assert status == 2  # two witnesses are busy
    outcomes = {(one["step"], one["subject"]): one for one in map(json.loads, out.splitlines())}
    assert outcomes["monitor.witness", "court"]["outcome"] == "passed"
    assert outcomes["monitor.witness", "school"]["code"] == "ledger.witness-declined"
    assert outcomes["monitor.published", ""]["code"] == "monitor.awaited"
    assert "未能核对" in err
    for one in witnesses:
        one.mood = "well"
    run(["worker", "--until-idle", "--data", data])
    status, out, _ = said(capsys, "ledger", "monitor", "--data", data)
    assert status == 0, out
    assert "✓ 见证人 court" in out
    (tmp_path / "data/blobs/ledger/checkpoint").write_bytes(b"garbage")
    status, out, _ = said(capsys, "ledger", "monitor", "--data", data, "--lang", "en")
    assert status == 1
    assert "✗ published checkpoint" in out
