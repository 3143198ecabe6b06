"""Runs the capturer: a program of its own, started, listened to, ended.

It meets hostile pages, so it is never imported: it gets an order as a file, tells each step as
a line, may ask for a stamp, and leaves a folder. Its process group ends with it, and with the
time it has; whatever it started ends too.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.intake.attempts import raise_failure
from guzheng.intake.brought import CAPTURE
from guzheng.intake.order import Order
from guzheng.intake.warm import Warm
from guzheng.intake.watching import Watch
from guzheng.proof import canonical
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.fields import to_base64
from guzheng.proof.moments import NAMES
from guzheng.refusals import Problem, Unavailable

_CLOCK = "clock"
_OFTEN = 2  # before the page, and after it
GRACE_SECONDS = 30  # the capturer ends itself first; past this it is ended
_DETAIL = 500  # characters of a step
_LINE_OCTETS = 64 * 1024  # of what it tells: one that was taken over could talk for ever
Tell = Callable[[str, str], None]
_groups: set[int] = set()  # process groups of the captures of this process


@dataclass(frozen=True, slots=True)
class Capturing:
    """How captures are made here. `trust_spki` and private networks stand on the record."""

    workshop: Path
    seconds: int
    chromium: str
    trust_spki: tuple[str, ...]
    # By the name of a vantage point: how its captures leave the machine (docs/spec/capture.md).
    ways: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    stopping: Callable[[str], bool] = lambda _exhibit: False  # whether somebody cancelled it
    keys: Path | None = None  # where passwords of TLS key logs are kept; None: thrown away
    resolvers: tuple[str, ...] = ()  # compared with the system's
    ended: threading.Event = field(default_factory=threading.Event)  # set by `end_captures`
    warm: Warm | None = None  # capturers that were started ahead
    # How this platform's clock stands against its sources of time; None: nobody is asked.
    clock: Callable[[], Mapping[str, object]] | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """What a capture may ask while it is under way: docs/spec/moments.md.

    `before`: the note of the newest checkpoint that met its quorum; `stamp`: the token of the
    first authority over a digest, or Unavailable."""

    stamp: Callable[[Digest], bytes]
    before: bytes | None = None


def run(
    order: Order, room: Path, capturing: Capturing, tell: Tell, moments: Moments | None
) -> None:
    """One run, into `room/out`. Raises what attempts.raise_failure raises."""
    wanted = _wanted(order, capturing, moments)
    if capturing.ended.is_set():  # the queue tries again what was ended, until it ends too
        raise Unavailable(
            "capture.browser-died",
            expected="a program that goes on",
            found="one that was told to stop",
            act="the next start captures it",
        )
    (room / "order.json").write_bytes(canonical.encode(wanted))
    out = room / "out"
    status = _watched(order, _started(room, out, capturing), capturing, tell, moments)
    if capturing.warm is not None and not capturing.ended.is_set():
        capturing.warm.want(_preset(capturing))
    if status != 0 or not (out / CAPTURE).exists():
        raise_failure(out, status)


def _wanted(order: Order, capturing: Capturing, moments: Moments | None) -> dict[str, object]:
    """The capturer's order: docs/spec/capture.md."""
    wanted: dict[str, object] = {
        "schema": "guzheng.capture-order/1",
        "exhibit": order.exhibit,
        "url": order.url or "",
        "allow_private": list(order.allow_private),
        "trust_spki": list(capturing.trust_spki),
        "limits": {"wall_seconds": capturing.seconds},
    }
    if capturing.chromium:
        wanted["chromium"] = capturing.chromium
    if capturing.resolvers:
        wanted["resolvers"] = list(capturing.resolvers)
    if order.options:
        wanted["options"] = list(order.options)
    if order.vantage and (way := capturing.ways.get(order.vantage)):
        wanted["vantage"] = {"name": order.vantage, **way}
    if moments is not None:
        wanted["moments"] = [*NAMES, *([_CLOCK] if capturing.clock is not None else [])]
    if moments is not None and moments.before is not None:
        wanted["not_before"] = moments.before.decode()
    return wanted


