"""Letters with a link: whoever opens it once, in time, has shown that he reads that address.

The token of a link is 256 bits of chance; its digest is kept, and what is used up or too old is
as good as unknown. A letter of the same kind to the same address makes the earlier ones void.
The same rows hold the answered challenges of passkeys and the middle of a sign-in in two steps:
they are likewise secret, short-lived, and taken once.

How a letter travels is a port, `Mail`: `accounts.post` has the console and SMTP,
`accounts.shortmessages` a gateway for telephone numbers.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, Row, delete, select, update

from guzheng.accounts.people_tables import CODE, LETTER
from guzheng.proof import instant
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

CONFIRM, FORGOT, WELCOME = "confirm", "forgot", "welcome"  # links
KNOWN = "known"  # to somebody who has an account already, and is told so where nobody else sees
MOVE = "move"  # to another address of the same person
SECOND, CHALLENGE = "second", "challenge"  # no letter goes out
WAY = "identity"  # nor here: a sign-in at an identity provider is under way
LOGOUT = "logout"  # nor here: a logout token of that provider was brought
LASTS: Final = {
    CONFIRM: timedelta(hours=24),
    FORGOT: timedelta(minutes=30),
    WELCOME: timedelta(hours=24),
    KNOWN: timedelta(minutes=1),
    MOVE: timedelta(hours=24),
    SECOND: timedelta(minutes=5),
    CHALLENGE: timedelta(minutes=5),
    WAY: timedelta(minutes=10),
    LOGOUT: timedelta(minutes=15),  # longer than such a token is taken
}
TOKEN_OCTETS: Final = 32
NO_FACTS: Final[Mapping[str, str]] = {}


class Mail(Protocol):
    """Carries a letter to an address. Raises Unavailable when it cannot now."""

    def reaches(self, address: str) -> bool:
        """Whether this kind of address can be reached at all."""
        ...

    def send(
        self, address: str, subject: str, text: str, facts: Mapping[str, str] = NO_FACTS
    ) -> None:
        """`facts`: what the text was made of (kind, link, language), for whoever has texts of
        his own."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    kind: str
    person: str
    address: str
    note: str
    ends_at: datetime


def new_token(entropy: Callable[[int], bytes]) -> str:
    """256 bits of chance, in 43 characters that need no escaping in an address."""
    return base64.urlsafe_b64encode(entropy(TOKEN_OCTETS)).rstrip(b"=").decode()


def digest_of(token: str) -> str:
    """What is kept of a token: chance of 256 bits needs no salt and no slow hash."""
    return str(sha256(token.encode("utf-8", "replace")))


_OF_A_WAY_IN: Final = (FORGOT, MOVE, SECOND)


class Letters:
    """All one-time tokens of an installation."""

    def __init__(self, engine: Engine, entropy: Callable[[int], bytes]) -> None:
        self._engine, self._entropy = engine, entropy

    def write(
        self,
        kind: str,
        now: datetime,
        *,
        person: str = "",
        address: str = "",
        note: str = "",
    ) -> str:
        """The token, told this once. Earlier ones like it are void, but for second steps of a
        sign-in, of which several may be under way."""
        token, at = new_token(self._entropy), instant.encode(now)
        row = _row(kind, token, now) | {"person": person, "address": address, "note": note}
        with writing(self._engine) as connection:
            connection.execute(delete(LETTER).where(LETTER.c.ends_at < at))
            if kind != SECOND:
                same = (LETTER.c.address == address) & (LETTER.c.person == person)
                connection.execute(delete(LETTER).where(LETTER.c.kind == kind, same))
            insert_missing(connection, LETTER, row)
        return token

    def read(self, kind: str, token: str, now: datetime) -> Letter:
        """What the token stands for, still unused; Refused otherwise, and no word why."""
        with reading(self._engine) as connection:
            return _required(connection.execute(_wanted(kind, token)).one_or_none(), now)

    def take(self, kind: str, token: str, now: datetime) -> Letter:
        """Use it up; of two who try at once, one succeeds."""
        with writing(self._engine) as connection:
            letter = _required(connection.execute(_wanted(kind, token)).one_or_none(), now)
            taken = connection.execute(
                update(LETTER)
                .where(LETTER.c.digest == digest_of(token), LETTER.c.used_at == "")
                .values(used_at=instant.encode(now))
            )
            if taken.rowcount != 1:
                raise dead()
            return letter

    def void(self, person: str) -> None:
        """Whatever is under way to sign in as this person, or to sign in otherwise from now on,
        is over. Who changes his locks, or ends all sessions, shuts out who had begun it."""
        with writing(self._engine) as connection:
            begun = (LETTER.c.person == person) & LETTER.c.kind.in_(_OF_A_WAY_IN)
            connection.execute(delete(LETTER).where(begun))
            connection.execute(delete(CODE).where(CODE.c.person == person))

    def spend(self, kind: str, token: str, now: datetime) -> None:
        """Note that this was used, of which nothing was noted before; Refused if it was."""
        with writing(self._engine) as connection:
            if not spent_in(connection, kind, token, now):
                raise dead()


def spent_in(connection: Connection, kind: str, token: str, now: datetime) -> bool:
    """Note that this was used; False if it was. For who has more to do in one step."""
    at = instant.encode(now)
    connection.execute(delete(LETTER).where(LETTER.c.ends_at < at))
    return insert_missing(connection, LETTER, _row(kind, token, now) | {"used_at": at})


def _row(kind: str, token: str, now: datetime) -> dict[str, str]:
    return {
        "digest": digest_of(token),
        "kind": kind,
        "person": "",
        "address": "",
        "note": "",
        "made_at": instant.encode(now),
        "ends_at": instant.encode(now + LASTS[kind]),
        "used_at": "",
    }


def _wanted(kind: str, token: str) -> Any:
    return select(LETTER).where(LETTER.c.digest == digest_of(token), LETTER.c.kind == kind)


def _required(row: Row[Any] | None, now: datetime) -> Letter:
    if row is None or row.used_at or instant.parse(row.ends_at) <= now:
        raise dead()
    return Letter(row.kind, row.person, row.address, row.note, instant.parse(row.ends_at))


def dead() -> Refused:
    return Refused(
        "accounts.link-dead",
        expected="a link that was not used, and is not too old",
        found="another",
        act="ask for another",
    )
