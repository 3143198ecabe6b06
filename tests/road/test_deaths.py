"""kill -9 before, within and after each effect of the road: nothing acknowledged is lost.

`deaths.py` does the dying, in processes of its own; here it is started once for each way in.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.road.deaths import PLACEHOLDER
from tests.world import site

ROOT = Path(__file__).resolve().parents[2]
OF_ALL = {
    "blobs.put order.json": {"before", "within", "after"},
    "index.add": {"before", "after"},
    "blobs.put manifest.json": {"before", "within", "after"},
    "authority.respond": {"before", "after"},
    "blobs.put seal.tsa": {"before", "within", "after"},
    "blobs.put leaf": {"before", "within", "after"},
    "entries.append": {"before", "after"},
    "tiles.put_all": {"before", "after"},
    "signer.sign": {"before", "after"},
    "memory.swap": {"before", "after"},
    "tiles.replace": {"before", "after"},
    "blobs.put entry.tlog-proof": {"before", "within", "after"},
    "blobs.put certificate.json": {"before", "within", "after"},
    "blobs.put certificate.pdf": {"before", "within", "after"},
    "index.finish": {"before", "after"},
}


def deaths(room: Path, kind: str, *more: str) -> dict[str, set[str]]:
    """Every effect with the moments one died at; fails when anything was not put right."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.road.deaths", str(room), kind, *more],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if line["trouble"]] == []
    died: dict[str, set[str]] = {}
    for line in lines:
        died.setdefault(line["effect"], set()).add(line["moment"])
    return died


@pytest.fixture
def room() -> Iterator[Path]:
    """In memory where there is such a place: what a kill leaves is the same."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as one:
        yield Path(one)


def test_a_deposit(room: Path) -> None:
    died = deaths(room, "deposit")
    assert died.items() >= OF_ALL.items()
    for name in ("items/照片.jpg", "items/b.txt", "tokens/照片.jpg.tsa", "tokens/b.txt.tsa"):
        assert died[f"blobs.put {name}"] == {"before", "within", "after"}


def test_digests_alone(room: Path) -> None:
    died = deaths(room, "hash-only")
    assert died["blobs.put seal.tsa"] == {"before", "within", "after"}
    assert died["blobs.put tokens/secret.pdf.tsa"] == {"before", "within", "after"}


@pytest.mark.browser
def test_a_web_capture(room: Path, tmp_path: Path) -> None:
    order = tmp_path / "order.json"
    with site() as address:
        order.write_text(
            json.dumps(
                {
                    "allow_private": ["127.0.0.0/8"],
                    "exhibit": PLACEHOLDER,
                    "schema": "guzheng.capture-order/1",
                    "url": f"{address}/",
                },
                separators=(",", ":"),
            )
        )
        captured = tmp_path / "captured"
        subprocess.run(
            [sys.executable, "-m", "guzheng.capturer", str(order), str(captured)],
            check=True,
            capture_output=True,
            timeout=120,
        )
    died = deaths(room, "web", str(captured))
    assert died["blobs.put capture.json"] == {"before", "within", "after"}
    assert sum(name.startswith("blobs.put items/") for name in died) >= 4
