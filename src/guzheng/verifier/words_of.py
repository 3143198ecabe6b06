"""A report in sentences: the verdict first, then every step with its rule.

Colour is never used, so that a print in black and white says the same.
"""

from guzheng.proof import instant
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.words import Language, find_words, say

_MARK = {Outcome.PASSED: "✓", Outcome.NOT_CHECKED: "–", Outcome.FAILED: "✗"}


def text(
    report: Report,
    trusted: str,
    roots: tuple[str, ...],
    attested_at: tuple[str, ...],
    ledger: str,
    language: Language,
    *,
    clock_not_verified: bool = False,
) -> str:
    """Many lines, the last one ended. `trusted` and `ledger`: given, package or none.

    `clock_not_verified`: an authority says so of the clock it told the time by."""
    if any(one.step == "fork" for one in report.findings):  # nothing is said of any exhibit
        lines = [say(f"verdict.fork-{report.outcome.value}", language), ""]
        lines += [line for one in report.findings for line in _lines(one, language)]
        return "\n".join(lines) + "\n"
    lines = [say(f"verdict.{report.outcome.value}", language)]
    if report.outcome is Outcome.PASSED and attested_at:
        lines.append(
            say(
                "verdict.unchanged-since",
                language,
                at=instant.beijing(instant.parse(attested_at[-1])),
            )
        )
    if clock_not_verified:
        lines.append(say("verdict.clock-not-verified", language))
    lines.append("")
    lines += [line for one in report.findings for line in _lines(one, language)]
    lines.append("")
    counts = {outcome: len(report.of(outcome)) for outcome in Outcome}
    lines.append(
        say(
            "verdict.counts",
            language,
            passed=counts[Outcome.PASSED],
            failed=counts[Outcome.FAILED],
            unchecked=counts[Outcome.NOT_CHECKED],
        )
    )
    lines.append(say(f"verdict.trust-{trusted}", language))
    lines += [f"    SHA-256 {one}" for one in roots]
    if any(one.step.startswith("entry.") for one in report.findings):
        lines.append(say(f"verdict.ledger-{ledger}", language))
    quorum = [one for one in report.of(Outcome.PASSED) if one.step == "entry.quorum"]
    if quorum:  # with nobody's word only «none» can be satisfied
        silent = not all(one.found for one in quorum)
        lines.append(say("verdict.unwitnessed" if silent else "verdict.witnessed", language))
    if report.outcome is Outcome.PASSED:
        lines.append(say("verdict.proves", language))
    lines.append(say("verdict.proves-not", language))
    return "\n".join(lines) + "\n"


def _lines(finding: Finding, language: Language) -> list[str]:
    title = find_words(f"step.{finding.step}", language) or finding.step
    where = f"  {legible(finding.subject)}" if finding.subject else ""
    outcome = say(f"outcome.{finding.outcome.value}", language)
    lines = [f"{_MARK[finding.outcome]} {outcome}  {title}{where}  [{finding.rule}]"]
    if finding.outcome is not Outcome.PASSED:
        meaning = find_words(f"proof.{finding.code}", language) or finding.code
        lines.append(f"    {meaning} [{finding.code}]")
        lines.append(f"    {say('verdict.expected', language)} {legible(finding.expected)}")
        lines.append(f"    {say('verdict.found', language)} {legible(finding.found)}")
    elif finding.found:
        told = (find_words(one, language) or one for one in finding.found.split("; "))
        lines += [f"    {legible(one)}" for one in told]
    return lines


def legible(value: str) -> str:
    """Names and values come from the package: they must not steer the reader's terminal."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in value)
