"""How often somebody may try: failures are counted by whom they are against and by where from.

Counted is what was typed, whether or not such a person exists, under a keyed digest: so a lock
says nothing about who has an account, and the table names nobody. After `free` failures each
further one doubles the wait, up to `longest`; a success, or a quiet day, forgives them. The
wait is told to the second (`retry_seconds`), and nothing is tried while it lasts: not even a
right password, or else the lock would say when it was right. What can be guessed is counted
before it is looked at (`claim`), and given back if it was right: many at once are no more tries
than one after the other.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, select, update

from guzheng.accounts.people_tables import TRY
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing


class TooOften(Refused):
    """The caller's to act on: wait so long."""

    def __init__(
        self, until: datetime, now: datetime, code: str = "accounts.too-often"
    ) -> None:
        self.until = until
        self.retry_seconds = max(1, math.ceil((until - now).total_seconds()))
        super().__init__(
            code,
            expected=instant.beijing(until),
            found=f"{self.retry_seconds} s",
            act=f"wait {self.retry_seconds} s",
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures cost nothing; then one waits, twice as long each time."""

    free: int
    first: timedelta
    longest: timedelta
    forgiven: timedelta = timedelta(hours=24)


PERSON: Final = Limit(5, timedelta(minutes=1), timedelta(hours=1))
PLACE: Final = Limit(30, timedelta(minutes=1), timedelta(hours=1))  # many may share an address
LETTERS: Final = Limit(3, timedelta(minutes=10), timedelta(hours=24))
SHORT: Final = Limit(10, timedelta(hours=1), timedelta(hours=24))  # to one number, of any kind
INVITED: Final = Limit(5, timedelta(hours=1), timedelta(hours=24))  # to one stranger
LETTERS_OF_PLACE: Final = Limit(20, timedelta(minutes=10), timedelta(hours=24))
DISPUTES_OF_PLACE: Final = Limit(20, timedelta(minutes=10), timedelta(hours=24))  # of 500 a day


class Tries:
    """The counts, shared by every process of an installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def require(self, subjects: tuple[str, ...], now: datetime) -> None:
        """Refused while any of them must wait."""
        wanted = select(TRY.c.until_at).where(TRY.c.subject.in_(subjects), TRY.c.until_at != "")
        with reading(self._engine) as connection:
            ends = [instant.parse(one) for one in connection.execute(wanted).scalars()]
        if ends and max(ends) > now:
            raise TooOften(max(ends), now)

    def count(self, limits: dict[str, Limit], now: datetime) -> None:
        """One more failure of each of these; several at once are all counted."""
        with writing(self._engine) as connection:
            for subject, limit in sorted(limits.items()):
                _count(connection, subject, limit, now)

    def claim(self, limits: Mapping[str, Limit], now: datetime) -> None:
        """One try, counted as a failure of each of these until it is given back. Refused while
        any of them must wait; of many at once, those that are left get through."""
        with writing(self._engine) as connection:
            ends = [
                instant.parse(row.until_at)
                for row in (_counted(connection, subject) for subject in sorted(limits))
                if row.until_at
            ]
            if not ends or max(ends) <= now:
                for subject, limit in sorted(limits.items()):
                    _count(connection, subject, limit, now)
                return
        raise TooOften(max(ends), now)

    def give_back(self, subjects: Iterable[str]) -> None:
        """The claimed try was no failure, or was none at all."""
        with writing(self._engine) as connection:
            for subject in sorted(subjects):
                row = _counted(connection, subject)
                fewer = {"failures": max(0, row.failures - 1), "until_at": ""}
                these = TRY.c.subject == subject
                connection.execute(update(TRY).where(these).values(**fewer))

    def forgive(self, subject: str) -> int:
        """Start over; how many failures there were."""
        with writing(self._engine) as connection:
            these = TRY.c.subject == subject
            failures = connection.execute(select(TRY.c.failures).where(these)).scalar()
            connection.execute(delete(TRY).where(these))
            return int(failures or 0)

    def forget(self, now: datetime) -> None:
        """Rows that no longer count."""
        with writing(self._engine) as connection:
            old = instant.encode(now - timedelta(days=2))
            connection.execute(delete(TRY).where(TRY.c.since_at < old))


def _counted(connection: Connection, subject: str) -> Row[Any]:
    """The count, which nobody else changes before this transaction ends."""
    fresh = {"subject": subject, "failures": 0, "since_at": "", "until_at": ""}
    insert_missing(connection, TRY, fresh)
    wanted = select(TRY).where(TRY.c.subject == subject)
    return connection.execute(wanted.with_for_update()).one()


def _count(connection: Connection, subject: str, limit: Limit, now: datetime) -> None:
    row = _counted(connection, subject)
    quiet = bool(row.since_at) and instant.parse(row.since_at) + limit.forgiven <= now
    failures = 1 if quiet else row.failures + 1
    until = ""
    if failures >= limit.free:
        doubled = limit.first * 2 ** min(failures - limit.free, 20)
        until = instant.encode(now + min(doubled, limit.longest))
    connection.execute(
        update(TRY)
        .where(TRY.c.subject == subject)
        .values(failures=failures, since_at=instant.encode(now), until_at=until)
    )
