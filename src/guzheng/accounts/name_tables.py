"""The tables of real names: who asked to be attested, with which documents, what was decided.

Rows are only added. A resident's number and what was typed beside it stand in no table: they
are a sealed document (`documents`), which ends when its time is over; what stays is what a
certificate may need: the decision, the attested name, the digest of each document.
"""

from sqlalchemy import Column, Connection, Index, MetaData, Table

from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column

METADATA = MetaData()

REQUEST = Table(
    "name_request",
    METADATA,
    text_column("request", key=True),
    text_column("account"),
    text_column("person"),  # who asked
    text_column("kind"),
    text_column("masked_name"),
    text_column("masked_number"),
    text_column(
        "number_mark"
    ),  # a keyed digest: whether a number came before, and nothing else
    text_column("asked_at"),
    Index("name_request_of_account", "account", "request"),
    Index("name_request_of_number", "number_mark"),
    sqlite_strict=True,
)
DOCUMENT = Table(
    "name_document",
    METADATA,
    text_column("request", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),  # 0: the statement
    text_column("media_type"),
    Column("size", NUMBER, nullable=False),
    text_column("sha256"),  # of what was handed in, before it was sealed
    sqlite_strict=True,
)
EVENT = Table(
    "name_event",
    METADATA,
    text_column("request", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("kind"),
    text_column("by_person"),
    text_column("reason"),
    text_column("name"),  # when it was approved; else empty
    text_column("uscc"),
    text_column("means"),
    text_column("attested_by"),
    text_column("observed_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (REQUEST, DOCUMENT, EVENT))
