"""Members and keys of an installation, with the names of their persons and today's time.

What is decided is in `accounts.members`, `accounts.invitations` and `accounts.keys`; here they
meet the clock, the persons' names and the post.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from guzheng.accounts import Acting, Permission
from guzheng.accounts.demanding import Demands
from guzheng.accounts.invitations import MEASURE, Invitation, Invitations, Measure
from guzheng.accounts.keys import Key, Keys
from guzheng.accounts.members import Happening, Member, Members
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import Sessions
from guzheng.app.parts import Parts


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member and who that is, as he calls himself. `second_step`: he has one set up."""

    member: Member
    name: str
    address: str
    second_step: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account that a person may act for, by the name of who founded it."""

    member: Member
    founder: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class AuditLine:
    happening: Happening
    name: str
    by_name: str


@dataclass(frozen=True, slots=True)
class KeyView:
    key: Key
    standing: str
    maker: str
    scopes: frozenset[Permission]  # what it may do now: never more than its maker


class Membership:
    """Who acts for whom."""

    def __init__(
        self,
        parts: Parts,
        second_step: str = "offered",
        measure: Measure = MEASURE,
    ) -> None:
        self._now = parts.now
        self.rows = Members(parts.accounts, parts.entropy)
        self._demands = Demands(parts.accounts, second_step)
        self._invitations = Invitations(parts.accounts, self.rows, parts.entropy, measure)
        self._persons = Persons(parts.accounts, parts.entropy)
        self._sessions = Sessions(parts.accounts, parts.entropy)

    # ---- who -------------------------------------------------------------------------

    def acting(self, person: str, account: str | None = None) -> Acting | None:
        return self.rows.acting(person, account)

    def name_of(self, person: str) -> str:
        """As the person calls himself; his number where he is not known, empty for nobody."""
        found = self._persons.find(person) if person else None
        return found.name if found else person

    def names_of(self, persons: Iterable[str]) -> dict[str, str]:
        asked = set(persons)
        known = self._persons.names_of(asked - {""})
        return {one: known.get(one, one) for one in asked}

    def founder_name(self, account: str) -> str:
        return self.name_of(self.rows.find_founder(account) or "")

    def is_founder(self, account: str, person: str) -> bool:
        return self.rows.find_founder(account) == person

    def people(self, account: str) -> tuple[MemberView, ...]:
        return tuple(map(self._view, self.rows.people(account)))

    def person(self, account: str, person: str) -> MemberView:
        return self._view(self.rows.require(account, person))

    def _view(self, member: Member) -> MemberView:
        found = self._persons.find(member.person)
        totp = self._persons.find_totp(member.person)
        has_step = bool(totp and totp.confirmed) or bool(self._persons.passkeys(member.person))
        return MemberView(
            member,
            found.name if found else member.person,
            found.address if found else "",
            has_step,
        )

    def accounts_of(self, by: Acting) -> tuple[AccountView, ...]:
        return tuple(
            AccountView(one, self.founder_name(one.account), one.account == by.account)
            for one in self.rows.accounts_of(by.person)
        )

    def audit(
        self,
        account: str,
        limit: int,
        *,
        before: int | None = None,
        kind: str = "",
        person: str = "",
    ) -> tuple[AuditLine, ...]:
        lines = self.rows.audit(account, limit, before=before, kind=kind, person=person)
        names = self.names_of(one for line in lines for one in (line.person, line.by_person))
        return tuple(AuditLine(one, names[one.person], names[one.by_person]) for one in lines)

    # ---- changing --------------------------------------------------------------------

    def change(
        self,
        by: Acting,
        person: str,
        wanted: frozenset[Permission],
        *,
        seen: int | None = None,
    ) -> Member:
        return self.rows.change(by, person, wanted, self._now(), seen=seen)

    def demands_second_step(self, account: str) -> str:
        """Who demands it of all who act here: operator, account, or empty."""
        if self._demands.policy == "everybody":
            return "operator"
        return "account" if self._demands.is_demanded(account) else ""

    def demand_second_step(self, by: Acting, *, demanded: bool) -> None:
        self._demands.change(by, self._now(), demanded=demanded)

    def remove(self, by: Acting, person: str) -> None:
        """His sessions end with it, unless he acts for another account as well."""
        self.rows.remove(by, person, self._now())
        if not self.rows.accounts_of(person):
            self._sessions.end(person, self._now())

    def choose(self, by: Acting, account: str) -> None:
        self.rows.choose(by.person, account)

    # ---- invitations -----------------------------------------------------------------

    def invitations(self, account: str) -> tuple[tuple[Invitation, str], ...]:
        """Each with how it stands."""
        now = self._now()
        return tuple((one, one.standing(now)) for one in self._invitations.of(account))

    def invite(self, by: Acting, note: str = "") -> tuple[Invitation, str]:
        return self._invitations.invite(by, self._now(), note)

    def revoke_invitation(self, by: Acting, invitation: str) -> None:
        self._invitations.revoke(by, invitation, self._now())

    def account_of_invitation(self, invitation: str) -> str | None:
        return self._invitations.account_of(invitation)

    def invited_by(self, secret: str) -> Invitation:
        return self._invitations.require(secret, self._now())

    def accept(self, secret: str, person: str) -> Member:
        """The person is a member, and acts for that account from now on."""
        member = self._invitations.accept(secret, person, self._now())
        self.rows.choose(person, member.account)
        return member


class KeyRing:
    """The API keys of every account."""

    def __init__(self, parts: Parts, members: Membership) -> None:
        self._now, self._members = parts.now, members
        self._rows = Keys(parts.accounts, parts.entropy)

    def find(self, secret: str) -> Acting | None:
        return self._rows.find(secret, self._now())

    def of(self, account: str) -> tuple[KeyView, ...]:
        now = self._now()
        held = {one.person: one for one in self._members.rows.people(account)}
        return tuple(
            self._view(one, held.get(one.person), now) for one in self._rows.of(account)
        )

    def _view(self, key: Key, maker: Member | None, now: datetime) -> KeyView:
        standing = key.standing(now)
        if standing == "active" and (maker is None or maker.since != key.since):
            standing = "fallen"
        scopes = key.scopes & maker.permissions if maker else frozenset()
        return KeyView(key, standing, self._members.name_of(key.person), scopes)

    def make(
        self, by: Acting, scopes: frozenset[Permission], *, days: int, note: str
    ) -> tuple[Key, str]:
        return self._rows.make(by, scopes, self._now(), days=days, note=note)

    def revoke(self, by: Acting, key: str) -> None:
        self._rows.revoke(by, key, self._now())

    def account_of_key(self, key: str) -> str | None:
        return self._rows.account_of(key)
