"""What the papers of an exhibit decide: which step is next, which state it is, what is missing.

Names in a folder and nothing else: no status anywhere can disagree with them. Pure.
"""

from datetime import datetime
from enum import Enum

from guzheng import intake
from guzheng.proof import canonical, instant, package
from guzheng.refusals import Refused

ORDER, REFUSED, ATTEMPT = intake.ORDER, "refused.json", "attempt.json"
ENDED = "ended.json"  # by the operator: no step follows, whatever is missing
# What may lie in an exhibit's folder and is no evidence.
BESIDE = frozenset({ORDER, REFUSED, ATTEMPT, ENDED, "deleted.json"})  # that: keep/deletion.py
ENDED_CODE = "road.ended"


class Step(Enum):
    """What can be next; the value is the name that progress and pages use."""

    CAPTURE = "capture"
    MANIFEST = "manifest"
    FIX = "fix"
    LOG = "log"
    CERTIFY = "certify"


_STATES = {
    Step.CAPTURE: "received",
    Step.MANIFEST: "received",
    Step.FIX: "manifested",
    Step.LOG: "fixed",
    Step.CERTIFY: "logged",
    None: "certified",
}


def next_step(kind: str, papers: frozenset[str], *, enough: bool = True) -> Step | None:
    """The first paper that is missing decides; `enough`: of the further seals, if demanded."""
    if is_over(papers):
        return None
    if kind == "web" and package.CAPTURE not in papers:
        return Step.CAPTURE
    if package.MANIFEST not in papers:
        return Step.MANIFEST
    if package.SEAL not in papers:  # written after every token: it stands for them all
        return Step.FIX
    if package.ENTRY not in papers:
        return Step.LOG if enough else Step.FIX
    if not {package.CERTIFICATE_JSON, package.CERTIFICATE_PDF} <= papers:
        return Step.CERTIFY
    return None


def is_over(papers: frozenset[str]) -> bool:
    """Refused, and no step follows; after a capture that failed the attempt is evidence, and is
    sealed like any other."""
    return ENDED in papers or (REFUSED in papers and package.CAPTURE not in papers)


def state_of(kind: str, papers: frozenset[str]) -> str:
    """received, captured, manifested, fixed, logged, certified or refused."""
    if REFUSED in papers or ENDED in papers:
        return "refused"
    step = next_step(kind, papers)
    return "captured" if step is Step.MANIFEST and kind == "web" else _STATES[step]


def missing_from(kind: str, papers: frozenset[str]) -> tuple[str, ...]:
    """The papers still to come, in the order of the road; none once refused, unless it was an
    attempt that is certified as one."""
    if is_over(papers):
        return ()
    wanted = (
        *([package.CAPTURE] if kind == "web" else []),
        package.MANIFEST,
        package.SEAL,
        package.LEAF,
        package.ENTRY,
        package.CERTIFICATE_JSON,
        package.CERTIFICATE_PDF,
    )
    return tuple(one for one in wanted if one not in papers)


def folder_of(exhibit: str) -> str:
    return f"{package.EXHIBITS}{exhibit}/"


def encode_refusal(exhibit: str, refusal: Refused, observed_at: datetime) -> bytes:
    """The paper that says why a road ended, and who must act."""
    value = {
        "schema": "guzheng.refusal/1",
        "exhibit": exhibit,
        "observed_at": instant.encode(observed_at),
        "code": refusal.code,
        "expected": refusal.expected,
        "found": refusal.found,
        "act": refusal.act,
    }
    return canonical.encode(value)
