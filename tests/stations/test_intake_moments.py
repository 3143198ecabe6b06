"""What a capturer may ask of the platform while it runs, and what it may not."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from guzheng.intake import running
from guzheng.proof.digest import Digest, sha256
from guzheng.refusals import Unavailable

DIGEST = str(sha256(b"statement"))
# A capturer that asks so, and keeps what it was answered.
ASKER = """
import os, sys
for line in sys.argv[2:]:
    print(line, flush=True)
os.close(1)
open(sys.argv[1], 'w').write(sys.stdin.read())
"""


def asked(
    folder: Path,
    *lines: str,
    moments: running.Moments | None,
    clock: Callable[[], dict[str, object]] | None = None,
) -> list[dict[str, str]]:
    heard = folder / "heard"
    process = subprocess.Popen(
        [sys.executable, "-c", ASKER, str(heard), *lines],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    steps = list(running._progress(process, moments, clock))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    assert process.wait(30) == 0
    assert steps == [("egress.open", "")] * sum("egress.open" in one for one in lines)
    return [json.loads(line) for line in heard.read_text().splitlines()]


def ask(name: str, digest: str = DIGEST) -> str:
    return json.dumps({"stamp": name, "digest": digest})


def stamps(counted: list[Digest]) -> running.Moments:
    def stamp(digest: Digest) -> bytes:
        counted.append(digest)
        return b"token"

    return running.Moments(stamp)


def test_each_moment_is_answered_once_and_nothing_else_is(tmp_path: Path) -> None:
    """A capturer that a page took over gets three tokens, and no more."""
    counted: list[Digest] = []
    step = json.dumps({"step": "egress.open", "detail": ""})
    lines = [ask("opening"), step, ask("opening"), ask("another"), ask("closing"), "no JSON"]
    said = asked(tmp_path, *lines, *[ask("closing")] * 50, moments=stamps(counted))
    assert [one["stamp"] for one in said] == ["opening", "closing"]
    assert [one["token"] for one in said] == ["dG9rZW4="] * 2
    assert counted == [Digest.parse(DIGEST)] * 2


def test_what_is_no_name_is_no_moment(tmp_path: Path) -> None:
    """A capturer that a page took over ends its own capture by talking, and not the worker."""
    odd: list[object] = [[], {}, 7, None]
    lines = [json.dumps({what: one}) for what in ("stamp", "clock", "step") for one in odd]
    half = json.dumps({"stamp": "\ud800"}), json.dumps({"clock": "\ud800"})
    step = json.dumps({"step": "egress.open", "detail": ""})
    said = asked(tmp_path, *lines, *half, step, ask("closing"), moments=stamps([]), clock=dict)
    assert [one.get("stamp", one.get("clock")) for one in said] == ["?", "closing"]


def test_half_a_character_can_be_written_down() -> None:
    line = json.dumps({"step": "\ud800", "detail": "\udc00" * 600})
    with subprocess.Popen([sys.executable, "-c", f"print({line!r})"], stdout=-1) as process:
        assert list(running._progress(process, None)) == [("?", "?" * 500)]


def test_the_clock_is_told_before_and_after_and_not_oftener(tmp_path: Path) -> None:
    lines = [json.dumps({"clock": when}) for when in ("before", "after", "again")]
    reading: dict[str, object] = {"standing": "verified", "offset_microseconds": -12}
    said = asked(tmp_path, *lines, moments=stamps([]), clock=lambda: reading)
    assert said == [{"clock": when, "reading": reading} for when in ("before", "after")]
    assert asked(tmp_path, *lines, moments=stamps([])) == []
    assert asked(tmp_path, *lines, moments=None, clock=lambda: reading) == []


def test_an_authority_that_is_away_is_told_and_the_capture_goes_on(tmp_path: Path) -> None:
    def away(digest: Digest) -> bytes:
        raise Unavailable("fix.authority-silent", found=str(digest))

    said = asked(
        tmp_path, ask("opening"), ask("closing", "md5:00"), moments=running.Moments(away)
    )
    assert [one["refused"] for one in said] == ["fix.authority-silent", "digest.malformed"]


def test_without_anybody_to_ask_nothing_is_answered(tmp_path: Path) -> None:
    assert asked(tmp_path, ask("opening"), moments=None) == []


def test_a_capturer_that_talks_for_ever_is_read_a_little_at_a_time() -> None:
    """One line without an end, and one that is all brackets: neither fills the memory or ends
    the process; what comes after is heard."""
    step = json.dumps({"step": "egress.open", "detail": ""})
    long = "import sys; [sys.stdout.write('x' * 2**20) for _ in range(64)]"
    deep = "print('[' * 50000)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{long}; {deep}; print(sys.argv[1])", step],
        stdout=subprocess.PIPE,
    )
    tracemalloc.start()
    try:
        assert list(running._progress(process, None)) == [("egress.open", "")]
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 0
