"""Every test, some at a time; and what failed then, once more and alone.

A test that passes only alone is unsteady: it is named at the end, for somebody to mend, and the
run counts as passed. More than a few are no accident and are not asked again. CONTRIBUTING.md
says how to find out which it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"
# A worker that crashes ends the run: what was left of its group would be waited for for ever.
PYTEST = (
    str(Path(sys.executable).with_name("pytest")),
    "--max-worker-restart=0",
    "-m",
    "not soak",
)
SOME_FAILED = 1  # pytest's exit code: tests ran, and some did not pass
MOST = 6


def run(*arguments: str) -> int:
    return subprocess.run([*PYTEST, *arguments], cwd=ROOT, check=False).returncode


def without_group(name: str) -> str:
    """As pytest knows a test where it runs alone: xdist adds `@` and the group it ran it in."""
    return re.sub(r"@[^\]@]*$", "", name)


def failed() -> list[str]:
    names = json.loads(FAILED.read_text()) if FAILED.exists() else {}
    return sorted({without_group(name) for name in names})


def main() -> int:
    FAILED.unlink(missing_ok=True)
    status = run(*sys.argv[1:])
    again = failed()
    if status != SOME_FAILED or not 0 < len(again) <= MOST:
        return status
    count = len(again)
    print(f"\n· 失败 {count} 项，单独再跑一次 / {count} failed; once more, alone", flush=True)
    if run("-n", "0", *again) != 0:
        return SOME_FAILED
    print(
        "\n· 单独运行时通过，测试不稳定，请修 / passed alone, so these are unsteady; mend them:"
    )
    for name in again:
        print(f"    {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
