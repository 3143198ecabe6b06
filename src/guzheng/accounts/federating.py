"""Coming in by an identity provider of others: for what, by which browser, and as whom.

    begin ── state, nonce and PKCE verifier, sealed into a cookie; nothing is written
      └→ the provider ─→ finish: the cookie and the answer belong together, once
            to sign in: whom it is linked to → his second step, if he set one → session
            to link:    shown to who is signed in; it is his when he says so (`link`)
            to prove:   the same person showed there a moment ago who he is → another token

Whom nobody linked is not let in by his address alone. He becomes a person if the operator
allows that, for everybody or for who was invited, and only with an address that the provider
says he reads; where the address has a person already, that person links it himself, unless the
operator trusts the provider's addresses so far (`trust_address`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from guzheng.accounts.entering import IDENTITY, Entered, Entering, Halfway, Rooms
from guzheng.accounts.identities import Identities, Linked
from guzheng.accounts.idtokens import Expected, Identity, not_proved
from guzheng.accounts.issuers import Issuer
from guzheng.accounts.letters import LASTS, SECOND, WAY, digest_of, new_token
from guzheng.accounts.members import Members
from guzheng.accounts.onetime import websafe
from guzheng.accounts.people import (
    ADDRESS_LIMIT,
    NAME_LIMIT,
    Person,
    parse_address,
    parse_name,
)
from guzheng.accounts.securing import Securing
from guzheng.accounts.sessions import Caller, Session
from guzheng.accounts.tries import PLACE
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused

TO_ENTER, TO_LINK, TO_PROVE = "enter", "link", "prove"
NOBODY, INVITED, EVERYBODY = "no", "invited", "yes"
_TAKEN_BACK: Final = "identity back"
_PROPOSED: Final = "identity link"
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows."""

    new_persons: str = INVITED
    trust_address: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it keeps until it comes back."""

    address: str
    kept: str


@dataclass(frozen=True, slots=True)
class Way:
    """What a cookie stands for: a sign-in that is under way. `session`: whose, if anybody's;
    `invited`: it leads to an invitation that is open."""

    purpose: str
    state: str
    nonce: str
    verifier: str
    onward: str
    session: str
    invited: bool
    begun_at: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """An identity that may be linked: the person is shown it first, and says so."""

    shown: str
    token: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of it, to whom. `new`: what this very sign-in changed, for a letter."""

    outcome: Entered | Halfway | Proposed
    person: str
    purpose: str
    onward: str
    new: str = ""


