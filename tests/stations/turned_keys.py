"""What is asked of both keys that secrets are sealed under: who dies, and the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import command

ROOT = Path(__file__).resolve().parent.parent.parent


def require_killed(script: str, *arguments: str) -> None:
    """The program was killed where it says, and not before by a fault of its own."""
    died = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )
    assert died.returncode == -9, died.stderr.decode()


def require_turned_by_command(
    what: str, count: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUZHENG_ACCOUNTS", "on")
    monkeypatch.setenv("GUZHENG_CLOCK_PROFILE", "evaluation")
    there = ("--data", data)

    def shown(*more: str) -> list[dict[str, object]]:
        return command(what, *more, *there, "--json").lines

    assert shown() == [{"generation": 1, what: count}]
    assert shown("--turn") == [{"generation": 2, what: count}]
    told = command(what, "--retire", *there)
    assert told.status == 0
    assert "不满一天" in told.err, "it was turned away from a moment ago"
