"""Machines that give less: no root, a container. A capture goes on, and says what it lacks."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.hostile.capturing import Captured, command_for, order_of
from tests.hostile.conftest import Site

pytestmark = pytest.mark.browser
NOBODY = 65534
DEEP = Path("a-folder-of-temporary-files/that-is-not-near")
# Said of any machine that these tests run on, or not; none of it is about privileges.
OF_THE_MACHINE = {"grade.clock-verified", "grade.second-resolver", "grade.program-verified"}
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
# What a container leaves to its root, as far as it matters here: capabilities(7).
WITHOUT = ("sys_admin", "net_admin", "sys_ptrace", "sys_resource", "net_raw")
IN_CONTAINER = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount --bind /proc/tty /sys/fs/cgroup && exec "$@"',
    "sh",
    "setpriv",
    f"--bounding-set={','.join(f'-{one}' for one in WITHOUT)}",
    "--inh-caps=-all",
    "--",
)
# One uid, and it is called root: a container of a user without root.
ROOTLESS = ("unshare", "--user", "--map-root-user", "--")


@pytest.fixture
def room() -> Iterator[Path]:
    """Where anybody may write; below pytest's own folder nobody may."""
    folder = Path(tempfile.mkdtemp(prefix="guzheng-unprivileged-"))
    deep = folder / DEEP
    deep.mkdir(parents=True)
    for each in (folder, deep, deep.parent):
        each.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def captured_by(before: Sequence[str], room: Path, address: str) -> Captured:
    probe = [*before, sys.executable, "-c", "import guzheng.capturer.act"]
    if os.getuid() != 0 or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us become less")
    done = subprocess.run(
        [*before, *command_for(room, order_of(f"{address}/"))],
        capture_output=True,
        timeout=150,
        check=False,
        cwd="/",
        # A folder far down: what the browser puts into its own must not depend on it.
        env={**os.environ, "TMPDIR": str(room / DEEP)},
    )
    captured = Captured(done.returncode, room / "out", [], done.stderr.decode())
    assert captured.exit_status == 0, (captured.complained, captured.failure)
    assert captured.complained == ""
    return captured


def reasons(captured: Captured) -> dict[str, str]:
    listed = captured.environment["missing"]
    assert isinstance(listed, list)
    found = {str(one["code"]): str(one["because"]) for one in listed}
    record = captured.record
    assert record.grade == "reduced"
    assert set(record.missing) == set(found)  # the record and the report say the same
    return {code: why for code, why in found.items() if code not in OF_THE_MACHINE}


def test_without_root(traps: Site, room: Path) -> None:
    captured = captured_by(AS_NOBODY, room, traps.address)
    found = reasons(captured)
    assert set(found) == {"grade.own-user", "grade.network-namespace", "grade.cgroup"}
    assert found["grade.network-namespace"].endswith("Operation not permitted")
    assert "each process at most" in found["grade.cgroup"]
    assert captured.sandbox == "namespace"


def test_in_a_container(traps: Site, room: Path) -> None:
    captured = captured_by(IN_CONTAINER, room, traps.address)
    found = reasons(captured)
    assert set(found) == {"grade.network-namespace", "grade.cgroup"}
    assert found["grade.network-namespace"].endswith("Operation not permitted")
    assert captured.sandbox == "namespace"


def test_where_root_is_the_only_user(traps: Site, room: Path) -> None:
    """Chromium refuses to be root; there it is given another name, and keeps its sandbox."""
    captured = captured_by(ROOTLESS, room, traps.address)
    found = reasons(captured)
    assert set(found) - {"grade.cgroup", "grade.network-namespace"} == {"grade.own-user"}
    assert captured.sandbox == "namespace"
    assert "capture.sandbox-off" not in captured.record.notes
