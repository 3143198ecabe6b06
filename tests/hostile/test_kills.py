"""Killed without warning: the record says so if anybody is left to write it, and the next job
finds a clean machine. The tunnel's death is in test_tunnel_deaths."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.capturer import cgroup, leftovers
from guzheng.config import load
from guzheng.proof.capture import CaptureRecord
from guzheng.store.blobs import read
from tests.hostile.capturing import (
    ROOT,
    Captured,
    capture,
    command_for,
    order_of,
    programs_naming,
)
from tests.hostile.conftest import Site

pytestmark = pytest.mark.browser


def _started(folder: Path, url: str, until: bytes) -> subprocess.Popen[bytes]:
    """A capture that has come as far as that step."""
    running = subprocess.Popen(
        command_for(folder, order_of(url)), stdout=subprocess.PIPE, cwd=ROOT
    )
    for line in running.stdout or ():
        if until in line:
            return running
    raise AssertionError("it ended before")


def _browser_of(capturer: int) -> tuple[int, str]:
    """The browser's own process, and the folder of its job."""
    token = leftovers.short(capturer)
    for process in programs_naming(f"-{token}-"):
        line = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace")
        found = re.search(rf"/[\w/.-]*{leftovers.PREFIX}\w+-{token}-[\w-]+", line)
        parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
        if found and int(parent) == capturer and "--type=" not in line:
            return process, found.group()
    raise AssertionError("no browser")


def _users_of_jobs() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield entry.stat().st_uid
            except OSError:
                continue


def test_a_browser_that_is_killed_is_a_failed_capture(traps: Site, tmp_path: Path) -> None:
    running = _started(tmp_path, f"{traps.address}/silent", b"page.opening")
    browser, folder = _browser_of(running.pid)
    os.kill(browser, signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode == 1
    assert b'"code":"capture.browser-died"' in (tmp_path / "out/failure.json").read_bytes()
    assert not Path(folder).exists()
    assert not programs_naming(folder)


def test_a_comparison_that_is_killed_costs_a_note_and_no_capture(
    traps: Site, tmp_path: Path
) -> None:
    """The program that opens the transcript: what was captured is whole without it."""
    running = _started(tmp_path, f"{traps.address}/long", b"page.loaded")
    deadline = time.monotonic() + 60
    while not (found := programs_naming(f"guzheng.transcript\0{tmp_path}/out")):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    os.kill(found[0], signal.SIGKILL)
    running.communicate(timeout=100)
    assert running.returncode == 0
    captured = Captured(0, tmp_path / "out", [], "")
    assert captured.record.completeness is None
    assert "capture.wire-not-compared" in captured.record.notes
    names = {one.name for one in captured.record.artefacts}
    assert {"page.wacz", "transcript.zip", "screenshot-000.png"} <= names
    assert "trace.json" not in names
    assert names == {one.name for one in (captured.out / "items").iterdir()}


@pytest.mark.parametrize("moment", [b"page.opening", b"page.printed", b"browser.stopped"])
def test_what_a_killed_capturer_leaves_the_next_one_sweeps(
    traps: Site, tmp_path: Path, moment: bytes
) -> None:
    """While it looks, while it makes artefacts, while it packs."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    running = _started(tmp_path / "one", f"{traps.address}/long", b"browser.started")
    browser, folder = _browser_of(running.pid)
    user = Path(f"/proc/{browser}").stat().st_uid
    for line in running.stdout or ():
        if moment in line:
            break
    running.kill()
    running.communicate(timeout=60)
    name = Path(folder).name.rpartition("-")[0]
    # All or nothing: a record that is there names files that are there.
    record = tmp_path / "one/out/capture.json"
    assert running.returncode == -signal.SIGKILL or record.exists()
    # The next job fails at its own browser; its sweep comes before.
    captured = capture(tmp_path / "two", traps.address, chromium="/bin/false")
    assert captured.failure["code"] == "capture.browser-died"
    deadline = time.monotonic() + 30
    while programs_naming(folder) or user in set(_users_of_jobs()) - {os.getuid()}:
        assert time.monotonic() < deadline, programs_naming(folder)
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert name not in cgroup.names(leftovers.PREFIX)


def test_a_supervisor_that_is_killed_is_gone_on_from(traps: Site, tmp_path: Path) -> None:
    """Whoever ordered dies in the middle of the capture: the next one captures it anew, whole,
    in a run of its own, whatever the capturer of the first one still does."""
    settings = {
        "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
        "GUZHENG_ACCOUNTS": "off",
        "GUZHENG_CAPTURES_WAITING": "0",
    }
    command = [sys.executable, "-c", "from guzheng.cli import main; main()"]
    command += ["capture", f"{traps.address}/long", "--data", "data"]
    with subprocess.Popen(
        command, env={**os.environ, **settings}, cwd=tmp_path, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as supervisor:  # fmt: skip
        deadline = time.monotonic() + 120
        while not any(path == "/long" for _, path, _ in traps.log.seen):
            assert time.monotonic() < deadline
            assert supervisor.poll() is None
            time.sleep(0.05)
        supervisor.kill()
    platform = Platform(load(tmp_path / "data", environment=settings))
    (line,) = platform.exhibits(1)
    assert line.state == "received"
    assert platform.walk(line.exhibit, lambda *_: None) == "certified"
    assert sum(path == "/long" for _, path, _ in traps.log.seen) == 2
    record = read(platform.blobs, f"exhibits/{line.exhibit}/capture.json")
    assert not CaptureRecord.parse(record).failed
    assert platform.fsck(lambda _: None) == []
    workshop = tmp_path / "data/captures"
    while programs_naming(str(workshop)):  # that of the first run: it ends by its own limits
        assert time.monotonic() < deadline + 240
        time.sleep(0.2)
