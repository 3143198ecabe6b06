"""Killed at any step between a leaf and its proof: one entry, one tree, no proof below the
quorum."""

import subprocess
import sys
from pathlib import Path


def test_killed_at_every_step_between_leaf_and_proof(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "tests.stations.gathering_deaths", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        run, cwd=root, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split()[1] for line in done.stdout.splitlines()]
    # Three moments of tiles; two of what is to be signed, memory, asking, publishing, proof.
    assert lines == ["died"] * 13 + ["lived"]
