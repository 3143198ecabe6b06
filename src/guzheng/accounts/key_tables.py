"""The tables of API keys: which were made, which ended, and when each was last used.

What was made and what ended is only added to. When a key was last used is not history: it is
one row for each key, which changes.
"""

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, Table, Text

from guzheng.store.added import create_tables
from guzheng.store.records import SQLITE

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()


def _text(name: str, *, key: bool = False) -> "Column[str]":
    return Column(name, Text, primary_key=key, nullable=False)


KEY = Table(
    "account_key",
    METADATA,
    _text("key", key=True),
    _text("account"),
    _text("person"),  # who made it, and in whose name it acts
    Column("since", _NUMBER, nullable=False),  # the event by which that person was a member
    Column("secret_sha256", Text, nullable=False, unique=True),
    _text("ending"),  # the last characters of the secret, to tell keys apart
    _text("note"),
    _text("scopes"),
    _text("made_at"),
    _text("expires_at"),
    Index("account_key_of_account", "account", "key"),
    sqlite_strict=True,
)
KEY_END = Table(
    "account_key_end",
    METADATA,
    _text("key", key=True),
    _text("by_person"),
    _text("observed_at"),
    sqlite_strict=True,
)
KEY_USE = Table(
    "account_key_use",
    METADATA,
    _text("key", key=True),
    _text("used_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (KEY, KEY_END), (KEY_USE,))
