"""Members (子账号): who may do what for a main account (主账号), and who said so.

Default deny: whoever joins has nothing until it is granted, permission by permission. What a
person may do is what the events about him come to; the same rows are the audit. Nobody grants
what he has not himself, or changes a person who has more than he; and an account never loses
its last owner, that is, the last person who has every permission.

Promises: a change and its line in the audit are one transaction; a removal or a revocation
counts from the next request on. Refuses: everything that is not granted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from guzheng.accounts import roles
from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.member_tables import ACCOUNT, CHOICE, EVENT, create
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.ids import LOCAL
from guzheng.store.records import reading, writing

ACCOUNT_PREFIX: Final = "ac"
FOUNDED, JOINED, GRANTED, REVOKED, REMOVED = (
    "founded",
    "joined",
    "granted",
    "revoked",
    "removed",
)
_ABOUT_MEMBERS: Final = (FOUNDED, JOINED, GRANTED, REVOKED, REMOVED)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of an account's audit: who did what, to whom, when."""

    account: str
    number: int
    kind: str
    person: str
    said: str
    by_person: str
    way: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A person as he stands in an account. `since`: the number of the event he came by;
    `last`: that of the last one about him."""

    account: str
    person: str
    permissions: frozenset[Permission]
    since: int
    last: int
    joined_at: datetime
    is_founder: bool

    @property
    def is_owner(self) -> bool:
        return self.permissions == roles.EVERYTHING

    @property
    def role(self) -> str:
        return roles.role_of(self.permissions)


class Members:
    """The accounts of an installation, and the persons who act for them."""

    def __init__(self, engine: Engine, entropy: Callable[[int], bytes]) -> None:
        self._engine, self._entropy = engine, entropy
        with writing(engine) as connection:
            create(connection)

    # ---- making ----------------------------------------------------------------------

    def found(self, person: str, now: datetime, account: str | None = None) -> str:
        """A main account with this person as its owner; asked again for the same, the same.

        Raises Refused where the account is somebody else's."""
        made = account or ids.new(ACCOUNT_PREFIX, now, self._entropy)
        with writing(self._engine) as connection:
            founder = founder_of(connection, made)
            if founder == person:
                return made
            if founder is not None:
                raise Refused(
                    "accounts.founded-already",
                    expected="an account that nobody has founded",
                    found=made,
                    act="ask its owner for an invitation",
                )
            row = {"account": made, "founder": person, "founded_at": instant.encode(now)}
            connection.execute(insert(ACCOUNT), row)
            by = Acting(made, person, roles.EVERYTHING)
            append(connection, by, FOUNDED, now, person=person)
        return made

    def join(self, connection: Connection, by: Acting, now: datetime) -> Member:
        """This person becomes a member with no permission at all; within a transaction."""
        if find_member(connection, by.account, by.person) is not None:
            raise Refused(
                "accounts.already-member",
                expected="somebody who is no member of this account",
                found=by.person,
            )
        append(connection, by, JOINED, now, person=by.person)
        return require_member(connection, by.account, by.person)

    # ---- changing --------------------------------------------------------------------

    def change(
        self,
        by: Acting,
        person: str,
        wanted: frozenset[Permission],
        now: datetime,
        *,
        seen: int | None = None,
    ) -> Member:
        """Grant and revoke until the person has exactly this. `seen`: the last event that the
        one who decides knew of, so that two do not undo each other unawares."""
        with writing(self._engine) as connection:
            own = require_standing(connection, by, Permission.MEMBERS)
            member = require_member(connection, by.account, person)
            if seen is not None and seen != member.last:
                raise Refused(
                    "accounts.changed-meanwhile",
                    expected="a member as he was shown",
                    found="somebody else has changed him since",
                    act="look again, and decide again",
                )
            require_within(own, member.permissions | wanted)
            if member.is_owner and wanted != roles.EVERYTHING:
                _require_another_owner(connection, member)
            for kind, these in (
                (GRANTED, wanted - member.permissions),
                (REVOKED, member.permissions - wanted),
            ):
                if these:
                    said = roles.encode(these)
                    append(connection, by, kind, now, person=person, said=said)
            return require_member(connection, by.account, person)

    def grant(
        self, by: Acting, person: str, permissions: Iterable[Permission], now: datetime
    ) -> Member:
        held = self.require(by.account, person).permissions
        return self.change(by, person, held | frozenset(permissions), now)

    def revoke(
        self, by: Acting, person: str, permissions: Iterable[Permission], now: datetime
    ) -> Member:
        held = self.require(by.account, person).permissions
        return self.change(by, person, held - frozenset(permissions), now)

    def remove(self, by: Acting, person: str, now: datetime) -> None:
        """From the next request on he is nobody here; whoever wants to leaves by himself."""
        with writing(self._engine) as connection:
            member = require_member(connection, by.account, person)
            if person != by.person or by.by != "session":
                own = require_standing(connection, by, Permission.MEMBERS)
                require_within(own, member.permissions)
            if member.is_owner:
                _require_another_owner(connection, member)
            append(connection, by, REMOVED, now, person=person)
            chosen = CHOICE.c.account == by.account
            connection.execute(delete(CHOICE).where(CHOICE.c.person == person, chosen))

    def choose(self, person: str, account: str) -> None:
        """For whom this person acts from now on; Refused where he is no member."""
        with writing(self._engine) as connection:
            require_member(connection, account, person)
            connection.execute(delete(CHOICE).where(CHOICE.c.person == person))
            connection.execute(insert(CHOICE), {"person": person, "account": account})

    # ---- looking ---------------------------------------------------------------------

    def acting(self, person: str, account: str | None = None) -> Acting | None:
        """What he may do: for this account, or for the one that he chose, or else for his
        first. None where he is no member. An owner of `local` operates the installation."""
        with reading(self._engine) as connection:
            own = _members(connection, EVENT.c.person == person)
            if account is None:
                wanted = select(CHOICE.c.account).where(CHOICE.c.person == person)
                account = connection.execute(wanted).scalar_one_or_none()
                if all(one.account != account for one in own):
                    account = own[0].account if own else None
        found = next((one for one in own if one.account == account), None)
        if found is None:
            return None
        operates = found.account == LOCAL and found.is_owner
        return Acting(found.account, person, found.permissions, operator=operates)

    def accounts_of(self, person: str) -> tuple[Member, ...]:
        """As what he stands in each account, his own first, then as he joined."""
        with reading(self._engine) as connection:
            return _members(connection, EVENT.c.person == person)

    def people(self, account: str) -> tuple[Member, ...]:
        """Everybody who may act for an account now, its founder first."""
        with reading(self._engine) as connection:
            return _members(connection, EVENT.c.account == account)

    def require(self, account: str, person: str) -> Member:
        with reading(self._engine) as connection:
            return require_member(connection, account, person)

    def latest(self, limit: int, before: str | None = None) -> tuple[str, ...]:
        """The accounts that were founded last, newest first; `before`: the last seen."""
        own, at = ACCOUNT.c.account, ACCOUNT.c.founded_at
        wanted = select(own).order_by(at.desc(), own.desc()).limit(limit)
        if before is not None:
            seen = select(at).where(own == before).scalar_subquery()
            wanted = wanted.where((at < seen) | ((at == seen) & (own < before)))
        with reading(self._engine) as connection:
            return tuple(connection.execute(wanted).scalars())

    def find_founder(self, account: str) -> str | None:
        with reading(self._engine) as connection:
            return founder_of(connection, account)

    def audit(
        self,
        account: str,
        limit: int,
        *,
        before: int | None = None,
        kind: str = "",
        person: str = "",
    ) -> tuple[Happening, ...]:
        """Newest first. `person`: what befell him, and what he did."""
        wanted = select(EVENT).where(EVENT.c.account == account)
        if before is not None:
            wanted = wanted.where(EVENT.c.number < before)
        if kind:
            wanted = wanted.where(EVENT.c.kind == kind)
        if person:
            wanted = wanted.where((EVENT.c.person == person) | (EVENT.c.by_person == person))
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(EVENT.c.number.desc()).limit(limit))
            return tuple(map(_happening, rows))


