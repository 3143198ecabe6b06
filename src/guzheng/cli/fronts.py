"""Running one door of the platform alone, on granian: many processes, one address."""

import functools
import multiprocessing
import os
from collections.abc import Callable
from typing import TypeVar, cast

import click

from guzheng.cli.crew import BACKLOG, end_with

_Command = TypeVar("_Command", bound=Callable[..., object])
HEADER_MILLISECONDS = 10_000


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


def serve(host: str, port: int, processes: int, load: Callable[[], object]) -> None:
    """Serve what `load` makes in each process, until a signal ends it. `load` is pickled."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    # A process that is forked would share chains, locks and threads with this one.
    multiprocessing.set_start_method("spawn", force=True)
    server = Server(
        "guzheng.cli.fronts",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=processes,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=10,
    )
    # Granian takes an object with RSGI's methods; its types know functions only.
    server.serve(
        target_loader=cast(
            Callable[..., Callable[..., object]],
            functools.partial(_load_under, os.getpid(), load),
        ),
        wrap_loader=False,
    )


def _load_under(parent: int, load: Callable[[], object]) -> object:
    """In each process: `load`, and end when `parent` does."""
    end_with(parent)
    return load()
