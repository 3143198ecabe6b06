"""Why an exhibit does not go on: what its last step failed by, in the index.

Derived, like all of the index, and losable: the next attempt says it again. It lets every
program's pages say what one program's queue ran into, and lets whoever mended the cause have it
tried at once: what the rules refuse is tried again by the queue only every ten minutes, and
what was forgotten here (`forget`) at its next look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, delete, select

from guzheng.proof import instant
from guzheng.refusals import Problem, Refused
from guzheng.store.records import insert_missing, reading, writing

TABLES: Final = MetaData()
_HELD_UP = Table(
    "held_up",
    TABLES,
    Column("exhibit", Text, primary_key=True),
    Column("family", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    sqlite_strict=True,
)
_REFUSED, _UNAVAILABLE = "refused", "unavailable"
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class HeldUp:
    """`refused`: somebody must act first; otherwise an outside party was away."""

    refused: bool
    problem: Mapping[str, str]
    observed_at: datetime


def note(engine: Engine, exhibit: str, problem: Problem, at: datetime) -> None:
    """It failed by this, now."""
    row = {
        "exhibit": exhibit,
        "family": _REFUSED if isinstance(problem, Refused) else _UNAVAILABLE,
        "code": problem.code,
        "expected": problem.expected[:_LONGEST],
        "found": problem.found[:_LONGEST],
        "act": problem.act[:_LONGEST],
        "observed_at": instant.encode(at),
    }
    with writing(engine) as connection:
        leave(connection, exhibit)
        insert_missing(connection, _HELD_UP, row)


def forget(engine: Engine, exhibit: str) -> None:
    """It goes on, or is to be tried at once."""
    with writing(engine) as connection:
        leave(connection, exhibit)


def leave(connection: Connection, exhibit: str) -> None:
    connection.execute(delete(_HELD_UP).where(_HELD_UP.c.exhibit == exhibit))


def find(engine: Engine, exhibit: str) -> HeldUp | None:
    with reading(engine) as connection:
        row = connection.execute(
            select(_HELD_UP).where(_HELD_UP.c.exhibit == exhibit)
        ).one_or_none()
    if row is None:
        return None
    said = {"code": row.code, "expected": row.expected, "found": row.found, "act": row.act}
    return HeldUp(row.family == _REFUSED, said, instant.parse(row.observed_at))


def refused(engine: Engine) -> frozenset[str]:
    """Those for which somebody must act first."""
    wanted = select(_HELD_UP.c.exhibit).where(_HELD_UP.c.family == _REFUSED)
    with reading(engine) as connection:
        return frozenset(connection.execute(wanted).scalars())
