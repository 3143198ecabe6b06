"""The tables of commissions: what was ordered, what happened to it, what it costs.

Rows are only ever added; triggers refuse anything else, on both engines. These rows are no
evidence and are not made again from papers: like accounts, they are the truth of their matter,
and are copied with the rest.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
)

from guzheng.store.records import SQLITE

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()


def _text(name: str, *, key: bool = False) -> "Column[str]":
    return Column(name, Text, primary_key=key, nullable=False)


def _added(name: str) -> "Column[str]":
    """A column that came later: `create` adds it to a table that was made without."""
    return Column(name, Text, nullable=False, server_default="")


COMMISSION = Table(
    "commission",
    METADATA,
    _text("commission", key=True),
    _text("account"),
    Column("exhibit", Text, nullable=False, unique=True),
    _text("url"),
    _text("claimed_name"),
    _text("claimed_applicant"),
    _text("claimed_purpose"),
    _text("vantage"),
    _text("party"),  # the commissions that were ordered together, of several vantages
    _text("retry_of"),
    _text("reason"),
    _text("batch"),
    Column("line", _NUMBER, nullable=False),
    _text("schedule"),
    _text("slot_at"),
    Column("automatic", _NUMBER, nullable=False),  # confirmed as soon as it is captured
    _added("options"),  # of the capture, with spaces between
    _added("person"),  # who ordered it for the account
    Column("turn", _NUMBER, nullable=False),
    _text("ordered_at"),
    Index("commission_of_account", "account", "commission"),
    Index("commission_of_party", "party"),
    Index("commission_of_batch", "batch"),
    Index("commission_of_schedule", "schedule"),
    sqlite_strict=True,
)
EVENT = Table(
    "commission_event",
    METADATA,
    _text("commission", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("observed_at"),
    _text("code"),
    _text("found"),
    _added("person"),  # whose decision it was
    sqlite_strict=True,
)
QUOTA = Table(
    "quota_line",
    METADATA,
    _text("commission", key=True),
    _text("part", key=True),  # hold, end or refund: each commission has at most one of each
    _text("account"),
    _text("means"),
    Column("units", _NUMBER, nullable=False),
    _added("lot"),  # what the unit was taken from; empty: an allowance without end, or no limit
    _text("observed_at"),
    # Whole sums are read from it, and no row: at 100,000 lines that is what makes it bearable.
    Index("quota_by_lot", "account", "lot", "means", "units"),
    sqlite_strict=True,
)
BATCH = Table(
    "commission_batch",
    METADATA,
    _text("batch", key=True),
    _text("account"),
    _text("name"),
    _text("sha256"),
    _text("refused"),  # canonical JSON: the lines that were left out, and why
    _text("ordered_at"),
    _added("person"),
    sqlite_strict=True,
)
SCHEDULE = Table(
    "schedule",
    METADATA,
    _text("schedule", key=True),
    _text("account"),
    _text("url"),
    _text("claimed_name"),
    _text("claimed_applicant"),
    _text("claimed_purpose"),
    _text("vantages"),
    _added("options"),
    _added("person"),
    _text("repeats"),  # the exhibit that it repeats, if one
    _text("every"),
    _text("first_at"),
    _text("until_at"),
    _text("ordered_at"),
    sqlite_strict=True,
)
SCHEDULE_EVENT = Table(
    "schedule_event",
    METADATA,
    _text("schedule", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("observed_at"),
    _added("person"),
    sqlite_strict=True,
)
SLOT = Table(
    "schedule_slot",
    METADATA,
    _text("schedule", key=True),
    _text("slot_at", key=True),
    _text("outcome"),
    _text("code"),
    _text("observed_at"),
    sqlite_strict=True,
)
_ALL = (COMMISSION, EVENT, QUOTA, BATCH, SCHEDULE, SCHEDULE_EVENT, SLOT)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    missing = [one for one in _ALL if not inspect(connection).has_table(one.name)]
    METADATA.create_all(connection)
    for table in _ALL:
        there = {one["name"] for one in inspect(connection).get_columns(table.name)}
        for name in {one.name for one in table.columns} - there:
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} ADD COLUMN {name} TEXT NOT NULL DEFAULT ''"
            )
    for index in QUOTA.indexes:  # one that came later than its table
        index.create(connection, checkfirst=True)
    on_server = connection.dialect.name != SQLITE
    if on_server and missing:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION guzheng_never_changed() RETURNS trigger"
            " LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rows are only added'; END $$"
        )
    for table in missing:
        for what in ("UPDATE", "DELETE"):
            name = f"{table.name}_{what.lower()}_guard"
            if on_server:
                body = "FOR EACH ROW EXECUTE FUNCTION guzheng_never_changed()"
            else:
                body = "BEGIN SELECT RAISE(ABORT, 'rows are only added'); END"
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {what} ON {table.name} {body}"
            )
