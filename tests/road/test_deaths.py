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

from tests.road.deaths import PLACEHOLDER, TOLD
from tests.world import site

ROOT = Path(__file__).resolve().parents[2]
EFFECTS = (
    "blobs.put order.json",
    "index.add",
    "blobs.put manifest.json",
    "authority.respond",
    "blobs.put seal.tsa",
    "blobs.put leaf",
    "entries.append",
    "tiles.put_all",
    "signer.sign",
    "memory.swap",
    "tiles.replace",
    "blobs.put entry.tlog-proof",
    "blobs.put certificate.json",
    "blobs.put certificate.pdf",
    "index.finish",
)
MOMENTS = pytest.mark.parametrize(
    "moments", ["some", pytest.param("every", marks=pytest.mark.soak)]
)


def moments_of(effect: str, moments: str) -> set[str]:
    within = {"within"} if effect.startswith("blobs.put") else set()
    after = {"after"} if moments == "every" or effect in TOLD else set()
    return {"before"} | within | after


def deaths(room: Path, kind: str, moments: str, *more: str) -> dict[str, set[str]]:
    """Every effect with the moments one died at; fails when anything was not put right."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.road.deaths", str(room), kind, moments, *more],
        capture_output=True,
        text=True,
        cwd=ROOT,
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


@MOMENTS
def test_a_deposit(room: Path, moments: str) -> None:
    died = deaths(room, "deposit", moments)
    own = ("items/照片.jpg", "items/b.txt", "tokens/照片.jpg.tsa", "tokens/b.txt.tsa")
    for effect in (*EFFECTS, *(f"blobs.put {name}" for name in own)):
        assert died[effect] == moments_of(effect, moments)


@MOMENTS
def test_digests_alone(room: Path, moments: str) -> None:
    died = deaths(room, "hash-only", moments)
    for effect in ("blobs.put seal.tsa", "blobs.put tokens/secret.pdf.tsa"):
        assert died[effect] == moments_of(effect, moments)


@pytest.mark.browser
@MOMENTS
def test_a_web_capture(room: Path, tmp_path: Path, moments: str) -> None:
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
    died = deaths(room, "web", moments, str(captured))
    captures = "blobs.put capture.json"
    assert died[captures] == moments_of(captures, moments)
    assert died["blobs.put_all items"] == moments_of("blobs.put_all items", moments)
