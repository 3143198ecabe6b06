"""质证预演: the objections to expect of an exhibit, and what its own record says to each.

Pure rules over what the papers state (and the case, where there is one). For each objection:
what in the record answers it, and where that stands; what speaks for the objection; what is
missing; how it could be cured. No score, and no word on what a court will do: a state follows
from what was found and from nothing else.

    answered        something answers it, nothing is missing
    partly          something answers it, something is missing
    open            nothing answers it, or something in the record speaks for it
    not-applicable  it cannot be raised against this kind of exhibit

The objections are those for which Chinese courts have rejected or discounted such evidence;
words and norms stand in the catalogues of words, by number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ANSWERED, PARTLY, OPEN, NOT_APPLICABLE = "answered", "partly", "open", "not-applicable"
STATES: Final = (OPEN, PARTLY, ANSWERED, NOT_APPLICABLE)
SCHEMA: Final = "guzheng.rehearsal/1"
NUMBERS: Final = tuple(f"R-{number}" for number in range(1, 23))


@dataclass(frozen=True, slots=True)
class InCase:
    """What a case adds to an exhibit. `licence`: the target's, `passed`, a code, or empty."""

    case: str
    legality: str = ""
    licence: str = ""
    identity_done: int = 0
    identity_of: int = 0
    is_genuine: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an exhibit: its papers' names and what they say, as they say it.

    `outside`: authorities of seals that are not this installation's own, by paper. `verified`:
    what reading every byte again gave: passed, failed or empty for not done. `twins`: other
    captures of the page ordered together, from elsewhere; `repeats`: at other times."""

    exhibit: str
    kind: str
    names: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)
    capture: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    outside: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime | None = None
    now: datetime | None = None
    vouched_until: datetime | None = None
    verified: str = ""
    verified_found: str = ""
    original_beside: bool = False
    twins: int = 0
    repeats: int = 0
    case: InCase | None = None

    @property
    def is_capture(self) -> bool:
        return self.kind in {"web", "web-attempt"}

    @property
    def certified(self) -> bool:
        return "certificate.pdf" in self.names

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Whose cosignatures were verified when it was certified."""
        listed = self.facts.get("entry", {}).get("witnesses", ())
        return tuple(str(one.get("name", "")) for one in listed)

    @property
    def items(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self.facts.get("items", ()) or self.capture.get("artefacts", ()))

    @property
    def originals(self) -> tuple[str, ...]:
        return tuple(str(one["name"]) for one in self.items if one.get("role") == "original")

    @property
    def missing_grades(self) -> frozenset[str]:
        return frozenset(str(one) for one in self.capture.get("missing", ()))

    @property
    def has_recording(self) -> bool:
        """Whether a file of it is film or sound."""
        types = (str(one.get("media_type", "")) for one in self.items)
        return any(one.startswith(("video/", "audio/")) for one in types)


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that is so, or is missing: `where` names paper and field, `found` quotes."""

    code: str
    where: str = ""
    found: str = ""

    def value(self) -> dict[str, str]:
        said = {"code": self.code, "where": self.where, "found": self.found}
        return {name: text for name, text in said.items() if text}


@dataclass(frozen=True, slots=True)
class Objection:
    """`against`: what in the record speaks for the objection; it stays open then."""

    number: str
    state: str
    answers: tuple[Point, ...] = ()
    against: tuple[Point, ...] = ()
    missing: tuple[Point, ...] = ()
    cures: tuple[str, ...] = ()

    def value(self) -> dict[str, object]:
        return {
            "number": self.number,
            "state": self.state,
            "answers": [one.value() for one in self.answers],
            "against": [one.value() for one in self.against],
            "missing": [one.value() for one in self.missing],
            "cures": list(self.cures),
        }


@dataclass(frozen=True, slots=True)
class Rehearsal:
    exhibit: str
    kind: str
    objections: tuple[Objection, ...]

    def of(self, state: str) -> tuple[Objection, ...]:
        return tuple(one for one in self.objections if one.state == state)

    def value(self) -> dict[str, object]:
        """For programs, and for the court package: codes, whose words are in the catalogues."""
        return {
            "schema": SCHEMA,
            "exhibit": self.exhibit,
            "kind": self.kind,
            "objections": [one.value() for one in self.objections],
        }


class Hearing:
    """What is put forward on one objection, point by point."""

    def __init__(self) -> None:
        self.answers: list[Point] = []
        self.against: list[Point] = []
        self.missing: list[Point] = []
        self.cures: list[str] = []
        self.applies = True

    def says(self, code: str, where: str, found: object = "") -> None:
        """The record answers the objection."""
        self.answers.append(Point(code, where, str(found)))

    def speaks_against(self, code: str, where: str, found: object, cure: str) -> None:
        """The record supports the objection."""
        self.against.append(Point(code, where, str(found)))
        self.cures.append(cure)

    def lacks(self, code: str, cure: str, where: str = "", found: object = "") -> None:
        self.missing.append(Point(code, where, str(found)))
        self.cures.append(cure)

    def does_not_apply(self) -> None:
        self.applies = False

    def objection(self, number: str) -> Objection:
        if not self.applies:
            return Objection(number, NOT_APPLICABLE)
        if self.against or not self.answers:
            state = OPEN
        else:
            state = PARTLY if self.missing else ANSWERED
        return Objection(
            number,
            state,
            tuple(self.answers),
            tuple(self.against),
            tuple(self.missing),
            tuple(dict.fromkeys(self.cures)),
        )


Rule = Callable[[Record, Hearing], None]


def heard(record: Record, rules: Mapping[str, Rule]) -> Rehearsal:
    """Every objection of these rules, in the order of their numbers."""
    objections = []
    for number, rule in rules.items():
        hearing = Hearing()
        rule(record, hearing)
        objections.append(hearing.objection(number))
    return Rehearsal(record.exhibit, record.kind, tuple(objections))
