"""The operator's command that ends an exhibit for good: end.

For what stands in the queue and will never go on, say because the authority that it needs
refuses it for ever. It says first what it does, and does it only with `--yes`."""

from pathlib import Path

import click

from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.refusals import Refused


@click.command("end")
@click.argument("exhibit")
@click.option(
    "--reason", required=True, help="理由，会写在证据页上 / the reason, which is shown"
)
@click.option("--yes", is_flag=True, help="确认终止 / yes, end it")
@common
def end(exhibit: str, reason: str, data: Path, speaker: Speaker, *, yes: bool) -> int:
    """终止一份永远走不完的证据 / end for good what will never go on."""
    platform = opened(data)
    missing = platform.halting.missing(exhibit)
    if missing:
        speaker.note(
            "cli.end-means",
            exhibit=exhibit,
            title=legible(platform.exhibit(exhibit).claimed_name),
            missing=", ".join(missing),
        )
        if not yes:
            raise Refused("road.end-unconfirmed", expected="--yes", found="none")
    ended = platform.halting.end(exhibit, reason)
    speaker.note("cli.ended" if ended else "cli.ended-before", exhibit=exhibit)
    speaker.exhibit(platform, platform.exhibit(exhibit))
    return 0


COMMANDS = (end,)
