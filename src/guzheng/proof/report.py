"""What verification answers: three-valued findings in a report, never a bool.

The three values are those of ETSI EN 319 102-1 §5: passed, failed, indeterminate. A report
is the worst of its findings, and cannot be used as a truth value by accident.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

from guzheng.proof.errors import ProofError, Undecided


class Outcome(Enum):
    """Ordered from good to bad: a report takes the worst of its findings."""

    PASSED = "passed"
    NOT_CHECKED = "not-checked"
    FAILED = "failed"


_SEVERITY = {Outcome.PASSED: 0, Outcome.NOT_CHECKED: 1, Outcome.FAILED: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One named step: the rule it comes from, and what was expected and found."""

    step: str  # stable name of the step, e.g. "seal.token"
    rule: str  # the norm the step carries out, e.g. "RFC 3161 §2.3"
    outcome: Outcome
    code: str  # "ok", or the code of the ProofError that was raised
    subject: str = ""  # the member or item it speaks of
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in the order of the steps. Read `.outcome`, or call `.require()`."""

    findings: tuple[Finding, ...] = field(default=())

    @property
    def outcome(self) -> Outcome:
        """The worst of its findings: failed, then not checked, then passed."""
        if not self.findings:
            return Outcome.NOT_CHECKED  # nothing looked at is nothing proved
        return max((one.outcome for one in self.findings), key=_SEVERITY.__getitem__)

    def of(self, outcome: Outcome) -> tuple[Finding, ...]:
        """The findings with this outcome, in order."""
        return tuple(one for one in self.findings if one.outcome is outcome)

    def require(self) -> None:
        """Raise unless every step passed."""
        for one in self.of(Outcome.FAILED) + self.of(Outcome.NOT_CHECKED):
            raise ProofError(one.code, expected=one.expected, found=one.found)
        if not self.findings:
            raise Undecided("report.empty", expected="at least one step", found="none")

    def __bool__(self) -> NoReturn:
        raise TypeError("a Report has three outcomes: read .outcome or call .require()")
