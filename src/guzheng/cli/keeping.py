"""Commands of custody: keep status, keep renew, keep given-up."""

import sys
from pathlib import Path

import click

from guzheng.cli.options import common, family, opened
from guzheng.cli.speaking import Speaker, legible, line_of
from guzheng.proof import canonical, instant
from guzheng.words import find_words

_MONTHS = click.option(
    "--months",
    type=click.IntRange(0, 600),
    help="多少个月之内到期算老化 / what ends within so many months is old (renew_months)",
)


keep = family("keep", "保管：查看老化、及时续期 / custody: what ages, and renewing it in time.")


@keep.command("status")
@_MONTHS
@common
def status(months: int | None, data: Path, speaker: Speaker) -> int:
    """每份证据的时间戳有效到何时、为什么 / until when each exhibit is vouched for, and why."""
    platform = opened(data)
    ages = platform.ages(months)
    for fault in ages.damaged:
        speaker.fault(fault)
    for age in ages.ages:
        due = age.until <= ages.horizon
        if speaker.as_json:
            line = line_of(platform, platform.exhibit(age.exhibit)) | {
                "until": instant.encode(age.until),
                "because": age.because,
                "source": age.source,
                "renewals": age.renewals,
                "due": due,
            }
            sys.stdout.write(canonical.encode(line).decode() + "\n")
        else:
            speaker.say(
                "cli.age",
                mark="✗" if age.until < ages.at else "!" if due else "✓",
                exhibit=age.exhibit,
                until=f"{age.until:%Y-%m-%d}",
                because=find_words(f"keep.because-{age.because}", speaker.language),
                source=legible(age.source),
                renewals=age.renewals,
            )
    speaker.note(
        "cli.ages", count=len(ages.ages), due=len(ages.due), horizon=f"{ages.horizon:%Y-%m-%d}"
    )
    return 1 if ages.damaged else 0


@keep.command("renew")
@_MONTHS
@common
def renew(months: int | None, data: Path, speaker: Speaker) -> int:
    """为将到期的证据续期，可重复运行 / renew what ages; may be run again at any time."""
    platform = opened(data)
    renewed, damaged = platform.renew(months)
    for fault in damaged:
        speaker.fault(fault)
    for exhibit in renewed:
        speaker.exhibit(platform, platform.exhibit(exhibit))
    speaker.note("cli.renewed", count=len(renewed))
    return 1 if damaged else 0


@keep.command("given-up")
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    help="放弃多少天之后删除 / delete after so many days (given_up_days)",
)
@click.option(
    "--delete", is_flag=True, help="删除到期的文件 / delete the files of those that are due"
)
@common
def given_up(days: int | None, data: Path, speaker: Speaker, *, delete: bool) -> int:
    """已放弃的取证：何时删除文件，或为何不删 / when the files of given-up captures go."""
    platform = opened(data)
    if delete:
        platform.clearing.clear(days)
    found = platform.clearing.due(days)
    for one in found:
        at = one.due_at
        if speaker.as_json:
            line: dict[str, object] = {
                "exhibit": one.exhibit,
                "given_up_at": instant.encode(one.since),
                "state": one.because or "due",
            }
            line |= {} if at is None else {"due_at": instant.encode(at)}
            sys.stdout.write(canonical.encode(line).decode() + "\n")
        else:
            speaker.say(
                "cli.given-up",
                exhibit=one.exhibit,
                since=f"{one.since:%Y-%m-%d}",
                due="—" if at is None else f"{at:%Y-%m-%d}",
                state=find_words(f"keep.state-{one.because or 'due'}", speaker.language),
            )
    speaker.note("cli.given-ups", count=len(found), due=sum(not one.because for one in found))
    return 0


COMMANDS = (keep,)
