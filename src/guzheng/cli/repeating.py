"""Commands about captures that are repeated: schedules.

The worker captures when their time has come; here they are made, looked at, and stopped.
"""

from pathlib import Path

import click

from guzheng.app.repeating import ScheduleView, typed_moment
from guzheng.app.wishes import Wanted
from guzheng.cli.options import common, family, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.commission import Timing, rules
from guzheng.intake.rules import OPTIONS
from guzheng.proof import canonical, instant
from guzheng.words import say

schedules = family(
    "schedules", "重复取证：到时由后台再次取证 / captures that are repeated by the worker."
)


@schedules.command("add")
@click.argument("target", metavar="ORDER|URL")
@click.option(
    "--every",
    type=click.Choice(rules.EVERY),
    default=rules.ONCE,
    show_default=True,
    help="一次、每天、每周 / how often",
)
@click.option(
    "--at", "at", help="首次时间（北京时间）/ first time, UTC+08:00: 2026-11-22T09:00"
)
@click.option("--until", help="截止（北京时间）/ until, UTC+08:00")
@click.option(
    "--vantage", "vantages", multiple=True, metavar="NAME", help="取证点 / from where"
)
@click.option(
    "--option", "options", multiple=True, type=click.Choice(OPTIONS), help="另做 / also do"
)
@common
def add(
    target: str,
    every: str,
    at: str | None,
    until: str | None,
    vantages: tuple[str, ...],
    options: tuple[str, ...],
    data: Path,
    speaker: Speaker,
) -> int:
    """重复一份取证单，或对网址定时取证 / repeat an order, or capture a URL at times to come."""
    platform = opened(data)
    timing = Timing(
        every,
        typed_moment(at) if at else platform.now(),
        typed_moment(until) if until else None,
    )
    if target.startswith("or_"):
        view = platform.repeating.again(target, timing)
    else:
        view = platform.repeating.add(
            Wanted(target, vantages=vantages, options=options), timing
        )
    _show_schedule(speaker, view)
    return 0


@schedules.command("list")
@common
def list_schedules(data: Path, speaker: Speaker) -> int:
    """列出重复取证与错过的时间 / list repetitions, and the times that were missed."""
    for view in opened(data).repeating.views():
        _show_schedule(speaker, view)
    return 0


@schedules.command("pause")
@click.argument("schedule")
@common
def pause(schedule: str, data: Path, speaker: Speaker) -> int:
    """暂停 / pause."""
    _show_schedule(speaker, opened(data).repeating.pause(schedule))
    return 0


@schedules.command("resume")
@click.argument("schedule")
@common
def resume(schedule: str, data: Path, speaker: Speaker) -> int:
    """继续 / go on."""
    _show_schedule(speaker, opened(data).repeating.resume(schedule))
    return 0


@schedules.command("stop")
@click.argument("schedule")
@common
def stop(schedule: str, data: Path, speaker: Speaker) -> int:
    """终止，不再继续 / stop for good."""
    _show_schedule(speaker, opened(data).repeating.stop(schedule))
    return 0


def _show_schedule(speaker: Speaker, view: ScheduleView) -> None:
    one = view.schedule
    missed = [slot.slot_at for slot in view.slots if slot.outcome != "ran"]
    if speaker.as_json:
        value = {
            "schedule": one.schedule,
            "url": one.url,
            "every": one.timing.every,
            "standing": view.standing,
            "next_at": instant.encode(view.next_at) if view.next_at else None,
            "slots": [
                {
                    "slot_at": instant.encode(slot.slot_at),
                    "outcome": slot.outcome,
                    "code": slot.code,
                }
                for slot in view.slots
            ],
            "orders": [each.commission.commission for each in view.captures],
        }
        click.echo(canonical.encode(value).decode())
        return
    speaker.say(
        "cli.schedule",
        schedule=one.schedule,
        standing=say(f"order.standing.{view.standing}", speaker.language),
        every=say(f"order.every.{one.timing.every}", speaker.language),
        url=legible(one.url),
        next=instant.beijing(view.next_at) if view.next_at else "—",
    )
    for at in missed:
        speaker.note("cli.schedule-missed", at=instant.beijing(at))


COMMANDS = (schedules,)
