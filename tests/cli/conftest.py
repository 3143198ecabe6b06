"""Commands run as a user does, but in this process: what a start costs is paid once.

Whatever depends on the process itself (signals, exit, the queue) starts the real program.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from guzheng.cli.main import run

PROGRAM = Path(sys.executable).with_name("guzheng")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def exhibit(self) -> str:
        return str(self.lines[-1]["exhibit"])


Command = Callable[..., Ran]


def command(*arguments: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run([str(one) for one in arguments])
    ran = Ran(status, out.getvalue(), err.getvalue())
    assert "Traceback" not in ran.out + ran.err
    assert "internal error" not in ran.err, ran.err
    return ran


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory that commands take when they are told none."""
    place = tmp_path / "data"
    for name in [one for one in os.environ if one.startswith("GUZHENG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GUZHENG_DATA", str(place))
    monkeypatch.setenv("GUZHENG_CLOCK_PROFILE", "evaluation")  # nobody outside is asked
    monkeypatch.setenv("GUZHENG_ACCOUNTS", "off")
    return place


@pytest.fixture
def cli(data: Path) -> Command:
    return command


@pytest.fixture
def program(data: Path) -> Command:
    """The same as its own process."""

    def started(*arguments: object, **more: str) -> Ran:
        done = subprocess.run(
            [str(PROGRAM), *(str(one) for one in arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
            env={**os.environ, **more},
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return started
