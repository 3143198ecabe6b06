"""A web capture comes in: the capturer runs as a program of its own, and a folder comes back.

The capturer meets hostile pages, so it is never imported: what it leaves is a folder, and
every name and every octet in it is judged here before it is kept. A finished run is made
durable and moved to `done` before the first item is kept, so that whoever is killed half way
keeps on from the same run and never mixes two. Each run has a folder of its own: a capturer
that outlives the worker that started it writes where nobody looks any more.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.intake import wirekeys
from guzheng.intake.order import Order, ReceivedItem
from guzheng.intake.rules import distinct, item_name
from guzheng.intake.warm import Warm
from guzheng.intake.watching import Watch
from guzheng.proof import canonical
from guzheng.proof.capture import OUTSIDE, CaptureRecord
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed, ProofError, require
from guzheng.proof.fields import Fields, to_base64
from guzheng.proof.manifest import ATTEMPT_ITEMS
from guzheng.proof.moments import NAMES
from guzheng.proof.moments import papers_of as moments_named
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.blobs import Blobs
from guzheng.store.durable import reported, sync_directory
from guzheng.store.receive import Received, keep_stream

CAPTURE = "capture.json"
_MOMENT_OCTETS = 256 * 1024  # a token, or a note with a hundred cosignatures
_HANDS = 4  # files that are written at once: each waits for the disk, and the disk for none
GRACE_SECONDS = 30  # the capturer ends itself first; past this it is ended
_OPERATORS = frozenset(
    {"capture.no-browser", "capture.browser-died", "capture.order-malformed"}
)
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


@dataclass(frozen=True, slots=True)
class Moments:
    """What a capture may ask while it is under way: docs/spec/moments.md.

    `before`: the note of the newest checkpoint that met its quorum; `stamp`: the token of the
    first authority over a digest, or Unavailable."""

    stamp: Callable[[Digest], bytes]
    before: bytes | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """What a finished run brought: its record, and each artefact with its role."""

    record_json: bytes
    items: tuple[ReceivedItem, ...]
    roles: dict[str, str]


class CaptureRefused(Refused):
    """The page could not be captured, nor would it be the next time; what was tried is kept."""

    def __init__(
        self, failure: Fields, attempt_json: bytes, moments: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__(
            failure.text("code"),
            expected=failure.text("expected"),
            found=failure.text("found"),
            act=failure.text("act"),
        )
        self.attempt_json = attempt_json
        self.moments = moments or {}

    @property
    def is_evidence(self) -> bool:
        """Whether the attempt is sealed and certified: docs/spec/capture.md §9."""
        return bool(self.attempt_json) and self.code in OUTSIDE


class CaptureAttempted(CaptureRefused):
    """One that is evidence: what is kept of it lies in the finished run, and is then kept."""


class CaptureCancelled(CaptureRefused):
    """Somebody cancelled it, and there is no record of anything that was done."""

    def __init__(self, *, begun: bool) -> None:
        Refused.__init__(
            self,
            "commission.cancelled",
            expected="an order that stands",
            found="cancelled; what was begun was killed and left no record"
            if begun
            else "cancelled before it was begun",
            act="order it again if it is wanted",
        )
        self.attempt_json, self.moments = b"", {}


def capture(
    order: Order,
    blobs: Blobs,
    folder: str,
    capturing: Capturing,
    tell: Tell,
    moments: Moments | None = None,
) -> Captured:
    """Run the capturer unless a finished run waits, and keep what it brought. Of an attempt
    that is evidence the items are kept when CaptureAttempted is raised; its record is not.

    The caller holds the exhibit's lease. `capture.json` is kept last: it stands for the whole.
    """
    room = capturing.workshop / order.exhibit
    done = room / "done"
    if not done.exists():
        with reported(str(room)):
            room.mkdir(parents=True, exist_ok=True, mode=0o755)
            for left in room.iterdir():  # of runs that were killed
                shutil.rmtree(left, ignore_errors=True)
            run = Path(tempfile.mkdtemp(prefix="run-", dir=room))
            run.chmod(0o755)  # the capturer drops to a user of its own
            with contextlib.suppress(CaptureAttempted):  # it is kept as one that was made is
                _run(order, run, capturing, tell, moments)
            _make_durable(run / "out")
            (run / "out").rename(done)
            sync_directory(room)
    try:
        if capturing.keys is not None:
            wirekeys.keep(done, capturing.keys, order.exhibit)  # before anything needs it
        captured = _keep(done, blobs, folder)
    except (FileNotFoundError, ProofError) as error:
        clear_room(capturing, order.exhibit)  # or it would be found again for ever
        raise Unavailable(
            "capture.browser-died",
            expected="every file that the capture record names",
            found=error.code if isinstance(error, ProofError) else "a file less",
            act="the worker tries again",
        ) from error
    if refusal_in(captured.record_json) is not None:
        record_json = captured.record_json
        papers = dict(_moments_in(done, record_json))
        raise CaptureAttempted(_failure_in(record_json), record_json, papers)
    blobs.put(folder + CAPTURE, [captured.record_json])
    clear_room(capturing, order.exhibit)
    return captured


def rooms(capturing: Capturing) -> tuple[str, ...]:
    """The exhibits that have a room in the workshop: captures under way, or killed."""
    if not capturing.workshop.is_dir():
        return ()
    return tuple(sorted(one.name for one in capturing.workshop.iterdir()))


def clear_room(capturing: Capturing, exhibit: str) -> None:
    """Nothing in it is needed: all that was worth keeping is kept."""
    shutil.rmtree(capturing.workshop / exhibit, ignore_errors=True)


def refusal_in(record_json: bytes) -> Refused | None:
    """Why a capture that is kept was not made; None if it was."""
    record = CaptureRecord.parse(record_json)
    if not record.failed:
        return None
    failure = _failure_in(record_json)
    code, *rest = (failure.text(one) for one in ("code", "expected", "found", "act"))
    return Refused(code, expected=rest[0], found=rest[1], act=rest[2])


def _failure_in(record_json: bytes) -> Fields:
    return Fields(CaptureRecord.parse(record_json).fields["failure"], "failure")


def captured_items(record_json: bytes) -> tuple[tuple[ReceivedItem, ...], dict[str, str]]:
    """The items of a capture that is kept, as its record states them, and their roles. The
    manifest is refused unless what is kept has these digests."""
    artefacts = CaptureRecord.parse(record_json).artefacts
    items = (
        ReceivedItem(one.name, one.media_type, one.size, (one.sha256,)) for one in artefacts
    )
    return tuple(items), {one.name: one.role for one in artefacts}


def _run(
    order: Order, room: Path, capturing: Capturing, tell: Tell, moments: Moments | None
) -> None:
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
        wanted["moments"] = list(NAMES)
    if moments is not None and moments.before is not None:
        wanted["not_before"] = moments.before.decode()
    if capturing.ended.is_set():  # the queue tries again what was ended, until it ends too
        raise Unavailable(
            "capture.browser-died",
            expected="a program that goes on",
            found="one that was told to stop",
            act="the next start captures it",
        )
    (room / "order.json").write_bytes(canonical.encode(wanted))
    out = room / "out"
    process = _started(room, out, capturing)
    _groups.add(process.pid)
    if capturing.ended.is_set():  # meanwhile: whoever ended them did not see this one
        _end(process.pid)
    timer = _alarm(process.pid, capturing.seconds + GRACE_SECONDS)
    watch = Watch(process, lambda: capturing.stopping(order.exhibit))
    try:
        for step, detail in _progress(process, moments):
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
    if capturing.warm is not None and not capturing.ended.is_set():
        capturing.warm.fill(_preset(capturing))
    if status == 0 and (out / CAPTURE).exists():
        return
    failure, attempt = out / "failure.json", out / CAPTURE
    if not failure.exists():
        raise Unavailable(
            "capture.browser-died",
            expected="a record of the capture",
            found=f"the capturer ended with status {status}",
            act="the worker tries again",
        )
    try:
        fields = Fields(canonical.parse(failure.read_bytes()), "failure")
        attempt_json = attempt.read_bytes() if attempt.exists() else b""
        refused = CaptureRefused(fields, attempt_json, dict(_moments_in(out, attempt_json)))
        if refused.is_evidence:
            failed = refusal_in(attempt_json) is not None
            require(failed, Malformed, "capture.outcome", "failed", "captured")
    except (ProofError, OSError) as error:
        found = error.code if isinstance(error, ProofError) else "a file less"
        raise Unavailable(
            "capture.browser-died", expected="a readable failure.json", found=found
        ) from error
    if refused.is_evidence:
        raise CaptureAttempted(_failure_in(attempt_json), attempt_json, refused.moments)
    if refused.code in _OPERATORS:
        raise Unavailable(
            refused.code, expected=refused.expected, found=refused.found, act=refused.act
        )
    raise refused


def _progress(
    process: subprocess.Popen[bytes], moments: Moments | None
) -> Iterator[tuple[str, str]]:
    unasked = set(NAMES)  # each once: a capturer that a page took over gets no more tokens
    for line in process.stdout or ():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a library that printed; its words are no evidence
        if isinstance(said, dict) and isinstance(said.get("step"), str):
            yield said["step"], str(said.get("detail", ""))[:500]
        elif isinstance(said, dict) and moments is not None and said.get("stamp") in unasked:
            unasked.discard(said["stamp"])
            _answer(process, said["stamp"], str(said.get("digest")), moments)


def _answer(process: subprocess.Popen[bytes], name: str, digest: str, moments: Moments) -> None:
    """One line: the token, or why there is none. The capture goes on either way."""
    said: dict[str, object] = {"stamp": name}
    try:
        said["token"] = to_base64(moments.stamp(Digest.parse(digest)))
    except Problem as problem:
        said["refused"] = problem.code
    except ProofError as error:
        said["refused"] = error.code
    with contextlib.suppress(OSError):  # it has ended, or waits no more
        if process.stdin:
            process.stdin.write(canonical.encode(said) + b"\n")
            process.stdin.flush()


def _alarm(group: int, seconds: int) -> Callable[[], None]:
    from threading import Timer

    timer = Timer(seconds, _end, (group,))
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


def _make_durable(out: Path) -> None:
    def flush(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with ThreadPoolExecutor(_HANDS) as hands:  # the disk is waited for once, not for each
        for directory, _, files in os.walk(out):
            list(hands.map(flush, [Path(directory) / name for name in files]))
            sync_directory(Path(directory))


def _keep(done: Path, blobs: Blobs, folder: str) -> Captured:
    record_json = (done / CAPTURE).read_bytes()
    record = CaptureRecord.parse(record_json)
    artefacts, names = record.artefacts, [item_name(one.name) for one in record.artefacts]
    distinct(names)
    fits = not record.failed or {*names} <= {*ATTEMPT_ITEMS}
    require(fits, Malformed, "manifest.items", ", ".join(ATTEMPT_ITEMS), repr(names)[:120])

    def keep(name: str) -> Received:
        descriptor = os.open(done / "items" / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            octets = iter(lambda: stream.read(4 << 20), b"")
            return keep_stream(blobs, f"{folder}items/{name}", octets)

    with ThreadPoolExecutor(_HANDS) as hands:
        kept = list(hands.map(keep, names))
    items = tuple(
        ReceivedItem(one.name, one.media_type, its.size, (its.sha256,))
        for one, its in zip(artefacts, kept, strict=True)
    )
    for name, octets in _moments_in(done, record_json):
        blobs.put(folder + name, [octets])
    return Captured(record_json, items, {one.name: one.role for one in artefacts})


def _moments_in(out: Path, record_json: bytes) -> Iterator[tuple[str, bytes]]:
    """The papers of the moments that the record names, and no others."""
    for name in moments_named(record_json) if record_json else ():
        descriptor = os.open(out / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            octets = stream.read(_MOMENT_OCTETS + 1)
        fits, found = len(octets) <= _MOMENT_OCTETS, f"{len(octets)} or more"
        require(fits, Malformed, "moment.too-large", f"{_MOMENT_OCTETS} octets", found)
        yield name, octets
