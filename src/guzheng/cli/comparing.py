"""Commands that look at the ledger from all sides: ledger status, monitor, policy."""

import sys
from pathlib import Path

import click

from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.proof import canonical
from guzheng.proof.report import Finding, Outcome
from guzheng.words import find_words

_STATUS = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKED: 2}
_SUMS = {
    Outcome.PASSED: "cli.monitor-passed",
    Outcome.FAILED: "cli.monitor-failed",
    Outcome.NOT_CHECKED: "cli.monitor-not-checked",
}
_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_CHECKED: "?"}


@click.command("status")
@common
def status(data: Path, speaker: Speaker) -> int:
    """账本到了哪一步，等待哪些见证人 / how far the ledger is, and whom it awaits."""
    standing = opened(data).ledger_standing()
    if speaker.as_json:
        sys.stdout.write(canonical.encode(standing.value()).decode() + "\n")
        return 0
    speaker.say("cli.ledger-name", origin=standing.origin, vkey=standing.vkeys[0])
    speaker.say(
        "cli.ledger-sizes",
        sequenced=standing.sequenced,
        checkpointed=standing.checkpointed,
        published=standing.published,
    )
    if not standing.witnesses:
        speaker.say("cli.ledger-unwitnessed")
    for name, size in standing.witnesses:
        code = "cli.ledger-witness" if size >= standing.checkpointed else "cli.ledger-awaited"
        speaker.say(code, name=legible(name), size=size)
    return 0


@click.command("monitor")
@click.option(
    "--log", "logs", multiple=True, metavar="URL", help="别人读到的账本 / where others read it"
)
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="镜像 / a mirror")
@common
def monitor(
    logs: tuple[str, ...], mirrors: tuple[str, ...], data: Path, speaker: Speaker
) -> int:
    """比对账本、见证人、镜像与锚定 / compare ledger, witnesses, mirrors and anchors.

    退出码：0 一致；1 报警；2 有未能核对的 / 0 all agree, 1 alarm, 2 something was not checked.
    """
    report = opened(data).monitor(logs, mirrors)
    for finding in report.findings:
        if speaker.as_json:
            sys.stdout.write(canonical.encode(_value(finding)).decode() + "\n")
        else:
            _say(speaker, finding)
    speaker.note(_SUMS[report.outcome], count=len(report.findings))
    return _STATUS[report.outcome]


def _value(finding: Finding) -> dict[str, object]:
    return {
        "step": finding.step,
        "outcome": finding.outcome.value,
        "code": finding.code,
        "subject": finding.subject,
        "expected": finding.expected,
        "found": finding.found,
    }


def _say(speaker: Speaker, finding: Finding) -> None:
    detail = legible(finding.found)
    if finding.outcome is not Outcome.PASSED:
        words = find_words(finding.code, speaker.language) or find_words(
            f"proof.{finding.code}", speaker.language
        )
        detail = f"{words or ''} [{finding.code}] {detail}"
    speaker.say(
        "cli.monitor-line",
        mark=_MARKS[finding.outcome],
        what=find_words(finding.step, speaker.language) or finding.step,
        subject=legible(finding.subject),
        detail=detail,
    )


@click.command("policy")
@common
def policy(data: Path, speaker: Speaker) -> int:
    """输出本账本的 C2SP tlog-policy / print this ledger's own tlog-policy."""
    _ = speaker
    sys.stdout.write(opened(data).ledger_policy().decode("utf-8", "surrogateescape"))
    return 0


COMMANDS = (status, monitor, policy)
