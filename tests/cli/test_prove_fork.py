"""`guzheng ledger prove-fork`: only a fork is proved, and the file convinces the judge."""

from pathlib import Path

import pytest

from guzheng.proof.fork import Fork
from guzheng.proof.note import Note
from guzheng.proof.tlogproof import TlogProof
from tests.cli.conftest import Command
from tests.mirror.sites import Site, entries_of


def kept(site: Site, folder: Path) -> Path:
    for path, octets in site.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(octets)
    return folder


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy"
    path.write_text(f"log {Site([]).signer.key}\nquorum none\n")
    return path


@pytest.mark.parametrize(("old", "new"), [(300, 300), (300, 600), (256, 600)])
def test_a_fork_and_an_honest_log(
    cli: Command, tmp_path: Path, policy: Path, old: int, new: int
) -> None:
    site, fork = Site(entries_of(700)), Site(entries_of(700, "other ", fork_at=200))
    a = kept(site.show(old), tmp_path / "a") / "checkpoint"
    b = kept(fork.show(new), tmp_path / "b") / "checkpoint"
    out = tmp_path / "log.fork"
    asked = ("ledger", "prove-fork", a, b, "--policy", policy, "--out", out)
    ran = cli(*asked, "--tiles", tmp_path / "b")
    assert ran.status == 0, ran
    judged = Fork.parse(out.read_bytes()).require_proved([site.signer.key])
    assert [one.size for one in judged] == [old, new]
    honest = kept(site.show(new), tmp_path / "c")
    out.unlink()
    ran = cli("ledger", "prove-fork", a, honest / "checkpoint", "--policy", policy)
    assert ran.status == 2  # without --out
    ran = cli(*asked[:3], honest / "checkpoint", *asked[4:], "--tiles", honest)
    assert ran.status == 1, ran
    assert not out.exists()
    if old != new:
        assert cli(*asked).status == 1  # without tiles


def test_papers_of_exhibits_will_do(cli: Command, tmp_path: Path, policy: Path) -> None:
    site, fork = Site(entries_of(9)).show(9), Site(entries_of(9, "other ")).show(9)
    papers = []
    for name, one in (("a", site), ("b", fork)):
        paper = TlogProof(0, (), Note.parse(one.files["checkpoint"]))
        (tmp_path / name).write_bytes(paper.encode())
        papers.append(tmp_path / name)
    out = tmp_path / "x.fork"
    ran = cli("ledger", "prove-fork", *papers, "--policy", policy, "--out", out)
    assert ran.status == 0, ran
    assert Fork.parse(out.read_bytes()).require_proved([site.signer.key])
    # Under this installation's own key nobody has signed them.
    assert cli("ledger", "prove-fork", *papers, "--out", tmp_path / "y").status == 1
