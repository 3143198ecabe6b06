"""Logout tokens of an identity provider: who signed out there, signs out here.

OpenID Connect Back-Channel Logout 1.0 §2.4 to §2.7. The provider itself brings the token, so no
browser and no cookie is in it, and nothing but the token is believed: signed by a key of the
issuer as an ID token is, for us, in time, for this purpose and no other (`events`), once
(`jti`), and with no nonce, so that no ID token can be taken for one. It ends the sessions that
began by that identity, or by that session there (`sid`), and sign-ins that wait for their
second step; that it was brought is noted in the same transaction, so that it is done once and
never half. Whoever is signed out already is signed out: that is no failure.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, delete, select, update

from guzheng.accounts import idtokens
from guzheng.accounts.entering import IDENTITY, Rooms
from guzheng.accounts.idtokens import not_proved
from guzheng.accounts.issuers import Issuer
from guzheng.accounts.letters import LOGOUT, SECOND, spent_in
from guzheng.accounts.people_tables import BEGUN_BY, LETTER, SESSION
from guzheng.accounts.people_tables import IDENTITY as LINK
from guzheng.accounts.sessions import Caller
from guzheng.accounts.tries import PLACE
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import writing

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_TYPES: Final = frozenset({None, "logout+jwt", "application/logout+jwt", "JWT"})
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Whom it is about: a person there (`subject`), one session there (`sid`), or both."""

    subject: str
    sid: str
    number: str  # jti


def judged(
    token: str, keys: Sequence[Mapping[str, Any]], issuer: str, client: str, now: datetime
) -> LogoutToken:
    """§2.6, by its numbers. Raises Refused (`accounts.identity-not-proved`)."""
    header, claims = idtokens.opened(token, keys)  # (1), (2): nothing here is encrypted
    if header.get("typ") not in _TYPES:
        raise not_proved("typ: logout+jwt", repr(header.get("typ")))
    idtokens.require_ours(claims, issuer, client)  # (3)
    idtokens.require_in_time(claims, now)
    subject, sid = _name_in(claims, "sub"), _name_in(claims, "sid")
    if not (subject or sid):  # (4)
        raise not_proved("sub or sid", "neither")
    events = claims.get("events")  # (5)
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise not_proved(f"events: {EVENT}", "another")
    if "nonce" in claims:  # (6)
        raise not_proved("no nonce", "one")
    number = _name_in(claims, "jti")
    if not number:
        raise not_proved("jti", "none")
    return LogoutToken(subject, sid, number)


def _name_in(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise not_proved(f"{name}: at most {_LONGEST} characters", type(value).__name__)
    return value


class LoggingOut:
    """What one issuer may end here."""

    def __init__(self, rooms: Rooms, issuer: Issuer) -> None:
        self._rooms, self._issuer = rooms, issuer

    def logged_out(self, token: str, caller: Caller, now: datetime) -> int:
        """End what the token is about; how many sessions there were. Raises Refused for what is
        no token of the issuer's or was brought before, Unavailable where its keys are away."""
        rooms, issuer = self._rooms, self._issuer
        place = rooms.place(caller)
        rooms.tries.require((place,), now)
        try:
            keys = issuer.keys_for(token, now)
            said = judged(token, keys, issuer.issuer, issuer.client, now)
            ended = _end(rooms.engine, issuer.issuer, said, now)
        except Refused:
            rooms.tries.count({place: PLACE}, now)
            raise
        for person in dict.fromkeys(ended):
            rooms.persons.tell(person, "left-by-provider", caller, now)
        return len(ended)


def _end(engine: Engine, issuer: str, said: LogoutToken, now: datetime) -> list[str]:
    """Whose sessions ended, one for each."""
    about = BEGUN_BY.c.issuer == issuer
    if said.subject:
        about &= BEGUN_BY.c.subject == said.subject
    if said.sid:
        about &= BEGUN_BY.c.sid == said.sid
    begun = select(BEGUN_BY.c.begun).where(about)
    of_them = (SESSION.c.session.in_(begun)) & (SESSION.c.ended_at == "")
    linked = select(LINK.c.person).where(
        LINK.c.issuer == issuer, LINK.c.subject == said.subject
    )
    half = (LETTER.c.kind == SECOND) & (LETTER.c.note == IDENTITY)
    number = hashlib.sha256(f"{issuer}\0{said.number}".encode()).hexdigest()
    with writing(engine) as connection:
        if not spent_in(connection, LOGOUT, number, now):  # (7)
            raise not_proved("jti: one that was not brought before", "another")
        persons = connection.execute(select(SESSION.c.person).where(of_them)).scalars().all()
        ended = update(SESSION).where(of_them).values(ended_at=instant.encode(now))
        connection.execute(ended)
        waiting = LETTER.c.person.in_(linked) | LETTER.c.digest.in_(begun)
        connection.execute(delete(LETTER).where(half, waiting))
    return list(persons)
