"""Repetitions: which page is captured again and when, and what became of each time.

A time is entered once, as ran, missed, paused or refused, together with what was ordered for
it: whoever comes second finds it entered and orders nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select

from guzheng.commission import rules
from guzheng.commission.records import Commission, Commissions
from guzheng.commission.tables import SCHEDULE, SCHEDULE_EVENT, SLOT, create
from guzheng.commission.units import Allowance
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing

ACTIVE, PAUSED, STOPPED = "active", "paused", "stopped"


@dataclass(frozen=True, slots=True)
class Schedule:
    schedule: str
    url: str
    timing: rules.Timing
    ordered_at: datetime
    account: str = rules.LOCAL
    person: str = ""
    claimed_name: str = ""
    claimed_applicant: str = ""
    claimed_purpose: str = ""
    vantages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    repeats: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """What became of one time: ran, missed (nobody was there), paused, or refused and why."""

    slot_at: datetime
    outcome: str
    code: str


class Schedules:
    """Every repetition of an installation."""

    def __init__(self, engine: Engine, commissions: Commissions) -> None:
        self._engine = engine
        self._commissions = commissions
        with writing(engine) as connection:
            create(connection)

    def add(self, schedule: Schedule) -> None:
        with writing(self._engine) as connection:
            insert_missing(connection, SCHEDULE, _row_of(schedule))

    def set_standing(
        self, schedule: str, standing: str, at: datetime, *, person: str = ""
    ) -> bool:
        """Pause, go on or stop; whether that changed anything. What is stopped stays so."""
        with writing(self._engine) as connection:
            now = _standing(connection, schedule)
            if now == standing:
                return False
            if now == STOPPED:
                raise Refused(
                    "commission.schedule-stopped",
                    expected="a repetition that was not stopped",
                    found=schedule,
                    act="make another one",
                )
            number = connection.execute(
                select(func.count()).where(SCHEDULE_EVENT.c.schedule == schedule)
            ).scalar_one()
            row = {
                "schedule": schedule,
                "number": number,
                "kind": standing,
                "observed_at": instant.encode(at),
                "person": person,
            }
            connection.execute(insert(SCHEDULE_EVENT), row)
            return True

    def enter(
        self,
        schedule: Schedule,
        slot: Slot,
        wanted: Sequence[Commission],
        *,
        at: datetime,
        allowance: Allowance,
    ) -> tuple[Commission, ...]:
        """What became of a time, and what is ordered for it, at once; nothing when it is
        entered already."""
        with writing(self._engine) as connection:
            row = {
                "schedule": schedule.schedule,
                "slot_at": instant.encode(slot.slot_at),
                "outcome": slot.outcome,
                "code": slot.code,
                "observed_at": instant.encode(at),
            }
            if not insert_missing(connection, SLOT, row):
                return ()
            return self._commissions.add_within(connection, wanted, allowance=allowance)

    def require(self, schedule: str) -> Schedule:
        known = schedule if ids.is_id(schedule) else ""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(SCHEDULE).where(SCHEDULE.c.schedule == known)
            ).one_or_none()
        if row is None:
            raise Refused(
                "commission.not-found",
                expected="the number of a repetition kept here",
                found=f"none numbered {schedule[:40]!r}",
                act="check the number",
            )
        return _schedule(row)

    def all(self, *, account: str | None = None) -> tuple[Schedule, ...]:
        """Newest first; of this account or of all."""
        wanted = select(SCHEDULE).order_by(SCHEDULE.c.schedule.desc())
        if account is not None:
            wanted = wanted.where(SCHEDULE.c.account == account)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return tuple(map(_schedule, rows))

    def standing(self, schedule: str) -> str:
        with reading(self._engine) as connection:
            return _standing(connection, schedule)

    def slots(self, schedule: str) -> tuple[Slot, ...]:
        """Oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(SLOT).where(SLOT.c.schedule == schedule).order_by(SLOT.c.slot_at)
            ).all()
        return tuple(Slot(instant.parse(row.slot_at), row.outcome, row.code) for row in rows)


def _standing(connection: Connection, schedule: str) -> str:
    wanted = (
        select(SCHEDULE_EVENT.c.kind)
        .where(SCHEDULE_EVENT.c.schedule == schedule)
        .order_by(SCHEDULE_EVENT.c.number.desc())
        .limit(1)
    )
    return str(connection.execute(wanted).scalar_one_or_none() or ACTIVE)


def _row_of(one: Schedule) -> dict[str, object]:
    until_at = one.timing.until_at
    return {
        "schedule": one.schedule,
        "account": one.account,
        "person": one.person,
        "url": one.url,
        "claimed_name": one.claimed_name,
        "claimed_applicant": one.claimed_applicant,
        "claimed_purpose": one.claimed_purpose,
        "vantages": "\n".join(one.vantages),
        "options": " ".join(one.options),
        "repeats": one.repeats,
        "every": one.timing.every,
        "first_at": instant.encode(one.timing.first_at),
        "until_at": "" if until_at is None else instant.encode(until_at),
        "ordered_at": instant.encode(one.ordered_at),
    }


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        schedule=row.schedule,
        url=row.url,
        timing=rules.Timing(
            row.every,
            instant.parse(row.first_at),
            instant.parse(row.until_at) if row.until_at else None,
        ),
        ordered_at=instant.parse(row.ordered_at),
        account=row.account,
        person=row.person,
        claimed_name=row.claimed_name,
        claimed_applicant=row.claimed_applicant,
        claimed_purpose=row.claimed_purpose,
        vantages=tuple(row.vantages.split("\n")) if row.vantages else (),
        options=tuple(row.options.split()),
        repeats=row.repeats,
    )
