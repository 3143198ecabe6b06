"""One reading for all tokens of a millisecond: under load, a gate is asked once and not for
each token.

A time is told to the millisecond. A token that is signed within a millisecond after a reading
may tell that reading's time, if the bound is a millisecond wider; nothing else of what the gate
promises changes, since it is still asked a thousand times a second, and at once when the
machine's clock was set. A reading that the gate refuses is never shared, and an unverified one
has no bound that was measured, so that it stays as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from guzheng.fix.clock.reading import Clock, Reading

SHARED: Final = timedelta(milliseconds=1)
_NONE: Final = timedelta()


def shared(clock: Clock, now: Callable[[], datetime]) -> Clock:
    """`now`: the machine's clock, the one that `clock` judges. Threads may share it."""
    known: tuple[datetime, Reading] | None = None

    def read() -> Reading:
        nonlocal known
        before, began = known, now()
        if before is not None and _NONE < began - before[0] < SHARED:
            return before[1]
        reading = clock()
        if reading.verified:
            reading = replace(reading, bound=reading.bound + SHARED)
        known = began, reading
        return reading

    return read
