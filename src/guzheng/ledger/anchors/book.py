"""Which checkpoints are anchored where: one each interval, whatever the number of entries.

    anchors/<SHA-256 of the origin>/<size>/checkpoint            the note as published
                                          /begun                 when
                                          /checkpoint.<name>.…   a receipt
                                          /pending.<name>        what an anchor goes on from

Everything is durable before the next step relies on it: the checkpoint before any anchor is
asked, what is pending before it is sent. Killed anywhere, the next round goes on from there.
Receipts never change. A ledger never forks, so within an origin the size names the checkpoint.
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
_SIZE = re.compile(r"[0-9]{19}", re.ASCII)


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
    """A checkpoint that is being anchored, and its receipts: paper → octets."""

    size: int
    place: str
    note: bytes
    receipts: dict[str, bytes]

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(Note.parse(self.note).text)


@dataclass(frozen=True, slots=True)
class AnchorBook:
    """The anchored checkpoints of one ledger; `interval` lies between two of them."""

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
        sizes = self.sizes()
        if checkpoint.size <= max(sizes, default=0):
            return
        if sizes and not at_once and self.now() < self._begun(sizes[-1]) + self.interval:
            return
        with contextlib.suppress(AlreadyKept):  # another process, with other cosignatures
            self.blobs.put(f"{self._place(checkpoint.size)}checkpoint", [published])
        self._begun(checkpoint.size)

    def _begun(self, size: int) -> datetime:
        """When it was taken up; now, if who took it up was killed before he wrote it."""
        name = f"{self._place(size)}begun"
        if find(self.blobs, name) is None:
            with contextlib.suppress(AlreadyKept):
                self.blobs.put(name, [instant.encode(self.now()).encode()])
        return instant.parse(read(self.blobs, name).decode())

    def advance(self) -> tuple[Problem, ...]:
        """Go on with whatever lacks a receipt; what failed is told, and hinders no other."""
        problems = []
        for held in self.anchored():
            for anchor in self.anchors:
                if paper_of(anchor) in held.receipts:
                    continue
                try:
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

    def anchored(self) -> Iterator[Anchored]:
        """Every checkpoint that was taken up, the smallest first."""
        for size in self.sizes():
            place = self._place(size)
            note = read(self.blobs, f"{place}checkpoint")
            yield Anchored(size, place, note, self._receipts(place))

    def sizes(self) -> list[int]:
        found = {one.removeprefix(self.folder)[:19] for one in self.blobs.names(self.folder)}
        return sorted(int(one) for one in found if _SIZE.fullmatch(one))

    def _receipts(self, place: str) -> dict[str, bytes]:
        names = (one.removeprefix(place) for one in self.blobs.names(place))
        return {
            f"{FOLDER}{one}": read(self.blobs, place + one)
            for one in names
            if one.startswith("checkpoint.")
        }

    def _place(self, size: int) -> str:
        return f"{self.folder}{size:019d}/"


def paper_of(anchor: Anchor) -> str:
    """The paper that an exhibit gets."""
    return FOLDER + _file_of(anchor)


def _file_of(anchor: Anchor) -> str:
    return f"checkpoint.{anchor.name}.{anchor.suffix}"
