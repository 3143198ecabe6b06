"""Options that every command has: where the data lives, how the answer looks.

They may stand before the command or after it: `guzheng --data D list` says the same as
`guzheng list --data D`. What a command raises becomes words here, in the language asked for.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import click

from guzheng import config
from guzheng.app import Platform
from guzheng.cli.speaking import Speaker, status_of
from guzheng.refusals import Problem, Unavailable
from guzheng.words import LANGUAGES, SOURCE, Language

_Command = TypeVar("_Command", bound=Callable[..., object])
_LONGEST = 200  # characters that a command says of itself


class _Folder(click.Path):
    """A folder that looks like no option: of `--data --help` one of that name was made."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        if isinstance(value, str) and value.startswith("-"):
            self.fail(
                f"{value}：目录名以 - 开头请写作 ./{value} / "
                f"a folder whose name begins with - is written ./{value}",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class Common:
    """What stood before the command."""

    data: Path | None = None
    as_json: bool = False
    language: str | None = None


def options(command: _Command) -> _Command:
    """The three options themselves: `--data DIR`, `--json`, `--lang`."""
    for option in (
        click.option(
            "--lang", "language", type=click.Choice(LANGUAGES), help="语言 / language"
        ),
        click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON"),
        click.option(
            "--data",
            type=_Folder(path_type=Path, file_okay=False),
            help="数据目录 / data directory (GUZHENG_DATA, ./data)",
        ),
    ):
        command = option(command)
    return command


def limited(command: _Command) -> _Command:
    """`--limit`, of what is listed newest first."""
    option = click.option(
        "--limit",
        default=50,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="最多显示几条 / how many at the most",
    )
    return option(command)


class Listed(click.Group):
    """Whose list says each command in whole: cut short, the second language is no sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, one.get_short_help_str(limit=_LONGEST))
            for name, one in found
            if one is not None and not one.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def family(name: str, says: str) -> click.Group:
    """A group of commands, before which the three options may stand as well."""

    @click.group(name, cls=Listed, help=says)
    @options
    @click.pass_context
    def group(
        context: click.Context,
        data: Path | None,
        as_json: bool,  # noqa: FBT001 - click passes flags by name
        language: str | None,
    ) -> None:
        before = context.find_object(Common) or Common()
        context.obj = Common(
            data or before.data, as_json or before.as_json, language or before.language
        )

    return group


def common(command: _Command) -> _Command:
    """Gives the command a Speaker and the directory, and turns its problems into words."""

    @options
    @functools.wraps(command)
    def wrapped(
        data: Path | None,
        as_json: bool,  # noqa: FBT001 - click passes flags by name
        language: str | None,
        **given: object,
    ) -> object:
        before = click.get_current_context().find_object(Common) or Common()
        place = data or before.data or config.environment_data()
        spoken = cast(Language, language or before.language or SOURCE)
        speaker = Speaker(spoken, as_json=as_json or before.as_json)
        try:
            return command(data=place, speaker=speaker, **given)
        except Problem as problem:
            speaker.problem(problem)
            return status_of(problem)

    return cast(_Command, wrapped)


def opened(data: Path, **overrides: object) -> Platform:
    """The installation in this directory; made at first use."""
    return Platform(config.load(data, overrides))


def opened_to_stamp(data: Path, **overrides: object) -> Platform:
    """As `opened`, for what is to be stamped: where no key can sign, nothing is begun. A device
    that is away is told when it is asked, and what came in waits for it."""
    platform = opened(data, **overrides)
    with contextlib.suppress(Unavailable):
        platform.require_stamping()
    return platform
