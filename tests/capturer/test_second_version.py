"""Control groups of version 2 on a real kernel that has no others: user-mode Linux, a program.

This machine's kernel may have given its controllers to version 1, and nobody can take them away
while it runs. Debian's `user-mode-linux` boots beside it, with this file system read-only, and
the tests of control groups run there as under systemd with `Delegate=yes`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 280
_INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1
mount -t hostfs none /mnt -o {out}
exec > /mnt/said 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t cgroup2 none /sys/fs/cgroup
echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
mkdir -p /sys/fs/cgroup/unit/main
echo "+memory +pids +cpu" > /sys/fs/cgroup/cgroup.subtree_control
echo $$ > /sys/fs/cgroup/unit/main/cgroup.procs
cd {root}
{python} -m pytest -q -p no:cacheprovider -rs tests/capturer/test_cgroup.py
echo "status: $?"
poweroff -f
"""


def _booted(kernel: str, folder: Path) -> str:
    """What was said in there."""
    init = folder / "init"
    init.write_text(_INIT.format(out=folder, root=ROOT, python=sys.executable), "utf-8")
    init.chmod(0o755)
    command = [
        *(kernel, "mem=768M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
        *("cgroup_no_v1=all", f"init={init}", "con=null", "con0=null", "quiet"),
    ]
    surroundings = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": "/dev/shm"}
    with subprocess.Popen(
        command,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as program:
        try:
            program.wait(_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
    said = folder / "said"
    return said.read_text("utf-8", "replace") if said.exists() else ""


@pytest.mark.soak
def test_groups_are_made_and_bound_by_a_kernel_of_version_2_alone() -> None:
    kernel = os.environ.get("GUZHENG_UML") or shutil.which("linux.uml")
    if kernel is None:
        pytest.skip("no linux.uml: apt-get install user-mode-linux")
    if os.geteuid() != 0:
        pytest.skip("only root's files are root's in there")
    # Not below /dev, over which that system mounts its own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        said = _booted(kernel, Path(folder))
    assert "controllers: cpu io memory pids" in said, said
    assert "status: 0" in said, said
    assert "skipped" not in said, said
