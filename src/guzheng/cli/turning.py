"""The commands of keys that secrets are sealed under: documents (of real names), secrets (of
accounts). They ask the same of either."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from guzheng.app.turning import Turning, secrets_of
from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker
from guzheng.proof import canonical

_Command = TypeVar("_Command", bound=Callable[..., object])


def _steps(command: _Command) -> _Command:
    for option in (
        click.option(
            "--retire",
            is_flag=True,
            help="移除不再用到的旧密钥 / remove keys that open nothing",
        ),
        click.option(
            "--reseal",
            is_flag=True,
            help="接着重新加密 / seal anew what lies under keys before",
        ),
        click.option(
            "--turn",
            is_flag=True,
            help="换一把新密钥，并重新加密 / seal under another key, and all of them anew",
        ),
    ):
        command = option(command)
    return command


@click.command("documents")
@_steps
@common
def documents(data: Path, speaker: Speaker, *, turn: bool, reseal: bool, retire: bool) -> int:
    """实名材料在哪把密钥之下，换密钥 / the key of documents of real names."""
    key = opened(data).names.key
    return _asked("documents", key, speaker, turn=turn, reseal=reseal, retire=retire)


@click.command("secrets")
@_steps
@common
def secrets(data: Path, speaker: Speaker, *, turn: bool, reseal: bool, retire: bool) -> int:
    """账号的秘密在哪把密钥之下，换密钥 / the key of secrets of accounts."""
    key = secrets_of(opened(data).parts)
    return _asked("secrets", key, speaker, turn=turn, reseal=reseal, retire=retire)


def _asked(
    what: str, key: Turning, speaker: Speaker, *, turn: bool, reseal: bool, retire: bool
) -> int:
    damaged: tuple[str, ...] = ()
    if turn:
        speaker.note(f"cli.{what}-turned", generation=key.turn())
    if turn or reseal:
        done, damaged = key.reseal()
        speaker.note(f"cli.{what}-resealed", count=done)
    for one in damaged:
        speaker.note(f"cli.{what}-damaged", name=one)
    if retire:
        for generation in (over := key.retire()):
            speaker.note(f"cli.{what}-retired", generation=generation)
        if not over:
            speaker.note(f"cli.{what}-none-retired")
    for generation, count in sorted(key.counts().items()):
        if speaker.as_json:
            line = {"generation": generation, what: count}
            sys.stdout.write(canonical.encode(line).decode() + "\n")
        else:
            speaker.say(f"cli.{what}-under", generation=generation, count=count)
    return 1 if damaged else 0


COMMANDS = (documents, secrets)
