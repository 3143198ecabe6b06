"""Commands that stay: serve (pages and queue in one process) and worker (the queue alone)."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from guzheng.cli.options import common, opened, opened_to_stamp
from guzheng.cli.speaking import EX_TEMPFAIL, Speaker
from guzheng.refusals import Refused, Unavailable

if TYPE_CHECKING:
    from guzheng.app import Platform
    from guzheng.config import Config


@click.command("serve")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="端口 / port"
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="地址 / address to listen on"
)
@click.option(
    "--allow-private",
    multiple=True,
    metavar="CIDR",
    help="允许取证访问的私有网段 / private network that captures may reach",
)
@common
def serve(
    port: int, host: str, allow_private: tuple[str, ...], data: Path, speaker: Speaker
) -> int:
    """启动网页与后台任务 / serve the pages and run the queue."""
    with contextlib.ExitStack() as stack:
        # Before anything large is loaded: whoever started it twice is told at once, and whoever
        # asks meanwhile waits for an answer.
        listening = stack.enter_context(contextlib.closing(_listening(host, port)))
        import uvicorn

        from guzheng.cli.allocating import keep_freed_memory
        from guzheng.web import create_app
        from guzheng.web.wire import Wire

        keep_freed_memory()
        overrides = {"allow_private": allow_private} if allow_private else {}
        platform = opened(data, **overrides)
        try:
            platform.parts.local.require_key()
        except Unavailable as away:  # its device: what is kept can be read meanwhile
            speaker.problem(away)
        try:
            stack.enter_context(platform.jobs.running())
            stack.callback(platform.interrupt)
            platform.recover()
        except Refused as refusal:  # another worker serves this data: pages still can
            speaker.problem(refusal)
        stack.enter_context(platform.watched())
        if platform.find_browser() is None:
            speaker.note("cli.no-browser")
        address = f"http://{host}:{listening.getsockname()[1]}"
        speaker.note("cli.serving", address=address, data=data.resolve())
        if platform.people.are_on and not platform.people.has_operator():
            speaker.note("cli.operator-link", link=platform.people.operator_link(address))
        config = uvicorn.Config(
            create_app(
                platform,
                version=version("guzheng"),
                upload_limit=platform.config.largest_upload,
                hosts=_answered_names(host, platform.config),
                only_https=platform.config.public_url.startswith("https://"),
            ),
            http=Wire,
            log_level="warning",
            server_header=False,
            forwarded_allow_ips=list(platform.config.trusted_proxies),
            timeout_graceful_shutdown=10,
        )
        # uvicorn ends on these, then raises them once more: to end here, and in order.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if platform.replaying.port or _is_here_alone(host):
            stack.enter_context(_playing(platform, host))
        uvicorn.Server(config).run(sockets=[listening])
    return 0


@contextlib.contextmanager
def _playing(platform: "Platform", host: str) -> Iterator[None]:
    """The second listener, which only plays; it ends with the first.

    Where no port was chosen and only this machine reaches us, any free one does."""
    import uvicorn

    from guzheng.web.replay import create_replay_app
    from guzheng.web.wire import Wire

    with contextlib.closing(_listening(host, platform.replaying.port)) as listening:
        platform.replaying.listens_at(listening.getsockname()[1])
        config = uvicorn.Config(
            create_replay_app(platform.replaying),
            http=Wire,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="replay", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(5)


def _is_here_alone(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _answered_names(host: str, config: "Config") -> tuple[str, ...]:
    """Names in requests that are answered, besides addresses and localhost (`web.names`)."""
    public, own = urlsplit(config.public_url).hostname, socket.gethostname()
    own_names = (own, own.partition(".")[0], f"{own.partition('.')[0]}.local")
    return tuple(filter(None, (host, public, *own_names, *config.answered_names)))


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise Refused(
            "serve.port-taken",
            expected=f"a free port {port} on {host}",
            found=os.strerror(error.errno) if error.errno else str(error),
            act="choose another with --port",
        ) from error


def require_free_port(host: str, port: int) -> int:
    """The port itself, or one that is free where 0 was asked; `Refused` when it is taken."""
    with contextlib.closing(_listening(host, port)) as listening:
        found: int = listening.getsockname()[1]
        return found


@click.command("worker")
@click.option("--until-idle", is_flag=True, help="做完为止 / end when nothing is left to do")
@common
def worker(
    until_idle: bool,  # noqa: FBT001 - click passes flags by name
    data: Path,
    speaker: Speaker,
) -> int:
    """走完未完成的证据 / finish what is unfinished."""
    from guzheng.worker import work_until_idle, work_until_stopped

    platform = opened_to_stamp(data)
    if not until_idle:
        speaker.note("cli.working", data=data.resolve())
        work_until_stopped(platform)
        return 0
    finished, left = work_until_idle(platform)
    refused = 0
    for exhibit in left:
        problem = platform.jobs.failure(exhibit)
        if problem is not None:
            speaker.problem(problem)
        refused += isinstance(problem, Refused)
    for exhibit in (*finished, *left):
        speaker.exhibit(platform, platform.exhibit(exhibit))
    if not left:
        return 0
    speaker.note("cli.left", count=len(left))
    return 1 if refused == len(left) else EX_TEMPFAIL  # some may succeed when tried again


COMMANDS = (serve, worker)