class Federating:
    """Every way in by one issuer."""

    def __init__(
        self, rooms: Rooms, members: Members, entering: Entering, issuer: Issuer, rules: Rules
    ) -> None:
        self._rooms, self._members, self._entering = rooms, members, entering
        self.issuer, self._rules = issuer, rules
        self._linked = Identities(rooms.engine)

    # ---- away ------------------------------------------------------------------------

    def begin(
        self,
        purpose: str,
        back: str,
        onward: str,
        now: datetime,
        *,
        session: Session | None = None,
        invited: bool = False,
    ) -> Begun:
        """May raise Unavailable, before anybody is sent anywhere."""
        state, nonce, verifier = (new_token(self._rooms.entropy) for _ in range(3))
        challenge = websafe(sha256(verifier.encode()).digest())
        address = self.issuer.address(
            back, state, nonce, challenge, now, anew=purpose == TO_PROVE
        )
        whose = session.session if session else ""
        way = Way(purpose, state, nonce, verifier, onward, whose, invited, instant.encode(now))
        return Begun(address, self._sealed(asdict(way), _TAKEN_BACK))

    def way(self, kept: str, state: str, now: datetime) -> Way:
        """What is under way in this browser. Refused for an answer to anything else."""
        way = Way(**self._opened(kept, _TAKEN_BACK))
        if not state or state != way.state:
            raise not_proved("state: the one that this browser was sent with", "another")
        if now - instant.parse(way.begun_at) >= LASTS[WAY]:
            raise _over()
        return way

    # ---- and back --------------------------------------------------------------------

    def finish(
        self,
        way: Way,
        back: str,
        answer: Mapping[str, str],
        session: Session | None,
        caller: Caller,
        now: datetime,
    ) -> Arrived:
        """`answer`: what the provider had the browser bring."""
        rooms, place = self._rooms, self._rooms.place(caller)
        rooms.tries.require((place,), now)
        self._spend(way.state, now)  # before anything is asked: of two at once, one goes on
        try:
            self.issuer.require_own_answer(answer.get("iss", ""), now)
            if answer.get("error") or not answer.get("code"):
                raise _declined(answer.get("error", ""))
            if way.purpose != TO_ENTER and (session is None or way.session != session.session):
                raise not_proved("the session that it was begun in", "another")
            expected = Expected(
                self.issuer.issuer, self.issuer.client, way.nonce, way.purpose == TO_PROVE
            )
            identity = self.issuer.redeemed(answer["code"], way.verifier, back, expected, now)
        except Refused as refused:
            if refused.code == "accounts.identity-not-proved":
                rooms.tries.count({place: PLACE}, now)
            raise
        if way.purpose == TO_ENTER or session is None:
            return self._entered(identity, way, caller, now)
        if way.purpose == TO_PROVE:
            proved = self._proved(identity, session, now)
            return Arrived(proved, session.person, way.purpose, way.onward)
        proposed = self._proposed(identity, session, now)
        return Arrived(proposed, session.person, way.purpose, way.onward)

    def _entered(self, identity: Identity, way: Way, caller: Caller, now: datetime) -> Arrived:
        rooms, new = self._rooms, ""
        linked = self._linked.find(identity.issuer, identity.subject)
        if linked is None:
            person, new = self._person_for(identity, way, caller, now)
            linked = self._linked.find(identity.issuer, identity.subject)
        else:
            person = rooms.persons.require(linked.person)
        if linked is not None:
            self._linked.used(linked, now)
        totp = rooms.persons.find_totp(person.person)
        if totp is not None and totp.confirmed:
            half = rooms.letters.write(SECOND, now, person=person.person, note=IDENTITY)
            self._began(digest_of(half), identity)
            return Arrived(Halfway(half), person.person, way.purpose, way.onward, new)
        entered = self._entering.enter(person, IDENTITY, caller, now, identity.shown)
        session = rooms.sessions.find(entered.token, now)
        if session is not None:
            self._began(session.session, identity)
        return Arrived(entered, person.person, way.purpose, way.onward, new)

    def _began(self, begun: str, identity: Identity) -> None:
        """So that the issuer can end it (`loggingout`)."""
        self._linked.began(begun, identity.issuer, identity.subject, identity.sid)

    def _person_for(
        self, identity: Identity, way: Way, caller: Caller, now: datetime
    ) -> tuple[Person, str]:
        """Somebody whom nobody linked: a new person, or nobody."""
        address = _address_of(identity)
        person = self._rooms.persons.find_by_address(address) if address else None
        if person is not None and not self._rules.trust_address:
            raise _unknown("sign in as before, and link it under your ways to sign in")
        if person is None:
            allowed = self._rules.new_persons
            if allowed == NOBODY or (allowed == INVITED and not way.invited):
                raise _unknown("sign in another way and link it, or ask for an invitation")
            if not address:
                raise Refused(
                    "accounts.identity-without-address",
                    expected="an address that the provider says is yours",
                    found="none",
                    act="register by a letter, and link it then",
                )
            person = self._made(identity, address, caller, now)
        self._link(
            person.person, identity.issuer, identity.subject, identity.shown, caller, now
        )
        return person, "identity-linked"

    def _made(self, identity: Identity, address: str, caller: Caller, now: datetime) -> Person:
        """A person without a password: he may have one by a letter whenever he wants."""
        try:
            name = parse_name(identity.name[:NAME_LIMIT])
        except Refused:
            name = parse_name(address.partition("@")[0][:NAME_LIMIT])
        person = self._rooms.persons.add(name, address, "", now)
        self._members.found(person.person, now)
        self._rooms.persons.tell(person.person, "registered", caller, now, identity.shown)
        return person

    def _proved(self, identity: Identity, session: Session, now: datetime) -> Entered:
        linked = self._linked.find(identity.issuer, identity.subject)
        if linked is None or linked.person != session.person:
            raise _unknown("choose there the one that is linked to you")
        self._linked.used(linked, now)
        return Entered(self._rooms.sessions.prove(session, now), session.person)

    # ---- links -----------------------------------------------------------------------

    def _proposed(self, identity: Identity, session: Session, now: datetime) -> Proposed:
        """Not linked by coming back alone: another site could have sent the browser there, and
        signed it in there as somebody else."""
        Securing.require_proved(session, now)
        said = {
            "issuer": identity.issuer,
            "subject": identity.subject,
            "shown": identity.shown,
            "session": session.session,
            "begun_at": instant.encode(now),
        }
        return Proposed(identity.shown, self._sealed(said, _PROPOSED))

    def link(self, session: Session, token: str, caller: Caller, now: datetime) -> Entered:
        """What was proposed to this session is his from now on; his other sessions end."""
        Securing.require_proved(session, now)
        said = self._opened(token, _PROPOSED)
        late = now - instant.parse(said["begun_at"]) >= LASTS[WAY]
        if said["session"] != session.session or late:
            raise _over()
        self._spend(token, now)
        self._link(session.person, said["issuer"], said["subject"], said["shown"], caller, now)
        return Securing(self._rooms).rotated(session, now)

    def _link(
        self, person: str, issuer: str, subject: str, shown: str, caller: Caller, now: datetime
    ) -> None:
        self._linked.link(person, issuer, subject, shown, now)
        self._rooms.persons.tell(person, "identity-linked", caller, now, shown)

    # ---- what the browser keeps ------------------------------------------------------

    def _sealed(self, said: Mapping[str, object], place: str) -> str:
        return self._rooms.sealing.sealed(canonical.encode(dict(said)), place)

    def _opened(self, kept: str, place: str) -> dict[str, Any]:
        """Refused for what we did not seal for this; it says nothing then of why."""
        try:
            if len(kept) > _LONGEST:
                raise ValueError("too long")
            value: dict[str, Any] = json.loads(self._rooms.sealing.opened(kept, place))
        except (Refused, ValueError) as error:
            raise _over() from error
        return value

    def _spend(self, token: str, now: datetime) -> None:
        try:
            self._rooms.letters.spend(WAY, token, now)
        except Refused as error:
            raise _over() from error


