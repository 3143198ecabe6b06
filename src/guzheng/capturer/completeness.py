"""How complete the archive is, by a program that knows only what was kept.

`python -m guzheng.transcript` opens the transcript with the key log, compares the archive and
what the browser said it asked for with it, and derives the trace. It is started here as
anybody starts it, on the folder that was just written: what it finds goes on the record. If it
cannot, the record says that nothing was compared; the capture stands all the same.
"""

import asyncio
import contextlib
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    COMPARING_GRACE_SECONDS,
    COMPARING_MEMORY_OCTETS,
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


class Comparing:
    """The program, started while the page is written down, and told to begin when that is done.

    So its start costs the capture nothing. It ends with us: its input does."""

    def __init__(self, out: Path, scratch: Path) -> None:
        self._trace = out / "items" / TRACE
        self._draft = scratch / _DRAFT
        arguments = [str(out), "--record", str(self._draft), "--write-trace", str(self._trace)]
        self._command = ["-P", "-m", "guzheng.transcript", *arguments, "--json", "--after-line"]
        self._program: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._program = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            executable=EXECUTABLE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            limit=COMPARING_OCTETS,
        )
        with contextlib.suppress(OSError):  # it ended; that it says nothing is noted later
            limit = (COMPARING_MEMORY_OCTETS, COMPARING_MEMORY_OCTETS)
            resource.prlimit(self._program.pid, resource.RLIMIT_AS, limit)

    async def compare(self, draft: CaptureRecord, journal: Journal) -> Completeness | None:
        """After transcript, keys, archive and layout are written. Writes the trace beside them.

        No longer than the capture may last: what was captured is not lost for a comparison."""
        self._draft.write_bytes(draft.encode())
        last = draft.limits.wall_seconds + COMPARING_GRACE_SECONDS
        left = last - journal.offset(journal.clock.monotonic()) / 1000
        told = await self._told(min(COMPARING_SECONDS, left))
        self._draft.unlink()
        found = _read(told)
        if found is None or found.completeness is None:
            self._trace.unlink(missing_ok=True)
            journal.note("capture.wire-not-compared")
            return None
        if found.contradicts:
            journal.note("capture.wire-contradicts")
        one = found.completeness
        counts = f"{one.requested} requested, {one.recorded} recorded, {one.seen_on_wire} seen"
        journal.step("wire.compared", counts)
        return one

    async def _told(self, seconds: float) -> bytes:
        """What it said; nothing if it took too long or ended otherwise than by an answer."""
        if self._program is None:
            await self.start()
        program, said = self._program, b""
        assert program is not None  # noqa: S101 - it was just started
        try:
            async with asyncio.timeout(max(seconds, 0)):
                said, _ = await program.communicate(b"\n")
        except TimeoutError:
            said = b""
        finally:
            await self.end()
        answered = program.returncode in (0, 1, 2) and len(said) <= COMPARING_OCTETS
        return said if answered else b""

    async def end(self) -> None:
        program = self._program
        if program is not None and program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()


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
