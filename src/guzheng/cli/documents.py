"""The command of the key that seals documents of real names: documents."""

import sys
from pathlib import Path

import click

from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker
from guzheng.proof import canonical


@click.command("documents")
@click.option(
    "--turn",
    is_flag=True,
    help="换一把新密钥，并重新加密 / seal under another key, and all of them anew",
)
@click.option(
    "--reseal", is_flag=True, help="接着重新加密 / seal anew what lies under keys before"
)
@click.option(
    "--retire", is_flag=True, help="移除不再用到的旧密钥 / remove keys that open nothing"
)
@common
def documents(data: Path, speaker: Speaker, *, turn: bool, reseal: bool, retire: bool) -> int:
    """实名材料在哪把密钥之下，换密钥 / the key of documents of real names."""
    names = opened(data).names
    damaged: tuple[str, ...] = ()
    if turn:
        speaker.note("cli.documents-turned", generation=names.turn_key())
    if turn or reseal:
        done, damaged = names.reseal()
        speaker.note("cli.documents-resealed", count=done)
    for one in damaged:
        speaker.note("cli.documents-damaged", name=one)
    if retire:
        for generation in (over := names.retire_keys()):
            speaker.note("cli.documents-retired", generation=generation)
        if not over:
            speaker.note("cli.documents-none-retired")
    by_key = names.documents_by_key()
    for generation, count in sorted(by_key.items()):
        if speaker.as_json:
            line = {"generation": generation, "documents": count}
            sys.stdout.write(canonical.encode(line).decode() + "\n")
        else:
            speaker.say("cli.documents-under", generation=generation, count=count)
    return 1 if damaged else 0


COMMANDS = (documents,)
