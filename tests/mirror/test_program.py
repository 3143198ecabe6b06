"""`python -m guzheng.mirror`: over HTTP, killed and started again, one at a time, full disk."""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from random import Random

import pytest

from guzheng.mirror.fetching import LARGEST, Unreachable, over_http
from guzheng.proof.note import Checkpoint, Note
from tests.mirror.sites import Site, entries_of
from tests.world import small_disk

DEADLINE = 60.0
SIZE = 5000
NOWHERE = (sys.executable, "-m", "guzheng.mirror", "--log", "http://127.0.0.1:9/")
FIRST = ("--name", "mirror.example/m1", "--lang", "en")


def command(site: Site, url: str, data: Path, *arguments: str) -> list[str]:
    mirror = [sys.executable, "-m", "guzheng.mirror", "--log", url, "--data", str(data)]
    return [*mirror, "--vkey", str(site.signer.key), *FIRST, *arguments]


def once(site: Site, url: str, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(site, url, data, "--once", *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


@pytest.fixture
def site() -> Site:
    return Site(entries_of(SIZE)).show(SIZE)


def test_one_round_with_packed_answers(site: Site, tmp_path: Path) -> None:
    with site.served(packed=True) as url:
        ran = once(site, url, tmp_path / "m")
        assert ran.returncode == 0, ran.stderr
        assert f"Kept whole and signed: log.example/1 at size {SIZE}." in ran.stderr
        checked = once(site, url, tmp_path / "m", "--check")
        assert checked.returncode == 0, checked.stderr
    unreachable = once(site, url, tmp_path / "m")
    assert unreachable.returncode == 75, unreachable.stderr
    assert "mirror.unreachable" in unreachable.stderr
    secret = (tmp_path / "m" / "mirror.key").read_text().split("+", 4)[4].strip()
    assert secret not in ran.stderr


def test_a_check_writes_nothing_and_asks_who_signed(site: Site, tmp_path: Path) -> None:
    nowhere = once(site, "http://127.0.0.1:9/", tmp_path / "m", "--check")
    assert (nowhere.returncode, "mirror.nothing-here" in nowhere.stderr) == (1, True), nowhere
    assert not (tmp_path / "m").exists()
    with site.served() as url:
        assert once(site, url, tmp_path / "m").returncode == 0
    checkpoint = tmp_path / "m" / "log" / "checkpoint"
    whole = checkpoint.read_bytes()
    text, _, lines = whole.partition(b"\n\n")
    own = [one for one in lines.splitlines(True) if b"mirror.example/m1" in one]
    others = [one for one in lines.splitlines(True) if one not in own]
    for kept in (own, others):
        checkpoint.write_bytes(text + b"\n\n" + b"".join(kept))
        checked = once(site, "http://127.0.0.1:9/", tmp_path / "m", "--check")
        assert (checked.returncode, "mirror.damaged" in checked.stderr) == (1, True), checked
    checkpoint.write_bytes(whole)
    assert once(site, "http://127.0.0.1:9/", tmp_path / "m", "--check").returncode == 0


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_killed_while_copying_it_goes_on(site: Site, tmp_path: Path, seed: int) -> None:
    dice, data = Random(seed), tmp_path / "m"
    with site.served() as url:
        for _ in range(2):
            wanted = len(site.asked) + dice.randrange(2, 15)
            process = subprocess.Popen(
                command(site, url, data, "--once"), stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + DEADLINE
            while len(site.asked) < wanted and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        ran = once(site, url, data)
        assert ran.returncode == 0, ran.stderr
        checked = once(site, url, data, "--check")
        assert checked.returncode == 0, checked.stderr
    for path, octets in site.files.items():
        kept = (data / "log" / path).read_bytes()
        assert kept.startswith(octets) if path == "checkpoint" else kept == octets
    assert not list(data.rglob(".part-*"))


def test_it_follows_and_serves_until_it_is_ended(site: Site, tmp_path: Path) -> None:
    with site.served() as url, contextlib.ExitStack() as stack:
        process = subprocess.Popen(
            command(site, url, tmp_path / "m", "--port", "0", "--interval", "0.1"),
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(process.kill)
        assert process.stderr is not None
        stack.enter_context(process.stderr)
        address = ""
        for line in process.stderr:
            if "http://" in line:
                address = line.split()[-1]
            if "mirror.kept" in line:
                break
        said: list[str] = []
        reading = threading.Thread(target=said.extend, args=(process.stderr,))
        reading.start()
        second = once(site, url, tmp_path / "m")
        assert second.returncode == 1
        assert "mirror.in-use" in second.stderr
        (tmp_path / "m" / "log" / ".part-1").write_bytes(b"of the one that runs")
        beside = once(site, url, tmp_path / "m", "--check")
        assert (beside.returncode, f"{SIZE} entries" in beside.stderr) == (0, True), beside
        assert (tmp_path / "m" / "log" / ".part-1").exists()
        site.entries += entries_of(SIZE + 40)[SIZE:]
        site.show(SIZE + 40)
        deadline = time.monotonic() + DEADLINE
        while size_at(address) != SIZE + 40:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with urllib.request.urlopen(f"{address}tile/1/000.p/19", timeout=DEADLINE) as tile:
            assert tile.read() == site.files["tile/1/000.p/19"]
            assert "immutable" in tile.headers["Cache-Control"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        reading.join(DEADLINE)


def size_at(address: str) -> int:
    with urllib.request.urlopen(f"{address}checkpoint", timeout=DEADLINE) as answer:
        return Checkpoint.parse(Note.parse(answer.read()).text).size


def test_a_full_disk_signs_nothing_and_later_it_goes_on(site: Site, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk, site.served() as url:
        (disk / "ballast").write_bytes(bytes(900 << 10))
        ran = once(site, url, disk / "m")
        assert ran.returncode == 75, ran.stderr
        assert "mirror.not-written" in ran.stderr
        assert not (disk / "m" / "log" / "checkpoint").exists()
        (disk / "ballast").unlink()
        again = once(site, url, disk / "m")
        assert again.returncode == 0, again.stderr


def test_answers_are_bounded(site: Site) -> None:
    site.files["bomb"] = bytes(LARGEST + 2)
    with site.served(packed=True) as url:
        with pytest.raises(Unreachable):
            over_http(url, time.monotonic)("bomb")
        assert over_http(url, time.monotonic)("absent") is None
        assert over_http(url, time.monotonic)("checkpoint") == site.files["checkpoint"]
        hours = itertools.count(step=3600).__next__
        with pytest.raises(Unreachable, match="not whole"):
            over_http(url, hours)("checkpoint")
    site.files["bomb"] = b"not gzip"
    with pytest.raises(Unreachable):
        over_http("http://127.0.0.1:9/", time.monotonic)("checkpoint")


def test_a_log_is_reached_over_http_only(site: Site, tmp_path: Path) -> None:
    ran = once(site, f"file://{tmp_path}/", tmp_path / "m")
    assert ran.returncode == 1
    assert "mirror.bad-address" in ran.stderr


@pytest.mark.parametrize("vkeys", [["nothing"], []])
def test_what_is_no_key(tmp_path: Path, vkeys: list[str]) -> None:
    ran = subprocess.run(
        [*NOWHERE, "--data", str(tmp_path / "m"), *FIRST, *(f"--vkey={one}" for one in vkeys)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == (1 if vkeys else 64)
    assert "Traceback" not in ran.stderr
