"""Commitments of others (docs/spec/leaf.md §2), under a signed checkpoint soon.

One thread integrates for all who wait: whoever comes while it works waits for
the next turn, so a crowd costs one checkpoint and not one each. Other processes do the same
beside it; the ledger lets one integrate at a time, and the other finds the work done.
"""

import threading

from guzheng.ledger.ledger import Ledger
from guzheng.refusals import Problem, Refused, Unavailable

MOST_COMMITMENTS = 10_000  # in one request
COMMITMENT_SIZE = 32
_DIED: Problem | None = Unavailable(
    "ledger.integration-died",
    expected="a signed checkpoint over the new entries",
    found="an unforeseen fault; the entries are kept",
    act="the operator reads the log and runs fsck; the next request tries again",
)


class Adding:
    """Adds and waits; shared by threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = threading.Condition()
        self._wanted = 0  # entries that somebody waits for
        self._signed = 0  # entries under a signed checkpoint, as far as known here
        self._trouble: Problem | None = None
        self._running = False

    def wait(self, index: int, seconds: float) -> bool:
        """Whether the tree up to this entry is under a signed checkpoint within this time.
        Raises what kept it."""
        size = index + 1
        with self._changed:
            self._wanted = max(self._wanted, size)
            if self._signed < size and not self._running:
                self._running, self._trouble = True, None
                threading.Thread(target=self._integrate, name="integrate", daemon=True).start()
            self._changed.wait_for(
                lambda: self._signed >= size or self._trouble is not None, seconds
            )
            if self._signed < size and self._trouble is not None:
                raise self._trouble
            return self._signed >= size

    def _integrate(self) -> None:
        """Integrate until nobody waits for more; then end: an idle ledger costs nothing."""
        more = True
        while more:
            size, trouble = self._signed, _DIED  # what stands if something unforeseen is raised
            try:
                size, trouble = self._ledger.integrate().size, None
            except (Refused, Unavailable) as problem:
                trouble = problem
            finally:
                with self._changed:
                    self._signed, self._trouble = size, trouble
                    more = self._running = trouble is None and size < self._wanted
                    self._changed.notify_all()
