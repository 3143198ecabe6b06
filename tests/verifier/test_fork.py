"""`guzheng-verify --fork`: proved, not proved, or not by a key that was given."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof.test_fork import BRANCH, GOOD, TRUNK, fork_of


def judged(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guzheng.verifier", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy"
    path.write_text(f"log {TRUNK.key}\nquorum none\n")
    return path


def test_three_answers(tmp_path: Path, policy: Path) -> None:
    file = tmp_path / "log.fork"
    file.write_bytes(GOOD)
    proved = judged("--fork", file, "--policy", policy)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert "日志分叉属实" in proved.stdout
    assert BRANCH.root(40).hex() in proved.stdout
    assert "核验通过" not in proved.stdout
    unknown = judged("--fork", file, "--lang", "en")
    assert unknown.returncode == 2, unknown.stdout
    assert "Cannot be judged" in unknown.stdout
    file.write_bytes(fork_of(TRUNK, 8, TRUNK, 40).encode())
    honest = judged("--fork", file, "--policy", policy, "--json")
    assert honest.returncode == 1
    assert json.loads(honest.stdout)["findings"][0]["code"] == "fork.no-contradiction"


def test_a_proof_of_a_fork_is_no_package(tmp_path: Path, policy: Path) -> None:
    file = tmp_path / "log.fork"
    file.write_bytes(GOOD)
    assert judged(file, "--policy", policy).returncode != 0
