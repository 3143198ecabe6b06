"""What faces are answered: an exhibit as its papers show it, and what is known of the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from guzheng.fix.clock import Sight, Standing
from guzheng.intake import Line
from guzheng.proof import canonical, instant
from guzheng.proof.errors import ProofError
from guzheng.refusals import Problem, Refused

_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What is known of the clock; `verified` only when sources of time were asked and agree.

    `offset_ms`: standard time minus ours. `standing`: verified, unverified or stopped, and then
    `problem` says why. `silent` and `false`: sources that did not answer, or contradict."""

    source: str
    offset_ms: float | None
    uncertainty_ms: float | None
    synced_at: datetime | None
    verified: bool
    standing: str
    profile: str
    problem: Problem | None = None
    silent: tuple[tuple[str, str], ...] = ()
    false: tuple[str, ...] = ()


def clock_reading_of(sight: Sight) -> ClockReading:
    return ClockReading(
        source=sight.source,
        offset_ms=None if sight.offset is None else sight.offset / _MILLISECOND,
        uncertainty_ms=None if sight.bound is None else sight.bound / _MILLISECOND,
        synced_at=sight.synced_at,
        verified=sight.standing is Standing.VERIFIED,
        standing=sight.standing.value,
        profile=sight.profile,
        problem=sight.problem,
        silent=sight.silent,
        false=sight.false,
    )


def clock_facts(sight: Sight) -> dict[str, object]:
    """What a capture writes down of it, before and after: in whole microseconds, as papers
    have no fractions. What is not known is absent."""
    facts: dict[str, object] = {
        "standing": sight.standing.value,
        "profile": sight.profile,
        "source": sight.source[:200],
    }
    for name, span in (("offset", sight.offset), ("bound", sight.bound)):
        if span is not None:
            facts[f"{name}_microseconds"] = span // _MICROSECOND
    if sight.synced_at is not None:
        facts["measured_at"] = instant.encode(sight.synced_at)
    return facts


@dataclass(frozen=True, slots=True)
class PaperView:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class WitnessView:
    """A witness who cosigned, under the policy's name for it, and the time it stated."""

    name: str
    attested_at: datetime


@dataclass(frozen=True, slots=True)
class EntryView:
    """How far an entry has come: sequenced, checkpointed, cosigned, anchored.

    `awaited`: the witnesses of whom it is not known that they have seen it; empty once there
    is a quorum, and where none is demanded."""

    state: str
    index: int
    witnesses: tuple[WitnessView, ...] = ()
    awaited: tuple[str, ...] = ()
    shard: str = "first"


@dataclass(frozen=True, slots=True)
class ShardView:
    """A shard of the ledger: closed, open, or the next one; its published size."""

    name: str
    origin: str
    vkey: str
    state: str
    size: int
    awaited: tuple[str, ...] = ()

    def value(self) -> dict[str, object]:
        return {
            "name": self.name,
            "origin": self.origin,
            "vkey": self.vkey,
            "state": self.state,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True)
class LedgerStanding:
    """How far the ledger is. `witnesses`: each of the policy's, and the size it is known to
    have seen; a hint that a wrong file could give, and that nothing relies on."""

    origin: str
    vkeys: tuple[str, ...]
    quorum: str
    sequenced: int
    checkpointed: int
    published: int
    witnesses: tuple[tuple[str, int], ...] = ()
    cosigned: tuple[WitnessView, ...] = ()  # of the published checkpoint
    shards: tuple[ShardView, ...] = ()

    def value(self) -> dict[str, object]:
        return {
            "origin": self.origin,
            "vkeys": list(self.vkeys),
            "quorum": self.quorum,
            "sequenced": self.sequenced,
            "checkpointed": self.checkpointed,
            "published": self.published,
            "witnesses": [{"name": name, "size": size} for name, size in self.witnesses],
            "cosigned": [
                {"name": one.name, "attested_at": instant.encode(one.attested_at)}
                for one in self.cosigned
            ],
            "shards": [one.value() for one in self.shards],
        }


@dataclass(frozen=True, slots=True)
class ExhibitView:
    """An exhibit as its papers show it at this moment."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime
    state: str
    missing: tuple[str, ...]
    papers: tuple[PaperView, ...]
    facts: Mapping[str, object] | None
    refusal: Mapping[str, str] | None
    progress: tuple[Mapping[str, str], ...]
    url: str | None = None
    entry: EntryView | None = None
    account: str = ""  # whose it is
    person: str = ""  # who acted for that account; empty at the seat
    ended: bool = False  # by the operator, for good


def facts_of(certificate_json: bytes | None) -> Mapping[str, object] | None:
    """A paper for showing; a damaged one is fsck's to name, not a page's to break on."""
    if certificate_json is None:
        return None
    try:
        return canonical.parse_object(certificate_json)
    except ProofError:
        return None


def refusal_of(refused_json: bytes | None) -> Mapping[str, str] | None:
    if refused_json is None:
        return None
    value = facts_of(refused_json) or {}
    return {name: str(value.get(name, "")) for name in ("code", "expected", "found", "act")}


def damaged_view(line: Line, refusal: Refused) -> ExhibitView:
    """An exhibit of which only the line in the index can be read."""
    return ExhibitView(
        exhibit=line.exhibit,
        kind=line.kind,
        claimed_name=line.claimed_name,
        observed_at=line.observed_at,
        state="damaged",
        missing=(),
        papers=(),
        facts=None,
        refusal={
            "code": refusal.code,
            "expected": refusal.expected,
            "found": refusal.found,
            "act": refusal.act,
        },
        progress=(),
    )
