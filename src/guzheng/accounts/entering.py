"""Coming in (登录): what is asked of whom, in which order, and what it costs to be wrong.

    password ──→ no second step is set ──────────────────────────→ session
       └──────→ a code of the authenticator, or a recovery code ──→ session
    passkey (the person is verified by his device) ──────────────→ session
    identity provider (`federating`) ──→ as after a password

Nobody learns here who has an account: an unknown address costs a hash as a known one does, is
counted and locked like one, and hears the same words. A lock is against what was typed and
where it came from; a passkey goes past it, since there is nothing to guess about one. Whoever
has come in proves himself again before what could lock him out (`prove`).
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from guzheng.accounts import challenges, onetime
from guzheng.accounts.identities import Identities
from guzheng.accounts.letters import SECOND, Letters, digest_of
from guzheng.accounts.passkeys import Passkey, Site
from guzheng.accounts.passwords import Passwords
from guzheng.accounts.people import Person, Persons, parse_address
from guzheng.accounts.sealing import Sealing
from guzheng.accounts.sessions import Caller, Session, Sessions, legible
from guzheng.accounts.tries import PERSON, PLACE, Tries
from guzheng.refusals import Problem, Refused

PASSWORD, PASSKEY, LINK, IDENTITY = "password", "passkey", "link", "identity"
WITH_CODE, WITH_RECOVERY = "totp", "recovery"  # after the first means, with a plus
_TYPED: Final = 300


@dataclass(frozen=True, slots=True)
class Entered:
    """A session has begun; `token` goes into the cookie, and is told this once."""

    token: str
    person: str


@dataclass(frozen=True, slots=True)
class Halfway:
    """The password was right; `token` stands for that until the second step is done."""

    token: str


@dataclass(frozen=True, slots=True)
class Rooms:
    """What is kept of persons, each kind by itself."""

    engine: Engine
    persons: Persons
    sessions: Sessions
    letters: Letters
    tries: Tries
    passwords: Passwords
    sealing: Sealing
    entropy: Callable[[int], bytes]

    def subject(self, kind: str, text: str) -> str:
        """Under which name tries are counted."""
        return self.sealing.digest(f"try {kind}", text)

    def place(self, caller: Caller, kind: str = "place") -> str:
        return self.subject(kind, network_of(caller.address))

    def totp_secret(self, person: str, sealed: str) -> bytes:
        return self.sealing.opened(sealed, f"totp {person}")


def network_of(address: str) -> str:
    """One IPv4 address, or the 2^64 addresses that one IPv6 customer has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_TYPED]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def spelled(typed: str) -> str:
    """As which address it counts, be it one or not."""
    try:
        return parse_address(typed)
    except Refused:
        return legible(typed.strip().lower(), _TYPED)


