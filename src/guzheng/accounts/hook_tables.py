"""The tables of webhooks: who is to be told, what happened, and how each telling went.

Endpoints, their later secrets, their ends, messages and attempts are only added to. What is
still to be told is a row for each message and endpoint, which changes: when it is due, and how
often it was tried.
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
    UniqueConstraint,
)

from guzheng.store.added import create_tables
from guzheng.store.records import SQLITE

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()


def _text(name: str, *, key: bool = False) -> "Column[str]":
    return Column(name, Text, primary_key=key, nullable=False)


def _number(name: str) -> "Column[int]":
    return Column(name, _NUMBER, nullable=False)


ENDPOINT = Table(
    "webhook_endpoint",
    METADATA,
    _text("endpoint", key=True),
    _text("account"),
    _text("url"),
    _text("kinds"),  # what it is told of, with a blank between
    _text("secret"),  # sealed: it must be read again for each signature
    _text("by_person"),
    _text("made_at"),
    Index("webhook_endpoint_of_account", "account", "endpoint"),
    sqlite_strict=True,
)
SECRET = Table(
    "webhook_secret",
    METADATA,
    _text("endpoint", key=True),
    Column(
        "number", _NUMBER, primary_key=True, autoincrement=False
    ),  # the first is above, as 0
    _text("secret"),  # sealed
    _text("made_at"),
    sqlite_strict=True,
)
ENDPOINT_END = Table(
    "webhook_endpoint_end",
    METADATA,
    _text("endpoint", key=True),
    _text("kind"),  # removed, disabled
    _text("observed_at"),
    sqlite_strict=True,
)
MESSAGE = Table(
    "webhook_message",
    METADATA,
    _text("message", key=True),
    _text("account"),
    _text("kind"),
    _text("subject"),  # an exhibit or an order: each is told once of each kind
    _text("body"),
    _text("made_at"),
    UniqueConstraint("account", "kind", "subject", name="webhook_message_once"),
    sqlite_strict=True,
)
DELIVERY = Table(
    "webhook_delivery",
    METADATA,
    _text("message", key=True),
    _text("endpoint", key=True),
    _number("tries"),
    _text("due_at"),  # empty: nothing is to be done any more
    _text("outcome"),  # waiting, delivered, given-up
    Index("webhook_delivery_due", "due_at"),
    Index("webhook_delivery_of_endpoint", "endpoint", "message"),
    sqlite_strict=True,
)
ATTEMPT = Table(
    "webhook_attempt",
    METADATA,
    _text("endpoint", key=True),
    _text("message", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    _number("status"),  # of HTTP; 0: there was none
    _text("code"),  # why there was none; empty where there was one
    _number("milliseconds"),
    _text("observed_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (ENDPOINT, SECRET, ENDPOINT_END, MESSAGE, ATTEMPT), (DELIVERY,))
