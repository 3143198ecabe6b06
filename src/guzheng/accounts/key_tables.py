"""The tables of API keys: which were made, which ended, and when each was last used.

What was made and what ended is only added to. When a key was last used is not history: it is
one row for each key, which changes.
"""

from sqlalchemy import Column, Connection, Index, MetaData, Table, Text

from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column

METADATA = MetaData()

KEY = Table(
    "account_key",
    METADATA,
    text_column("key", key=True),
    text_column("account"),
    text_column("person"),  # who made it, and in whose name it acts
    Column("since", NUMBER, nullable=False),  # the event by which that person was a member
    Column("secret_sha256", Text, nullable=False, unique=True),
    text_column("ending"),  # the last characters of the secret, to tell keys apart
    text_column("note"),
    text_column("scopes"),
    text_column("made_at"),
    text_column("expires_at"),
    Index("account_key_of_account", "account", "key"),
    sqlite_strict=True,
)
KEY_END = Table(
    "account_key_end",
    METADATA,
    text_column("key", key=True),
    text_column("by_person"),
    text_column("observed_at"),
    sqlite_strict=True,
)
KEY_USE = Table(
    "account_key_use",
    METADATA,
    text_column("key", key=True),
    text_column("used_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (KEY, KEY_END), (KEY_USE,))
