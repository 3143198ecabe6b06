"""What faces are answered: an exhibit as its papers show it, and what is known of the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from guzheng.intake import Line
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What is known of the clock; `verified` only when a source of time was asked."""

    source: str
    offset_ms: float | None
    uncertainty_ms: float | None
    synced_at: datetime | None
    verified: bool


@dataclass(frozen=True, slots=True)
class PaperView:
    name: str
    size: int


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
