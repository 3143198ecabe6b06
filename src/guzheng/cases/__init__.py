"""Cases (案卷): exhibits put in order for one dispute, with its parties and its damages.

Takes what a person states and exhibits that are named; gives a `Case` as it stands, with the
course by which it came there. It changes no exhibit and attests nothing: all of it is the
account's own statement. While a case has a legal hold, `Cases.held` says of its exhibits that
nothing of them may be removed; whoever removes has to ask.
May fail: `Refused` (cases.…) by the rules of `course`, `Unavailable` when the database is away.
"""

from guzheng.cases.course import Case, Entry
from guzheng.cases.records import Cases, Hand
from guzheng.cases.values import Damage, Exhibited, Facts, Pair, Party, Stated, Tick, Why

__all__ = [
    "Case",
    "Cases",
    "Damage",
    "Entry",
    "Exhibited",
    "Facts",
    "Hand",
    "Pair",
    "Party",
    "Stated",
    "Tick",
    "Why",
]
