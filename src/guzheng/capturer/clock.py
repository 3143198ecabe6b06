"""Time as an argument: the program's main owns the only clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC, for the record; `monotonic` in seconds, for durations."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
