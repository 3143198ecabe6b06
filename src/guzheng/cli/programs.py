"""Programs that others run beside the platform: they are started, never imported.

`guzheng witness …` becomes `python -m guzheng.witness …`: the same process, other code. A court
that wants nothing else of ours installs the base package and calls `guzheng-witness`.
"""

import os
import sys
from typing import NoReturn

import click

_AS_TYPED = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command("witness", context_settings=_AS_TYPED)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def witness(arguments: tuple[str, ...]) -> None:
    """见证别人的日志 / witness somebody's log: serve, add-log, show; --help says more."""
    _become("guzheng.witness", arguments)


@click.command("mirror", context_settings=_AS_TYPED)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mirror(arguments: tuple[str, ...]) -> None:
    """保存并公布一本日志的副本 / keep and serve a full copy of a log; --help says more."""
    _become("guzheng.mirror", arguments)


@click.command("transcript", context_settings=_AS_TYPED)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def transcript(arguments: tuple[str, ...]) -> None:
    """打开网页取证的传输原文并与存档比对 / open a capture's transcript; --help says more."""
    _become("guzheng.transcript", arguments)


def _become(module: str, arguments: tuple[str, ...]) -> NoReturn:
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", module, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - a list, and no shell


COMMANDS = (witness, mirror, transcript)
