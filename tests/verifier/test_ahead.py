"""`guzheng-verify -`: started ahead of what it looks at, and told in a line where that is."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from guzheng.verifier.main import INTERRUPTED, main
from guzheng.verifier.question import USAGE

_COMMAND = (sys.executable, "-m", "guzheng.verifier", "--json", "-")


def test_it_takes_the_path_from_a_line(tmp_path: Path) -> None:
    file = tmp_path / "一份 证据.zip"
    with subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as program:
        file.write_bytes(b"no package")  # only now
        told, _ = program.communicate(f"{file}\n", timeout=120)
    (finding,) = json.loads(told)["findings"]
    assert program.returncode == 1
    assert finding["code"] == "package.container-malformed", finding


@pytest.mark.parametrize(("line", "status"), [("", INTERRUPTED), ("/nowhere/at/all\n", USAGE)])
def test_without_a_file_it_says_nothing_of_one(
    line: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever started it ended, or told of a file that is not there."""
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert main(["--json", "-"]) == status
    assert capsys.readouterr().out == ""
