"""The group of commands, and the one place where a problem becomes words and a status."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from guzheng.cli import evidence, running, upkeep
from guzheng.cli.speaking import Speaker
from guzheng.refusals import Problem, Unavailable

EX_TEMPFAIL, EX_SOFTWARE = 75, 70


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """固证 guzheng：把网页和文件固化为任何人都能独立核验的证据。

    Fix web pages and files as evidence that anybody can check without trusting us.
    """


for family in (evidence.COMMANDS, running.COMMANDS, upkeep.COMMANDS):
    for command in family:
        commands.add_command(command)


def main() -> NoReturn:
    """The console script: no traceback ever reaches a user."""
    sys.exit(_status(lambda: commands.main(prog_name="guzheng", standalone_mode=False)))


def _status(run: Callable[[], object]) -> int:
    speaker = Speaker("zh")
    try:
        result = run()
    except Problem as problem:
        speaker.problem(problem)
        return EX_TEMPFAIL if isinstance(problem, Unavailable) else 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
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
