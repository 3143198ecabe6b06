"""How many short messages a day: nobody is to be made to pay for messages that others ask for.

Whoever has many places to ask from can have messages sent to numbers that earn by them (SMS
pumping). So only numbers of countries that the operator serves are written to, and to each of
them no more than so many a day (in UTC+08:00) over all numbers; one count in the database, for
every process. Counted is what is about to be sent, sent or not.

Notices that somebody's sign-in was changed have a reserve of their own on top: whoever had the
day's messages spent by asking for them could otherwise change a password unseen.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, delete, select, update

from guzheng.accounts.people_tables import SENT
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

_DAY: Final = 10  # characters of 2026-11-22
NOTICES: Final = " notices"  # after a prefix: the count of its reserve


class ShortBudget:
    """`prefixes`: as the numbers begin, such as +86. `daily`: for each of them. `reserve`: how
    many notices of changed sign-ins besides."""

    def __init__(
        self, engine: Engine, prefixes: Sequence[str], daily: int, reserve: int
    ) -> None:
        self._engine, self._daily, self._reserve = engine, daily, reserve
        self._prefixes = tuple(sorted(prefixes, key=len, reverse=True))

    def reaches(self, number: str) -> bool:
        return any(number.startswith(one) for one in self._prefixes)

    def spend(self, number: str, now: datetime) -> tuple[str, int] | None:
        """One message to this number. The last of a day: its prefix, and how many there were.
        Raises Refused."""
        prefix = self._prefix_of(number)
        sent = self._count(prefix, self._daily, now)
        if sent is None:
            raise Refused(
                "accounts.sms-budget",
                expected=f"at most {self._daily} messages a day to {prefix}",
                found="as many already",
                act="use an e-mail address, or come back tomorrow; or sms_daily is raised",
            )
        return (prefix, sent) if sent >= self._daily else None

    def spend_on_notice(self, number: str, now: datetime) -> tuple[str, int] | None:
        """Likewise for a notice: of the day's messages while there are, else of the reserve."""
        prefix = self._prefix_of(number)
        sent = self._count(prefix, self._daily, now)
        if sent is not None:
            return (prefix, sent) if sent >= self._daily else None
        kept = self._count(prefix + NOTICES, self._reserve, now)
        if kept is None:
            raise Refused(
                "accounts.sms-budget",
                expected=f"at most {self._reserve} notices a day to {prefix} besides",
                found="as many already",
                act="sms_daily or sms_notices is raised",
            )
        return (prefix + NOTICES, kept) if kept >= self._reserve else None

    def _prefix_of(self, number: str) -> str:
        prefix = next((one for one in self._prefixes if number.startswith(one)), "")
        if not prefix:
            raise Refused(
                "accounts.sms-country",
                expected=", ".join(sorted(self._prefixes)) or "none",
                found=number[:4] + "…",
                act="use an e-mail address",
            )
        return prefix

    def _count(self, prefix: str, most: int, now: datetime) -> int | None:
        """How many of these there are now; None where there were as many already."""
        day = instant.beijing(now)[:_DAY]
        this = (SENT.c.prefix == prefix) & (SENT.c.day == day)
        with writing(self._engine) as connection:
            connection.execute(delete(SENT).where(SENT.c.day < day))
            insert_missing(connection, SENT, {"prefix": prefix, "day": day, "sent": 0})
            more = update(SENT).where(this, SENT.c.sent < most)
            spent = connection.execute(more.values(sent=SENT.c.sent + 1))
            sent = connection.execute(select(SENT.c.sent).where(this)).scalar_one()
        return int(sent) if spent.rowcount == 1 else None

    def spent(self, now: datetime) -> tuple[tuple[str, int, int], ...]:
        """By prefix: messages of this day, and how many there may be."""
        day = instant.beijing(now)[:_DAY]
        with reading(self._engine) as connection:
            rows = connection.execute(select(SENT).where(SENT.c.day == day)).all()
        sent = {row.prefix: int(row.sent) for row in rows}
        return tuple((one, sent.get(one, 0), self._daily) for one in sorted(self._prefixes))
