"""Dies by SIGKILL between the effects of each change of standing: `clock_deaths.py ROOM`.

One JSON line for each death: what is recorded after another life has taken over, and what fsck
says of it. This program has loaded everything once and forks.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from guzheng.app import Parts, Platform, open_parts
from guzheng.app.timekeeping import ClockPapers
from guzheng.config import Config
from guzheng.fix.clock import AUTO, Gate, Heard, Limits, Memory, record
from guzheng.fix.clock.rules import Claim
from guzheng.ledger import Shards
from guzheng.refusals import Unavailable
from guzheng.store.blobs import Blobs, read
from tests.road.deaths import Fate, Fated
from tests.stations.test_clock_gate import Machine


def gate_of(parts: Parts, machine: Machine, papers: ClockPapers) -> Gate:
    def ask(_resting: frozenset[str], _seconds: float) -> Heard:
        return Heard(machine.claims, {}, {})

    memory = Memory(parts.data / "clock")
    return Gate(memory, papers, ask, machine.tick, profile=AUTO, limits=Limits())


def fated_papers(parts: Parts, fate: Fate) -> ClockPapers:
    blobs = cast(Blobs, Fated(parts.blobs, "blobs", ("put",), fate))
    ledger = cast(Shards, Fated(parts.shards, "ledger", ("append", "integrate"), fate))
    return ClockPapers(blobs, ledger, parts.data / "leases", os.urandom)


def life(data: Path, papers_of: Callable[[Parts], ClockPapers]) -> None:
    """The clock is right, drifts by 5 s, and is right again; a gate of its own each time."""
    machine = Machine()
    parts = open_parts(Config(data))
    for offset in (0, 5, 0):
        machine.passes(100)
        machine.claims = (Claim("a", offset * 1_000_000, 10_000),)
        gate = gate_of(parts, machine, papers_of(parts))
        for _ in range(2):
            try:
                gate()
            except Unavailable as stopped:
                assert (stopped.code, offset) == ("clock.over-limit", 5)


def recorded(data: Path) -> dict[str, object]:
    platform = Platform(Config(data))
    names = list(platform.blobs.names(record.FOLDER))
    papers = [record.parse(read(platform.blobs, name)) for name in names]
    return {
        "standings": [one.standing.value for one in papers],
        "faults": [str(one) for one in platform.fsck(lambda _exhibit: None)],
        "entries": platform.ledger.entries.size(),
    }


def died(data: Path, fate: Fate) -> bool:
    child = os.fork()
    if child == 0:
        life(data, lambda parts: fated_papers(parts, fate))
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    assert ended == signal.SIGKILL
    return True


def main(room: Path) -> None:
    Platform(Config(room / "fresh"))  # keys are made once for all of them
    whole = Fate(None)
    shutil.copytree(room / "fresh", room / "whole")
    life(room / "whole", lambda parts: fated_papers(parts, whole))
    for number, effect in enumerate(whole.effects):
        # After one effect is before the next.
        for moment in ("before", "after") if number == 0 else ("after",):
            data = room / f"{number}-{moment}"
            shutil.copytree(room / "fresh", data)
            assert died(data, Fate((number, moment)))
            life(data, lambda parts: parts.papers)
            found = recorded(data)
            sys.stdout.write(json.dumps({"effect": effect, "moment": moment, **found}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
