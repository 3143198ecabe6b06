"""The one ledger of quota units: held, then charged or given back; for captures and deposits.

A line names what the unit is for (a commission, or the exhibit of a deposit), and each such
thing has at most one hold and one end. What was charged and came to nothing for good is given
back once, by a line of its own: what was charged stays to be read.

A unit is taken from a lot: what was granted, until it expires, or an allowance without end.
Which lots an account has is told as an argument, by whoever keeps the grants; how much of each
is used is told by these lines alone, in the same transaction that holds a unit. So a unit is
never spent twice, and no lot ever falls below zero.

What expires first is used first. A unit that comes back comes back to its own lot; where that
has expired meanwhile, it expires with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, case, func, insert, select

from guzheng.commission import rules
from guzheng.commission.tables import QUOTA
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

HOLD, END, REFUND = "hold", "end", "refund"
CHARGE, RETURN = "charge", "return"
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lot:
    """Units that an account may use until they expire."""

    lot: str
    units: int
    expires_at: datetime | None = None

    def is_over(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


Allowance = tuple[Lot, ...] | None  # None: no limit, and no lot


def limit_of(units: int) -> Allowance:
    """An allowance without end, as a setting has it; 0: no limit."""
    return (Lot("", units),) if units else None


@dataclass(frozen=True, slots=True)
class Quota:
    """Units of an account: held for what is not decided, and spent."""

    held: int
    spent: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger. `subject`: the commission, or the exhibit that was deposited."""

    subject: str
    means: str
    units: int
    lot: str
    observed_at: datetime


def lot_to_use(lots: Sequence[Lot], used: Mapping[str, int], at: datetime) -> Lot | None:
    """Of those that are not over and not used up, the one that expires first."""
    usable = [
        one
        for one in lots
        if not one.is_over(at) and used.get(one.lot, 0) + rules.UNITS <= one.units
    ]
    return min(usable, key=lambda one: (one.expires_at or _NEVER, one.lot), default=None)


class Units:
    """The ledger of an installation; may be shared by threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def hold(self, subject: str, account: str, allowance: Allowance, at: datetime) -> None:
        """Hold a unit for a deposit. Raises Refused (commission.quota-spent)."""
        with writing(self._engine) as connection:
            hold(connection, subject, account, allowance, at)

    def end(self, subject: str, means: str, at: datetime) -> bool:
        """Charge or give back what is held; False when it had ended, or nothing is held."""
        with writing(self._engine) as connection:
            return end(connection, subject, means, at)

    def refund(self, subject: str, at: datetime) -> bool:
        """Give back what was charged; False when nothing was, or it has been given back."""
        with writing(self._engine) as connection:
            return refund(connection, subject, at)

    def quota(self, account: str) -> Quota:
        with reading(self._engine) as connection:
            return quota_of(connection, account)

    def used(self, account: str) -> Mapping[str, int]:
        """Of each lot, what is held or spent."""
        with reading(self._engine) as connection:
            return _used(connection, account)

    def history(self, account: str, limit: int) -> tuple[Line, ...]:
        """The latest lines, newest first."""
        wanted = (
            select(QUOTA)
            .where(QUOTA.c.account == account)
            .order_by(QUOTA.c.observed_at.desc(), QUOTA.c.part, QUOTA.c.commission.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return tuple(_line(row) for row in connection.execute(wanted).all())

    def open(self, prefix: str) -> tuple[Line, ...]:
        """What is held for subjects of this kind, and has no end."""
        ended = select(QUOTA.c.commission).where(QUOTA.c.part == END)
        wanted = select(QUOTA).where(
            QUOTA.c.commission.startswith(prefix, autoescape=True),
            QUOTA.c.commission.not_in(ended),
        )
        with reading(self._engine) as connection:
            return tuple(_line(row) for row in connection.execute(wanted).all())


def hold(
    connection: Connection, subject: str, account: str, allowance: Allowance, at: datetime
) -> None:
    lot = ""
    if allowance is not None:
        found = lot_to_use(allowance, _used(connection, account), at)
        if found is None:
            quota = quota_of(connection, account)
            given = sum(one.units for one in allowance if not one.is_over(at))
            raise Refused(
                "commission.quota-spent",
                expected=f"at most {given}",
                found=f"{quota.spent} spent, {quota.held} held",
                act="give up or confirm what is undecided, or ask the operator for more",
            )
        lot = found.lot
    row = _row(subject, HOLD, account, HOLD, lot, at)
    connection.execute(insert(QUOTA), row)


def end(connection: Connection, subject: str, means: str, at: datetime) -> bool:
    held = connection.execute(
        select(QUOTA).where(QUOTA.c.commission == subject, QUOTA.c.part == HOLD)
    ).one_or_none()
    if held is None:
        return False
    row = _row(subject, END, held.account, means, held.lot, at)
    return insert_missing(connection, QUOTA, row)


def refund(connection: Connection, subject: str, at: datetime) -> bool:
    charged = connection.execute(
        select(QUOTA).where(
            QUOTA.c.commission == subject, QUOTA.c.part == END, QUOTA.c.means == CHARGE
        )
    ).one_or_none()
    if charged is None:
        return False
    row = _row(subject, REFUND, charged.account, REFUND, charged.lot, at)
    return insert_missing(connection, QUOTA, row)


def quota_of(connection: Connection, account: str) -> Quota:
    counted = {
        means: func.coalesce(
            func.sum(case((QUOTA.c.means == means, QUOTA.c.units), else_=0)), 0
        )
        for means in (HOLD, CHARGE, RETURN, REFUND)
    }
    row = connection.execute(select(*counted.values()).where(QUOTA.c.account == account)).one()
    held, charged, returned, refunded = (int(one) for one in row)
    return Quota(held=held - charged - returned, spent=charged - refunded)


def _used(connection: Connection, account: str) -> Mapping[str, int]:
    wanted = (
        select(QUOTA.c.lot, QUOTA.c.means, func.sum(QUOTA.c.units))
        .where(QUOTA.c.account == account, QUOTA.c.means.in_((HOLD, RETURN, REFUND)))
        .group_by(QUOTA.c.lot, QUOTA.c.means)
    )
    used: dict[str, int] = {}
    for lot, means, summed in connection.execute(wanted).all():
        used[lot] = used.get(lot, 0) + (int(summed) if means == HOLD else -int(summed))
    return used


def _row(
    subject: str, part: str, account: str, means: str, lot: str, at: datetime
) -> dict[str, object]:
    return {
        "commission": subject,
        "part": part,
        "account": account,
        "means": means,
        "units": rules.UNITS,
        "lot": lot,
        "observed_at": instant.encode(at),
    }


def _line(row: Any) -> Line:
    return Line(row.commission, row.means, row.units, row.lot, instant.parse(row.observed_at))
