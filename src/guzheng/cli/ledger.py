"""Commands of the ledger: what others ask of it, what others say against it."""

import contextlib
import functools
import socket
import sys
from pathlib import Path

from guzheng.app import system_now
from guzheng.cli import accusing, comparing, crew, fronts
from guzheng.cli.options import common, family, opened
from guzheng.cli.running import require_free_port
from guzheng.cli.speaking import Speaker, legible, status_of
from guzheng.proof import canonical, instant

ledger = family(
    "ledger", "账本：见证、核对、异议 / the ledger: witnesses, comparison, disputes."
)


@ledger.command("front")
@fronts.options(8161)
@common
def front(port: int, host: str, processes: int, data: Path, speaker: Speaker) -> int:
    """只接收承诺值入册（ledger_keys） / take commitments into the ledger, and nothing else."""
    opened(data)  # whatever is wrong is said here, before a process starts
    port = require_free_port(host, port)
    address = f"http://{host}:{port}/api/ledger/entries"
    speaker.note("cli.fronting", address=address, data=data.resolve(), count=processes)
    return crew.run(host, port, processes, functools.partial(add, data))


def add(data: Path, listening: socket.socket) -> None:
    """In each process: a platform of its own over the same data, and one for checkpoints."""
    from guzheng.cli.apart import Apart
    from guzheng.web.adding_front import add_until_ended

    most = fronts.most_connections()
    with contextlib.closing(Apart(data)) as platform:
        add_until_ended(platform, system_now, listening, crew.PATIENCE_SECONDS, most)


@ledger.command("anchor")
@common
def anchor(data: Path, speaker: Speaker) -> int:
    """立即锚定最新检查点，并取回收据 / anchor the newest checkpoint, and fetch receipts."""
    views, problems = opened(data).anchor()
    for problem in problems:
        speaker.problem(problem)
    for view in views:
        if speaker.as_json:
            line = {"size": view.size, "receipts": view.receipts, "awaited": view.awaited}
            sys.stdout.write(canonical.encode(line).decode() + "\n")
            continue
        for paper in view.receipts:
            speaker.say("cli.anchored", size=view.size, paper=paper)
        for paper in view.awaited:
            speaker.say("cli.anchor-awaited", size=view.size, paper=paper)
    if not views:
        speaker.note("cli.no-anchors")
    return max((status_of(one) for one in problems), default=0)


@ledger.command("disputes")
@common
def disputes(data: Path, speaker: Speaker) -> int:
    """收到的异议，先收到的在前 / disputes received on the ledger's page, oldest first."""
    for one in opened(data).disputes():
        if speaker.as_json:
            line = {
                "dispute": one.dispute,
                "observed_at": instant.encode(one.observed_at),
                "about": one.about,
                "claimed_name": one.claimed_name,
                "claimed_contact": one.claimed_contact,
                "claimed_words": one.claimed_words,
            }
            sys.stdout.write(canonical.encode(line).decode() + "\n")
            continue
        speaker.say(
            "cli.dispute",
            dispute=one.dispute,
            at=instant.encode(one.observed_at),
            about=legible(one.about),
            name=legible(one.claimed_name),
            contact=legible(one.claimed_contact),
            words=legible(one.claimed_words),
        )
    return 0


for one in (*comparing.COMMANDS, *accusing.COMMANDS):
    ledger.add_command(one)

COMMANDS = (ledger,)
