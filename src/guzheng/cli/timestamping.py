"""`guzheng tsa`: the authority alone, fast. `guzheng journal`: what it signed, checked."""

import contextlib
import functools
import socket
import sys
from pathlib import Path
from typing import cast

import click

from guzheng.app import system_now
from guzheng.cli import crew, fronts
from guzheng.cli.options import common, opened
from guzheng.cli.running import require_free_port
from guzheng.cli.speaking import Speaker
from guzheng.keep import Fault
from guzheng.proof import canonical


@click.command("tsa")
@fronts.options(3161)
@common
def tsa(port: int, host: str, processes: int, data: Path, speaker: Speaker) -> int:
    """只提供时间戳服务（RFC 3161） / serve timestamps alone (RFC 3161)."""
    from guzheng.app.auditing import Audit

    platform = opened(data)  # whatever is wrong is said here, before a process starts
    platform.parts.local.require_key()
    port = require_free_port(host, port)
    audit = Audit(data, system_now)
    address = f"http://{host}:{port}/tsa"
    speaker.note("cli.stamping", address=address, data=data.resolve(), count=processes)
    with platform.watched(), contextlib.ExitStack() as stack:
        audit.tell("tsa.started", address=address, processes=processes)
        stack.callback(audit.tell, "tsa.stopped")
        return crew.run(host, port, processes, functools.partial(stamp, data))


def stamp(data: Path, listening: socket.socket) -> None:
    """In each process that signs: its own authority, its own chain of the journal."""
    import time

    from guzheng import config
    from guzheng.app import open_parts
    from guzheng.app.timestamping import open_timestamping
    from guzheng.web.stamping import stamp_until_ended

    settings = config.load(data)
    parts = open_parts(settings)
    timestamping = open_timestamping(settings, parts, time.monotonic)
    stamp_until_ended(timestamping, parts.now, listening, crew.PATIENCE_SECONDS)


@click.command("journal")
@click.argument("what", type=click.Choice(["verify", "commit"]))
@common
def journal(what: str, data: Path, speaker: Speaker) -> int:
    """签发日志：verify 逐行核对，commit 登记到账本 / check it, or commit its heads."""
    platform = opened(data)
    if what == "commit":
        for chain, lines, entry in platform.commit_journal():
            speaker.say("cli.journal-head", chain=chain, lines=lines, entry=entry)
        return 0
    checked = platform.verify_journal()
    for place, code, expected, found in checked.faults:
        speaker.fault(Fault(place, code, expected, found))
    for torn in checked.torn:
        speaker.note("cli.journal-torn", place=torn.file, octets=torn.octets)
    if speaker.as_json:
        line = {
            "chains": checked.chains,
            "lines": checked.lines,
            "tokens": checked.tokens,
            "uncovered": checked.uncovered,
            "torn": [one.file for one in checked.torn],
            "faults": len(checked.faults),
        }
        sys.stdout.write(canonical.encode(line).decode() + "\n")
    else:
        speaker.say(
            "cli.journal-sound" if not checked.faults else "cli.journal-faults",
            count=len(checked.faults),
            chains=checked.chains,
            lines=checked.lines,
            tokens=checked.tokens,
            uncovered=checked.uncovered,
        )
    return 1 if checked.faults else 0


COMMANDS = cast(tuple[click.Command, ...], (tsa, journal))
