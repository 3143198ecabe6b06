"""The tables of accounts: who acts for whom, what changed about it, and who changed it.

`account_event` is both the truth and the audit: a membership is what its events come to. Its
rows are only added. Two tables change: for whom a person acts at the moment, and which accounts
demand a second step now.
"""

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    Text,
)

from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column

METADATA = MetaData()

ACCOUNT = Table(
    "account",
    METADATA,
    text_column("account", key=True),
    text_column("founder"),
    text_column("founded_at"),
    sqlite_strict=True,
)
EVENT = Table(
    "account_event",
    METADATA,
    text_column("account", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("kind"),
    text_column("person"),  # whom it befell; empty where it befell nobody
    text_column("said"),  # permissions, or the id of what was made or ended
    text_column("by_person"),
    text_column("way"),  # session, key, seat; platform: by itself
    text_column("observed_at"),
    Index("account_event_of_person", "person", "account"),
    sqlite_strict=True,
)
INVITATION = Table(
    "account_invitation",
    METADATA,
    text_column("invitation", key=True),
    text_column("account"),
    Column("secret_sha256", Text, nullable=False, unique=True),
    text_column("note"),
    text_column("by_person"),
    text_column("made_at"),
    text_column("expires_at"),
    Index("account_invitation_of_account", "account", "invitation"),
    sqlite_strict=True,
)
INVITATION_END = Table(
    "account_invitation_end",
    METADATA,
    text_column("invitation", key=True),
    text_column("kind"),  # accepted, revoked
    text_column("person"),
    text_column("observed_at"),
    sqlite_strict=True,
)
CHOICE = Table(
    "account_choice",
    METADATA,
    text_column("person", key=True),
    text_column("account"),
    sqlite_strict=True,
)
DEMAND = Table(  # the accounts that demand a second step; asked at every request
    "account_demand",
    METADATA,
    text_column("account", key=True),
    text_column("demanded_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (ACCOUNT, EVENT, INVITATION, INVITATION_END), (CHOICE, DEMAND))
