"""Commissions (取证单): who ordered which capture, how far it is, and what that costs.

Takes orders, decisions and times; gives rows that are only added to: a commission, its events,
and a ledger of quota units. It holds no evidence: the exhibit does, and stays whatever is
decided here. May fail: `Refused` (commission.…) for what the rules do not allow, `Unavailable`
when the disk or the database is away.

The account is a field. What it may use is told as lots, by whoever keeps its grants (`units`).
"""

from guzheng.commission.records import Batch, Commission, Commissions
from guzheng.commission.rules import Event, Timing
from guzheng.commission.schedules import Schedule, Schedules, Slot
from guzheng.commission.units import Allowance, Line, Lot, Quota, Units

__all__ = [
    "Allowance",
    "Batch",
    "Commission",
    "Commissions",
    "Event",
    "Line",
    "Lot",
    "Quota",
    "Schedule",
    "Schedules",
    "Slot",
    "Timing",
    "Units",
]
