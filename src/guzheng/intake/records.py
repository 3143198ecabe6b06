"""The index of exhibits: what lists and workers ask, and nothing that papers do not say.

Two tables, both made again by `rebuild`: `exhibits`, a line for each, and `unfinished`, the
names of those that may still lack a paper. Neither is ever asked what is true.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Engine, MetaData, Text, Table, delete, func, insert, select

from guzheng.intake.order import Order
from guzheng.proof import instant
from guzheng.store.records import reading, writing

_tables = MetaData()
_exhibits = Table(
    "exhibits",
    _tables,
    Column("exhibit", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("claimed_name", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    sqlite_strict=True,
)
_unfinished = Table(
    "unfinished", _tables, Column("exhibit", Text, primary_key=True), sqlite_strict=True
)


@dataclass(frozen=True, slots=True)
class Line:
    """What a list shows of an exhibit before its papers are looked at."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime


class ExhibitIndex:
    """Derived; losing it loses nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _tables.create_all(connection)

    def add(self, order: Order) -> None:
        self._add((order,), finished=())

    def _add(self, orders: Iterable[Order], finished: Iterable[str]) -> None:
        done = set(finished)
        with writing(self._engine) as connection:
            for order in orders:
                row = {
                    "exhibit": order.exhibit,
                    "kind": order.kind,
                    "claimed_name": order.claimed_name,
                    "observed_at": instant.encode(order.observed_at),
                }
                connection.execute(insert(_exhibits).prefix_with("OR IGNORE"), row)
                if order.exhibit not in done:
                    name = {"exhibit": order.exhibit}
                    connection.execute(insert(_unfinished).prefix_with("OR IGNORE"), name)

    def finish(self, exhibit: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(_unfinished).where(_unfinished.c.exhibit == exhibit))

    def unfinished(self) -> tuple[str, ...]:
        """Oldest first."""
        with reading(self._engine) as connection:
            return tuple(
                connection.execute(
                    select(_unfinished).order_by(_unfinished.c.exhibit)
                ).scalars()
            )

    def page(self, limit: int, before: str | None = None) -> tuple[Line, ...]:
        """Newest first; ids sort by time."""
        wanted = select(_exhibits).order_by(_exhibits.c.exhibit.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(_exhibits.c.exhibit < before)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return tuple(
            Line(row.exhibit, row.kind, row.claimed_name, instant.parse(row.observed_at))
            for row in rows
        )

    def count(self) -> int:
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(_exhibits)).scalar_one()

    def names(self) -> frozenset[str]:
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(_exhibits.c.exhibit)).scalars())

    def rebuild(self, orders: Iterable[Order], finished: Iterable[str]) -> None:
        """Forget all, and write it again from the papers."""
        with writing(self._engine) as connection:
            connection.execute(delete(_exhibits))
            connection.execute(delete(_unfinished))
        self._add(orders, finished)
