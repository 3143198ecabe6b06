"""Asking for a stamp over two pipes: whatever is answered, the capture goes on."""

import asyncio
import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng.capturer.clock import Clock
from guzheng.capturer.journal import Journal
from guzheng.capturer.moments import Desk, Moments
from guzheng.capturer.order import CaptureOrder
from guzheng.capturer.record import Moment
from guzheng.proof.digest import sha256

NAMES = ("opening", "transcript", "closing")
OVER = sha256(b"statement")


@contextmanager
def asking(folder: Path, *answers: bytes, patience: float = 30) -> Iterator[Moments]:
    """Somebody who answers with these octets, at once, and then goes away."""
    reads, writes = os.pipe()
    asked: list[dict[str, str]] = []

    def ask(line: object) -> None:
        assert isinstance(line, dict)
        asked.append(line)
        if len(asked) <= len(answers):
            os.write(writes, answers[len(asked) - 1])

    clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
    journal = Journal(clock, lambda *_: None, time.monotonic())
    until = time.monotonic() + patience
    try:
        yield Moments(NAMES, Desk(ask, reads), folder, journal, until)
    finally:
        os.close(writes)
        os.close(reads)


def answer(name: str, **more: str) -> bytes:
    return json.dumps({"stamp": name, **more}).encode() + b"\n"


def stamped(moments: Moments, *names: str) -> list[Moment]:
    async def each() -> None:
        for name in names:
            await moments.stamp(name, OVER)

    asyncio.run(each())
    return moments.made


def test_a_token_is_kept_as_it_came_and_named(tmp_path: Path) -> None:
    token = b"0\x82 an answer"
    with asking(tmp_path, answer("opening", token=b64encode(token).decode())) as moments:
        (made,) = stamped(moments, "opening")
    assert (made.answer, made.token, made.digest) == ("stamped", sha256(token), OVER)
    assert (tmp_path / "moments/opening.tsa").read_bytes() == token
    assert moments.journal.notes == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("opening", refused="fix.authority-silent"), "fix.authority-silent"),
        (answer("opening", token="no base64 at all!"), "capture.moment-not-answered"),
        (answer("opening"), "capture.moment-not-answered"),
        (b"no JSON\n[1]\n" + answer("opening", refused="x"), "x"),
    ],
)
def test_what_is_no_token_is_a_note(tmp_path: Path, said: bytes, why: str) -> None:
    with asking(tmp_path, said) as moments:
        (made,) = stamped(moments, "opening")
    assert (made.answer, made.token) == (why, None)
    assert moments.journal.notes == ["capture.moment-not-stamped"]
    assert not (tmp_path / "moments").exists()


def test_nobody_is_waited_for_beyond_the_time(tmp_path: Path) -> None:
    other = answer("closing", token=b64encode(b"of another moment").decode())
    with asking(tmp_path, other, patience=0) as moments:
        began = time.monotonic()
        (made,) = stamped(moments, "opening")
    assert time.monotonic() - began < 10
    assert (made.answer, made.token) == ("capture.moment-not-answered", None)


def test_the_clock_is_taken_as_far_as_it_is_known(tmp_path: Path) -> None:
    reading = {
        "standing": "verified" * 99, "offset_microseconds": -7, "bound_microseconds": True,
        "more": "x", "source": ["no text"],
    }  # fmt: skip
    said = json.dumps({"clock": "before", "reading": reading}).encode() + b"\n"
    other = json.dumps({"clock": "after", "reading": "none"}).encode() + b"\n"
    with asking(tmp_path, said, other) as moments:
        moments.offered = ("clock",)

        async def both() -> None:
            await moments.look_at_clock("before")
            await moments.look_at_clock("after")

        asyncio.run(both())
    standing = ("verified" * 99)[:200]
    assert moments.clocks == {"before": {"standing": standing, "offset_microseconds": -7}}
    assert moments.journal.notes == []


def test_a_name_that_is_not_offered_is_not_asked_for(tmp_path: Path) -> None:
    with asking(tmp_path) as moments:
        moments.offered = ()
        (made,) = stamped(moments, "opening")
    assert made.answer == "capture.moment-not-offered"


def test_a_closed_pipe_ends_the_asking(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(writes)
    with asking(tmp_path) as moments:
        moments.desk.descriptor = reads
        first, second = stamped(moments, "opening", "closing")
    os.close(reads)
    assert {first.answer, second.answer} == {"capture.moment-not-answered"}


def test_a_file_in_place_of_a_pipe_answers_nothing(tmp_path: Path) -> None:
    with asking(tmp_path) as moments, (tmp_path / "file").open("w+b") as file:
        moments.desk.descriptor = file.fileno()
        (made,) = stamped(moments, "opening")
    assert made.answer == "capture.moment-not-answered"


def test_an_unreadable_checkpoint_is_left_out_and_noted(tmp_path: Path) -> None:
    order = CaptureOrder("ex_" + "0" * 26, "http://user:word@a/", not_before="no note\n")
    with asking(tmp_path, answer("opening", refused="x")) as moments:
        asyncio.run(moments.open(order, "software"))
    assert moments.opening is not None
    assert moments.opening.not_before is None
    assert "word" not in moments.opening.requested_url
    assert "capture.checkpoint-unreadable" in moments.journal.notes
