"""Rows of papers that the installation writes of itself: of its clock, of its self-checks.

The order of writes: the paper, then its leaf in the ledger, both before whoever writes goes on.
Who was killed between the two left a paper that is not entered; the next who looks enters it.
The checkpoint that covers the leaf may come later, with the next exhibit: a witness that is
away cannot stop a clock. Papers are numbered, and one program writes at a time.
"""

import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from guzheng.keep import Fault, selfcheck
from guzheng.ledger import Numbered, Shards
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import Blobs, find
from guzheng.store.lease import Place, leased


class Paper(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def observed_at(self) -> datetime: ...
    @property
    def previous(self) -> Digest | None: ...


P = TypeVar("P", bound=Paper)


@dataclass(frozen=True, slots=True)
class Form(Generic[P]):
    """How the papers of a row are read, and the codes of what can be wrong with it."""

    folder: str  # ends in /
    parse: Callable[[bytes], P]
    leaf_of: Callable[[bytes], bytes]
    name_of: Callable[[int], str]
    out_of_row: str
    not_entered: str


@dataclass(frozen=True, slots=True)
class Kept(Generic[P]):
    """A paper as it lies there."""

    octets: bytes
    paper: P


class PaperRow(Generic[P]):
    """May be shared by threads and programs."""

    def __init__(self, form: Form[P], blobs: Blobs, ledger: Shards, leases: Place) -> None:
        self._form, self._blobs, self._ledger, self._leases = form, blobs, ledger, leases

    def newest(self) -> Kept[P] | None:
        """The last of the row, which is in the ledger when this returns."""
        names = self._names()
        if not names:
            return None
        kept = self._read(names[-1])
        self.enter(kept)
        return kept

    @contextmanager
    def writing(self) -> Iterator[Kept[P] | None]:
        """Nobody else writes in the block; gives the newest, entered."""
        with leased(self._leases, self._form.folder.rstrip("/"), wait=True):
            yield self.newest()

    def put(self, octets: bytes) -> Kept[P]:
        """The next paper; only while `writing`."""
        kept = Kept(octets, self._parsed(octets))
        self._blobs.put(self._form.name_of(kept.paper.number), [octets])
        self.enter(kept)
        return kept

    def integrate(self) -> None:
        """Bring what was entered under a checkpoint now, if that can be had."""
        with suppress(Problem):  # the next exhibit brings it
            self._ledger.integrate()

    def enter(self, kept: Kept[P]) -> Numbered:
        """Its entry; one that the ledger has keeps its number."""
        return self._ledger.append(self._form.leaf_of(kept.octets), None)

    def entry_of(self, kept: Kept[P]) -> str:
        """Where the ledger has it; empty if it does not."""
        entry = self._ledger.index_of(self._form.leaf_of(kept.octets))
        return "" if entry is None else str(entry)

    def reenter(self) -> None:
        """Give the ledger every paper again."""
        for name in self._names():
            with suppress(Refused):  # damaged: fsck names it
                self.enter(self._read(name))

    def around(self, at: datetime) -> tuple[Kept[P] | None, Kept[P] | None]:
        """The last paper before a moment, and the first after it. What cannot be read is passed
        over: fsck names it. The clock may have been set back: then the nearest by number."""
        names = self._names()
        found = bisect.bisect_right(names, at, key=lambda one: self._at(one, at))
        before = (self._find(one) for one in reversed(names[:found]))
        after = (self._find(one) for one in names[found:])
        return next(filter(None, before), None), next(filter(None, after), None)

    def faults(self) -> Iterator[Fault]:
        """Whatever is in the folder and is not the next paper of the row."""
        form = self._form
        before: bytes | None = None
        for number, name in enumerate(self._names(), 1):
            wanted = form.name_of(number)
            octets = find(self._blobs, name) or b""
            try:
                paper = form.parse(octets)
                previous = None if before is None else sha256(before)
                if (name, paper.number, paper.previous) != (wanted, number, previous):
                    found = f"number {paper.number} after {paper.previous}"
                    yield Fault(name, form.out_of_row, f"{wanted} after {previous}", found)
            except ProofError as error:
                yield Fault(name, error.code, error.expected, error.found)
                return  # what follows cannot be judged without it
            if self._ledger.index_of(form.leaf_of(octets)) is None:
                yield Fault(name, form.not_entered, "its leaf in the ledger", "none")
            before = octets

    def _names(self) -> list[str]:
        return list(self._blobs.names(self._form.folder))

    def _at(self, name: str, otherwise: datetime) -> datetime:
        kept = self._find(name)
        return otherwise if kept is None else kept.paper.observed_at

    def _find(self, name: str) -> Kept[P] | None:
        try:
            return self._read(name)
        except Refused:
            return None

    def _read(self, name: str) -> Kept[P]:
        octets = find(self._blobs, name) or b""
        return Kept(octets, self._parsed(octets))

    def _parsed(self, octets: bytes) -> P:
        try:
            return self._form.parse(octets)
        except ProofError as error:
            raise Refused(
                "keep.damaged",
                expected=error.expected or "a paper as it was written",
                found=f"{self._form.folder}: {error.code} {error.found}",
                act="the operator runs fsck, which names what is damaged, and restores it",
            ) from error


CHECKS: Form[selfcheck.CheckRecord] = Form(
    selfcheck.FOLDER,
    selfcheck.parse,
    selfcheck.leaf_of,
    selfcheck.name_of,
    out_of_row="keep.check-row",
    not_entered="keep.check-not-entered",
)
