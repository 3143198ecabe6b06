"""The tables of webhooks: who is to be told, what happened, and how each telling went.

Endpoints, their later secrets, their ends, messages and attempts are only added to. Two kinds
of row change: what is still to be told, for each message and endpoint (when it is due, how
often it was tried); and the secrets as they lie sealed, which go when their endpoint ends, and
are sealed anew under another key. Where an endpoint has none of these, its own row has it: it
was made before there were such rows.
"""

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
)

from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, number_column, text_column

METADATA = MetaData()

ENDPOINT = Table(
    "webhook_endpoint",
    METADATA,
    text_column("endpoint", key=True),
    text_column("account"),
    text_column("url"),
    text_column("kinds"),  # what it is told of, with a blank between
    text_column("secret"),  # empty: it lies below
    text_column("by_person"),
    text_column("made_at"),
    Index("webhook_endpoint_of_account", "account", "endpoint"),
    sqlite_strict=True,
)
SECRET = Table(
    "webhook_secret",
    METADATA,
    text_column("endpoint", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),  # the first is above, as 0
    text_column("secret"),  # likewise
    text_column("made_at"),
    sqlite_strict=True,
)
SEALED = Table(
    "webhook_sealed",
    METADATA,
    text_column("endpoint", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("secret"),  # it must be read again for each signature
    sqlite_strict=True,
)
ENDPOINT_END = Table(
    "webhook_endpoint_end",
    METADATA,
    text_column("endpoint", key=True),
    text_column("kind"),  # removed, disabled
    text_column("observed_at"),
    sqlite_strict=True,
)
MESSAGE = Table(
    "webhook_message",
    METADATA,
    text_column("message", key=True),
    text_column("account"),
    text_column("kind"),
    text_column("subject"),  # an exhibit or an order: each is told once of each kind
    text_column("body"),
    text_column("made_at"),
    UniqueConstraint("account", "kind", "subject", name="webhook_message_once"),
    sqlite_strict=True,
)
DELIVERY = Table(
    "webhook_delivery",
    METADATA,
    text_column("message", key=True),
    text_column("endpoint", key=True),
    number_column("tries"),
    text_column("due_at"),  # empty: nothing is to be done any more
    text_column("outcome"),  # waiting, delivered, given-up
    Index("webhook_delivery_due", "due_at"),
    Index("webhook_delivery_of_endpoint", "endpoint", "message"),
    sqlite_strict=True,
)
ATTEMPT = Table(
    "webhook_attempt",
    METADATA,
    text_column("endpoint", key=True),
    text_column("message", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    number_column("status"),  # of HTTP; 0: there was none
    text_column("code"),  # why there was none; empty where there was one
    number_column("milliseconds"),
    text_column("observed_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    only_added = (ENDPOINT, SECRET, ENDPOINT_END, MESSAGE, ATTEMPT)
    create_tables(connection, only_added, (DELIVERY, SEALED))
