"""Registering (注册) and the forgotten password: by a letter, to whoever reads the address.

Only the address is asked for first; name and password are chosen under the link of the letter.
So nobody can prepare an account for the address of another, and nobody learns from the answer,
or from how long it takes, which addresses have an account: a known one is written a letter too,
of another content. Letters to one address, and from one place, are limited (`tries`).

The operator comes by a link that the console prints. He has the account `local` then; so
whoever can start the server is who it belongs to.
"""

from dataclasses import dataclass
from datetime import datetime

from guzheng.accounts.acting import SEAT, Acting, Permission
from guzheng.accounts.entering import LINK, Entered, Entering, Rooms
from guzheng.accounts.letters import CONFIRM, FORGOT, KNOWN, MOVE, WELCOME, Letter
from guzheng.accounts.members import Members
from guzheng.accounts.passwords import require_good
from guzheng.accounts.people import Person, address_taken, parse_address, parse_name
from guzheng.accounts.sessions import Caller, Session
from guzheng.accounts.tries import LETTERS, LETTERS_OF_PLACE
from guzheng.store.ids import LOCAL
from guzheng.store.records import writing


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter to be sent: its kind decides its words, and the token makes its link."""

    kind: str
    address: str
    token: str
    person: str = ""
    note: str = ""


class Registering:
    """Every way to become a person, and to be one again."""

    def __init__(self, rooms: Rooms, members: Members, entering: Entering) -> None:
        self._rooms, self._members, self._entering = rooms, members, entering

    # ---- asking ----------------------------------------------------------------------

    def ask(self, typed: str, onward: str, caller: Caller, now: datetime) -> Outgoing:
        """A letter to this address. `onward`: where to go on once there is an account."""
        address, person = self._asked(typed, caller, now)
        if person is None:
            token = self._rooms.letters.write(CONFIRM, now, address=address, note=onward)
            return Outgoing(CONFIRM, address, token, note=onward)
        return Outgoing(KNOWN, address, self._rooms.letters.write(KNOWN, now, address=address))

    def ask_anew(self, typed: str, caller: Caller, now: datetime) -> Outgoing:
        """The password is forgotten."""
        address, person = self._asked(typed, caller, now)
        if person is None:
            token = self._rooms.letters.write(KNOWN, now, address=address)
            return Outgoing("unknown", address, token)
        token = self._rooms.letters.write(FORGOT, now, person=person.person, address=address)
        return Outgoing(FORGOT, address, token, person.person)

    def _asked(self, typed: str, caller: Caller, now: datetime) -> tuple[str, Person | None]:
        rooms, address = self._rooms, parse_address(typed)
        limits = {
            rooms.subject("letter", address): LETTERS,
            rooms.place(caller, "letter-place"): LETTERS_OF_PLACE,
        }
        rooms.tries.claim(limits, now)
        return address, rooms.persons.find_by_address(address)

    # ---- with the link ---------------------------------------------------------------

    def letter(self, kind: str, token: str, now: datetime) -> Letter:
        """What a link is for, while it lives."""
        return self._rooms.letters.read(kind, token, now)

    def confirm(
        self, token: str, name: str, password: str, caller: Caller, now: datetime
    ) -> tuple[Entered, str]:
        """There is a person, with an account of his own; and where he wanted to go on."""
        letter = self._rooms.letters.read(CONFIRM, token, now)
        named, kept = self._chosen(name, letter.address, password)
        self._rooms.letters.take(CONFIRM, token, now)
        person = self._rooms.persons.add(named, letter.address, kept, now)
        self._members.found(person.person, now)
        return self._begun(person, caller, now), letter.note

    def reset(self, token: str, password: str, caller: Caller, now: datetime) -> Person:
        """Another password. All sessions end, none begins: whoever has read the letter still
        has to pass the second step, if there is one."""
        rooms = self._rooms
        person = rooms.persons.require(rooms.letters.read(FORGOT, token, now).person)
        _, kept = self._chosen(person.name, person.address, password)
        rooms.letters.take(FORGOT, token, now)
        rooms.persons.set_password(person.person, kept, now)
        rooms.sessions.end(person.person, now)
        rooms.letters.void(person.person)
        rooms.tries.forgive(rooms.subject("person", person.address))
        rooms.persons.tell(person.person, "password-reset", caller, now)
        return person

    def _chosen(self, name: str, address: str, password: str) -> tuple[str, str]:
        named = parse_name(name)
        good = require_good(password, own=(named, address))
        return named, self._rooms.passwords.hashed(good)

    def _begun(self, person: Person, caller: Caller, now: datetime) -> Entered:
        self._rooms.persons.tell(person.person, "registered", caller, now)
        return self._entering.enter(person, LINK, caller, now)

    # ---- another address -------------------------------------------------------------

    def ask_to_move(
        self, session: Session, typed: str, caller: Caller, now: datetime
    ) -> Outgoing:
        """A letter to the other address of a person who proved himself a moment ago."""
        address, taken = self._asked(typed, caller, now)
        if taken is not None:
            token = self._rooms.letters.write(KNOWN, now, address=address)
            return Outgoing(KNOWN, address, token)
        whose = session.person
        token = self._rooms.letters.write(MOVE, now, person=whose, address=address)
        return Outgoing(MOVE, address, token, whose)

    def move(self, token: str, caller: Caller, now: datetime) -> tuple[Person, str]:
        """The person with his other address, and the one he had."""
        rooms, letter = self._rooms, self._rooms.letters.take(MOVE, token, now)
        before = rooms.persons.require(letter.person).address
        rooms.persons.move(letter.person, letter.address)
        rooms.letters.void(letter.person)  # what went to the former address opens nothing now
        rooms.persons.tell(letter.person, "address-changed", caller, now, before)
        return rooms.persons.require(letter.person), before

    # ---- the operator ----------------------------------------------------------------

    def has_operator(self) -> bool:
        return self._members.find_founder(LOCAL) is not None

    def welcome(self, now: datetime) -> str:
        """The token of a link that makes whoever opens it the operator; earlier ones die."""
        return self._rooms.letters.write(WELCOME, now)

    def be_welcomed(
        self,
        token: str,
        name: str,
        typed: str,
        password: str,
        caller: Caller,
        now: datetime,
    ) -> Entered:
        """The operator, with the account `local`. His address is taken as he says it: he can
        read the console, and who can do that need not prove more."""
        rooms = self._rooms
        rooms.letters.read(WELCOME, token, now)
        address = parse_address(typed)
        named, kept = self._chosen(name, address, password)
        if rooms.persons.find_by_address(address) is not None:
            raise address_taken()
        rooms.letters.take(WELCOME, token, now)
        person = rooms.persons.add(named, address, kept, now)
        if self.has_operator():
            self._joined(person, now)
        else:
            self._members.found(person.person, now, LOCAL)
        return self._begun(person, caller, now)

    def _joined(self, person: Person, now: datetime) -> None:
        """A further operator of an installation that has one: with everything, too."""
        by = Acting(LOCAL, person.person, frozenset())
        with writing(self._rooms.engine) as connection:
            self._members.join(connection, by, now)
        self._members.grant(SEAT, person.person, frozenset(Permission), now)
