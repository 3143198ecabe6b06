"""Kill -9 in the middle of a capture: of the tunnel, and of whoever started it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from guzheng.proof import canonical
from tests.hostile.capturing import ROOT, command_for, order_of
from tests.hostile.conftest import Site

pytestmark = pytest.mark.browser
_SECONDS = 60


def _below(process: int) -> dict[int, str]:
    """Every living descendant, and its command line."""
    parents, lines = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if stat[0] not in {"Z", "X"}:
                parents[int(entry.name)] = int(stat[1])
                lines[int(entry.name)] = line.decode("utf-8", "replace")
    found: set[int] = {process}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: lines[one] for one in found - {process}}


def _uid_of(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text("utf-8", "replace").splitlines()
    return int(next(line for line in lines if line.startswith("Uid:")).split()[1])


def _is_alive(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _wait_until_gone(processes: set[int]) -> None:
    until = time.monotonic() + _SECONDS
    while left := {one for one in processes if _is_alive(one)}:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def _wait_for_the_page(running: "subprocess.Popen[bytes]", site: Site) -> dict[int, str]:
    assert running.stdout is not None
    for line in running.stdout:
        if b"page.opening" in line:
            break
    until = time.monotonic() + _SECONDS
    while not site.log.seen:  # the site has been asked: the tunnel carries
        assert time.monotonic() < until
        time.sleep(0.01)
    return _below(running.pid)


def _tunnel_of(family: dict[int, str]) -> int:
    (tunnel,) = [one for one, line in family.items() if "guzheng.capturer.tunnel" in line]
    return tunnel


def test_a_tunnel_that_is_killed_ends_the_capture_with_a_true_failure(
    traps: Site, tmp_path: Path
) -> None:
    command = command_for(tmp_path, order_of(f"{traps.address}/drip"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as running:
        family = _wait_for_the_page(running, traps)
        tunnel = _tunnel_of(family)
        if os.getuid() == 0:
            assert _uid_of(tunnel) not in {
                0,
                *(_uid_of(one) for one in family if one != tunnel),
            }
        os.kill(tunnel, signal.SIGKILL)
        assert running.stdout is not None
        running.stdout.read()
        assert running.wait(_SECONDS) == 1
    _wait_until_gone(set(family))
    failure = canonical.parse_object((tmp_path / "out/failure.json").read_bytes())
    assert failure["code"] == "capture.tunnel-died"
    assert not list((tmp_path / "out/items").iterdir())
    assert not (tmp_path / "out/tls-keys.key").exists()


def test_nothing_stays_when_whoever_started_it_is_killed(traps: Site, tmp_path: Path) -> None:
    command = command_for(tmp_path, order_of(f"{traps.address}/drip"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as running:
        family = _wait_for_the_page(running, traps)
        _tunnel_of(family)
        running.kill()
        assert running.stdout is not None
        running.stdout.read()
        running.wait(_SECONDS)
    _wait_until_gone(set(family))
