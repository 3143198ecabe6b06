"""Identities (关联的统一登录身份): whom an issuer's subject stands for here.

A pair of issuer and subject belongs to one person, who linked it himself or came into being by
it. An address is no such link: issuers give addresses anew, and a subject never.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, func, select, update

from guzheng.accounts.people_tables import BEGUN_BY, IDENTITY
from guzheng.accounts.sessions import legible
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

MOST: Final = 5
_SUBJECT: Final = 255


@dataclass(frozen=True, slots=True)
class Linked:
    issuer: str
    subject: str
    person: str
    shown: str
    made_at: datetime
    used_at: datetime | None


class Identities:
    """Every link of an installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, issuer: str, subject: str) -> Linked | None:
        with reading(self._engine) as connection:
            row = connection.execute(
                select(IDENTITY).where(_one(issuer, subject))
            ).one_or_none()
        return None if row is None else _linked(row)

    def of(self, person: str) -> tuple[Linked, ...]:
        wanted = select(IDENTITY).where(IDENTITY.c.person == person)
        with reading(self._engine) as connection:
            return tuple(map(_linked, connection.execute(wanted.order_by(IDENTITY.c.made_at))))

    def link(self, person: str, issuer: str, subject: str, shown: str, now: datetime) -> None:
        """Refused when it is another's; linked again to the same person is fine."""
        row = {
            "issuer": issuer,
            "subject": subject,
            "person": person,
            "shown": shown,
            "made_at": instant.encode(now),
            "used_at": "",
        }
        own = select(func.count()).where(IDENTITY.c.person == person)
        with writing(self._engine) as connection:
            whose = connection.execute(
                select(IDENTITY.c.person).where(_one(issuer, subject))
            ).scalar_one_or_none()
            if whose == person:
                return
            if whose is None and connection.execute(own).scalar_one() >= MOST:
                raise Refused("accounts.identities-many", expected=f"≤ {MOST}")
            if whose is not None or not insert_missing(connection, IDENTITY, row):
                raise Refused(
                    "accounts.identity-taken",
                    expected="an identity that is nobody's here",
                    found="another person's",
                    act="sign in with it, and unlink it there",
                )

    def used(self, linked: Linked, now: datetime) -> None:
        at = instant.encode(now)
        with writing(self._engine) as connection:
            one = _one(linked.issuer, linked.subject)
            connection.execute(update(IDENTITY).where(one).values(used_at=at))

    def began(self, begun: str, issuer: str, subject: str, sid: str) -> None:
        """This session (or half a sign-in) began by that identity."""
        row = {"begun": begun, "issuer": issuer, "subject": subject, "sid": sid}
        with writing(self._engine) as connection:
            insert_missing(connection, BEGUN_BY, row)

    def went_on(self, half: str, session: str) -> None:
        """Half a sign-in has become this session."""
        with writing(self._engine) as connection:
            these = update(BEGUN_BY).where(BEGUN_BY.c.begun == half)
            connection.execute(these.values(begun=session))

    def unlink(self, person: str, issuer: str, subject: str) -> bool:
        own = (IDENTITY.c.person == person) & _one(issuer, legible(subject, _SUBJECT))
        with writing(self._engine) as connection:
            return connection.execute(delete(IDENTITY).where(own)).rowcount == 1


def _one(issuer: str, subject: str) -> Any:
    return (IDENTITY.c.issuer == issuer) & (IDENTITY.c.subject == subject)


def _linked(row: Row[Any]) -> Linked:
    return Linked(
        row.issuer,
        row.subject,
        row.person,
        row.shown,
        instant.parse(row.made_at),
        instant.parse(row.used_at) if row.used_at else None,
    )
