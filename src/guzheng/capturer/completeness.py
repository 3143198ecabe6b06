"""How complete the archive is, by a program that knows only what was kept.

`python -m guzheng.transcript` opens the transcript with the key log, compares the archive and
what the browser said it asked for with it, and derives the trace. It is started here as
anybody starts it, on the folder that was just written: what it finds goes on the record. If it
cannot, the record says that nothing was compared; the capture stands all the same.
"""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    COMPARING_GRACE_SECONDS,
    COMPARING_OCTETS,
    COMPARING_SECONDS,
)
from guzheng.capturer.ourselves import EXECUTABLE
from guzheng.capturer.record import CaptureRecord, Completeness, Gap
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import Fields

TRACE = "trace.json"
_DRAFT = "draft.json"
_LISTED = 1000  # that the record names; the program names all
_URL = 8000


@dataclass(frozen=True, slots=True)
class Found:
    """What goes on the record, and whether anything contradicts it."""

    completeness: Completeness | None
    contradicts: bool


async def compare(
    out: Path, scratch: Path, draft: CaptureRecord, journal: Journal
) -> Completeness | None:
    """After transcript, keys, archive and layout are written. Writes the trace beside them.

    No longer than the capture may last: what was captured is not lost for a comparison."""
    path = scratch / _DRAFT
    path.write_bytes(draft.encode())
    command = ["-P", "-m", "guzheng.transcript", str(out), "--record", str(path), "--json"]
    last = draft.limits.wall_seconds + COMPARING_GRACE_SECONDS
    left = last - journal.offset(journal.clock.monotonic()) / 1000
    told = await _run(
        [*command, "--write-trace", str(out / "items" / TRACE)], min(COMPARING_SECONDS, left)
    )
    path.unlink()
    found = _read(told)
    if found is None or found.completeness is None:
        (out / "items" / TRACE).unlink(missing_ok=True)
        journal.note("capture.wire-not-compared")
        return None
    if found.contradicts:
        journal.note("capture.wire-contradicts")
    one = found.completeness
    counts = f"{one.requested} requested, {one.recorded} recorded, {one.seen_on_wire} seen"
    journal.step("wire.compared", counts)
    return one


async def _run(arguments: list[str], seconds: float) -> bytes:
    """What it said; nothing if it took too long or ended otherwise than by an answer."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        executable=EXECUTABLE,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        limit=COMPARING_OCTETS,
    )
    try:
        async with asyncio.timeout(max(seconds, 0)):
            said, _ = await program.communicate()
    except TimeoutError:
        said = b""
    finally:
        if program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
    return said if program.returncode in (0, 1, 2) and len(said) <= COMPARING_OCTETS else b""


def _read(told: bytes) -> Found | None:
    try:
        report = canonical.parse_object(told.removesuffix(b"\n"))
        value = report.get("completeness")
        if value is None:
            return Found(None, contradicts=False)
        fields = Fields(value, "transcript.completeness")
        completeness = Completeness(
            requested=fields.count("requested"),
            recorded=fields.count("recorded"),
            seen_on_wire=fields.count("seen_on_wire"),
            unopened=fields.count("unopened"),
            missing_in_all=fields.count("missing_in_all"),
            missing=tuple(map(_gap, fields.items("missing", most=100_000)[:_LISTED])),
        )
        fields.end()
    except ProofError:
        return None
    return Found(completeness, contradicts=report.get("outcome") == "failed")


def _gap(value: object) -> Gap:
    fields = Fields(value, "transcript.missing")
    gap = Gap(
        method=fields.text("method", longest=100),
        url=cut(fields.text("url", longest=1 << 20), _URL),
        why=fields.text("why", longest=100),
        detail=fields.text_or_none("detail"),
    )
    fields.end()
    return gap
