"""API keys: how a program acts for an account, in the name of the person who made the key.

A key is `gzk_` and 256 bits of chance. It is shown once, when it is made; kept is its SHA-256,
which needs no salt and no slow hash, since nobody guesses 256 bits. The scopes of a key are
permissions. At each use they count only as far as its maker has them himself at that moment,
and a key ends with the membership it was made under: whoever is removed and comes back has to
make another. A key never manages members or keys, so that one that was stolen cannot outlive
its revocation. Refuses (gives None) what is unknown, revoked or expired, without saying which.
"""

import base64
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, update

from guzheng.accounts import roles
from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.key_tables import KEY, KEY_END, KEY_USE, create
from guzheng.accounts.members import (
    append,
    find_member,
    require_member,
    require_standing,
    require_within,
)
from guzheng.proof import instant
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused, Unavailable
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing

PREFIX: Final = "ke"
SECRET_PREFIX: Final = "gzk_"  # by which scanners of secrets find it
DAYS: Final = (30, 90, 365)
SCOPES: Final = roles.EVERYTHING - {Permission.MEMBERS}
_SECRET_OCTETS: Final = 32
_SECRET_LENGTH: Final = len(SECRET_PREFIX) + 43
_NOTE: Final = 60
_LARGEST: Final = 50  # keys of an account that still open something
_USE_NOTED_EACH: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; not its secret. `used_at`: to the minute."""

    key: str
    account: str
    person: str
    since: int
    ending: str
    note: str
    scopes: frozenset[Permission]
    made_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    used_at: datetime | None = None

    def standing(self, now: datetime) -> str:
        if self.ended_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "active"


class Keys:
    """Every API key of an installation."""

    def __init__(self, engine: Engine, entropy: Callable[[int], bytes]) -> None:
        self._engine, self._entropy = engine, entropy
        with writing(engine) as connection:
            create(connection)

    def make(
        self,
        by: Acting,
        scopes: frozenset[Permission],
        now: datetime,
        *,
        days: int,
        note: str = "",
    ) -> tuple[Key, str]:
        """The key, and its secret, which is told this once."""
        note = _noted(note)
        if not scopes or not scopes <= SCOPES or days not in DAYS:
            raise Refused(
                "accounts.key-scopes",
                expected=f"one or more of {roles.encode(SCOPES)}, for {DAYS} days",
                found=f"{roles.encode(scopes)!r}, for {days} days",
            )
        text = base64.urlsafe_b64encode(self._entropy(_SECRET_OCTETS)).decode().rstrip("=")
        secret = SECRET_PREFIX + text
        with writing(self._engine) as connection:
            require_within(require_standing(connection, by, Permission.MEMBERS), scopes)
            if by.by != "session":
                raise Refused(
                    "accounts.key-needs-person",
                    expected="somebody who is signed in",
                    found=by.by,
                    act="sign in, and make the key yourself",
                )
            self._require_room(connection, by.account, now)
            made = Key(
                ids.new(PREFIX, now, self._entropy),
                by.account,
                by.person,
                require_member(connection, by.account, by.person).since,
                secret[-4:],
                note,
                scopes,
                now,
                now + timedelta(days=days),
            )
            connection.execute(insert(KEY), _row_of(made, secret))
            append(connection, by, "key-made", now, said=f"{made.key} {roles.encode(scopes)}")
        return made, secret

    def find(self, secret: str, now: datetime) -> Acting | None:
        """Who acts by this key, and what he may do by it; None where it opens nothing."""
        if len(secret) != _SECRET_LENGTH or not secret.startswith(SECRET_PREFIX):
            return None
        digest = sha256(secret.encode("utf-8", "replace")).hex
        with reading(self._engine) as connection:
            found = next(iter(_read(connection, KEY.c.secret_sha256 == digest)), None)
            if found is None or found.standing(now) != "active":
                return None
            maker = find_member(connection, found.account, found.person)
        if maker is None or maker.since != found.since:
            return None
        self._note_use(found, now)
        return Acting(found.account, found.person, found.scopes & maker.permissions, by="key")

    def of(self, account: str) -> tuple[Key, ...]:
        """Newest first, with those that ended."""
        with reading(self._engine) as connection:
            return _read(connection, KEY.c.account == account)

    def account_of(self, key: str) -> str | None:
        """Whose it is; None where there is none of that name."""
        with reading(self._engine) as connection:
            wanted = select(KEY.c.account).where(KEY.c.key == key)
            return connection.execute(wanted).scalar_one_or_none()

    def revoke(self, by: Acting, key: str, now: datetime) -> None:
        """It opens nothing from the next request on; revoked twice, it happened once."""
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            if not _read(connection, (KEY.c.key == key) & (KEY.c.account == by.account)):
                raise Refused(
                    "accounts.key-not-found",
                    expected="a key of this account",
                    found=repr(key[:40]),
                )
            row = {"key": key, "by_person": by.person, "observed_at": instant.encode(now)}
            if insert_missing(connection, KEY_END, row):
                append(connection, by, "key-revoked", now, said=key)

    def _require_room(self, connection: Connection, account: str, now: datetime) -> None:
        these = _read(connection, KEY.c.account == account)
        active = sum(one.standing(now) == "active" for one in these)
        if active >= _LARGEST:
            raise Refused(
                "accounts.keys-too-many",
                expected=f"≤ {_LARGEST}",
                found=str(active),
                act="revoke those that nobody uses",
            )

    def _note_use(self, key: Key, now: datetime) -> None:
        """Once a minute at most: a program that asks often must not make the disk busy."""
        if key.used_at is not None and now - key.used_at < _USE_NOTED_EACH:
            return
        row = {"key": key.key, "used_at": instant.encode(now)}
        # It is no history, and a full disk must not keep a program from reading.
        with contextlib.suppress(Unavailable), writing(self._engine) as connection:
            if not insert_missing(connection, KEY_USE, row):
                mine = KEY_USE.c.key == key.key
                connection.execute(update(KEY_USE).where(mine).values(used_at=row["used_at"]))


def _noted(note: str) -> str:
    text = note.strip()
    if not text or len(text) > _NOTE or not text.isprintable():
        raise Refused("accounts.note-refused", expected=f"1 … {_NOTE}", found=str(len(text)))
    return text


def _read(connection: Connection, where: Any) -> tuple[Key, ...]:
    joined = KEY.outerjoin(KEY_END, KEY.c.key == KEY_END.c.key).outerjoin(
        KEY_USE, KEY.c.key == KEY_USE.c.key
    )
    wanted = (
        select(KEY, KEY_END.c.observed_at, KEY_USE.c.used_at)
        .select_from(joined)
        .where(where)
        .order_by(KEY.c.key.desc())
    )
    return tuple(map(_key, connection.execute(wanted)))


def _row_of(key: Key, secret: str) -> dict[str, object]:
    return {
        "key": key.key,
        "account": key.account,
        "person": key.person,
        "since": key.since,
        "secret_sha256": sha256(secret.encode()).hex,
        "ending": key.ending,
        "note": key.note,
        "scopes": roles.encode(key.scopes),
        "made_at": instant.encode(key.made_at),
        "expires_at": instant.encode(key.expires_at),
    }


def _key(row: Row[Any]) -> Key:
    return Key(
        row.key,
        row.account,
        row.person,
        row.since,
        row.ending,
        row.note,
        roles.parse(row.scopes),
        instant.parse(row.made_at),
        instant.parse(row.expires_at),
        instant.parse(row.observed_at) if row.observed_at else None,
        instant.parse(row.used_at) if row.used_at else None,
    )
