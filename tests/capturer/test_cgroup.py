"""Control groups, really made where this machine lets us: bounded, emptied, removed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guzheng.capturer import cgroup, leftovers

NAME = f"{leftovers.PREFIX}test-{os.getpid()}"
# In a program of its own: whoever enters a group takes everything it starts along.
_EATER = f"""
import json, subprocess, sys
from guzheng.capturer.cgroup import Caps, NoGroup, enter
try:
    group = enter({NAME!r}, Caps(96 << 20, 40, 1))
except NoGroup as error:
    print(json.dumps({{"none": str(error)}}))
    sys.exit()
eats = "x = bytearray(); [x.extend(bytes(1 << 20)) for _ in range(400)]"
first = "open('/proc/self/oom_score_adj', 'w').write('900');"
child = subprocess.run([sys.executable, "-c", first + eats])
forks = "import os, time; [os.fork() or time.sleep(60) for _ in range(60)]"
many = subprocess.run([sys.executable, "-c", forks], stderr=subprocess.DEVNULL)
said = {{"died": child.returncode, "killed": group.killed, "peak": group.peak_octets,
        "forks": many.returncode, "folders": [str(one) for _, one in group.folders]}}
group.close()
print(json.dumps(said))
"""


def test_a_group_bounds_memory_and_tasks_and_goes_away() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _EATER], capture_output=True, check=True, timeout=120
    )
    said = json.loads(done.stdout)
    if "none" in said:
        pytest.skip(f"no control group here: {said['none']}")
    assert said["died"] == -9
    assert said["killed"] >= 1
    assert 0 < said["peak"] <= 96 << 20
    assert said["forks"] != 0
    assert not any(Path(one).exists() for one in said["folders"])
    assert NAME not in cgroup.names(NAME)


def test_where_there_is_no_group_each_process_is_bounded() -> None:
    """A container whose /sys may not be written: the usual one."""
    script = (
        "from guzheng.capturer.cgroup import *\n"
        "caps = Caps(1 << 28, 40, 1)\n"
        "try: enter('guzheng-none', caps)\n"
        "except NoGroup as error: print(error)\n"
        "print(limit_ourselves(caps, own_user=False))\n"
        "try: bytearray(1 << 29)\n"
        "except MemoryError: print('bounded')\n"
    )
    without = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind /proc/tty /sys/fs/cgroup && exec "$@"',
        "sh",
    ]
    if subprocess.run([*without, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount here")
    done = subprocess.run(
        [*without, sys.executable, "-c", script], capture_output=True, check=True, timeout=60
    )
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3, done.stderr
    assert str(1 << 28) in lines[1]
    assert lines[2] == "bounded"


def test_a_group_whose_owner_was_killed_is_swept(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "from guzheng.capturer import cgroup, leftovers\n"
        "name = leftovers.PREFIX + leftovers.token_of(os.getpid())\n"
        "try: cgroup.enter(name, cgroup.Caps(1 << 28, 40, 1))\n"
        "except cgroup.NoGroup: sys.exit()\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(name, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as dead:
        assert dead.stdout is not None
        name = dead.stdout.readline().decode().strip()
        dead.wait(60)
        if not name:
            pytest.skip("no control group here")
        assert name in cgroup.names(leftovers.PREFIX)
        assert name in leftovers.sweep((tmp_path,), now=0)
        assert name not in cgroup.names(leftovers.PREFIX)
        dead.stdout.read()  # ends only when the child that held it has been ended


def fake_second(folder: Path, *, delegated: bool) -> Path:
    """What the kernel shows where version 2 alone is mounted, as files; gives its /proc.

    Whoever writes to what has processes is refused: so was a real kernel's version 2, with the
    one controller that was free. A folder in the place of the file refuses likewise."""
    unit = folder / "cgroup" / "guzheng.service"
    (unit / "main" / "cgroup.subtree_control").mkdir(parents=True)
    for each in (unit, unit / "main", unit.parent):
        (each / "cgroup.procs").write_text("")
    if not delegated:
        (unit / "cgroup.subtree_control").mkdir()
    proc = folder / "proc"
    proc.mkdir()
    (proc / "mounts").write_text(f"none {folder}/cgroup cgroup2 rw 0 0\n")
    (proc / "cgroup").write_text("0::/guzheng.service/main\n")
    return proc


def test_of_version_2_the_group_lies_beside_ours_in_what_was_delegated(tmp_path: Path) -> None:
    unit = tmp_path / "cgroup/guzheng.service"
    group = cgroup.enter(
        "job", cgroup.Caps(1 << 28, 40, 2), fake_second(tmp_path, delegated=True)
    )
    job = unit / "job"
    assert group.version == 2
    assert (unit / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    written = {one.name: one.read_text() for one in job.iterdir()}
    assert written == {
        "memory.max": str(1 << 28),
        "pids.max": "40",
        "cpu.max": "200000 100000",
        "cgroup.procs": "0",
    }
    (job / "memory.peak").write_text("123\n")
    (job / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\n")
    (job / "memory.stat").write_text("anon 40\nfile 1000\nkernel 9\nshmem 2\nanon_thp 40\n")
    assert (group.peak_octets, group.killed, group.refused, group.held_octets) == (
        123,
        2,
        7,
        42,
    )
    for one in job.iterdir():  # the kernel's own: they go with their folder
        one.unlink()
    group.close()
    assert (unit / "main/cgroup.procs").read_text() == "0"
    assert not job.exists()


def test_of_version_2_without_delegation_it_says_both_refusals(tmp_path: Path) -> None:
    proc = fake_second(tmp_path, delegated=False)
    with pytest.raises(cgroup.NoGroup) as caught:
        cgroup.enter("job", cgroup.Caps(1 << 28, 40, 2), proc)
    assert str(caught.value).count("cgroup.subtree_control") == 2
    assert not list(tmp_path.rglob("job"))


def test_nothing_is_written_above_where_groups_are_mounted(tmp_path: Path) -> None:
    """In a container our group is the root of what it sees."""
    (tmp_path / "cgroup" / "cgroup.subtree_control").mkdir(parents=True)
    (tmp_path / "cgroup" / "cgroup.procs").write_text("")
    (tmp_path / "mounts").write_text(f"none {tmp_path}/cgroup cgroup2 rw 0 0\n")
    (tmp_path / "cgroup.of-process").write_text("0::/\n")
    proc = tmp_path / "proc"
    proc.mkdir()
    (tmp_path / "mounts").rename(proc / "mounts")
    (tmp_path / "cgroup.of-process").rename(proc / "cgroup")
    with pytest.raises(cgroup.NoGroup):
        cgroup.enter("job", cgroup.Caps(1 << 28, 40, 2), proc)
    assert {one.name for one in tmp_path.iterdir()} == {"cgroup", "proc"}
