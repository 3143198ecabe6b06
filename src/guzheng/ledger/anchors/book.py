"""Which checkpoints are anchored where: one each interval, whatever the number of entries.

    anchors/<SHA-256 of the origin>/newest             size and time of the last one taken up
                                   /open/<size>        has work left
                                   /<size>/checkpoint            the note as published
                                          /after                 the size taken up before it
                                          /checkpoint.<name>.…   a receipt
                                          /pending.<name>        what an anchor goes on from
                                          /given.<name>.…        entries that still lack it

Everything is durable before the next step relies on it: the checkpoint before any anchor is
asked, what is pending before it is sent. Killed anywhere, the next round goes on from there.
Receipts never change. A ledger never forks, so within an origin the size names the checkpoint.
A round looks at what is open, and at nothing older: it costs the same after ten years.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from guzheng.proof import instant
from guzheng.proof.note import Checkpoint, Note
from guzheng.refusals import Problem
from guzheng.store.blobs import AlreadyKept, Blobs, find, read

FOLDER = "anchors/"
_STEPS = 8  # of one anchor in one round; what needs more goes on in the next
_CHECKPOINT = re.compile(r"[0-9]{19}/checkpoint", re.ASCII)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an anchor is: a receipt, or what it goes on from; neither: it begins again."""

    receipt: bytes | None = None
    pending: bytes | None = None


class Anchor(Protocol):
    """A system of others that checkpoints are stated to."""

    @property
    def name(self) -> str:
        """As in `anchors/checkpoint.<name>.…`."""
        ...

    @property
    def suffix(self) -> str:
        """tsa, evm.json or ots."""
        ...

    def advance(self, checkpoint: Checkpoint, pending: bytes | None, /) -> Progress:
        """One step; may run twice. What it gives as pending is durable before the next."""
        ...


@dataclass(frozen=True, slots=True)
class Anchored:
    """A checkpoint that is being anchored, and its receipts: paper → octets.

    Its entries are those from `after` on: the ones before have an earlier checkpoint."""

    size: int
    after: int
    place: str
    note: bytes
    receipts: dict[str, bytes]

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(Note.parse(self.note).text)


@dataclass(frozen=True, slots=True)
class AnchorBook:
    """The anchored checkpoints of one ledger; `interval` lies between two of them.

    One process at a time may begin and advance: its caller holds a lease."""

    blobs: Blobs
    origin: str
    anchors: Sequence[Anchor]
    interval: timedelta
    now: Callable[[], datetime]

    @property
    def folder(self) -> str:
        return f"{FOLDER}{sha256(self.origin.encode()).hexdigest()}/"

    def begin(self, published: bytes, *, at_once: bool = False) -> None:
        """Take up the published checkpoint, if it is newer and the interval has passed."""
        checkpoint = Checkpoint.parse(Note.parse(published).text)
        before, begun_at = self._newest()
        before = max([before, *self._open()])  # of one that was killed before it said so
        if checkpoint.size <= before:
            return
        if begun_at is not None and not at_once and self.now() < begun_at + self.interval:
            return
        place = self._place(checkpoint.size)
        with contextlib.suppress(AlreadyKept):
            self.blobs.put(f"{place}after", [str(before).encode()])
        with contextlib.suppress(AlreadyKept):  # the same, with fewer cosignatures
            self.blobs.put(f"{place}checkpoint", [published])
        self.blobs.put(self._mark(checkpoint.size), [b""])
        newest = f"{checkpoint.size} {instant.encode(self.now())}"
        self.blobs.replace(f"{self.folder}newest", newest.encode())

    def _newest(self) -> tuple[int, datetime | None]:
        said = find(self.blobs, f"{self.folder}newest")
        if said is None:
            return 0, None
        size, _, begun_at = said.decode().partition(" ")
        return int(size), instant.parse(begun_at)

    def advance(self) -> tuple[Problem, ...]:
        """Go on with whatever lacks a receipt; what failed is told, and hinders no other.

        Each anchor in the order of sizes: one that never goes back must not see a later
        checkpoint before an earlier one."""
        problems = []
        for anchor in self.anchors:
            try:
                for held in self.unfinished():
                    if paper_of(anchor) not in held.receipts:
                        self._advance(held, anchor)
            except Problem as problem:
                problems.append(problem)
        return tuple(problems)

    def _advance(self, held: Anchored, anchor: Anchor) -> None:
        kept = f"{held.place}pending.{anchor.name}"
        pending = find(self.blobs, kept)
        for _ in range(_STEPS):
            progress = anchor.advance(held.checkpoint, pending)
            if progress.receipt is not None:
                self.blobs.put(f"{held.place}{_file_of(anchor)}", [progress.receipt])
                self.blobs.remove(kept)
                return
            if progress.pending == pending:
                return  # nothing new: asked again in the next round
            if progress.pending is None:
                self.blobs.remove(kept)
            else:
                self.blobs.replace(kept, progress.pending)
            pending = progress.pending

    def lacking(self, held: Anchored, paper: str) -> Sequence[int]:
        """The entries whose exhibits may still lack this receipt."""
        said = find(self.blobs, _given(held, paper))
        return range(held.after, held.size) if said is None else [*map(int, said.split())]

    def given(self, held: Anchored, paper: str, left: Sequence[int]) -> None:
        """All but these have it; when all have all, the checkpoint is looked at no more."""
        self.blobs.replace(_given(held, paper), " ".join(map(str, left)).encode())
        if not any(self.lacking(held, paper_of(one)) for one in self.anchors):
            self.blobs.remove(self._mark(held.size))

    def unfinished(self) -> Iterator[Anchored]:
        """Those with work left, the smallest first."""
        return map(self._read, self._open())

    def anchored(self) -> Iterator[Anchored]:
        """Every checkpoint that was ever taken up, the smallest first."""
        names = (one.removeprefix(self.folder) for one in self.blobs.names(self.folder))
        sizes = {int(one[:19]) for one in names if _CHECKPOINT.fullmatch(one)}
        return map(self._read, sorted(sizes))

    def newest(self) -> Anchored | None:
        size, _ = self._newest()
        return self._read(size) if size else None

    def _read(self, size: int) -> Anchored:
        place = self._place(size)
        names = [one.removeprefix(place) for one in self.blobs.names(place)]
        receipts = {
            f"{FOLDER}{one}": read(self.blobs, place + one)
            for one in names
            if one.startswith("checkpoint.")
        }
        after = int(read(self.blobs, f"{place}after"))
        return Anchored(size, after, place, read(self.blobs, f"{place}checkpoint"), receipts)

    def _open(self) -> list[int]:
        """Marks are the last to be written, so what they name is whole."""
        opened = f"{self.folder}open/"
        return sorted(int(one.removeprefix(opened)) for one in self.blobs.names(opened))

    def _mark(self, size: int) -> str:
        return f"{self.folder}open/{size:019d}"

    def _place(self, size: int) -> str:
        return f"{self.folder}{size:019d}/"


def _given(held: Anchored, paper: str) -> str:
    return f"{held.place}given.{paper.removeprefix(FOLDER)}"


def paper_of(anchor: Anchor) -> str:
    """The paper that an exhibit gets."""
    return FOLDER + _file_of(anchor)


def _file_of(anchor: Anchor) -> str:
    return f"checkpoint.{anchor.name}.{anchor.suffix}"
