"""The tables of accounts: who acts for whom, what changed about it, and who changed it.

`account_event` is both the truth and the audit: a membership is what its events come to. Its
rows are only added. Two tables change: for whom a person acts at the moment, and which accounts
demand a second step now.
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
)

from guzheng.store.added import create_tables
from guzheng.store.records import SQLITE

_NUMBER = BigInteger().with_variant(Integer(), SQLITE)
METADATA = MetaData()


def _text(name: str, *, key: bool = False) -> "Column[str]":
    return Column(name, Text, primary_key=key, nullable=False)


ACCOUNT = Table(
    "account",
    METADATA,
    _text("account", key=True),
    _text("founder"),
    _text("founded_at"),
    sqlite_strict=True,
)
EVENT = Table(
    "account_event",
    METADATA,
    _text("account", key=True),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("person"),  # whom it befell; empty where it befell nobody
    _text("said"),  # permissions, or the id of what was made or ended
    _text("by_person"),
    _text("way"),  # session, key, seat; platform: by itself
    _text("observed_at"),
    Index("account_event_of_person", "person", "account"),
    sqlite_strict=True,
)
INVITATION = Table(
    "account_invitation",
    METADATA,
    _text("invitation", key=True),
    _text("account"),
    Column("secret_sha256", Text, nullable=False, unique=True),
    _text("note"),
    _text("by_person"),
    _text("made_at"),
    _text("expires_at"),
    Index("account_invitation_of_account", "account", "invitation"),
    sqlite_strict=True,
)
INVITATION_END = Table(
    "account_invitation_end",
    METADATA,
    _text("invitation", key=True),
    _text("kind"),  # accepted, revoked
    _text("person"),
    _text("observed_at"),
    sqlite_strict=True,
)
CHOICE = Table(
    "account_choice",
    METADATA,
    _text("person", key=True),
    _text("account"),
    sqlite_strict=True,
)
DEMAND = Table(  # the accounts that demand a second step; asked at every request
    "account_demand",
    METADATA,
    _text("account", key=True),
    _text("demanded_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (ACCOUNT, EVENT, INVITATION, INVITATION_END), (CHOICE, DEMAND))
