"""The program stands alone: an expert installs four libraries and starts it."""

import subprocess
import sys

THEIRS = {"brotli", "cryptography", "hpack", "zstandard"}
OURS = ("guzheng.proof", "guzheng.transcript", "guzheng.words")


def test_it_loads_what_it_says_and_nothing_else() -> None:
    code = "import sys, guzheng.transcript.main; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = done.stdout.split()
    ours = [one for one in loaded if one.startswith("guzheng.")]
    assert [one for one in ours if not one.startswith(OURS)] == []
    platform = {"click", "fastapi", "httpx", "sqlalchemy", "starlette", "warcio", "dbos"}
    assert not platform & {one.partition(".")[0] for one in loaded}
    assert {one.partition(".")[0] for one in loaded} >= THEIRS


def test_what_it_does_not_understand_is_said_with_a_status() -> None:
    for arguments in (["/nowhere/at/all"], [], [".", "--key", "12"], [".", "--trace", "a,b"]):
        done = subprocess.run(
            [sys.executable, "-m", "guzheng.transcript", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 64, arguments
        assert "Traceback" not in done.stderr
