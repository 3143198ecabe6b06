"""The committed contract is the one that its source compiles to."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.anchoring import missing_npm

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "src" / "guzheng" / "ledger" / "anchors"


def test_it_was_made_from_this_source() -> None:
    made = json.loads((FOLDER / "CheckpointAnchor.json").read_bytes())
    source = (FOLDER / "CheckpointAnchor.sol").read_bytes()
    assert made["source_sha256"] == hashlib.sha256(source).hexdigest()
    assert [one["name"] for one in made["abi"] if one["type"] == "function"] == [
        "anchor",
        "anchorer",
        "newest",
    ]


def test_compiled_again_it_is_the_same() -> None:
    if reason := missing_npm("solc"):
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "contract.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
