"""Independent readers of what we write: where they are, or why a test cannot ask them."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def oracle(name: str) -> str:
    """The path of a program in the oracles' own environment; skips the test without it."""
    chosen = os.environ.get("GUZHENG_ORACLES")
    folder = Path(chosen) if chosen else ROOT / ".venv-oracles"
    found = shutil.which(name, path=str(folder / "bin"))
    if found is None:
        pytest.skip(f"no {name} in {folder}: `make ready` installs it")
    return found


def validate_wacz(package: Path) -> str:
    """What py-wacz says; it exits with 0 for invalid packages too."""
    done = subprocess.run(
        [oracle("wacz"), "validate", "-f", str(package)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


PLAYER = "replaywebpage"
PLAYED = """<!doctype html><title>replay</title><script src=/ui.js></script>
<replay-web-page embed=replayonly replayBase=/replay/ source=/page.wacz url="%s"
 style="height:900px;display:block"></replay-web-page>"""


def player() -> Path:
    """Where ReplayWeb.page is; skips the test without it."""
    folder = ROOT / "tests/oracles/node/node_modules" / PLAYER
    if not (folder / "sw.js").is_file():
        pytest.skip(
            f"no {PLAYER} here: `npm ci --prefix tests/oracles/node`, as `make test` does"
        )
    return folder


@contextmanager
def replaying(package: Path, folder: Path) -> Iterator[str]:
    """pywb with the package as its only collection; yields the address of the collection."""
    manage, wayback = oracle("wb-manager"), oracle("wayback")
    for arguments in (["init", "seen"], ["add", "--unpack-wacz", "seen", str(package)]):
        subprocess.run([manage, *arguments], cwd=folder, capture_output=True, check=True)
    port = free_port()
    with subprocess.Popen(
        [wayback, "-b", "127.0.0.1", "-p", str(port), "-t", "8"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}/seen"
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=30).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no answer at {url}")
