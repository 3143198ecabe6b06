"""A report, told to a person: one sentence, a few named checks, every step beneath them.

The three depths of an ETSI EN 319 102-1 report: the sentence, the checks that a judge reads,
and each step with its rule and its values for the expert. The three values stay three. A check
is the worst of its steps, so nothing bad can hide in it; a step that no check claims is shown
by itself, and one without words by its code. Nothing is summed up into a score, and a time is
named only when every step passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from guzheng import words
from guzheng.proof.report import Finding, Outcome, Report

Subject = Literal["pair", "package", "certificate"]

# What a judge asks, and the steps that answer it.
_CHECKS: Final = (
    (
        "whole",
        (
            "package.container",
            "package.listing",
            "package.members",
            "package.outer",
            "exhibit.members",
            "manifest.form",
        ),
    ),
    ("unchanged", ("item.digest", "capture.digest")),
    ("imprint", ("token.imprint", "seal.imprint")),
    ("time", ("token.form", "token.signature", "seal.signature")),
    ("trust", ("token.trust", "seal.trust")),
    ("ledger", ("leaf", "entry.inclusion", "entry.checkpoint", "entry.quorum")),
    ("certificate", ("order", "certificate.content", "certificate.signature")),
)
_CHECK_OF_STEP: Final = {step: check for check, steps in _CHECKS for step in steps}
_SEVERITY: Final = {Outcome.FAILED: 0, Outcome.NOT_CHECKED: 1, Outcome.PASSED: 2}

# "These two do not belong together": the commonest mistake, and no sign of a forgery.
_IMPRINT_DIFFERS: Final = "timestamp.imprint-differs"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One finding, for the expert."""

    outcome: Outcome
    title: str
    reason: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Check:
    """One question of a judge, answered by the worst of its steps."""

    outcome: Outcome
    title: str
    reasons: tuple[str, ...]
    steps: tuple[StepLine, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    subject: Subject
    outcome: Outcome
    headline: str
    sentence: str
    checks: tuple[Check, ...]
    attested_at: datetime | None
    clock_not_verified: bool
    passed: int
    failed: int
    not_checked: int


def verdict_of(
    report: Report,
    subject: Subject,
    attested_at: datetime | None,
    language: words.Language,
    *,
    clock_not_verified: bool = False,
) -> Verdict:
    """`attested_at`: what the token or the package's own papers say; shown when all passed.

    `clock_not_verified`: the authority says so of the clock it told that time by."""
    outcome = report.outcome
    return Verdict(
        subject=subject,
        outcome=outcome,
        headline=_headline(report, subject, language),
        sentence=words.say(f"verdict.{subject}.{outcome.value}-because", language),
        checks=_checks(report.findings, language),
        attested_at=attested_at if outcome is Outcome.PASSED else None,
        clock_not_verified=clock_not_verified,
        passed=len(report.of(Outcome.PASSED)),
        failed=len(report.of(Outcome.FAILED)),
        not_checked=len(report.of(Outcome.NOT_CHECKED)),
    )


def _headline(report: Report, subject: Subject, language: words.Language) -> str:
    failed = {one.code for one in report.of(Outcome.FAILED)}
    if subject == "pair" and failed == {_IMPRINT_DIFFERS}:
        return words.say("verdict.imprint-differs", language)
    return words.say(f"verdict.{subject}.{report.outcome.value}", language)


def _checks(findings: Sequence[Finding], language: words.Language) -> tuple[Check, ...]:
    """In the order of the questions; what went wrong comes first."""
    grouped: dict[str, list[Finding]] = {check: [] for check, _ in _CHECKS}
    taken = {one.step for one in findings}
    for one in findings:
        # A certificate by itself was compared with no paper, and no question may say so.
        alone = one.step == "certificate.signature" and "certificate.content" not in taken
        question = one.step if alone else _CHECK_OF_STEP.get(one.step, one.step)
        grouped.setdefault(question, []).append(one)
    checks = [_check(name, own, language) for name, own in grouped.items() if own]
    return tuple(sorted(checks, key=lambda one: _SEVERITY[one.outcome]))


def _check(name: str, findings: Sequence[Finding], language: words.Language) -> Check:
    outcome = Report(tuple(findings)).outcome
    steps = sorted((_line(one, language) for one in findings), key=_by_severity)
    if outcome is Outcome.PASSED:
        passed = words.find_words(f"check.{name}-passed", language) or steps[0].reason
        reasons: tuple[str, ...] = (passed,) if passed else ()
    else:  # each reason once, those of the worst outcome only
        reasons = tuple(dict.fromkeys(one.reason for one in steps if one.outcome is outcome))
    title = words.find_words(f"check.{name}", language) or steps[0].title
    return Check(outcome, title, reasons, tuple(steps))


def _by_severity(line: StepLine) -> int:
    return _SEVERITY[line.outcome]


def _line(finding: Finding, language: words.Language) -> StepLine:
    title = words.find_words(f"step.{finding.step}", language) or finding.step
    if finding.outcome is Outcome.PASSED:
        told = f"step.{finding.step}-told" if finding.found else ""
        reason = words.find_words(told, language, found=finding.found) or (
            words.find_words(f"step.{finding.step}-passed", language) or ""
        )
    else:
        reason = words.find_words(f"proof.{finding.code}", language) or finding.code
    return StepLine(finding.outcome, title, reason, finding)
