"""Every line of every chain again: altered, missing, cut off, or as it was written.

What each line must say follows from the one before it. A line that was altered no longer has
the digest that the next one repeats; the last line's is repeated by a head, if one was written
since. So a chain is as good as its last head that is in the ledger: what came after it and was
cut off leaves no trace here, and the report says how many lines that may concern.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from guzheng.fix.journal import chain, heads
from guzheng.fix.journal.heads import Head


class JournalFault(NamedTuple):
    """One thing that is not as it was written. `code` has words."""

    place: str
    code: str
    expected: str
    found: str


@dataclass(slots=True)
class Checked:
    """What was looked at, and what is wrong with it."""

    chains: int = 0
    lines: int = 0
    tokens: int = 0
    uncovered: int = 0  # lines after the last head that is in the ledger
    torn: list[chain.Torn] = field(default_factory=list)
    faults: list[JournalFault] = field(default_factory=list)


def check(
    folder: Path,
    *,
    in_ledger: Callable[[bytes], bool],
    leaves: Sequence[bytes] = (),
) -> Checked:
    """Read everything. `in_ledger`: whether a leaf is in the ledger; `leaves`: all leaves of
    heads that are there, so that a head that was taken away here is missed."""
    checked = Checked()
    written = heads.read_heads(folder)
    known = {heads.leaf_of(one) for one in written}
    for leaf in leaves:
        if leaf not in known:
            fault = JournalFault(heads.HEADS, "fix.journal-head-lost", leaf.hex(), "no head")
            checked.faults.append(fault)
    names = chain.chains_in(folder)
    covered = {name: [one for one in written if one.chain == name] for name in names}
    for head in written:
        if head.chain not in covered:
            names.append(head.chain)
            covered[head.chain] = [one for one in written if one.chain == head.chain]
    for name in names:
        _Walk(checked, folder, name, covered[name], in_ledger).walk()
    return checked


class _Walk:
    """One chain from its first line to its last."""

    def __init__(
        self,
        checked: Checked,
        folder: Path,
        name: str,
        written: Sequence[Head],
        in_ledger: Callable[[bytes], bool],
    ) -> None:
        self._checked = checked
        self._folder = folder
        self._name = name
        self._heads = {one.lines: one for one in written}
        self._committed = [one.lines for one in written if in_ledger(heads.leaf_of(one))]
        self._number = 0
        self._previous = chain.BEGINNING

    def walk(self) -> None:
        self._checked.chains += 1
        files = chain.files_of(self._folder, self._name)
        for file in files:
            place = f"{self._name}/{file.name}"
            if file.name != chain.file_name(self._number):
                self._missing(place, int(file.stem))
            for at, octets in enumerate(chain.lines_of(file), 1):
                self._line(f"{place}:{at}", octets)
            torn = chain.torn_end(file)
            if torn is not None and file == files[-1]:
                self._checked.torn.append(chain.Torn(place, torn.octets))
            elif torn is not None:
                self._fault(place, "fix.journal-cut", "a newline at the end", "none")
        cut = max(self._heads, default=0)
        if cut > self._number:
            self._fault(self._name, "fix.journal-cut", f"{cut} lines", f"{self._number}")
        self._checked.uncovered += max(0, self._number - max(self._committed, default=0))

    def _line(self, place: str, octets: bytes) -> None:
        line = chain.parse(octets)
        if line is None:
            self._fault(place, "fix.journal-altered", "a line of a journal", repr(octets[:60]))
            self._number += 1
            self._previous = chain.digest_of(octets)
            return
        if line.number != self._number:
            self._missing(place, line.number)
        elif self._previous and line.previous != self._previous:
            before = self._number - 1
            self._fault(
                place,
                "fix.journal-altered",
                f"line {before} with digest {line.previous.decode('ascii', 'replace')}",
                self._previous.decode("ascii"),
            )
        self._number, self._previous = line.number + 1, line.digest
        self._checked.lines += 1
        self._checked.tokens += line.kind == "token"
        head = self._heads.get(self._number)
        if head is not None and head.digest.encode("ascii", "replace") != line.digest:
            self._fault(place, "fix.journal-altered", head.digest, line.digest.decode("ascii"))

    def _missing(self, place: str, found: int) -> None:
        self._fault(place, "fix.journal-missing", f"line {self._number}", f"line {found}")
        self._number, self._previous = found, b""

    def _fault(self, place: str, code: str, expected: str, found: str) -> None:
        self._checked.faults.append(JournalFault(place, code, expected, found))


def find_token(folder: Path, tst_info_der: bytes) -> Iterator[str]:
    """Where a token's line stands, by the very octets that were signed."""
    wanted = tst_info_der.hex().encode("ascii")
    for name in chain.chains_in(folder):
        for file in chain.files_of(folder, name):
            for at, line in enumerate(chain.lines_of(file), 1):
                if wanted in line:
                    yield f"{name}/{file.name}:{at}"