def _watched(
    order: Order,
    process: subprocess.Popen[bytes],
    capturing: Capturing,
    tell: Tell,
    moments: Moments | None,
) -> int:
    """Its exit status; nothing of it runs when this returns or raises."""
    _groups.add(process.pid)
    if capturing.ended.is_set():  # meanwhile: whoever ended them did not see this one
        _end(process.pid)
    timer = _alarm(process.pid, capturing.seconds + GRACE_SECONDS)
    watch = Watch(process, lambda: capturing.stopping(order.exhibit))
    try:
        for step, detail in _progress(process, moments, capturing.clock):
            watch.heard()
            tell(step, detail)
        status = process.wait()
    finally:
        timer()
        watch.over()
        _groups.discard(process.pid)
        _end(process.pid)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
    return status


def _progress(
    process: subprocess.Popen[bytes],
    moments: Moments | None,
    clock: Callable[[], Mapping[str, object]] | None = None,
) -> Iterator[tuple[str, str]]:
    unasked = set(NAMES)  # each once: a capturer that a page took over gets no more tokens
    looks = _OFTEN if moments is not None and clock is not None else 0
    stdout = process.stdout
    for line in iter(lambda: stdout.readline(_LINE_OCTETS) if stdout else b"", b""):
        try:
            said = canonical.parse_any(line)
        except Malformed:
            continue  # a library that printed; its words are no evidence
        match said:
            case {"step": str(step), **more}:
                yield _readable(step), _readable(str(more.get("detail", "")))
            case {"stamp": str(name), **more} if moments is not None and name in unasked:
                unasked.discard(name)
                _answer(process, name, str(more.get("digest")), moments)
            case {"clock": str(when)} if clock is not None and looks:
                looks -= 1
                _say(process, {_CLOCK: _readable(when), "reading": dict(clock())})


def _readable(text: str) -> str:
    """As much of it as anybody reads; half a character, which JSON can spell, is none."""
    return text[:_DETAIL].encode("utf-8", "replace").decode()


def _answer(process: subprocess.Popen[bytes], name: str, digest: str, moments: Moments) -> None:
    """One line: the token, or why there is none. The capture goes on either way."""
    said: dict[str, object] = {"stamp": name}
    try:
        said["token"] = to_base64(moments.stamp(Digest.parse(digest)))
    except Problem as problem:
        said["refused"] = problem.code
    except ProofError as error:
        said["refused"] = error.code
    _say(process, said)


def _say(process: subprocess.Popen[bytes], said: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError):  # it has ended, or waits no more
        if process.stdin:
            process.stdin.write(canonical.encode(dict(said)) + b"\n")
            process.stdin.flush()


def _alarm(group: int, seconds: int) -> Callable[[], None]:
    timer = threading.Timer(seconds, _end, (group,))
    timer.daemon = True
    timer.start()
    return timer.cancel


def _started(room: Path, out: Path, capturing: Capturing) -> subprocess.Popen[bytes]:
    """One that waits for such an order, or one that is started now."""
    order = room / "order.json"
    if capturing.warm is not None:
        waiting = capturing.warm.take(_preset(capturing), order, out)
        if waiting is not None:
            return waiting
    with (room / "stderr.log").open("wb") as errors:
        # Its own process group: whatever it started ends with it.
        return subprocess.Popen(
            [sys.executable, "-m", "guzheng.capturer", str(order), str(out)],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


def _preset(capturing: Capturing) -> bytes:
    """What decides over a browser's start; its page is never opened."""
    preset: dict[str, object] = {
        "schema": "guzheng.capture-order/1",
        "exhibit": "ex_" + "0" * 26,
        "url": "http://waiting.invalid/",
        "allow_private": [],
        "trust_spki": list(capturing.trust_spki),
    }
    if capturing.chromium:
        preset["chromium"] = capturing.chromium
    return canonical.encode(preset)


def ready_next(capturing: Capturing) -> None:
    """An exhibit has gone its road, or cannot for now: there is time to start ahead."""
    if capturing.warm is not None and not capturing.ended.is_set():
        capturing.warm.ready()


def end_captures(capturing: Capturing) -> None:
    """For a program that stops: what was under way is begun again by the next one, not here."""
    capturing.ended.set()
    if capturing.warm is not None:
        capturing.warm.close()
    for group in tuple(_groups):
        _end(group)


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
