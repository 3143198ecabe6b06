"""Pictures of strangers are drawn by a program that can do nothing else."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from guzheng.painting import LARGEST, NotDrawn, Painters, Wanted, _ended, _started

FORMATS = ("PNG", "JPEG", "WEBP")
WANTED = Wanted(FORMATS, 1_000_000, 320, 240, quality=75, head=True)


def picture(kind: str, size: tuple[int, int] = (640, 960), **how: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind, **how)
    return out.getvalue()


@pytest.fixture
def painters() -> Iterator[Painters]:
    made = Painters()
    yield made
    made.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_drawn_anew(painters: Painters, kind: str) -> None:
    drawn = painters.draw(picture(kind), WANTED)
    with Image.open(io.BytesIO(drawn), formats=["JPEG"]) as shown:
        assert shown.size == (320, 240), "the head of a long one"
        assert not shown.getexif()


def test_one_waits_for_the_next_picture(painters: Painters) -> None:
    painters.draw(picture("PNG"), WANTED)
    waiting = painters._waiting
    assert waiting is not None
    painters.draw(picture("PNG"), WANTED)
    assert waiting.poll() is not None, "it took that one, and ended"
    assert painters._waiting is not waiting


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        picture("PNG")[:300],
        picture("PNG", (2000, 600)),  # more pixels than wanted
        picture("GIF"),  # a form that was not asked for
        os.urandom(5000),
    ],
)
def test_what_cannot_be_drawn_is_said(painters: Painters, octets: bytes) -> None:
    with pytest.raises(NotDrawn):
        painters.draw(octets, WANTED)
    assert painters.draw(picture("JPEG"), WANTED), "the next one is drawn all the same"


def test_how_many_pixels_differ(painters: Painters) -> None:
    one = picture("PNG")
    with Image.open(io.BytesIO(one)) as shown:
        other = shown.copy()
    other.paste((1, 2, 3), (0, 950, 10, 960))
    out = io.BytesIO()
    other.save(out, "PNG")
    assert painters.differing(one, one, ("PNG",), 1_000_000) == 0
    assert painters.differing(one, out.getvalue(), ("PNG",), 1_000_000) == 100


def test_who_takes_too_long_is_ended(painters: Painters) -> None:
    hasty = Painters(seconds=0.0)
    with pytest.raises(NotDrawn, match="not within"):
        hasty.draw(picture("PNG"), WANTED)
    hasty.close()


TALKS = """import sys
sys.stdin.buffer.read()
while True:
    sys.stdout.buffer.write(bytes(1 << 16))
"""


def test_what_was_taken_over_cannot_fill_our_memory(painters: Painters) -> None:
    """A program that answers without end, where the one that waits would be."""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", TALKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as talks:
        painters._waiting, painters._owner = talks, os.getpid()
        with pytest.raises(NotDrawn, match=f"more than {LARGEST} octets"):
            painters.draw(picture("PNG"), WANTED)
        assert talks.poll() is not None, "it was ended"


def test_whoever_starts_it_and_dies_leaves_none_behind() -> None:
    program = _started()
    assert program.stdin is not None
    program.stdin.close()
    assert program.wait(60) == 0
    _ended(program)


def test_many_at_once_take_turns(painters: Painters) -> None:
    drawn: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: drawn.append(painters.draw(picture("PNG"), WANTED)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(drawn) == 5
    assert len(set(drawn)) == 1


_ATTEMPTS = """
import json, os, resource, runpy, socket, subprocess, sys
sys.argv = ["painter"]
program = runpy.run_module("guzheng.painter.__main__", run_name="not main")
program["_warm"]()
filtered = program["_confined"]()
def tried(what):
    try:
        what()
    except BaseException as error:
        return type(error).__name__
    return "done"
found = {
    "filtered": filtered,
    "open": tried(lambda: open("/etc/hostname")),
    "write": tried(lambda: open(sys.argv[0] + ".txt", "w")),
    "socket": tried(socket.socket),
    "fork": tried(os.fork),
    "exec": tried(lambda: os.execv("/bin/true", ["true"])),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
    "memory": tried(lambda: bytearray(3 * 1024**3)),
}
os.write(1, json.dumps(found).encode())
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_what_was_taken_over_could_do_nothing(tmp_path: Path) -> None:
    """As if a decoder had been made to run a stranger's instructions."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _ATTEMPTS],
        capture_output=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found.pop("filtered") is True, done.stderr
    assert found.pop("memory") == "MemoryError"
    assert set(found.values()) == {"PermissionError"}, found


def test_it_waits_and_is_quick_then(painters: Painters) -> None:
    """Measured by its own account, not by the clock: what is loaded late is loaded before."""
    painters.draw(picture("PNG"), WANTED)
    deadline = time.monotonic() + 60
    waiting = painters._waiting
    assert waiting is not None
    stat = Path(f"/proc/{waiting.pid}/status")
    while "Seccomp:\t2" not in stat.read_text():
        assert time.monotonic() < deadline, "it never was ready"
        time.sleep(0.02)
