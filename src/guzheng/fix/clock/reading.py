"""What a clock answers, and the clock that nobody has compared with another.

The seam between the clock and the authority: a `Clock` gives a `Reading`, or raises
`Unavailable` when its word must not be given. Every token is signed over one reading.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

CUSTOMARY_BOUND = timedelta(seconds=1)  # the most that ETSI EN 319 422 allows


@dataclass(frozen=True, slots=True)
class Reading:
    """A time, and by how much it may be wrong, rounded up to whole milliseconds.

    `verified`: sources of time were asked and agree with the bound. Where it is False the
    bound is what is usual, not what was measured, and every token says so by its policy."""

    at: datetime
    bound: timedelta
    verified: bool
    source: str


Clock = Callable[[], Reading]


def unverified(now: Callable[[], datetime], bound: timedelta = CUSTOMARY_BOUND) -> Clock:
    """The word of a clock that was compared with nothing."""
    return lambda: Reading(now(), bound, verified=False, source="system clock")
