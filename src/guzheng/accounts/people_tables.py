"""The tables of persons: who they are, how they sign in, what they did.

No secret stands here in clear: passwords as Argon2id, tokens and codes as digests, the key of a
one-time password sealed. `person_event` is history: its rows are only ever added, and a trigger
refuses anything else. The others say how things stand now, and change.
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


def _number(name: str) -> "Column[int]":
    return Column(name, _NUMBER, nullable=False)


PERSON = Table(
    "person",
    METADATA,
    _text("person", key=True),
    _text("name"),
    Column("address", Text, nullable=False, unique=True),  # e-mail, or telephone in E.164
    _text("password"),  # Argon2id; empty: none is set
    _text("password_at"),
    _text("made_at"),
    sqlite_strict=True,
)
PASSKEY = Table(
    "person_passkey",
    METADATA,
    _text("passkey", key=True),  # the credential's id, base64url
    _text("person"),
    _text("name"),
    _text("public"),  # attested credential data, base64url
    _number("counter"),
    _number("backed_up"),
    _text("made_at"),
    _text("used_at"),
    Index("passkey_of_person", "person"),
    sqlite_strict=True,
)
IDENTITY = Table(
    "person_identity",
    METADATA,
    _text("issuer", key=True),
    _text("subject", key=True),  # the issuer's name for him, which is never another's
    _text("person"),
    _text("shown"),  # by what he knows it again
    _text("made_at"),
    _text("used_at"),
    Index("identity_of_person", "person"),
    sqlite_strict=True,
)
TOTP = Table(
    "person_totp",
    METADATA,
    _text("person", key=True),
    _text("secret"),  # sealed
    _text("confirmed_at"),  # empty: shown once, not yet proved
    _number("last_step"),  # the last time step of which a code was taken
    sqlite_strict=True,
)
RECOVERY = Table(
    "person_recovery",
    METADATA,
    _text("person", key=True),
    _text("digest", key=True),
    _text("used_at"),
    sqlite_strict=True,
)
LETTER = Table(
    "person_letter",
    METADATA,
    _text("digest", key=True),  # of the one-time token in the link
    _text("kind"),
    _text("person"),
    _text("address"),
    _text("note"),
    _text("made_at"),
    _text("ends_at"),
    _text("used_at"),
    Index("letter_by_end", "ends_at"),
    sqlite_strict=True,
)
SESSION = Table(
    "person_session",
    METADATA,
    _text("session", key=True),
    Column("digest", Text, nullable=False, unique=True),  # of the token in the cookie
    _text("person"),
    _text("means"),  # password, password+totp, password+recovery, passkey, link
    _text("device"),
    _text("address"),
    _text("made_at"),
    _text("seen_at"),
    _text("proved_at"),
    _text("ends_at"),
    _text("ended_at"),
    Index("session_of_person", "person", "ended_at"),
    sqlite_strict=True,
)
BEGUN_BY = Table(
    "identity_session",
    METADATA,
    _text("begun", key=True),  # a session; or the digest of what stands for half a sign-in
    _text("issuer"),
    _text("subject"),
    _text("sid"),  # the issuer's name for the session there; empty: it said none
    Index("begun_by_identity", "issuer", "subject"),
    sqlite_strict=True,
)
TRY = Table(
    "person_try",
    METADATA,
    _text("subject", key=True),  # a keyed digest: whom is tried, or from where
    _number("failures"),
    _text("since_at"),
    _text("until_at"),  # nothing is tried before; empty: not locked
    sqlite_strict=True,
)
EVENT = Table(
    "person_event",
    METADATA,
    _text("event", key=True),
    _text("person"),
    _text("kind"),
    _text("device"),
    _text("address"),
    _text("detail"),
    _text("observed_at"),
    Index("event_of_person", "person", "event"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard the history."""
    changing = (PERSON, PASSKEY, IDENTITY, TOTP, RECOVERY, LETTER, SESSION, BEGUN_BY, TRY)
    create_tables(connection, (EVENT,), changing)
