"""A server that receives does not ask the kernel for fresh pages with every piece."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from guzheng.cli.allocating import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("another C library")
def pieces():
    # As a receiver has them: one is still there when the next comes.
    held = []
    for number in range(2000):
        held.append(bytes(200_000 + number))
        del held[:-6]
pieces()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pieces()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=False
    )
    if "another C library" in done.stderr:
        pytest.skip("glibc alone is told")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_what_was_freed_is_used_again() -> None:
    """By itself it depends on how Python was built: from none to two for each piece."""
    assert faults("kept") < min(2000, faults("usual") + 100)
