"""The tables of real names: who asked to be attested, with which documents, what was decided.

Rows are only added. A resident's number and what was typed beside it stand in no table: they
are a sealed document (`documents`), which ends when its time is over; what stays is what a
certificate may need: the decision, the attested name, the digest of each document.
"""

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, Table, Text

from guzheng.store.added import create_tables
from guzheng.store.records import SQLITE

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()


def _text(name: str, *, key: bool = False) -> "Column[str]":
    return Column(name, Text, primary_key=key, nullable=False)


REQUEST = Table(
    "name_request",
    METADATA,
    _text("request", key=True),
    _text("account"),
    _text("person"),  # who asked
    _text("kind"),
    _text("masked_name"),
    _text("masked_number"),
    _text("number_mark"),  # a keyed digest: whether a number came before, and nothing else
    _text("asked_at"),
    Index("name_request_of_account", "account", "request"),
    Index("name_request_of_number", "number_mark"),
    sqlite_strict=True,
)
DOCUMENT = Table(
    "name_document",
    METADATA,
    _text("request", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),  # 0: the statement
    _text("media_type"),
    Column("size", _NUMBER, nullable=False),
    _text("sha256"),  # of what was handed in, before it was sealed
    sqlite_strict=True,
)
EVENT = Table(
    "name_event",
    METADATA,
    _text("request", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("by_person"),
    _text("reason"),
    _text("name"),  # when it was approved; else empty
    _text("uscc"),
    _text("means"),
    _text("attested_by"),
    _text("observed_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (REQUEST, DOCUMENT, EVENT))
