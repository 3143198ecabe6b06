"""The tables of persons: who they are, how they sign in, what they did.

No secret stands here in clear: passwords as Argon2id, tokens and codes as digests, the key of a
one-time password sealed. `person_event` is history: its rows are only ever added, and a trigger
refuses anything else. The others say how things stand now, and change.
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
from guzheng.store.columns import number_column, text_column

METADATA = MetaData()

PERSON = Table(
    "person",
    METADATA,
    text_column("person", key=True),
    text_column("name"),
    Column("address", Text, nullable=False, unique=True),  # e-mail, or telephone in E.164
    text_column("password"),  # Argon2id; empty: none is set
    text_column("password_at"),
    text_column("made_at"),
    sqlite_strict=True,
)
PASSKEY = Table(
    "person_passkey",
    METADATA,
    text_column("passkey", key=True),  # the credential's id, base64url
    text_column("person"),
    text_column("name"),
    text_column("public"),  # attested credential data, base64url
    number_column("counter"),
    number_column("backed_up"),
    text_column("made_at"),
    text_column("used_at"),
    Index("passkey_of_person", "person"),
    sqlite_strict=True,
)
IDENTITY = Table(
    "person_identity",
    METADATA,
    text_column("issuer", key=True),
    text_column("subject", key=True),  # the issuer's name for him, which is never another's
    text_column("person"),
    text_column("shown"),  # by what he knows it again
    text_column("made_at"),
    text_column("used_at"),
    Index("identity_of_person", "person"),
    sqlite_strict=True,
)
TOTP = Table(
    "person_totp",
    METADATA,
    text_column("person", key=True),
    text_column("secret"),  # sealed
    text_column("confirmed_at"),  # empty: shown once, not yet proved
    number_column("last_step"),  # the last time step of which a code was taken
    sqlite_strict=True,
)
RECOVERY = Table(
    "person_recovery",
    METADATA,
    text_column("person", key=True),
    text_column("digest", key=True),
    text_column("used_at"),
    sqlite_strict=True,
)
LETTER = Table(
    "person_letter",
    METADATA,
    text_column("digest", key=True),  # of the one-time token in the link
    text_column("kind"),
    text_column("person"),
    text_column("address"),
    text_column("note"),
    text_column("made_at"),
    text_column("ends_at"),
    text_column("used_at"),
    Index("letter_by_end", "ends_at"),
    sqlite_strict=True,
)
CODE = Table(
    "person_code",
    METADATA,
    text_column("waiting", key=True),  # digest of what the waiting page keeps
    text_column("code"),  # keyed digest of that and the digits
    text_column("kind"),
    text_column("purpose"),
    text_column("person"),
    text_column("address"),
    text_column("note"),
    number_column("tries"),
    text_column("made_at"),
    text_column("ends_at"),
    Index("code_by_end", "ends_at"),
    Index("code_by_address", "address", "purpose"),
    sqlite_strict=True,
)
SENT = Table(
    "short_message_sent",
    METADATA,
    text_column("prefix", key=True),  # of a country, as +86
    text_column("day", key=True),  # in UTC+08:00
    number_column("sent"),
    sqlite_strict=True,
)
SESSION = Table(
    "person_session",
    METADATA,
    text_column("session", key=True),
    Column("digest", Text, nullable=False, unique=True),  # of the token in the cookie
    text_column("person"),
    text_column("means"),  # password, password+totp, password+recovery, passkey, link
    text_column("device"),
    text_column("address"),
    text_column("made_at"),
    text_column("seen_at"),
    text_column("proved_at"),
    text_column("ends_at"),
    text_column("ended_at"),
    Index("session_of_person", "person", "ended_at"),
    sqlite_strict=True,
)
BEGUN_BY = Table(
    "identity_session",
    METADATA,
    text_column(
        "begun", key=True
    ),  # a session; or the digest of what stands for half a sign-in
    text_column("issuer"),
    text_column("subject"),
    text_column("sid"),  # the issuer's name for the session there; empty: it said none
    Index("begun_by_identity", "issuer", "subject"),
    sqlite_strict=True,
)
TRY = Table(
    "person_try",
    METADATA,
    text_column("subject", key=True),  # a keyed digest: whom is tried, or from where
    number_column("failures"),
    text_column("since_at"),
    text_column("until_at"),  # nothing is tried before; empty: not locked
    sqlite_strict=True,
)
EVENT = Table(
    "person_event",
    METADATA,
    text_column("event", key=True),
    text_column("person"),
    text_column("kind"),
    text_column("device"),
    text_column("address"),
    text_column("detail"),
    text_column("observed_at"),
    Index("event_of_person", "person", "event"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard the history."""
    changing = (PERSON, PASSKEY, IDENTITY, TOTP, RECOVERY, LETTER, SESSION, BEGUN_BY, TRY)
    create_tables(connection, (EVENT,), (*changing, CODE, SENT))
