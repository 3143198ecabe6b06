"""Every check that runs no test, beside each other: `python tools/lint.py src tests …`.

mypy takes longer than the others together and uses one core: one after the other, a second
core would stand idle for as long. Each one's output is shown whole when it ends, so that none
is mixed with another's; the status is 1 if any of them found something. No check is left out
because another failed: who mends one wants to know the rest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def checks(code: list[str]) -> list[list[str]]:
    """The longest first: while it runs the others take turns on what is left of the machine."""
    return [
        [str(BIN / "mypy"), *code],
        [str(BIN / "pyright")],
        [sys.executable, str(ROOT / "tools" / "frontend.py"), "--types"],
        [str(BIN / "lint-imports"), "--no-logo"],
        [str(BIN / "ruff"), "check", "."],
        [str(BIN / "ruff"), "format", "--check", "."],
    ]


def run(command: list[str]) -> tuple[str, int, float, str]:
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    name = " ".join(Path(part).name for part in command[:2])
    return name, done.returncode, time.monotonic() - began, done.stdout.strip()


def main(code: list[str]) -> int:
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for one in as_completed([pool.submit(run, command) for command in checks(code)]):
            name, status, seconds, said = one.result()
            failed |= status
            print(f"· {name}  {seconds:.1f} s\n{said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src", "tests", "tools"]))
