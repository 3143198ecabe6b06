"""Sessions: what stands for a person between two requests, listed and revocable by him.

The token is 256 bits of chance in a cookie, and only its digest is kept. It is always made
here: one that a browser brings is believed if we made it, and never taken over (no fixation). A
sign-in and whatever changes what a session may do give it another token. A session ends after a
time whatever happens, after a shorter time without a request, and at once when it is ended:
every request asks the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Row, insert, select, update

from guzheng.accounts.letters import digest_of, new_token
from guzheng.accounts.people_tables import SESSION
from guzheng.proof import instant
from guzheng.store import ids
from guzheng.store.records import reading, writing

PREFIX: Final = "se"
COOKIE: Final = "guzheng_session"
SEEN_EVERY: Final = timedelta(seconds=60)  # a request does not cost a write each time
PROVED_FOR: Final = timedelta(minutes=10)
DEVICE: Final = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a session lasts at most, and how long without a request."""

    whole: timedelta = timedelta(days=7)
    idle: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    session: str
    person: str
    means: str
    device: str  # what the browser said of itself
    address: str
    made_at: datetime
    seen_at: datetime
    proved_at: datetime
    ends_at: datetime

    @property
    def in_two_steps(self) -> bool:
        """Whether more was shown than one thing; a passkey is two."""
        return self.means == "passkey" or "+" in self.means

    def is_proved(self, now: datetime) -> bool:
        """Whether the person showed who he is a moment ago."""
        return now - self.proved_at < PROVED_FOR


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the server sees it: what the browser says of itself, and from where."""

    device: str = ""
    address: str = ""
    language: str = ""  # in which a letter is written


def legible(text: str, longest: int) -> str:
    """What a table can keep and a page can show of what a stranger says."""
    return "".join(one for one in text if one.isprintable())[:longest]


class Sessions:
    """Every session of an installation."""

    def __init__(
        self,
        engine: Engine,
        entropy: Callable[[int], bytes],
        terms: Terms = Terms(),
    ) -> None:
        self._engine, self._entropy, self._terms = engine, entropy, terms

    def begin(self, person: str, means: str, caller: Caller, now: datetime) -> str:
        """A session of its own; gives the token for the cookie, which is told this once."""
        token, at = new_token(self._entropy), instant.encode(now)
        row = {
            "session": ids.new(PREFIX, now, self._entropy),
            "digest": digest_of(token),
            "person": person,
            "means": means,
            "device": legible(caller.device, DEVICE),
            "address": caller.address,
            "made_at": at,
            "seen_at": at,
            "proved_at": at,
            "ends_at": instant.encode(now + self._terms.whole),
            "ended_at": "",
        }
        with writing(self._engine) as connection:
            connection.execute(insert(SESSION), row)
        return token

    def find(self, token: str, now: datetime) -> Session | None:
        """The session of this token, if it lives; its last request is now."""
        if not token:
            return None
        wanted = select(SESSION).where(SESSION.c.digest == digest_of(token))
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        session = self._living(row, now)
        if session is not None and now - session.seen_at >= SEEN_EVERY:
            self._change(session.session, seen_at=instant.encode(now))
        return session

    def prove(self, session: Session, now: datetime, means: str = "") -> str:
        """The person showed again who he is: another token, and the old one is dead. `means`:
        by what he is here from now on, where that has changed."""
        token = new_token(self._entropy)
        self._change(
            session.session,
            digest=digest_of(token),
            proved_at=instant.encode(now),
            means=means or session.means,
        )
        return token

    def of(self, person: str, now: datetime) -> tuple[Session, ...]:
        """Those that live, the one used last first."""
        wanted = select(SESSION).where(SESSION.c.person == person, SESSION.c.ended_at == "")
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(SESSION.c.seen_at.desc())).all()
        return tuple(one for one in (self._living(row, now) for row in rows) if one)

    def end(self, person: str, now: datetime, *, session: str = "", spare: str = "") -> int:
        """End one of this person's, or all but the one to spare; how many there were."""
        ending = (
            update(SESSION)
            .where(SESSION.c.person == person, SESSION.c.ended_at == "")
            .values(ended_at=instant.encode(now))
        )
        if session:
            ending = ending.where(SESSION.c.session == session)
        if spare:
            ending = ending.where(SESSION.c.session != spare)
        with writing(self._engine) as connection:
            return connection.execute(ending).rowcount

    def end_all(self, now: datetime) -> int:
        """Everybody's; how many there were."""
        ending = update(SESSION).where(SESSION.c.ended_at == "")
        with writing(self._engine) as connection:
            done = connection.execute(ending.values(ended_at=instant.encode(now)))
            return done.rowcount

    def _living(self, row: Row[Any] | None, now: datetime) -> Session | None:
        if row is None or row.ended_at:
            return None
        session = Session(
            row.session,
            row.person,
            row.means,
            row.device,
            row.address,
            *(
                instant.parse(one)
                for one in (row.made_at, row.seen_at, row.proved_at, row.ends_at)
            ),
        )
        alive = now < session.ends_at and now - session.seen_at < self._terms.idle
        return session if alive else None

    def _change(self, session: str, **values: str) -> None:
        living = (SESSION.c.session == session) & (SESSION.c.ended_at == "")
        with writing(self._engine) as connection:
            connection.execute(update(SESSION).where(living).values(**values))
