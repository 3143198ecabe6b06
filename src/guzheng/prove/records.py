"""What was ordered of court packages, and what came of it: rows that are only ever added.

The truth of who had what packed, when, and how it was verified. The packages themselves are
made again at any time from the papers, and are no evidence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    insert,
    select,
)

from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.records import insert_missing, reading, writing

BEGAN, MADE, FAILED, REMOVED = "began", "made", "failed", "removed"
_METADATA = MetaData()

_ORDER = Table(
    "package_order",
    _METADATA,
    text_column("package", key=True),
    text_column("account"),
    text_column("person"),
    text_column("wanted"),  # canonical JSON
    text_column("ordered_at"),
    Index("package_of_account", "account", "package"),
    sqlite_strict=True,
)
_EVENT = Table(
    "package_event",
    _METADATA,
    text_column("package", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("kind"),
    text_column("observed_at"),
    text_column("code"),
    text_column("told"),  # canonical JSON of what was made; of what failed, what was found
    sqlite_strict=True,
)
# What guzheng-verify last said of each exhibit when it was to be filed.
_VERIFIED = Table(
    "exhibit_verified",
    _METADATA,
    text_column("exhibit", key=True),
    text_column("observed_at", key=True),
    text_column("outcome"),
    text_column("code"),
    sqlite_strict=True,
)


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    observed_at: datetime
    code: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A package as it was ordered, and everything that happened since."""

    package: str
    account: str
    person: str
    wanted: bytes
    ordered_at: datetime
    events: tuple[Event, ...] = ()

    @property
    def state(self) -> str:
        return self.events[-1].kind if self.events else "ordered"

    @property
    def last(self) -> Event | None:
        return self.events[-1] if self.events else None


@dataclass(frozen=True, slots=True)
class Verified:
    """What was last found of an exhibit: passed, not-checked or failed."""

    outcome: str
    observed_at: datetime
    code: str = ""


class Packages:
    """Every package that was ordered; shared by threads and programs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            create_tables(connection, (_ORDER, _EVENT, _VERIFIED))

    def add(self, ordered: Ordered) -> None:
        """Twice under one name is once."""
        row = {
            "package": ordered.package,
            "account": ordered.account,
            "person": ordered.person,
            "wanted": ordered.wanted.decode(),
            "ordered_at": instant.encode(ordered.ordered_at),
        }
        with writing(self._engine) as connection:
            insert_missing(connection, _ORDER, row)

    def note(self, package: str, event: Event) -> None:
        with writing(self._engine) as connection:
            number = len(_events(connection, package))
            row = {
                "package": package,
                "number": number,
                "kind": event.kind,
                "observed_at": instant.encode(event.observed_at),
                "code": event.code,
                "told": event.told,
            }
            connection.execute(insert(_EVENT).values(**row))

    def find(self, package: str) -> Ordered | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(_ORDER).where(_ORDER.c.package == package)).first()
            return None if row is None else _ordered(connection, row)

    def require(self, package: str) -> Ordered:
        found = self.find(package)
        if found is None:
            raise Refused("package.not-found", expected="pk_…", found=repr(package[:40]))
        return found

    def page(self, account: str, most: int, before: str | None = None) -> tuple[Ordered, ...]:
        """Newest first; `before`: the last one already seen."""
        asked = (
            select(_ORDER)
            .where(_ORDER.c.account == account)
            .order_by(_ORDER.c.package.desc())
            .limit(most)
        )
        if before is not None:
            asked = asked.where(_ORDER.c.package < before)
        with reading(self._engine) as connection:
            return tuple(_ordered(connection, row) for row in connection.execute(asked).all())

    def in_state(self, states: Iterable[str]) -> tuple[Ordered, ...]:
        """Oldest first."""
        asked = select(_ORDER).order_by(_ORDER.c.package)
        ended = select(_EVENT.c.package).where(_EVENT.c.kind.in_((FAILED, REMOVED)))
        asked = asked.where(_ORDER.c.package.not_in(ended))
        wanted = set(states)
        with reading(self._engine) as connection:
            rows = connection.execute(asked).all()
            found = (_ordered(connection, row) for row in rows)
            return tuple(one for one in found if one.state in wanted)

    # ---- what was last found of an exhibit -------------------------------------------

    def verified(self, exhibits: Sequence[str], found: Verified) -> None:
        row = {
            "observed_at": instant.encode(found.observed_at),
            "outcome": found.outcome,
            "code": found.code,
        }
        with writing(self._engine) as connection:
            for one in exhibits:
                insert_missing(connection, _VERIFIED, {"exhibit": one, **row})

    def last_verified(self, exhibits: Sequence[str]) -> dict[str, Verified]:
        asked = (
            select(_VERIFIED)
            .where(_VERIFIED.c.exhibit.in_(exhibits))
            .order_by(_VERIFIED.c.observed_at)
        )
        with reading(self._engine) as connection:
            return {
                row.exhibit: Verified(row.outcome, instant.parse(row.observed_at), row.code)
                for row in connection.execute(asked)
            }


def _events(connection: Connection, package: str) -> tuple[Event, ...]:
    asked = select(_EVENT).where(_EVENT.c.package == package).order_by(_EVENT.c.number)
    return tuple(
        Event(row.kind, instant.parse(row.observed_at), row.code, row.told)
        for row in connection.execute(asked)
    )


def _ordered(connection: Connection, row: Row[Any]) -> Ordered:
    return Ordered(
        row.package,
        row.account,
        row.person,
        row.wanted.encode(),
        instant.parse(row.ordered_at),
        _events(connection, row.package),
    )
