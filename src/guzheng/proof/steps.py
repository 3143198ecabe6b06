"""Carrying out the steps of a verification one by one, whatever the outcome of each.

A step is a function that raises what it found wrong, or gives back what it proved. One that
fails does not stop the others: a report shows all that is wrong and all that is still right. A
step whose input is missing, or was refused by an earlier one, is «not checked».
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.report import Finding, Outcome, Report

_T = TypeVar("_T")


@dataclass(slots=True)
class Steps:
    """Collects findings; `prefix` stands before the subject of each."""

    prefix: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])

    def check(
        self, step: str, rule: str, prove: Callable[[], _T], *, subject: str = ""
    ) -> _T | None:
        """What the step proved, or None."""
        where = f"{self.prefix}{subject}"
        try:
            proved = prove()
        except ProofError as error:
            outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
            self.findings.append(
                Finding(step, rule, outcome, error.code, where, error.expected, error.found)
            )
            return None
        self.findings.append(Finding(step, rule, Outcome.PASSED, "ok", where))
        return proved

    def report(self) -> Report:
        return Report(tuple(self.findings))


def need(value: _T | None, what: str) -> _T:
    """The input of a step; without it the step cannot be carried out."""
    if value is None:
        raise Undecided("step.input-missing", expected=what, found="none, or refused above")
    return value
