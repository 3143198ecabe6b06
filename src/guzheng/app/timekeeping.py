"""The gate of this installation: whom it asks, where it writes its changes, who is alarmed.

A change of standing becomes a paper under `clock/` and a leaf of the ledger, in that order and
before the gate acts on it. Appending is the only part that must succeed: the checkpoint that
covers the leaf may come later, with the next exhibit, so that a witness that is away cannot
stop the clock. The papers are numbered; two programs that see the same change write one.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

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
from guzheng.keep import Fault
from guzheng.ledger import Shards
from guzheng.proof import canonical, instant
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import Blobs, find
from guzheng.store.lease import Place, leased

FOLDER = "clock"  # below the data directory
_log = logging.getLogger("guzheng.clock")


class ClockPapers:
    """What the gate asks of the ledger (`fix.clock.Changes`)."""

    def __init__(
        self, blobs: Blobs, ledger: Shards, leases: Place, entropy: Callable[[int], bytes]
    ) -> None:
        self._blobs, self._ledger, self._leases = blobs, ledger, leases
        self._entropy = entropy

    def last(self) -> Standing | None:
        """The standing of the newest paper, which is in the ledger when this returns."""
        newest = self._newest()
        if newest is None:
            return None
        self._enter(newest)
        return _read(newest).standing

    def append(self, change: Change) -> None:
        with leased(self._leases, FOLDER, wait=True):
            newest = self._newest()
            if newest is not None:
                self._enter(newest)  # whoever wrote it may have been killed before it did
                if _read(newest).standing is change.standing:
                    return
            number = _read(newest).number + 1 if newest is not None else 1
            octets = record.encode(number, change, newest, self._entropy)
            self._blobs.put(record.name_of(number), [octets])
            self._enter(octets)
        with contextlib.suppress(Problem):  # the next exhibit brings it under a checkpoint
            self._ledger.integrate()

    def reenter(self) -> None:
        """Give the ledger every paper again: one that it has keeps its number."""
        for octets in self._papers():
            with contextlib.suppress(Refused):  # damaged: fsck names it
                self._enter(octets)

    def faults(self) -> Iterator[Fault]:
        """Whatever is under `clock/` and is not the next paper of the row."""
        before: bytes | None = None
        for number, name in enumerate(self._blobs.names(record.FOLDER), 1):
            wanted = record.name_of(number)
            octets = find(self._blobs, name) or b""
            try:
                paper = record.parse(octets)
                previous = None if before is None else sha256(before)
                if (name, paper.number, paper.previous) != (wanted, number, previous):
                    found = f"number {paper.number} after {paper.previous}"
                    yield Fault(name, "keep.clock-row", f"{wanted} after {previous}", found)
            except ProofError as error:
                yield Fault(name, error.code, error.expected, error.found)
                return  # what follows cannot be judged without it
            if self._ledger.index_of(record.leaf_of(octets)) is None:
                yield Fault(name, "keep.clock-not-entered", "its leaf in the ledger", "none")
            before = octets

    def _papers(self) -> Iterator[bytes]:
        for name in self._blobs.names(record.FOLDER):
            yield find(self._blobs, name) or b""

    def _newest(self) -> bytes | None:
        names = list(self._blobs.names(record.FOLDER))
        return find(self._blobs, names[-1]) if names else None

    def _enter(self, octets: bytes) -> None:
        _read(octets)
        self._ledger.append(record.leaf_of(octets), None)


def _read(octets: bytes) -> record.ClockRecord:
    try:
        return record.parse(octets)
    except ProofError as error:
        raise Refused(
            "keep.damaged",
            expected=error.expected or "a paper as it was written",
            found=f"{record.FOLDER}: {error.code} {error.found}",
            act="the operator runs fsck, which names what is damaged, and restores it",
        ) from error


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
