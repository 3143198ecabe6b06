"""Self-checks (自检): what was looked at to know that all works, written down at the time.

Once in `selfcheck_hours`, when the software is another, and when what is looked at every hour
passes no longer, or again. The disclosure sheet of a court package repeats the one before each
exhibit. Nothing here mends anything: what did not pass is told in the log, and fsck names every
byte of it. Specification: docs/spec/selfcheck.md.
"""

import logging
import platform as machine
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib import metadata
from typing import Final

from guzheng import road
from guzheng.app.custody import Keeping
from guzheng.app.paper_rows import Kept
from guzheng.app.parts import Parts
from guzheng.app.views import LedgerStanding
from guzheng.fix.clock import Standing
from guzheng.keep import Fault, known_answers, selfcheck
from guzheng.keep.selfcheck import CheckRecord, Finding
from guzheng.proof import canonical, instant, package
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Problem
from guzheng.store import ids
from guzheng.store.blobs import find

SAMPLE: Final = 3  # exhibits read whole in one check
SAMPLE_OCTETS: Final = 256 << 20  # of one of them; a larger one is left to fsck
DISK_SPARED: Final = 2 << 30
_TRIES = 4 * SAMPLE
_WAITING = timedelta(days=1)  # no road should take longer
_OFTEN = timedelta(hours=1)
_log = logging.getLogger("guzheng.selfcheck")

Scrub = Callable[[str], Sequence[Fault]]


class SelfChecking:
    """May be shared by threads; of many programs one writes at a time."""

    def __init__(
        self,
        parts: Parts,
        keeping: Keeping,
        standing: Callable[[], LedgerStanding],
        scrub: Scrub,
        hours: int,
    ) -> None:
        """`scrub`: reads one exhibit whole, and gives what is wrong with it; `hours`: 0 for
        never by itself."""
        self._parts, self._keeping, self._standing = parts, keeping, standing
        self._scrub, self._every = scrub, timedelta(hours=hours)
        self._turn, self._next = (
            threading.Lock(),
            datetime.min.replace(tzinfo=parts.now().tzinfo),
        )
        self.row = parts.checks

    def round(self) -> None:
        """Checks when one is due; looked at every hour, or with every check where they are
        nearer. Raises Problem."""
        now = self._parts.now()
        if not self._every or now < self._next or not self._turn.acquire(blocking=False):
            return
        try:
            self._next = now + min(_OFTEN, self._every)
            newest = self.row.newest()
            if newest is None or self._is_due(newest.paper, now):
                self.check(newest)
        finally:
            self._turn.release()

    def check(self, newest: Kept[CheckRecord] | None = None) -> CheckRecord:
        """Looks at everything now, and writes it down. Raises Problem.

        With `newest` only if nobody else did so meanwhile."""
        findings = (*self._quick(), self._sampled(), *self._read_again())
        with self.row.writing() as last:
            if newest is not None and last is not None and newest.octets != last.octets:
                return last.paper
            number, before = (1, None) if last is None else (last.paper.number + 1, last.octets)
            kept = self.row.put(
                selfcheck.encode(
                    number,
                    self._parts.now(),
                    software(),
                    findings,
                    before,
                    self._parts.entropy,
                )
            )
        _tell(kept.paper)
        return kept.paper

    def _is_due(self, last: CheckRecord, now: datetime) -> bool:
        """A clock that was set back does not make it wait for longer than a period."""
        if not timedelta(0) <= now - last.observed_at < self._every:
            return True
        before = {one.name: one.passed for one in last.findings}
        return last.software != software() or any(
            before.get(one.name) is not one.passed for one in self._quick()
        )

    # ---- what is looked at -------------------------------------------------------------

    def _quick(self) -> Iterator[Finding]:
        """What costs next to nothing."""
        wrong = known_answers.wrong_answers()
        yield Finding("algorithms", not wrong, ", ".join(wrong) or known_answers.library())
        ends = self._parts.local.not_after
        yield Finding("authority", self._parts.now() < ends, f"{ends:%Y-%m-%d}")
        yield self._clock()
        free = shutil.disk_usage(self._parts.data).free
        yield Finding("disk", free > DISK_SPARED, f"{free / 2**30:.1f} GiB")
        yield self._queue()
        yield self._ledger()

    def _clock(self) -> Finding:
        sight = self._parts.gate.look()
        bound = "—" if sight.bound is None else f"±{sight.bound.total_seconds() * 1000:.0f} ms"
        return Finding("clock", sight.standing is Standing.VERIFIED, bound)

    def _queue(self) -> Finding:
        """How many are on their way, and whether one is so for longer than a day."""
        try:
            waiting = self._parts.index.unfinished()
        except Problem as problem:
            return Finding("queue", passed=False, observed=problem.code)
        since = [self._parts.now() - ids.made_at(one) for one in waiting]
        return Finding("queue", not any(one > _WAITING for one in since), str(len(waiting)))

    def _ledger(self) -> Finding:
        """Whether the published checkpoint is there and is ours; a foreign one is refused."""
        try:
            standing = self._standing()
        except Problem as problem:
            return Finding("ledger", passed=False, observed=problem.code)
        sizes = f"{standing.published:,} / {standing.sequenced:,}"
        return Finding("ledger", standing.published <= standing.sequenced, sizes)

    def _sampled(self) -> Finding:
        """Some exhibits by chance, every octet, by the steps of fsck."""
        read = 0
        for exhibit in self._by_chance():
            faults = self._scrub(exhibit)
            if faults:
                return Finding("sample", passed=False, observed=f"{exhibit}: {faults[0].code}")
            read += 1
        return Finding("sample", passed=True, observed=str(read))

    def _by_chance(self) -> Iterator[str]:
        left = sorted(self._parts.index.names() - set(self._parts.index.unfinished()))
        found = 0
        for _ in range(_TRIES):
            if not left or found == SAMPLE:
                return
            number = int.from_bytes(self._parts.entropy(8), "big") % len(left)
            left[number], left[-1] = left[-1], left[number]
            if self._octets_of(left[-1]) <= SAMPLE_OCTETS:
                found += 1
                yield left[-1]
            left.pop()

    def _octets_of(self, exhibit: str) -> int:
        """Of its originals; nothing where that cannot be read, which is then found out."""
        manifest_json = find(self._parts.blobs, road.folder_of(exhibit) + package.MANIFEST)
        try:
            manifest = None if manifest_json is None else Manifest.parse(manifest_json)
        except ProofError:
            manifest = None
        return sum(one.size for one in manifest.items) if manifest is not None else 0

    def _read_again(self) -> Iterator[Finding]:
        """When everything was read again last, if ever."""
        last = self._keeping.last_reading()
        if last is not None:
            at, damaged = last
            observed = f"{instant.encode(at)}, {damaged}"
            yield Finding("reading", passed=not damaged, observed=observed)


def software() -> str:
    """What runs, as the records name it."""
    return f"guzheng {metadata.version('guzheng')}, Python {machine.python_version()}"


def _tell(record: CheckRecord) -> None:
    """One line of JSON for whoever watches the log, when something did not pass."""
    if record.failed:
        line = {
            "event": "selfcheck",
            "number": record.number,
            "observed_at": instant.encode(record.observed_at),
            "failed": {one.name: one.observed for one in record.failed},
        }
        _log.warning(canonical.encode(line).decode())
