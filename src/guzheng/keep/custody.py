"""Custody (保管): who took what away, when it was read again, and what somebody noted.

Rows are only ever added, on both engines. They are this platform's own word: no evidence, and
in no package; what papers say, papers say better. A note is what its writer thought, to be read
beside an exhibit by those of the same account, and can be neither changed nor withdrawn.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Engine, Index, MetaData, Row, Table, Text, insert, or_, select

from guzheng.proof import instant
from guzheng.store.added import create_tables
from guzheng.store.records import reading, writing

# What can happen to an exhibit; `read-again` concerns all of them, and names none.
TAKEN, PACKED, BROUGHT, NOTED, READ_AGAIN = "taken", "packed", "brought", "noted", "read-again"
DELETED = "deleted"  # its items, by a rule
ENDED = "ended"  # its road, by the operator
ACTS: Final = (TAKEN, PACKED, BROUGHT, NOTED, READ_AGAIN, DELETED, ENDED)
_MOST = 200

METADATA = MetaData()
EVENT = Table(
    "custody_event",
    METADATA,
    Column("event", Text, primary_key=True),
    Column("exhibit", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    Index("custody_of_exhibit", "exhibit", "event"),
    sqlite_strict=True,
)


@dataclass(frozen=True, slots=True)
class CustodyEvent:
    """`said`: the paper that was taken, the words of a note, how much was found damaged."""

    event: str
    exhibit: str
    act: str
    observed_at: datetime
    account: str = ""
    person: str = ""
    said: str = ""


class Custody:
    """The rows; may be shared by threads and programs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            create_tables(connection, [EVENT])

    def add(self, *events: CustodyEvent) -> None:
        rows = [
            {
                "event": one.event,
                "exhibit": one.exhibit,
                "account": one.account,
                "person": one.person,
                "act": one.act,
                "said": one.said,
                "observed_at": instant.encode(one.observed_at),
            }
            for one in events
        ]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert(EVENT), rows)

    def of(self, exhibit: str) -> tuple[CustodyEvent, ...]:
        """What happened to it, and when everything was read again; the latest first."""
        wanted = (
            select(EVENT)
            .where(or_(EVENT.c.exhibit == exhibit, EVENT.c.exhibit == ""))
            .order_by(EVENT.c.event.desc())
            .limit(_MOST)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return tuple(map(_event, rows))

    def last(self, act: str) -> CustodyEvent | None:
        """The latest of an act that concerns all exhibits."""
        wanted = (
            select(EVENT)
            .where(EVENT.c.exhibit == "", EVENT.c.act == act)
            .order_by(EVENT.c.event.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _event(row)


def _event(row: Row[Any]) -> CustodyEvent:
    return CustodyEvent(
        row.event,
        row.exhibit,
        row.act,
        instant.parse(row.observed_at),
        row.account,
        row.person,
        row.said,
    )