# ---- within a transaction, also for invitations, keys and webhooks -----------------------


def append(
    connection: Connection,
    by: Acting,
    kind: str,
    now: datetime,
    *,
    person: str = "",
    said: str = "",
) -> None:
    """One line of the account's audit, under the next number."""
    last = select(func.max(EVENT.c.number)).where(EVENT.c.account == by.account)
    row = {
        "account": by.account,
        "number": (connection.execute(last).scalar_one() or 0) + 1,
        "kind": kind,
        "person": person,
        "said": said,
        "by_person": by.person,
        "way": by.by,
        "observed_at": instant.encode(now),
    }
    connection.execute(insert(EVENT), row)


def founder_of(connection: Connection, account: str) -> str | None:
    wanted = select(ACCOUNT.c.founder).where(ACCOUNT.c.account == account)
    return connection.execute(wanted).scalar_one_or_none()


def find_member(connection: Connection, account: str, person: str) -> Member | None:
    about = (EVENT.c.account == account) & (EVENT.c.person == person)
    return next(iter(_members(connection, about)), None)


def require_member(connection: Connection, account: str, person: str) -> Member:
    member = find_member(connection, account, person)
    if member is None:
        raise Refused(
            "accounts.member-not-found",
            expected="a member of this account",
            found=repr(person[:40]),
            act="look whether he was removed",
        )
    return member


