"""A report, told to a person: one sentence, named checks, and what it does and does not say.

The three values of ETSI EN 319 102-1 stay three: passed, failed, not determined. The sentence
is chosen by the outcome alone, and names a time only when every step passed. Nothing is
summed up into a score; a step we have no words for is shown by its code, never left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from guzheng import words
from guzheng.proof.report import Finding, Outcome, Report

Subject = Literal["pair", "package"]

# Findings that mean "these two do not belong together", the commonest mistake.
_IMPRINT_DIFFERS: Final = frozenset({"timestamp.imprint-differs"})


@dataclass(frozen=True, slots=True)
class Check:
    """One named step as a line of the page."""

    outcome: Outcome
    title: str
    reason: str
    subject: str
    step: str
    rule: str
    code: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    subject: Subject
    outcome: Outcome
    headline: str
    sentence: str
    checks: tuple[Check, ...]
    attested_at: datetime | None
    passed: int
    failed: int
    not_checked: int


def verdict_of(
    report: Report, subject: Subject, attested_at: datetime | None, language: words.Language
) -> Verdict:
    """`attested_at`: what the token or the package's own papers say; shown when all passed."""
    checks = tuple(_check(one, language) for one in report.findings)
    outcome = report.outcome
    return Verdict(
        subject=subject,
        outcome=outcome,
        headline=_headline(report, subject, language),
        sentence=words.say(f"verdict.{subject}.{outcome.value}-because", language),
        checks=_worst_first(checks),
        attested_at=attested_at if outcome is Outcome.PASSED else None,
        passed=len(report.of(Outcome.PASSED)),
        failed=len(report.of(Outcome.FAILED)),
        not_checked=len(report.of(Outcome.NOT_CHECKED)),
    )


def _headline(report: Report, subject: Subject, language: words.Language) -> str:
    if any(one.code in _IMPRINT_DIFFERS for one in report.of(Outcome.FAILED)):
        return words.say("verdict.imprint-differs", language)
    return words.say(f"verdict.{subject}.{report.outcome.value}", language)


def _check(finding: Finding, language: words.Language) -> Check:
    title = words.find_words(f"step.{finding.step}", language) or finding.step
    if finding.outcome is Outcome.PASSED:
        reason = words.find_words(f"step.{finding.step}-passed", language) or ""
    else:
        reason = words.find_words(f"proof.{finding.code}", language) or finding.code
    return Check(
        outcome=finding.outcome,
        title=title,
        reason=reason,
        subject=finding.subject,
        step=finding.step,
        rule=finding.rule,
        code=finding.code,
        expected=finding.expected,
        found=finding.found,
    )


_PLACE = {Outcome.FAILED: 0, Outcome.NOT_CHECKED: 1, Outcome.PASSED: 2}


def _worst_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """What needs the reader comes first; inside a value the order of the steps is kept."""
    return tuple(sorted(checks, key=lambda one: _PLACE[one.outcome]))
