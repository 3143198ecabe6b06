"""The tables of commissions: what was ordered, what happened to it, what it costs.

Rows are only ever added; triggers refuse anything else, on both engines. These rows are no
evidence and are not made again from papers: like accounts, they are the truth of their matter,
and are copied with the rest.
"""

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    Text,
)

from guzheng.store import tables
from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column

METADATA = MetaData()


def _added(name: str) -> "Column[str]":
    """A column that came later: `create` adds it to a table that was made without."""
    return Column(name, Text, nullable=False, server_default="")


COMMISSION = Table(
    "commission",
    METADATA,
    text_column("commission", key=True),
    text_column("account"),
    Column("exhibit", Text, nullable=False, unique=True),
    text_column("url"),
    text_column("claimed_name"),
    text_column("claimed_applicant"),
    text_column("claimed_purpose"),
    text_column("vantage"),
    text_column("party"),  # the commissions that were ordered together, of several vantages
    text_column("retry_of"),
    text_column("reason"),
    text_column("batch"),
    Column("line", NUMBER, nullable=False),
    text_column("schedule"),
    text_column("slot_at"),
    Column("automatic", NUMBER, nullable=False),  # confirmed as soon as it is captured
    _added("options"),  # of the capture, with spaces between
    _added("person"),  # who ordered it for the account
    Column("turn", NUMBER, nullable=False),
    text_column("ordered_at"),
    Index("commission_of_account", "account", "commission"),
    Index("commission_of_party", "party"),
    Index("commission_of_batch", "batch"),
    Index("commission_of_schedule", "schedule"),
    sqlite_strict=True,
)
EVENT = Table(
    "commission_event",
    METADATA,
    text_column("commission", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("kind"),
    text_column("observed_at"),
    text_column("code"),
    text_column("found"),
    _added("person"),  # whose decision it was
    sqlite_strict=True,
)
QUOTA = Table(
    "quota_line",
    METADATA,
    text_column("commission", key=True),
    text_column(
        "part", key=True
    ),  # hold, end or refund: each commission has at most one of each
    text_column("account"),
    text_column("means"),
    Column("units", NUMBER, nullable=False),
    _added("lot"),  # what the unit was taken from; empty: an allowance without end, or no limit
    text_column("observed_at"),
    # Whole sums are read from it, and no row: at 100,000 lines that is what makes it bearable.
    Index("quota_by_lot", "account", "lot", "means", "units"),
    sqlite_strict=True,
)
BATCH = Table(
    "commission_batch",
    METADATA,
    text_column("batch", key=True),
    text_column("account"),
    text_column("name"),
    text_column("sha256"),
    text_column("refused"),  # canonical JSON: the lines that were left out, and why
    text_column("ordered_at"),
    _added("person"),
    sqlite_strict=True,
)
SCHEDULE = Table(
    "schedule",
    METADATA,
    text_column("schedule", key=True),
    text_column("account"),
    text_column("url"),
    text_column("claimed_name"),
    text_column("claimed_applicant"),
    text_column("claimed_purpose"),
    text_column("vantages"),
    _added("options"),
    _added("person"),
    text_column("repeats"),  # the exhibit that it repeats, if one
    text_column("every"),
    text_column("first_at"),
    text_column("until_at"),
    text_column("ordered_at"),
    sqlite_strict=True,
)
SCHEDULE_EVENT = Table(
    "schedule_event",
    METADATA,
    text_column("schedule", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("kind"),
    text_column("observed_at"),
    _added("person"),
    sqlite_strict=True,
)
SLOT = Table(
    "schedule_slot",
    METADATA,
    text_column("schedule", key=True),
    text_column("slot_at", key=True),
    text_column("outcome"),
    text_column("code"),
    text_column("observed_at"),
    sqlite_strict=True,
)
_ALL = (COMMISSION, EVENT, QUOTA, BATCH, SCHEDULE, SCHEDULE_EVENT, SLOT)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, _ALL, guard="guzheng_never_changed()")
    for table in _ALL:
        there = tables.columns(connection, table)
        for name in {one.name for one in table.columns} - there:
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} ADD COLUMN {name} TEXT NOT NULL DEFAULT ''"
            )
    tables.make_indexes(connection, QUOTA)
