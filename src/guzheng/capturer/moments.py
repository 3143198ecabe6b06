"""Moments: asks whoever started the capturer for a timestamp, while the capture is under way.

One line goes out on standard output, `{"digest", "stamp"}`; one comes back on standard input,
`{"stamp", "token"}` or `{"refused", "stamp"}` (docs/spec/moments.md §3). The capturer holds no
key and knows no authority; it keeps the answer as it came and names its digest on the record.

A moment that is not stamped is a note on the record, never a capture that is lost. Nobody is
asked unless the order says that somebody answers.
"""

import asyncio
import binascii
import json
import os
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.order import CaptureOrder, without_password
from guzheng.capturer.record import Moment, Opening, SeenCheckpoint, value_of
from guzheng.proof import canonical, moments
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import to_base64
from guzheng.proof.manifest import Item
from guzheng.proof.note import Checkpoint, Note

PATIENCE_SECONDS = 20  # an authority that is slower is not waited for
CLOCK = "clock"  # what may be asked besides the stamps
_CLOCK_SECONDS = 5  # it is known, and only has to be said
_LONGEST = 200  # of one text in it
_READING = frozenset(
    {
        "standing",
        "profile",
        "source",
        "offset_microseconds",
        "bound_microseconds",
        "measured_at",
    }
)
_LINE_OCTETS = 256 * 1024  # an answer; a token with three certificates has some 6,000
_STAMPED, _NOT_OFFERED = "stamped", "capture.moment-not-offered"
_NO_ANSWER = "capture.moment-not-answered"


@dataclass(slots=True)
class Desk:
    """The two pipes. `ask` writes a line; answers are read from `descriptor`."""

    ask: Callable[[Mapping[str, str]], None]
    descriptor: int
    _awaited: dict[str, asyncio.Future[dict[str, object]]] = field(default_factory=dict)
    _left: bytes = b""
    _reading: bool = False
    _closed: bool = False

    async def stamp(self, name: str, digest: Digest, seconds: float) -> dict[str, object]:
        """The answer; empty when none came in time, or nobody is there."""
        return await self._asked(name, {"stamp": name, "digest": str(digest)}, seconds)

    async def clock(self, when: str, seconds: float) -> dict[str, object]:
        """How the platform's clock stands, by its word; empty likewise."""
        said = await self._asked(f"{CLOCK} {when}", {CLOCK: when}, seconds)
        reading = said.get("reading")
        return reading if isinstance(reading, dict) else {}

    async def _asked(
        self, name: str, line: Mapping[str, str], seconds: float
    ) -> dict[str, object]:
        loop = asyncio.get_running_loop()
        if not self._open(loop):
            return {}
        answer = self._awaited[name] = loop.create_future()
        self.ask(line)
        try:
            async with asyncio.timeout(seconds):
                said: dict[str, object] = await answer
                return said
        except TimeoutError:
            return {}
        finally:
            self._awaited.pop(name, None)

    def _open(self, loop: asyncio.AbstractEventLoop) -> bool:
        if not self._reading and not self._closed:
            try:
                loop.add_reader(self.descriptor, self._readable, loop)
            except OSError:  # a file, or nothing at all: nobody can answer
                self._closed = True
            self._reading = not self._closed
        return not self._closed

    def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        octets = os.read(self.descriptor, 65536)
        self._left += octets
        if not octets or len(self._left) > _LINE_OCTETS:
            loop.remove_reader(self.descriptor)
            self._closed = True
            for answer in self._awaited.values():
                if not answer.done():
                    answer.set_result({})
            return
        *lines, self._left = self._left.split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if isinstance(said, dict):
            clock = f"{CLOCK} {said.get(CLOCK)}"
            answer = self._awaited.get(str(said["stamp"]) if "stamp" in said else clock)
            if answer is not None and not answer.done():
                answer.set_result(said)


@dataclass(slots=True)
class Moments:
    """`made` is for the record. `offered`: the names that the order says are answered.

    `until`, of the monotonic clock: nobody is waited for beyond."""

    offered: tuple[str, ...]
    desk: Desk
    folder: Path
    journal: Journal
    until: float
    made: list[Moment] = field(default_factory=list)
    opening: Opening | None = None
    clocks: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])

    async def look_at_clock(self, when: str) -> None:
        """`before` the page, `after` it: for the report of the environment, as a claim."""
        if CLOCK in self.offered:
            said = await self.desk.clock(when, _CLOCK_SECONDS)
            if reading := _reading_in(said):
                self.clocks[when] = reading

    async def open(self, order: CaptureOrder, software: str) -> None:
        """Before anything of the page is asked for."""
        self.opening = opening = Opening(
            schema=moments.OPENING_SCHEMA,
            exhibit=order.exhibit,
            requested_url=cut(without_password(order.url), 8000),
            software=software,
            observed_at=self.journal.clock.now(),
            not_before=self._seen(order.not_before),
        )
        await self.stamp(moments.OPENING, sha256(canonical.encode(value_of(opening))))

    async def close(self, exhibit: str, artefacts: tuple[Item, ...]) -> None:
        """Over every artefact, and over the tokens that had come."""
        earlier = [value_of(one) for one in self.made]
        stated = moments.closing_of(exhibit, [one.value() for one in artefacts], earlier)
        await self.stamp(moments.CLOSING, sha256(canonical.encode(stated)))

    async def stamp(self, name: str, digest: Digest) -> bool:
        """True if a token came; either way the record says what was asked, and when."""
        asked = self.journal.offset(self.journal.clock.monotonic())
        token, answer = b"", _NOT_OFFERED
        if name in self.offered:
            left = self.until - self.journal.clock.monotonic()
            seconds = max(0.5, min(PATIENCE_SECONDS, left))
            said = await self.desk.stamp(name, digest, seconds)
            token, answer = _token_in(said)
        if token:
            self._keep(moments.paper_of(name), token)
            self.journal.step("moment.stamped", name)
        else:
            self.journal.note("capture.moment-not-stamped")
        kept = sha256(token) if token else None
        self.made.append(Moment(name, digest, asked, cut(answer, 200), kept))
        return bool(token)

    def _seen(self, note: str) -> SeenCheckpoint | None:
        """The checkpoint that the order gave; its note is kept beside the tokens."""
        if not note:
            return None
        octets = note.encode()
        try:
            at = Checkpoint.parse(Note.parse(octets).text)
        except ProofError:
            self.journal.note("capture.checkpoint-unreadable")
            return None
        self._keep(moments.BEFORE, octets)
        return SeenCheckpoint(at.origin, at.size, to_base64(at.root), sha256(octets))

    def _keep(self, paper: str, octets: bytes) -> None:
        path = self.folder / paper
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)


def _reading_in(said: Mapping[str, object]) -> dict[str, object]:
    return {
        name: one[:_LONGEST] if isinstance(one, str) else one
        for name, one in said.items()
        if name in _READING and isinstance(one, (str, int)) and not isinstance(one, bool)
    }


def _token_in(said: dict[str, object]) -> tuple[bytes, str]:
    """The octets of the answer, unjudged: whoever verifies judges them."""
    refused, spelled = said.get("refused"), said.get("token")
    if isinstance(spelled, str):
        try:
            return b64decode(spelled, validate=True), _STAMPED
        except (binascii.Error, ValueError):
            return b"", _NO_ANSWER
    return b"", refused if isinstance(refused, str) else _NO_ANSWER
