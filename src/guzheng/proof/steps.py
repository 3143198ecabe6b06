"""Carrying out the steps of a verification one by one, whatever the outcome of each.

A step is a function that raises what it found wrong, or gives back what it proved. One that
fails does not stop the others: a report shows all that is wrong and all that is still right. A
step whose input is missing, or was refused by an earlier one, is «not checked».
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.report import Finding, Outcome, Report

_T = TypeVar("_T")

# Step → the norm that it carries out.
RULES = {
    "package.listing": "docs/spec/package.md §3",
    "package.members": "docs/spec/package.md §3",
    "package.outer": "docs/spec/package.md §2",
    "manifest.form": "docs/spec/manifest.md",
    "exhibit.members": "docs/spec/package.md §2",
    "item.digest": "FIPS 180-4",
    "capture.digest": "docs/spec/manifest.md §4",
    "token.form": "RFC 3161 §2.4.2",
    "leaf": "docs/spec/leaf.md",
    "entry.inclusion": "RFC 6962 §2.1.1",
    "entry.checkpoint": "C2SP signed-note",
    "entry.quorum": "C2SP tlog-policy",
    "order": "docs/road.md",
    "certificate.content": "docs/spec/certificate.md",
    "certificate.signature": "ETSI EN 319 142-1",
    "fork": "docs/spec/fork.md",
    "anchor.checkpoint": "docs/spec/anchors.md §2",
    "anchor.evm": "docs/spec/anchors.md §3",
    "anchor.ots": "docs/spec/anchors.md §4",
    "renewal.covered": "RFC 4998 §4.3, §5.3",
    "renewal.in-time": "RFC 4998 §5.3",
    "renewal.continues": "docs/spec/renewal.md §1",
    "seal.age": "docs/spec/renewal.md §5",
    "authorities": "docs/spec/seal.md §7",
    "moment.named": "docs/spec/moments.md §4",
    "moment.statement": "docs/spec/moments.md §2",
    "moment.token": "docs/spec/moments.md §3",
    "moment.before": "docs/spec/moments.md §5",
    "moment.order": "docs/spec/moments.md §4",
}
for _stamp in ("token", "seal", "anchor", "moment"):
    RULES[f"{_stamp}.imprint"] = "RFC 3161 §2.4.2"
    RULES[f"{_stamp}.signature"] = "RFC 3161 §2.3, RFC 5816 §2.2.1"
    RULES[f"{_stamp}.trust"] = "RFC 5280 §6"


@dataclass(slots=True)
class Steps:
    """Collects findings; `prefix` stands before the subject of each."""

    prefix: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])

    def check(self, step: str, prove: Callable[[], _T], subject: str = "") -> _T | None:
        """What the step proved, or None. A text that was proved is told."""
        where, rule = f"{self.prefix}{subject}", RULES[step]
        try:
            proved = prove()
        except ProofError as error:
            outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
            why = (error.code, where, error.expected, error.found)
            self.findings.append(Finding(step, rule, outcome, *why))
            return None
        told = proved if isinstance(proved, str) else ""
        self.findings.append(Finding(step, rule, Outcome.PASSED, "ok", where, found=told))
        return proved

    def report(self) -> Report:
        """What was found until now."""
        return Report(tuple(self.findings))


def need(value: _T | None, what: str) -> _T:
    """The input of a step; without it the step cannot be carried out."""
    return missing(what) if value is None else value


def missing(what: str) -> NoReturn:
    """Raises Undecided: a step without its input is not carried out, and not failed."""
    raise Undecided("step.input-missing", what, "none, or refused above")