def require_standing(
    connection: Connection, by: Acting, permission: Permission
) -> frozenset[Permission]:
    """What the one who asks may do at this very moment, and not when his request came in."""
    own = by.permissions
    if by.by != "seat":
        member = find_member(connection, by.account, by.person)
        own = own & member.permissions if member else frozenset()
    Acting(by.account, by.person, own).require(permission)
    return own


def require_within(own: frozenset[Permission], wanted: frozenset[Permission]) -> None:
    if not wanted <= own:
        raise Refused(
            "accounts.beyond-own",
            expected=roles.encode(own),
            found=roles.encode(wanted - own),
            act="ask somebody who has these permissions himself",
        )


def _require_another_owner(connection: Connection, member: Member) -> None:
    everybody = _members(connection, EVENT.c.account == member.account)
    if not any(one.is_owner for one in everybody if one.person != member.person):
        raise Refused(
            "accounts.last-owner",
            expected="an account with an owner",
            found="no other person with every permission",
            act="make somebody else an owner first",
        )


def _members(connection: Connection, about: Any) -> tuple[Member, ...]:
    """What the events come to, for each account and person; founders first."""
    wanted = select(EVENT).where(about, EVENT.c.kind.in_(_ABOUT_MEMBERS))
    told: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in connection.execute(wanted.order_by(EVENT.c.account, EVENT.c.number)):
        told.setdefault((row.account, row.person), []).append(row)
    members = [one for one in map(_member_of, told.values()) if one is not None]
    return tuple(
        sorted(members, key=lambda one: (not one.is_founder, one.joined_at, one.since))
    )


def _member_of(events: Sequence[Row[Any]]) -> Member | None:
    held: frozenset[Permission] = frozenset()
    came: Row[Any] | None = None
    for event in events:
        match event.kind:
            case "founded":
                came, held = event, roles.EVERYTHING
            case "joined":
                came, held = event, frozenset()
            case "granted":
                held |= roles.parse(event.said)
            case "revoked":
                held -= roles.parse(event.said)
            case _:
                came, held = None, frozenset()
    if came is None:
        return None
    return Member(
        account=came.account,
        person=came.person,
        permissions=held,
        since=came.number,
        last=events[-1].number,
        joined_at=instant.parse(came.observed_at),
        is_founder=came.kind == FOUNDED,
    )


def _happening(row: Row[Any]) -> Happening:
    return Happening(
        row.account,
        row.number,
        row.kind,
        row.person,
        row.said,
        row.by_person,
        row.way,
        instant.parse(row.observed_at),
    )
