"""The course of a case: what was entered by whom and when, and what stands after it.

Pure. A case is never changed: each entry says that something of it (`part`, `subject`) is now
this (`set`) or is there no more (`removed`), and the last one counts. So whatever was removed
can be put back, and who said what before stays to be read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from guzheng.cases.values import (
    Damage,
    Exhibited,
    Facts,
    Pair,
    Party,
    Sequence,
    Stated,
    Tick,
    Why,
)
from guzheng.refusals import Refused

SET, REMOVED = "set", "removed"
FACTS, PARTY, EXHIBIT, DAMAGE, PAIR, TICK = (
    "facts",
    "party",
    "exhibit",
    "damage",
    "pair",
    "tick",
)
HOLD, CLOSING, NOTE, ORDER = "hold", "closing", "note", "order"
PARTS: Final[Mapping[str, type[Stated]]] = {
    FACTS: Facts,
    PARTY: Party,
    EXHIBIT: Exhibited,
    DAMAGE: Damage,
    PAIR: Pair,
    TICK: Tick,
    HOLD: Why,
    CLOSING: Why,
    NOTE: Why,
    ORDER: Sequence,
}
NUMBERED: Final = {PARTY: "p", DAMAGE: "d", PAIR: "c", NOTE: "n"}
MOST: Final = {
    FACTS: 1,
    PARTY: 200,
    EXHIBIT: 1000,
    DAMAGE: 500,
    PAIR: 200,
    TICK: 500,
    HOLD: 1,
    CLOSING: 1,
    NOTE: 1000,
    ORDER: 1,
}
_WHILE_CLOSED: Final = frozenset({CLOSING, HOLD, NOTE})
_REMOVABLE: Final = frozenset({PARTY, EXHIBIT, DAMAGE, PAIR, TICK, HOLD, CLOSING})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the course. `stated` is what was said; of a removal, what was there."""

    number: int
    part: str
    subject: str
    act: str
    stated: Stated
    person: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands after its last entry."""

    case: str
    account: str
    entries: tuple[Entry, ...]
    standing: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)
    gone: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        entry = self.standing.get(FACTS, {}).get("")
        return entry.stated if entry and isinstance(entry.stated, Facts) else Facts()

    @property
    def opened_at(self) -> datetime:
        return self.entries[0].observed_at

    @property
    def parties(self) -> dict[str, Party]:
        return {
            key: one.stated
            for key, one in self.standing.get(PARTY, {}).items()
            if isinstance(one.stated, Party)
        }

    @property
    def damages(self) -> dict[str, Damage]:
        return {
            key: one.stated
            for key, one in self.standing.get(DAMAGE, {}).items()
            if isinstance(one.stated, Damage)
        }

    @property
    def pairs(self) -> dict[str, Pair]:
        return {
            key: one.stated
            for key, one in self.standing.get(PAIR, {}).items()
            if isinstance(one.stated, Pair)
        }

    @property
    def ticks(self) -> dict[str, Tick]:
        return {
            key: one.stated
            for key, one in self.standing.get(TICK, {}).items()
            if isinstance(one.stated, Tick)
        }

    @property
    def exhibits(self) -> dict[str, Exhibited]:
        """In the order in which they are put forward; what was added last stands last."""
        linked = self.standing.get(EXHIBIT, {})
        order = self.standing.get(ORDER, {}).get("")
        wanted = order.stated.exhibits if order and isinstance(order.stated, Sequence) else ()
        first = [one for one in wanted if one in linked]
        names = [*first, *(one for one in linked if one not in first)]
        stated = {name: linked[name].stated for name in names}
        return {name: one for name, one in stated.items() if isinstance(one, Exhibited)}

    @property
    def hold(self) -> Entry | None:
        """While it is there, nothing of the case's exhibits may be removed or expire."""
        return self.standing.get(HOLD, {}).get("")

    @property
    def closing(self) -> Entry | None:
        return self.standing.get(CLOSING, {}).get("")

    @property
    def notes(self) -> tuple[Entry, ...]:
        return tuple(self.standing.get(NOTE, {}).values())

    def last(self, part: str, subject: str) -> int:
        """The number of the entry that counts; 0 for none."""
        for held in (self.standing, self.gone):
            if (entry := held.get(part, {}).get(subject)) is not None:
                return entry.number
        return 0

    def citing(self, exhibit: str) -> tuple[str, ...]:
        """The parts of the case that refer to an exhibit."""
        return tuple(
            part
            for part in (FACTS, DAMAGE, PAIR, TICK)
            if any(exhibit in one.stated.cited for one in self.standing.get(part, {}).values())
        )

    # ---- what may be entered -----------------------------------------------------------

    def require_set(self, part: str, subject: str, stated: Stated, seen: int | None) -> None:
        """Raises Refused when this may not be entered now. `seen`: the entry that whoever
        writes had before him; another one since is not overwritten unread."""
        self._require_open(part)
        stated.require()
        held = self.standing.get(part, {})
        if subject not in held and len(held) >= MOST[part]:
            raise Refused(
                "cases.too-many", expected=f"at most {MOST[part]}: {part}", found=f"{len(held)}"
            )
        if seen is not None and self.last(part, subject) > seen:
            entry = held.get(subject)
            raise Refused(
                "cases.changed-meanwhile",
                expected=f"entry {seen}",
                found=f"entry {entry.number if entry else 0}",
                act="look at what it says now, then enter yours again",
            )
        linked = self.standing.get(EXHIBIT, {})
        for exhibit in stated.cited:
            if exhibit not in linked:
                raise Refused(
                    "cases.not-linked",
                    expected="an exhibit of this case",
                    found=repr(exhibit[:40]),
                    act="add the exhibit to the case first",
                )

    def require_removed(self, part: str, subject: str) -> Entry:
        """The entry that is to go; raises Refused when it is not there or must stay."""
        self._require_open(part)
        entry = self.standing.get(part, {}).get(subject)
        if entry is None or part not in _REMOVABLE:
            raise Refused("cases.not-there", expected=part, found=repr(subject[:60]))
        if part == EXHIBIT:
            if self.hold is not None:
                raise Refused(
                    "cases.held",
                    expected="a case without a legal hold",
                    found=f"on hold since entry {self.hold.number}",
                    act="whoever set the hold lifts it first",
                )
            if citing := self.citing(subject):
                raise Refused(
                    "cases.still-cited",
                    expected="an exhibit that nothing of the case refers to",
                    found=", ".join(citing),
                    act="remove or change these first",
                )
        return entry

    def _require_open(self, part: str) -> None:
        if self.closing is not None and part not in _WHILE_CLOSED:
            raise Refused(
                "cases.closed",
                expected="an open case",
                found=f"closed by entry {self.closing.number}",
                act="reopen it first",
            )


def case_of(case: str, account: str, entries: Iterable[Entry]) -> Case:
    """What stands after these entries, in their order."""
    standing: dict[str, dict[str, Entry]] = {}
    gone: dict[str, dict[str, Entry]] = {}
    listed = tuple(entries)
    for entry in listed:
        there, away = standing.setdefault(entry.part, {}), gone.setdefault(entry.part, {})
        if entry.act == SET:
            there[entry.subject] = entry  # in its first place, when it was there before
            away.pop(entry.subject, None)
        else:
            there.pop(entry.subject, None)
            away[entry.subject] = entry
    return Case(case, account, listed, standing, gone)
