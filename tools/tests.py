"""Every test, some at a time; and what failed then, once more and alone.

A test that passes only alone is unsteady: it is named at the end, for somebody to mend, and the
run counts as passed. More than a few are no accident and are not asked again. CONTRIBUTING.md
says how to find out which it was.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"
# A worker that crashes ends the run: what was left of its group would be waited for for ever.
PYTEST = (
    str(Path(sys.executable).with_name("pytest")),
    "--max-worker-restart=0",
    "-m",
    "not soak",
    "--durations=25",
)
# What is durable is flushed, some hundred thousand times: for a disk one waits, for memory not,
# and a program that is killed leaves the same there. What the tests leave is 3 GB.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it, as in /tmp
ROOM = 8 * 2**30
SOME_FAILED = 1  # pytest's exit code: tests ran, and some did not pass
MOST = 6


def place() -> dict[str, str]:
    """Where pytest makes its folders: in memory, if there is plenty."""
    if "PYTEST_DEBUG_TEMPROOT" in os.environ or not MEMORY.is_dir():
        return {}
    found = os.statvfs(MEMORY)
    free = min(found.f_bavail * found.f_frsize, _available())
    runs_programs = not found.f_flag & os.ST_NOEXEC
    if free < ROOM or not runs_programs or not os.access(MEMORY, os.W_OK):
        return {}
    return {"PYTEST_DEBUG_TEMPROOT": str(MEMORY)}


def _available() -> int:
    """Octets of memory that nobody needs now."""
    known = Path("/proc/meminfo")
    lines = known.read_text().splitlines() if known.exists() else []
    pairs = (one.split() for one in lines)
    return 1024 * next((int(one[1]) for one in pairs if one[0] == "MemAvailable:"), 0)


def run(*arguments: str) -> int:
    environment, began, worked = os.environ | place(), time.monotonic(), _worked()
    done = subprocess.run([*PYTEST, *arguments], cwd=ROOT, env=environment, check=False)
    took, worked = time.monotonic() - began, _worked() - worked
    print(f"· {took:.0f} s，处理器 / of processors {worked:.0f} s", flush=True)
    return done.returncode


def _worked() -> float:
    """Seconds of processors, of all that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
