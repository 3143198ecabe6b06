"""Invitations: a link by which one person becomes a member of an account, once and for a time.

The secret of the link is 256 bits of chance and only its digest is kept: whoever reads the
database can accept nothing. Whoever accepts gets no permission with it; those are granted when
it is seen who came. An invitation ends by being accepted, revoked, or too old. So many of an
account are open at once, and so many are made in a day: revoking makes no room for letters to
any number of strangers.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, func, insert, select

from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.member_tables import INVITATION, INVITATION_END
from guzheng.accounts.members import Member, Members, append, require_standing
from guzheng.proof import instant
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing

PREFIX: Final = "in"
LASTS: Final = timedelta(days=7)
_SECRET_OCTETS: Final = 32
_NOTE: Final = 60
_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Measure:
    """How many an account may have open, and make in a day."""

    open: int = 50
    daily: int = 100


MEASURE: Final = Measure()


@dataclass(frozen=True, slots=True)
class Invitation:
    """`ended`: accepted or revoked, and by whom; empty while it is open, or too old."""

    invitation: str
    account: str
    note: str
    by_person: str
    made_at: datetime
    expires_at: datetime
    ended: str = ""
    ended_by: str = ""

    def standing(self, now: datetime) -> str:
        return self.ended or ("expired" if now >= self.expires_at else "open")


class Invitations:
    """Every invitation of an installation."""

    def __init__(
        self,
        engine: Engine,
        members: Members,
        entropy: Callable[[int], bytes],
        measure: Measure = MEASURE,
    ) -> None:
        self._engine, self._members, self._entropy = engine, members, entropy
        self._measure = measure

    def invite(self, by: Acting, now: datetime, note: str = "") -> tuple[Invitation, str]:
        """The invitation, and the secret of its link, which is told this once."""
        note = note.strip()
        if len(note) > _NOTE or not (note.isprintable() or not note):
            raise Refused("accounts.note-refused", expected=f"≤ {_NOTE}", found=str(len(note)))
        secret = base64.urlsafe_b64encode(self._entropy(_SECRET_OCTETS)).decode().rstrip("=")
        made = Invitation(
            ids.new(PREFIX, now, self._entropy), by.account, note, by.person, now, now + LASTS
        )
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            _require_room(connection, by.account, self._measure, now)
            connection.execute(
                insert(INVITATION),
                {
                    "invitation": made.invitation,
                    "account": made.account,
                    "secret_sha256": sha256(secret.encode()).hex,
                    "note": made.note,
                    "by_person": made.by_person,
                    "made_at": instant.encode(made.made_at),
                    "expires_at": instant.encode(made.expires_at),
                },
            )
            append(connection, by, "invited", now, said=made.invitation)
        return made, secret

    def of(self, account: str) -> tuple[Invitation, ...]:
        """Newest first."""
        mine = INVITATION.c.account == account
        with reading(self._engine) as connection:
            return _read(connection, mine)

    def account_of(self, invitation: str) -> str | None:
        """Whose it is; None where there is none of that name."""
        wanted = select(INVITATION.c.account).where(INVITATION.c.invitation == invitation)
        with reading(self._engine) as connection:
            return connection.execute(wanted).scalar_one_or_none()

    def require(self, secret: str, now: datetime) -> Invitation:
        """The one that this link is for; Refused where there is none, or where it is over."""
        with reading(self._engine) as connection:
            return _require_open(connection, secret, now)

    def accept(self, secret: str, person: str, now: datetime) -> Member:
        """The person becomes a member with no permission; the link is used up by it."""
        with writing(self._engine) as connection:
            found = _require_open(connection, secret, now)
            by = Acting(found.account, person, frozenset())
            member = self._members.join(connection, by, now)
            _end(connection, found, "accepted", person, now)
        return member

    def revoke(self, by: Acting, invitation: str, now: datetime) -> None:
        """Its link opens nothing from now on; revoked twice, it happened once."""
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            wanted = INVITATION.c.invitation == invitation
            found = _read(connection, wanted & (INVITATION.c.account == by.account))
            if not found:
                raise _none()
            if found[0].ended == "accepted":
                raise _over("accepted")
            if _end(connection, found[0], "revoked", by.person, now):
                append(connection, by, "invitation-revoked", now, said=invitation)


def _require_open(connection: Connection, secret: str, now: datetime) -> Invitation:
    found = _read(connection, INVITATION.c.secret_sha256 == sha256(secret.encode()).hex)
    if not found:
        raise _none()
    standing = found[0].standing(now)
    if standing != "open":
        raise _over(standing)
    return found[0]


def _require_room(
    connection: Connection, account: str, measure: Measure, now: datetime
) -> None:
    mine = INVITATION.c.account == account
    young = mine & (INVITATION.c.expires_at > instant.encode(now))
    waiting = sum(one.standing(now) == "open" for one in _read(connection, young))
    if waiting >= measure.open:
        raise Refused(
            "accounts.invitations-too-many",
            expected=f"≤ {measure.open}",
            found=str(waiting),
            act="revoke those that nobody will accept",
        )
    lately = mine & (INVITATION.c.made_at > instant.encode(now - _DAY))
    wanted = select(func.count()).select_from(INVITATION).where(lately)
    made = connection.execute(wanted).scalar_one()
    if made >= measure.daily:
        raise Refused(
            "accounts.invitations-daily",
            expected=f"≤ {measure.daily}",
            found=str(made),
            act="go on tomorrow",
        )


def _end(
    connection: Connection, one: Invitation, kind: str, person: str, now: datetime
) -> bool:
    row = {
        "invitation": one.invitation,
        "kind": kind,
        "person": person,
        "observed_at": instant.encode(now),
    }
    return insert_missing(connection, INVITATION_END, row)


def _read(connection: Connection, where: Any) -> tuple[Invitation, ...]:
    joined = INVITATION.outerjoin(
        INVITATION_END, INVITATION.c.invitation == INVITATION_END.c.invitation
    )
    wanted = (
        select(INVITATION, INVITATION_END.c.kind, INVITATION_END.c.person)
        .select_from(joined)
        .where(where)
        .order_by(INVITATION.c.invitation.desc())
    )
    return tuple(map(_invitation, connection.execute(wanted)))


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        row.invitation,
        row.account,
        row.note,
        row.by_person,
        instant.parse(row.made_at),
        instant.parse(row.expires_at),
        row.kind or "",
        row.person or "",
    )


def _none() -> Refused:
    return Refused(
        "accounts.invitation-not-found",
        expected="an invitation that was made here",
        found="none with this link",
        act="ask for the whole link, or for another",
    )


def _over(standing: str) -> Refused:
    return Refused(
        "accounts.invitation-over",
        expected="an invitation that is open",
        found=standing,
        act="ask for another",
    )
