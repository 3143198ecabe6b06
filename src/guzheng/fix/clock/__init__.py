"""What the time is, how far that may be wrong, and when it must not be said at all.

    reading    what a clock answers: the port between a clock and whoever signs its word
    rules      when a clock may be believed: pure decisions
    adjtimex   \
    chrony      > who is asked
    ntp        /
    asking     all of them at once, within a second
    memory     what all programs of an installation know together; the time of the last token
    gate       a clock that fails closed, and tells when its standing changes
    sharing    one reading for all tokens of a millisecond
    record     a change of standing as a paper, and its leaf in the ledger

A clock raises `Unavailable` (clock.…) when its word must not be given; the authority then
answers timeNotAvailable (RFC 3161 §2.4.2). Specification: docs/spec/clock.md.
"""

from guzheng.fix.clock.asking import Heard, Sources
from guzheng.fix.clock.gate import (
    AGES,
    AUTO,
    EVALUATION,
    PRODUCTION,
    PROFILES,
    Change,
    Changes,
    Gate,
    Sight,
    Timing,
)
from guzheng.fix.clock.memory import Memory, Standing
from guzheng.fix.clock.reading import Clock, Reading, unverified
from guzheng.fix.clock.rules import Limits, Tick
from guzheng.fix.clock.sharing import shared

__all__ = [
    "AGES",
    "AUTO",
    "EVALUATION",
    "PRODUCTION",
    "PROFILES",
    "Change",
    "Changes",
    "Clock",
    "Gate",
    "Heard",
    "Limits",
    "Memory",
    "Reading",
    "Sight",
    "Sources",
    "Standing",
    "Tick",
    "Timing",
    "shared",
    "unverified",
]
