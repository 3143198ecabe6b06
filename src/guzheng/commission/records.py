"""What was commissioned, kept: rows in, frozen values out. Rules are in `rules`.

An event and what it does to the quota are one transaction. Whoever asks twice is answered
twice, and it happens once: ids are the caller's, events follow `rules.follows`, and a
commission has one hold and one end in the quota's ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select

from guzheng.commission import rules, units
from guzheng.commission.rules import Event
from guzheng.commission.tables import BATCH, COMMISSION, EVENT, QUOTA, create
from guzheng.commission.units import Allowance, Quota, Units
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing


@dataclass(frozen=True, slots=True)
class Commission:
    """One capture that somebody ordered. What is empty was not said, or does not apply."""

    commission: str
    exhibit: str
    url: str
    ordered_at: datetime
    account: str = rules.LOCAL
    person: str = ""  # who ordered it for the account
    claimed_name: str = ""
    claimed_applicant: str = ""
    claimed_purpose: str = ""
    vantage: str = ""
    party: str = ""
    retry_of: str = ""
    reason: str = ""
    batch: str = ""
    line: int = 0
    schedule: str = ""
    slot_at: str = ""
    automatic: bool = False
    options: tuple[str, ...] = ()  # of the capture
    turn: int = 0  # given when it is added


@dataclass(frozen=True, slots=True)
class Batch:
    batch: str
    name: str
    sha256: str
    refused: str
    ordered_at: datetime
    account: str = rules.LOCAL
    person: str = ""


class Commissions:
    """Every commission of an installation, with its events and the quota's ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.units = Units(engine)
        with writing(engine) as connection:
            create(connection)

    # ---- in --------------------------------------------------------------------------

    def add(
        self,
        wanted: Sequence[Commission],
        *,
        allowance: Allowance,
        batch: Batch | None = None,
    ) -> tuple[Commission, ...]:
        """Enter them all, with a unit held for each, or none. Those that are there already are
        given as they were entered. `allowance`: what the account may use; None: no limit."""
        with writing(self._engine) as connection:
            return self.add_within(connection, wanted, allowance=allowance, batch=batch)

    def add_within(
        self,
        connection: Connection,
        wanted: Sequence[Commission],
        *,
        allowance: Allowance,
        batch: Batch | None = None,
    ) -> tuple[Commission, ...]:
        if batch is not None and not insert_missing(connection, BATCH, _row_of_batch(batch)):
            return self._read(
                connection, select(COMMISSION).where(COMMISSION.c.batch == batch.batch)
            )
        entered = []
        for one in wanted:
            known = self._find(connection, one.commission)
            if known is None:
                units.hold(connection, one.commission, one.account, allowance, one.ordered_at)
                known = replace(one, turn=_next_turn(connection, one.account))
                connection.execute(insert(COMMISSION), _row_of(known))
                ordered = Event(rules.ORDERED, known.ordered_at, person=known.person)
                _append(connection, known, ordered)
            elif known.account != one.account:
                raise _not_found(one.commission)  # a number that is another's
            entered.append(known)
        return tuple(entered)

    def append(self, commission: Commission, event: Event) -> bool:
        """Whether it happened now; False when it had before. Raises Refused when it cannot."""
        with writing(self._engine) as connection:
            events = _events(connection, commission.commission)
            if not rules.follows(events, event.kind):
                return False
            _append(connection, commission, event, number=len(events))
            return True

    # ---- out -------------------------------------------------------------------------

    def require(self, commission: str) -> Commission:
        found = None
        if ids.is_id(commission):
            with reading(self._engine) as connection:
                found = self._find(connection, commission)
        if found is None:
            raise _not_found(commission)
        return found

    def of_exhibit(self, exhibit: str) -> Commission | None:
        return self._first(select(COMMISSION).where(COMMISSION.c.exhibit == exhibit))

    def events(self, commission: str) -> tuple[Event, ...]:
        with reading(self._engine) as connection:
            return _events(connection, commission)

    def page(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> tuple[Commission, ...]:
        """Newest first, of this account or of all; ids sort by time."""
        wanted = select(COMMISSION).order_by(COMMISSION.c.commission.desc()).limit(limit)
        if account is not None:
            wanted = wanted.where(COMMISSION.c.account == account)
        if before is not None:
            wanted = wanted.where(COMMISSION.c.commission < before)
        with reading(self._engine) as connection:
            return self._read(connection, wanted)

    def together(self, party: str) -> tuple[Commission, ...]:
        """Those of one page that were ordered together, in the order of their vantages."""
        return self._all(COMMISSION.c.party == party) if party else ()

    def of_batch(self, batch: str) -> tuple[Commission, ...]:
        return self._all(COMMISSION.c.batch == batch)

    def of_schedule(self, schedule: str) -> tuple[Commission, ...]:
        return self._all(COMMISSION.c.schedule == schedule)

    def confirmed_since(self, at: datetime) -> tuple[Commission, ...]:
        """Those that were confirmed at that time or later; looks through all of them."""
        late = EVENT.c.observed_at >= instant.encode(at)
        those = select(EVENT.c.commission).where(EVENT.c.kind == rules.CONFIRMED, late)
        return self._all(COMMISSION.c.commission.in_(those))

    def retries_of(self, commission: str) -> tuple[Commission, ...]:
        return self._all(COMMISSION.c.retry_of == commission)

    def batch(self, batch: str) -> Batch:
        wanted = select(BATCH).where(BATCH.c.batch == (batch if ids.is_id(batch) else ""))
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            raise Refused("commission.not-found", expected="a batch", found=repr(batch[:40]))
        return Batch(
            row.batch,
            row.name,
            row.sha256,
            row.refused,
            instant.parse(row.ordered_at),
            row.account,
            row.person,
        )

    def given_up(self, exhibits: Sequence[str]) -> frozenset[str]:
        """Those among these exhibits whose order was given up."""
        wanted = (
            select(COMMISSION.c.exhibit)
            .join(EVENT, EVENT.c.commission == COMMISSION.c.commission)
            .where(COMMISSION.c.exhibit.in_(exhibits), EVENT.c.kind == rules.GIVEN_UP)
        )
        with reading(self._engine) as connection:
            return frozenset(connection.execute(wanted).scalars())

    def charged_for(self, exhibits: Sequence[str]) -> int:
        """Units that were charged for the captures among these exhibits."""
        wanted = (
            select(func.coalesce(func.sum(QUOTA.c.units), 0))
            .join(COMMISSION, COMMISSION.c.commission == QUOTA.c.commission)
            .where(COMMISSION.c.exhibit.in_(exhibits), QUOTA.c.means == units.CHARGE)
        )
        with reading(self._engine) as connection:
            return int(connection.execute(wanted).scalar_one())

    def all_given_up(self) -> tuple[tuple[Commission, datetime], ...]:
        """Those that were given up, and when; looks through all of them."""
        wanted = (
            select(COMMISSION, EVENT.c.observed_at.label("given_up_at"))
            .join(EVENT, EVENT.c.commission == COMMISSION.c.commission)
            .where(EVENT.c.kind == rules.GIVEN_UP)
            .order_by(COMMISSION.c.commission)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return tuple((_commission(row), instant.parse(row.given_up_at)) for row in rows)

    def undecided(self) -> tuple[Commission, ...]:
        """Those with a unit held: the only ones that anything is still to be done about."""
        ended = select(QUOTA.c.commission).where(QUOTA.c.part == units.END)
        return self._all(COMMISSION.c.commission.not_in(ended))

    def quota(self, account: str) -> Quota:
        with reading(self._engine) as connection:
            return units.quota_of(connection, account)

    # ---- reading rows ----------------------------------------------------------------

    def _find(self, connection: Connection, commission: str) -> Commission | None:
        wanted = select(COMMISSION).where(COMMISSION.c.commission == commission)
        return next(iter(self._read(connection, wanted)), None)

    def _first(self, wanted: "Select[Any]") -> Commission | None:
        with reading(self._engine) as connection:
            return next(iter(self._read(connection, wanted)), None)

    def _all(self, where: Any) -> tuple[Commission, ...]:
        wanted = select(COMMISSION).where(where).order_by(COMMISSION.c.turn)
        with reading(self._engine) as connection:
            return self._read(connection, wanted)

    @staticmethod
    def _read(connection: Connection, wanted: "Select[Any]") -> tuple[Commission, ...]:
        return tuple(_commission(row) for row in connection.execute(wanted).all())


def _append(
    connection: Connection, commission: Commission, event: Event, *, number: int = 0
) -> None:
    at = instant.encode(event.observed_at)
    connection.execute(
        insert(EVENT),
        {
            "commission": commission.commission,
            "number": number,
            "kind": event.kind,
            "observed_at": at,
            "code": event.code,
            "found": event.found,
            "person": event.person,
        },
    )
    means = rules.means_for_quota(event.kind)
    if means and means != units.HOLD:
        units.end(connection, commission.commission, means, event.observed_at)


def _next_turn(connection: Connection, account: str) -> int:
    """Start-time fair queueing: behind the account's own last, and not before those whose turn
    has come. So each account in need is served once before any is served twice, and who was
    away has saved up nothing."""
    last = _largest(connection, COMMISSION.c.account == account)
    begun = select(EVENT.c.commission).where(EVENT.c.kind != rules.ORDERED)
    return max(last, _largest(connection, COMMISSION.c.commission.in_(begun))) + 1


def _largest(connection: Connection, where: Any) -> int:
    wanted = select(func.coalesce(func.max(COMMISSION.c.turn), 0)).where(where)
    return int(connection.execute(wanted).scalar_one())


def _events(connection: Connection, commission: str) -> tuple[Event, ...]:
    rows = connection.execute(
        select(EVENT).where(EVENT.c.commission == commission).order_by(EVENT.c.number)
    ).all()
    return tuple(
        Event(row.kind, instant.parse(row.observed_at), row.code, row.found, row.person)
        for row in rows
    )


def _row_of(one: Commission) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(one, name) for name in Commission.__dataclass_fields__
    }
    return row | {
        "automatic": int(one.automatic),
        "options": " ".join(one.options),
        "ordered_at": instant.encode(one.ordered_at),
    }


def _commission(row: Row[Any]) -> Commission:
    said = {name: getattr(row, name) for name in Commission.__dataclass_fields__}
    said["ordered_at"] = instant.parse(row.ordered_at)
    said["automatic"] = bool(row.automatic)
    said["options"] = tuple(row.options.split())
    return Commission(**said)


def _row_of_batch(batch: Batch) -> dict[str, object]:
    return {
        "batch": batch.batch,
        "account": batch.account,
        "person": batch.person,
        "name": batch.name,
        "sha256": batch.sha256,
        "refused": batch.refused,
        "ordered_at": instant.encode(batch.ordered_at),
    }


def _not_found(commission: str) -> Refused:
    return Refused(
        "commission.not-found",
        expected="the number of an order kept here",
        found=f"none numbered {commission[:40]!r}",
        act="check the number",
    )
