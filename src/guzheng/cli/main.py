"""The group of commands, and the last fence: whatever happens, words and a status."""

import gc
import io
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import click

from guzheng.cli import (
    accounts,
    capturing,
    ending,
    evidence,
    keeping,
    keys,
    ledger,
    packing,
    people,
    programs,
    rehearsing,
    repeating,
    running,
    timestamping,
    turning,
    upkeep,
)
from guzheng.cli.options import Common, Listed, options
from guzheng.cli.speaking import Speaker, status_of
from guzheng.refusals import Problem

EX_SOFTWARE = 70


@click.group(cls=Listed, context_settings={"help_option_names": ["-h", "--help"]})
@options
@click.pass_context
def commands(
    context: click.Context,
    data: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
    language: str | None,
) -> None:
    """固证 guzheng：把网页和文件固化为任何人都能独立核验的证据。

    Fix web pages and files as evidence that anybody can check without trusting us.
    """
    context.obj = Common(data, as_json, language)


for family in (
    accounts.COMMANDS,
    capturing.COMMANDS,
    repeating.COMMANDS,
    evidence.COMMANDS,
    running.COMMANDS,
    upkeep.COMMANDS,
    ending.COMMANDS,
    turning.COMMANDS,
    keeping.COMMANDS,
    keys.COMMANDS,
    ledger.COMMANDS,
    packing.COMMANDS,
    people.COMMANDS,
    programs.COMMANDS,
    rehearsing.COMMANDS,
    timestamping.COMMANDS,
):
    for command in family:
        commands.add_command(command)


def main() -> NoReturn:
    """The console script: no traceback ever reaches a user."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show
    _leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The status of a command, for a program that goes on afterwards."""
    return _status(
        lambda: commands.main(list(arguments), prog_name="guzheng", standalone_mode=False)
    )


def _leave(status: int) -> NoReturn:
    """Without waiting for a step that is still under way: the next start takes it again."""
    if any(
        not one.daemon for one in threading.enumerate() if one is not threading.main_thread()
    ):
        _flush()
        os._exit(status)
    gc.freeze()  # else Python looks through all of it once more: a third of a second
    sys.exit(status)


def _flush() -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return


def _status(run: Callable[[], object]) -> int:
    try:
        result = run()
        sys.stdout.flush()
    except Problem as problem:
        Speaker("zh").problem(problem)
        return status_of(problem)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # Who read us has gone; Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last fence: our bug, said without its insides
        place = _place(error)
        sys.stderr.write(f"guzheng: internal error: {type(error).__name__} at {place}\n")
        return EX_SOFTWARE
    return result if isinstance(result, int) else 0


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
