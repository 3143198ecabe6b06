"""`guzheng rehearse`: the objections to an exhibit, and what its record says to each."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from guzheng.cases.rehearsal import NOT_APPLICABLE, OPEN, Point, Rehearsal
from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.proof import canonical
from guzheng.words import Language, say


@click.command("rehearse")
@click.argument("exhibit", metavar="EXHIBIT")
@click.option("--case", default="", metavar="CASE", help="放在案卷里看 / as part of a case")
@click.option(
    "--open", "only_open", is_flag=True, help="只列未回答的 / only what is not answered"
)
@click.option("--quick", is_flag=True, help="不重读原件 / do not read every byte again")
@common
def rehearse_command(
    exhibit: str,
    case: str,
    only_open: bool,  # noqa: FBT001 - click passes flags by name
    quick: bool,  # noqa: FBT001 - click passes flags by name
    data: Path,
    speaker: Speaker,
) -> int:
    """质证预演：对方可能的质疑、记录的回答、缺什么、怎样补 / the objections to expect.

    只列事实，不打分 / facts only, no score.
    """
    told = opened(data).rehearsing.of(exhibit, case, verify=not quick)
    if speaker.as_json:
        sys.stdout.write(canonical.encode(told.value()).decode() + "\n")
        return 0
    sys.stdout.write("\n".join(lines_of(told, speaker.language, only_open=only_open)) + "\n")
    return 0


def lines_of(told: Rehearsal, language: Language, *, only_open: bool = False) -> list[str]:
    """As a terminal shows it, objection by objection."""
    lines = []
    for one in told.objections:
        if only_open and one.state != OPEN:
            continue
        number, state = one.number.lower(), say(f"rehearsal.state.{one.state}", language)
        objection = say(f"rehearsal.objection.{number}", language)
        lines += ["", f"{one.number} [{state}] {objection}"]
        if one.state == NOT_APPLICABLE:
            continue
        lines.append(f"    {say(f'rehearsal.norm.{number}', language)}")
        lines += _points("+", one.answers, language)
        lines += _points("!", one.against, language)
        lines += _points("-", one.missing, language)
        lines += [f"    → {say(f'rehearsal.cure.{cure}', language)}" for cure in one.cures]
    return [*lines, "", say("page.rehearsal.norms-note", language)]


def _points(sign: str, points: Iterable[Point], language: Language) -> list[str]:
    lines = []
    for one in points:
        where = " ".join(filter(None, (one.where, one.found)))
        where = f"  ({legible(where)})" if where else ""
        lines.append(f"    {sign} {say(f'rehearsal.point.{one.code}', language)}{where}")
    return lines


COMMANDS = (rehearse_command,)
