"""Commands of the ledger: what others ask of it, what others say against it."""

import sys
from pathlib import Path

import click

from guzheng.cli import comparing
from guzheng.cli.options import common, grouped, opened, options
from guzheng.cli.speaking import Speaker, legible
from guzheng.proof import canonical, instant


@click.group("ledger")
@options
@click.pass_context
def ledger(
    context: click.Context,
    data: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
    language: str | None,
) -> None:
    """账本：见证、核对、异议 / the ledger: witnesses, comparison, disputes."""
    grouped(context, data, as_json, language)


@ledger.command("disputes")
@common
def disputes(data: Path, speaker: Speaker) -> int:
    """收到的异议，先收到的在前 / disputes received on the ledger's page, oldest first."""
    for one in opened(data).disputes():
        if speaker.as_json:
            line = {
                "dispute": one.dispute,
                "observed_at": instant.encode(one.observed_at),
                "about": one.about,
                "claimed_name": one.claimed_name,
                "claimed_contact": one.claimed_contact,
                "claimed_words": one.claimed_words,
            }
            sys.stdout.write(canonical.encode(line).decode() + "\n")
            continue
        speaker.say(
            "cli.dispute",
            dispute=one.dispute,
            at=instant.encode(one.observed_at),
            about=legible(one.about),
            name=legible(one.claimed_name),
            contact=legible(one.claimed_contact),
            words=legible(one.claimed_words),
        )
    return 0


for one in comparing.COMMANDS:
    ledger.add_command(one)

COMMANDS = (ledger,)
