"""Commands that look at the ledger from all sides: ledger status, monitor, policy."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from guzheng.app.views import ShardView
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
    if len(standing.shards) > 1:
        _say_shards(speaker, standing.shards)
    if not standing.witnesses:
        speaker.say("cli.ledger-unwitnessed")
    for name, size in standing.witnesses:
        code = "cli.ledger-witness" if size >= standing.checkpointed else "cli.ledger-awaited"
        speaker.say(code, name=legible(name), size=size)
    return 0


def _say_shards(speaker: Speaker, shards: Sequence[ShardView]) -> None:
    for one in shards:
        speaker.say(
            "cli.ledger-shard",
            name=one.name,
            state=find_words(f"shard.{one.state}", speaker.language) or one.state,
            size=one.size,
            vkey=one.vkey,
        )


@click.command("shards")
@common
def shards(data: Path, speaker: Speaker) -> int:
    """列出账本各分卷，并核对其首尾相接 / the ledger's shards, and whether each begins with the
    last checkpoint of the one before.

    退出码：0 一致；1 报警；2 有未能核对的 / 0 all agree, 1 alarm, 2 something was not checked.
    """
    platform = opened(data)
    standing = platform.ledger_standing()
    report = platform.entries.chained()
    if speaker.as_json:
        for view in standing.shards:
            sys.stdout.write(canonical.encode(view.value()).decode() + "\n")
        for finding in report.findings:
            sys.stdout.write(canonical.encode(_value(finding)).decode() + "\n")
        return _STATUS[report.outcome] if report.findings else 0
    _say_shards(speaker, standing.shards)
    for finding in report.findings:
        _say(speaker, finding)
    return _STATUS[report.outcome] if report.findings else 0


@click.command("turn")
@click.option(
    "--prepare",
    is_flag=True,
    help="只备好下一分卷的密钥 / only make the next shard's keys, for its witnesses",
)
@common
def turn(prepare: bool, data: Path, speaker: Speaker) -> int:  # noqa: FBT001 - click's way
    """封存现用分卷，由下一分卷接续 / close the open shard for ever; the next one goes on.

    见证人尚未认可下一分卷时不封存 / nothing is closed before the witnesses cosign the next.
    """
    platform = opened(data)
    view = platform.entries.prepare_shard() if prepare else platform.entries.turn()
    if speaker.as_json:
        line = {"name": view.name, "origin": view.origin, "vkey": view.vkey}
        sys.stdout.write(canonical.encode(line).decode() + "\n")
        return 0
    watched = platform.ledger_standing().witnesses
    code = "cli.shard-turned"
    if prepare:
        code = "cli.shard-prepared" if watched else "cli.shard-prepared-unwitnessed"
    speaker.say(code, name=view.name, vkey=view.vkey)
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
    report = opened(data).entries.monitor(logs, mirrors)
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


COMMANDS = (status, monitor, policy, shards, turn)