class Entering:
    """Every way in."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    # ---- by password -----------------------------------------------------------------

    def by_password(
        self, typed: str, password: str, caller: Caller, now: datetime
    ) -> Entered | Halfway:
        rooms, address = self._rooms, spelled(typed)
        person = rooms.persons.find_by_address(address)
        self._require_password(address, person, password, caller, now)
        if person is None:
            raise _wrong()
        if rooms.passwords.is_stale(person.password):
            kept = rooms.passwords.hashed(password)
            rooms.persons.set_password(person.person, kept, person.password_at or now)
        totp = rooms.persons.find_totp(person.person)
        if totp is not None and totp.confirmed:
            return Halfway(rooms.letters.write(SECOND, now, person=person.person))
        return self.enter(person, PASSWORD, caller, now)

    def by_second_step(self, half: str, typed: str, caller: Caller, now: datetime) -> Entered:
        """A code, after the password. What fails counts against the person: whoever has the
        password only cannot try codes for ever."""
        rooms = self._rooms
        first = rooms.letters.read(SECOND, half, now)
        person = rooms.persons.require(first.person)
        subjects = self._subjects(person.address, caller)
        rooms.tries.claim(subjects, now)
        means = self._judge_code(person, typed, now)
        if not means:
            raise Refused("accounts.code-wrong", expected="a code that was not used yet")
        rooms.tries.give_back(subjects)
        rooms.letters.take(SECOND, half, now)
        entered = self.enter(person, f"{first.note or PASSWORD}+{means}", caller, now)
        if first.note == IDENTITY:
            session = rooms.sessions.find(entered.token, now)
            if session is not None:
                Identities(rooms.engine).went_on(digest_of(half), session.session)
        return entered

    def _judge_code(self, person: Person, typed: str, now: datetime) -> str:
        persons, totp = self._rooms.persons, self._rooms.persons.find_totp(person.person)
        if onetime.is_recovery(typed):
            digest = self._rooms.sealing.digest("recovery", onetime.code_of(typed))
            return WITH_RECOVERY if persons.take_recovery(person.person, digest, now) else ""
        if totp is None or not totp.confirmed:
            return ""
        secret = self._rooms.totp_secret(person.person, totp.secret)
        step = onetime.find_step(secret, typed, now, totp.last_step)
        taken = step is not None and persons.take_step(person.person, step, now)
        return WITH_CODE if taken else ""

    def _require_password(
        self,
        address: str,
        person: Person | None,
        password: str,
        caller: Caller,
        now: datetime,
    ) -> None:
        rooms, subjects = self._rooms, self._subjects(address, caller)
        rooms.tries.claim(subjects, now)
        try:
            is_right = rooms.passwords.check(password, person.password if person else "")
        except Problem:  # too many at once: it was not looked at
            rooms.tries.give_back(subjects)
            raise
        if not is_right:
            raise _wrong()
        rooms.tries.give_back(subjects)

    def _subjects(self, address: str, caller: Caller) -> dict[str, Any]:
        rooms = self._rooms
        return {rooms.subject("person", address): PERSON, rooms.place(caller): PLACE}

    # ---- by passkey ------------------------------------------------------------------

    def ask_passkey(self, site: Site, now: datetime) -> dict[str, Any]:
        from guzheng.accounts import webauthn  # slow to load

        rooms, purpose = self._rooms, challenges.TO_SIGN
        challenge = challenges.new(rooms.sealing, purpose, now, rooms.entropy)
        return webauthn.ask_to_sign(site, challenge)

    def by_passkey(
        self, site: Site, answer: Mapping[str, Any], caller: Caller, now: datetime
    ) -> Entered:
        passkey = self._judge_passkey(site, answer, caller, now)
        person = self._rooms.persons.require(passkey.person)
        return self.enter(person, PASSKEY, caller, now, passkey.name)

    def _judge_passkey(
        self, site: Site, answer: Mapping[str, Any], caller: Caller, now: datetime
    ) -> Passkey:
        from guzheng.accounts import webauthn  # slow to load

        rooms, place = self._rooms, self._rooms.place(caller)
        rooms.tries.require((place,), now)
        try:
            challenge = webauthn.challenge_in(answer)
            challenges.require(rooms.sealing, challenges.TO_SIGN, challenge, now)
            name, handle = webauthn.credential_in(answer)
            passkey = rooms.persons.find_passkey(name)
            if passkey is None or handle not in {"", passkey.person}:
                raise Refused("accounts.passkey-unknown", expected="a passkey that is set up")
            counter = webauthn.signed(site, challenge, answer, passkey)
            challenges.spend(rooms.letters, challenge, now)
            rooms.persons.passkey_used(passkey, counter, now)
        except Refused:
            rooms.tries.count({place: PLACE}, now)
            raise
        return passkey

    # ---- and then --------------------------------------------------------------------

    def enter(
        self, person: Person, means: str, caller: Caller, now: datetime, detail: str = ""
    ) -> Entered:
        """A session of its own; what failed before is forgiven and told to the person."""
        rooms = self._rooms
        failures = rooms.tries.forgive(rooms.subject("person", person.address))
        token = rooms.sessions.begin(person.person, means, caller, now)
        rooms.persons.tell(person.person, f"entered.{means}", caller, now, detail)
        if failures:
            rooms.persons.tell(person.person, "failed-before", caller, now, str(failures))
        return Entered(token, person.person)

    def prove_by_password(
        self, session: Session, password: str, caller: Caller, now: datetime
    ) -> Entered:
        person = self._rooms.persons.require(session.person)
        self._require_password(person.address, person, password, caller, now)
        self._rooms.tries.forgive(self._rooms.subject("person", person.address))
        return Entered(self._rooms.sessions.prove(session, now), person.person)

    def prove_by_passkey(
        self,
        session: Session,
        site: Site,
        answer: Mapping[str, Any],
        caller: Caller,
        now: datetime,
    ) -> Entered:
        passkey = self._judge_passkey(site, answer, caller, now)
        if passkey.person != session.person:
            raise Refused("accounts.passkey-unknown", expected="a passkey of this person")
        return Entered(self._rooms.sessions.prove(session, now, PASSKEY), session.person)


def _wrong() -> Refused:
    return Refused(
        "accounts.sign-in-refused",
        expected="an address and its password",
        act="try again, or ask for another password",
    )