class Unlinking:
    """What a person sees and takes away of his links; the issuer need not be there for it."""

    def __init__(self, rooms: Rooms, reaches: Callable[[str], bool]) -> None:
        self._rooms, self._reaches = rooms, reaches
        self._linked = Identities(rooms.engine)

    def of(self, person: str) -> tuple[Linked, ...]:
        return self._linked.of(person)

    def unlink(
        self, session: Session, issuer: str, subject: str, caller: Caller, now: datetime
    ) -> Entered:
        """His other sessions end. Refused where no other way in would be left."""
        Securing.require_proved(session, now)
        persons = self._rooms.persons
        person, mine = persons.require(session.person), self._linked.of(session.person)
        others = person.password or persons.passkeys(person.person) or len(mine) > 1
        if not others and not self._reaches(person.address):
            raise Refused(
                "accounts.identity-last",
                expected="another way to sign in",
                found="none",
                act="set a password or a passkey first",
            )
        shown = [one.shown for one in mine if (one.issuer, one.subject) == (issuer, subject)]
        if not shown or not self._linked.unlink(session.person, issuer, subject):
            raise Refused("accounts.identity-not-found", expected="an identity of this person")
        persons.tell(session.person, "identity-unlinked", caller, now, shown[0])
        return Securing(self._rooms).rotated(session, now)


def _address_of(identity: Identity) -> str:
    """In our spelling; empty for none that we could write to."""
    try:
        return parse_address(identity.address[:ADDRESS_LIMIT]) if identity.address else ""
    except Refused:
        return ""


def _unknown(act: str) -> Refused:
    return Refused(
        "accounts.identity-unknown",
        expected="an identity that is linked to a person here",
        found="one that nobody linked",
        act=act,
    )


def _declined(error: str) -> Refused:
    legible = "".join(one for one in error if one.isascii() and one.isprintable())
    return Refused(
        "accounts.identity-declined",
        expected="that the provider lets you in",
        found=legible[:60] or "no code",
        act="try again, or sign in another way",
    )


def _over() -> Refused:
    return Refused(
        "accounts.identity-over",
        expected="a sign-in that this browser began a moment ago, and that was not used",
        found="another",
        act="begin again at the sign-in page",
    )
