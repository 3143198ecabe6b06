"""The gate of this installation: whom it asks, where it writes its changes, who is alarmed.

A change of standing becomes a paper under `clock/` and a leaf of the ledger (paper_rows.py),
before the gate acts on it. Two programs that see the same change write one.
"""

import logging
from collections.abc import Callable

from guzheng.app.paper_rows import Form, PaperRow
from guzheng.config import Config
from guzheng.fix.clock import (
    AGES,
    Change,
    Gate,
    Limits,
    Memory,
    Sources,
    Standing,
    Tick,
    Timing,
    chrony,
    record,
)
from guzheng.ledger import Shards
from guzheng.proof import canonical, instant
from guzheng.store.blobs import Blobs
from guzheng.store.lease import Place

FOLDER = "clock"  # below the data directory
_log = logging.getLogger("guzheng.clock")


FORM = Form(
    record.FOLDER,
    record.parse,
    record.leaf_of,
    record.name_of,
    out_of_row="keep.clock-row",
    not_entered="keep.clock-not-entered",
)


class ClockPapers:
    """What the gate asks of the ledger (`fix.clock.Changes`)."""

    def __init__(
        self, blobs: Blobs, ledger: Shards, leases: Place, entropy: Callable[[int], bytes]
    ) -> None:
        self.row = PaperRow(FORM, blobs, ledger, leases)
        self._entropy = entropy

    def last(self) -> Standing | None:
        """The standing of the newest paper, which is in the ledger when this returns."""
        newest = self.row.newest()
        return None if newest is None else newest.paper.standing

    def append(self, change: Change) -> None:
        with self.row.writing() as newest:
            if newest is None:
                self.row.put(record.encode(1, change, None, self._entropy))
            elif newest.paper.standing is not change.standing:
                number = newest.paper.number + 1
                self.row.put(record.encode(number, change, newest.octets, self._entropy))
            else:
                return  # another program saw the same change
        self.row.integrate()


def alarm(change: Change) -> None:
    """One line of JSON for whoever watches the log."""
    line = {
        "event": "clock",
        "observed_at": instant.encode(change.at),
        "standing": change.standing.value,
        "profile": change.profile,
        "code": change.code,
    }
    stopped = change.standing is Standing.STOPPED
    _log.log(logging.ERROR if stopped else logging.WARNING, canonical.encode(line).decode())


def open_gate(
    config: Config,
    papers: ClockPapers,
    ticks: Callable[[], Tick],
    entropy: Callable[[int], bytes],
) -> Gate:
    """The gate over the clocks of `ticks`; asks nobody yet, and writes nothing."""
    limits = Limits(
        # A millisecond is kept back for the tokens that share a reading (fix/clock/sharing.py).
        bound=(config.clock_limit_milliseconds - 1) * 1000,
        age=AGES * config.clock_poll_seconds * 1_000_000,
        sources=config.clock_sources,
    )
    sources = Sources(
        config.time_servers, ticks, entropy, most=limits.bound, chronyc=chrony.find_command()
    )
    return Gate(
        Memory(config.data / FOLDER),
        papers,
        lambda resting, seconds: sources.ask(resting, timeout_seconds=seconds),
        ticks,
        profile=config.clock_profile,
        limits=limits,
        timing=Timing(config.clock_poll_seconds),
        alarm=alarm,
    )
