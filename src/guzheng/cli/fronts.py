"""What the doors that are served alone have in common: where, by how many, for how many."""

import resource
from collections.abc import Callable
from typing import Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])
_OPEN_FILES: Final = 8192
_OWN_FILES: Final = 124


def options(default: int) -> Callable[[_Command], _Command]:
    """`--port`, `--host` and `--processes`."""

    def given(command: _Command) -> _Command:
        ports = click.IntRange(0, 65535)
        for option in (
            click.option(
                "--processes",
                default=1,
                show_default=True,
                type=click.IntRange(1, 256),
                help="进程数 / processes",
            ),
            click.option(
                "--host",
                default="127.0.0.1",
                show_default=True,
                help="地址 / address to listen on",
            ),
            click.option(
                "--port", default=default, show_default=True, type=ports, help="端口 / port"
            ),
        ):
            command = option(command)
        return command

    return given


def most_connections() -> int:
    """As many as this process may have files open, less those that are none; the limit is
    raised first, as far as whoever runs us allows."""
    soft, hard = (
        _OPEN_FILES if one == resource.RLIM_INFINITY else min(one, _OPEN_FILES)
        for one in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - _OWN_FILES
