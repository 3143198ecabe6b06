"""Options that every command has: where the data lives, how the answer looks."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click

from guzheng import config
from guzheng.app import Platform
from guzheng.cli.speaking import Speaker
from guzheng.words import Language

_Command = TypeVar("_Command", bound=Callable[..., object])


def common(command: _Command) -> _Command:
    """`--data DIR`, `--json`, `--lang`; the command is given a Speaker and the directory."""

    @click.option(
        "--data",
        "data",
        type=click.Path(path_type=Path, file_okay=False),
        help="数据目录 / data directory (GUZHENG_DATA, ./data)",
    )
    @click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
    @click.option(
        "--lang",
        "language",
        type=click.Choice(["zh", "en"]),
        default="zh",
        help="语言 / language",
    )
    @functools.wraps(command)
    def wrapped(data: Path | None, as_json: bool, language: str, **given: object) -> object:  # noqa: FBT001
        speaker = Speaker(cast(Language, language), as_json=as_json)
        return command(data=data or config.environment_data(), speaker=speaker, **given)

    return cast(_Command, wrapped)


def opened(data: Path, **overrides: object) -> Platform:
    """The installation in this directory; made at first use."""
    return Platform(config.load(data, overrides))
