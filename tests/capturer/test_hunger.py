"""Jobs that really hold too much, in a group of their own and without one: ended, and why."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guzheng.capturer import cgroup, leftovers
from guzheng.capturer.hunger import Hunger, sizes_of

MB = 1 << 20
# Holds memory of its own, says so, and stays.
_HOLDS = "import sys, time; held = b'1' * {octets}; print('held', flush=True); time.sleep(60)"
# In a group that may hold 96 MB: nearly all is its own, and files want the rest for ever.
_STARVES = """
held = b"1" * (84 << 20)
while True:
    with open(%r, "wb") as stream:
        for _ in range(64):
            stream.write(bytes(1 << 20))
"""
_WATCHED = """
import json, os, subprocess, sys
from guzheng.capturer.cgroup import Caps, NoGroup, enter
from guzheng.capturer import cgroup, leftovers
from guzheng.capturer.hunger import Hunger
try:
    group = enter(sys.argv[1], Caps(96 << 20, 40, 1))
except NoGroup as error:
    print(json.dumps({"none": str(error)}))
    sys.exit()
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], start_new_session=True)
hunger = Hunger(96 << 20, group)
hunger.watch(child.pid, lambda: os.killpg(child.pid, 9))
left = child.wait(90)
hunger.close()
print(json.dumps({"found": hunger.found, "killed": group.killed, "left": left}))
group.close()
"""


def _holder(octets: int, group: int) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS.format(octets=octets)],
        stdout=subprocess.PIPE,
        process_group=group,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_without_a_group_the_sum_over_processes_is_bounded() -> None:
    one = _holder(60 * MB, 0)
    ended = threading.Event()

    def kill() -> None:
        os.killpg(one.pid, signal.SIGKILL)
        ended.set()

    hunger = Hunger(100 * MB, None)
    hunger.watch(one.pid, kill)
    assert not ended.wait(3)  # alone it is within bounds
    other = _holder(60 * MB, one.pid)
    assert sum(sizes_of(one.pid).values()) > 120 * MB
    assert ended.wait(60)
    hunger.close()
    assert hunger.found.endswith("octets in 2 processes")
    for holder in (one, other):
        with holder:
            assert holder.wait(60) == -signal.SIGKILL


def test_a_job_within_its_bounds_is_left_alone() -> None:
    holder = _holder(10 * MB, 0)
    hunger = Hunger(100 * MB, None)
    hunger.watch(holder.pid, holder.kill)
    hunger.close()
    assert hunger.found == ""
    with holder:
        assert holder.poll() is None
        holder.kill()


def test_a_group_that_starves_without_being_ended_is_ended(tmp_path: Path) -> None:
    """The kernel can always find room by throwing out what the files want: it ends nothing."""
    name = f"{leftovers.PREFIX}hunger-{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, name, _STARVES % str(tmp_path / "file")],
        capture_output=True,
        check=True,
        timeout=120,
    )
    said = json.loads(done.stdout)
    if "none" in said:
        pytest.skip(f"no control group here: {said['none']}")
    assert said["left"] == -signal.SIGKILL
    assert said["killed"] or "the kernel refused more" in said["found"]
    assert name not in cgroup.names(name)
