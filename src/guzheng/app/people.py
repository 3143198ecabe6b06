"""Persons of an installation, as the faces see them: the rules of `accounts`, with a clock, a
source of chance, and somebody who carries letters.

Where a link in a letter leads is the operator's to say (`public_url`). Without it letters go to
the console of this machine, and their links to the address that the reader used.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from guzheng import words
from guzheng.accounts import sealing
from guzheng.accounts.codes import PAUSE, Codes, Waiting
from guzheng.accounts.entering import Entered, Entering, Halfway, Rooms
from guzheng.accounts.federating import Proposed
from guzheng.accounts.letters import CONFIRM, FORGOT, MOVE, Letters, Mail
from guzheng.accounts.members import Members
from guzheng.accounts.onetime import Shown
from guzheng.accounts.passkeys import Passkey, Site
from guzheng.accounts.passwords import Cost, Passwords
from guzheng.accounts.people import Happened, Person, Persons, parse_address, parse_name
from guzheng.accounts.registering import Outgoing, Registering
from guzheng.accounts.securing import Securing
from guzheng.accounts.sessions import COOKIE, Caller, Session, Sessions, Terms
from guzheng.accounts.tries import DISPUTES_OF_PLACE, LETTERS_OF_PLACE, PERSON, TooOften, Tries
from guzheng.app.federation import Federation
from guzheng.app.parts import Parts
from guzheng.app.writing import Writing, language_of
from guzheng.config import Config
from guzheng.refusals import Problem, Refused
from guzheng.store import ids

__all__ = ["Caller", "Halfway", "People", "Proposed", "Site"]

LATEST: Final = 20
NOTICE: Final = "notice-acknowledged"
_PLACES: Final = {CONFIRM: "/confirm/", FORGOT: "/reset/", MOVE: "/move/"}
SHELL: Final = Caller("guzheng operator", "")


@dataclass(frozen=True, slots=True)
class Security:
    """How a person can sign in, and what happened about it lately."""

    person: Person
    passkeys: tuple[Passkey, ...]
    second_step: bool
    codes_left: int
    history: tuple[Happened, ...]


class People:
    """Registering, signing in, and one's own locks. May be shared by threads."""

    def __init__(self, config: Config, parts: Parts, mail: Mail | None = None) -> None:
        engine, entropy = parts.accounts, parts.entropy
        cost = Cost(config.password_mib * 1024, config.password_passes)
        terms = Terms(
            timedelta(hours=config.session_hours),
            timedelta(minutes=config.session_idle_minutes),
        )
        self._rooms = rooms = Rooms(
            engine,
            Persons(engine, entropy),
            Sessions(engine, entropy, terms),
            Letters(engine, entropy),
            Tries(engine),
            Passwords(entropy, cost),
            sealing.open_sealing(parts.data / "keys", engine, parts.now, entropy),
            entropy,
        )
        self._members = Members(engine, entropy)
        self._codes = Codes(engine, entropy, rooms.subject)
        self._now = parts.now
        self.are_on = config.accounts == "on"
        self.session_seconds = config.session_hours * 3600
        self._public_url = config.public_url.rstrip("/")
        self._writing = writing = Writing(config, parts, rooms, mail)
        self.write_to, self.short_messages = writing.write_to, writing.short_messages
        self._entering = Entering(rooms)
        self._registering = Registering(rooms, self._members, self._entering)
        self._securing = Securing(rooms)
        self.federation = Federation(
            config,
            rooms,
            self._members,
            self._entering,
            parts.now,
            writing.reaches,
            lambda one, what, caller: writing.warn(rooms.persons.require(one), what, caller),
        )

    # ---- where we are ----------------------------------------------------------------

    def address(self, asked: str) -> str:
        """Of this installation: as the operator says, else as the reader reached it."""
        return self._public_url or asked.rstrip("/")

    def site(self, asked: str) -> Site:
        parts = urlsplit(self.address(asked))
        return Site(f"{parts.scheme}://{parts.netloc}", parts.hostname or "")

    @contextmanager
    def disputing(self, caller: Caller) -> Iterator[None]:
        """What is disputed within counts against the place, if it was kept: one alone must not
        use up what is taken in a day. Raises Refused. With accounts off, too."""
        limits = {self._rooms.place(caller, "dispute-place"): DISPUTES_OF_PLACE}
        now = self._now()
        try:
            self._rooms.tries.claim(limits, now)
        except TooOften as often:
            raise TooOften(often.until, now, "court.disputes-often") from often
        try:
            yield
        except Problem:
            self._rooms.tries.give_back(limits)
            raise

    # ---- registering -----------------------------------------------------------------

    def register(
        self, typed: str, onward: str, asked: str, caller: Caller, language: words.Language
    ) -> str:
        """A letter is under way, whether or not there is such a person. What the page that
        waits for its code keeps."""
        self._writing.require_reachable(typed)
        letter = self._registering.ask(typed, onward, caller, self._now())
        return self._post(letter, "register", asked, language, onward)

    def forgot(self, typed: str, asked: str, caller: Caller, language: words.Language) -> str:
        self._writing.require_reachable(typed)
        letter = self._registering.ask_anew(typed, caller, self._now())
        return self._post(letter, "forgot", asked, language)

    def waiting(self, kept: str) -> Waiting | None:
        """What a page waits for."""
        return self._codes.find(kept, self._now())

    def type_code(self, kept: str, typed: str, caller: Caller) -> str:
        """Where the right code leads: the same page as the link of the letter. Raises Refused;
        wrong ones count against the address and the place as well."""
        rooms, now = self._rooms, self._now()
        waiting = self._codes.find(kept, now)
        limits = {rooms.place(caller, "code-place"): LETTERS_OF_PLACE}
        if waiting is not None:
            limits[rooms.subject("code", waiting.address)] = PERSON
            if waiting.person:
                limits[rooms.subject("code-person", waiting.person)] = PERSON
        rooms.tries.require(tuple(limits), now)
        try:
            right = self._codes.take(kept, typed, now)
        except Refused:
            rooms.tries.count(limits, now)
            raise
        token = rooms.letters.write(
            right.kind, now, person=right.person, address=right.address, note=right.note
        )
        return f"{_PLACES[right.kind]}{token}"

    def send_again(
        self, kept: str, asked: str, caller: Caller, language: words.Language
    ) -> str:
        """Another code, once a minute; the earlier one is void. Raises Refused."""
        waiting, now = self._codes.find(kept, self._now()), self._now()
        if waiting is None:
            raise Refused("accounts.code-over", expected="a code that is not too old")
        if waiting.pause_seconds(now):
            raise TooOften(waiting.made_at + PAUSE, now)
        if waiting.purpose == "register":
            return self.register(waiting.address, waiting.note, asked, caller, language)
        if waiting.purpose == "forgot":
            return self.forgot(waiting.address, asked, caller, language)
        raise Refused("accounts.prove-again", expected="shown within the last ten minutes")

    def _post(
        self,
        letter: Outgoing,
        purpose: str,
        asked: str,
        language: words.Language,
        note: str = "",
    ) -> str:
        place = _PLACES.get(letter.kind)
        base = self.address(asked)
        kept, code = self._codes.write(
            letter.kind,
            purpose,
            self._now(),
            person=letter.person,
            address=letter.address,
            note=letter.note or note,
            is_sent=place is not None,
        )
        facts = {"link": f"{base}{place}{letter.token}" if place else f"{base}/login"}
        if place:
            facts["code"] = code
            if letter.address.startswith("+"):
                del facts["link"]  # the page waits for digits; a link would be a second key
        self._writing.write(letter.address, letter.kind, language, facts | {"site": base})
        return kept

    def letter_address(self, kind: str, token: str) -> str:
        """Whom a living link is for; Refused for any other."""
        return self._registering.letter(kind, token, self._now()).address

    def confirm(
        self, token: str, name: str, password: str, caller: Caller
    ) -> tuple[Entered, str]:
        entered, onward = self._registering.confirm(token, name, password, caller, self._now())
        return self._with_account(entered), onward

    def reset(self, token: str, password: str, caller: Caller) -> None:
        person = self._registering.reset(token, password, caller, self._now())
        self._writing.warn(person, "password-reset", caller)

    def ask_to_move(self, session: Session, typed: str, asked: str, caller: Caller) -> str:
        """A letter to another address, from who proved himself a moment ago."""
        self._securing.require_proved(session, self._now())
        self._writing.require_reachable(typed)
        letter = self._registering.ask_to_move(session, typed, caller, self._now())
        return self._post(letter, "move", asked, language_of(caller))

    def move(self, token: str, caller: Caller) -> str:
        """The other address, under which he signs in from now on; both are told."""
        person, before = self._registering.move(token, caller, self._now())
        self._writing.warn(person, "address-changed", caller)
        self._writing.warn(person, "address-changed", caller, address=before)
        return person.address

    # ---- the operator ----------------------------------------------------------------

    def has_operator(self) -> bool:
        return self._registering.has_operator()

    def operator_link(self, asked: str) -> str:
        """Whoever opens it within a day becomes the operator; once."""
        token = self._registering.welcome(self._now())
        return f"{self.address(asked)}/welcome/{token}"

    def welcome(
        self, token: str, name: str, typed: str, password: str, caller: Caller
    ) -> Entered:
        return self._registering.be_welcomed(token, name, typed, password, caller, self._now())

    def sign_out(self, typed: str) -> int:
        """End every session of whom this address belongs to, from the shell."""
        person, now = self._person_of(typed), self._now()
        ended = self._rooms.sessions.end(person.person, now)
        self._rooms.letters.void(person.person)
        self._rooms.persons.tell(person.person, "signed-out", SHELL, now)
        return ended

    def sign_out_everybody(self) -> int:
        return self._rooms.sessions.end_all(self._now())

    def release(self, typed: str) -> None:
        """Take second step and lock off; the person comes in by password or passkey alone."""
        self._securing.release(self._person_of(typed), SHELL, self._now())

    def _person_of(self, typed: str) -> Person:
        found = self._rooms.persons.find_by_address(parse_address(typed))
        if found is None:
            raise Refused("accounts.person-not-found", expected="an address with an account")
        return found

    # ---- signing in ------------------------------------------------------------------

    def sign_in(self, typed: str, password: str, caller: Caller) -> Entered | Halfway:
        entered = self._entering.by_password(typed, password, caller, self._now())
        return self._with_account(entered) if isinstance(entered, Entered) else entered

    def second_step(self, half: str, code: str, caller: Caller) -> Entered:
        entered = self._entering.by_second_step(half, code, caller, self._now())
        return self._with_account(entered)

    def ask_passkey(self, asked: str) -> dict[str, Any]:
        return self._entering.ask_passkey(self.site(asked), self._now())

    def sign_in_by_passkey(
        self, asked: str, answer: Mapping[str, Any], caller: Caller
    ) -> Entered:
        entered = self._entering.by_passkey(self.site(asked), answer, caller, self._now())
        return self._with_account(entered)

    def _with_account(self, entered: Entered) -> Entered:
        """Nobody is left without one, were it that we died between the two."""
        if not self._members.accounts_of(entered.person):
            self._members.found(entered.person, self._now())
        return entered

    # ---- sessions --------------------------------------------------------------------

    def find_session(self, cookies: Mapping[str, str]) -> Session | None:
        return self._rooms.sessions.find(cookies.get(COOKIE, ""), self._now())

    def require_session(self, cookies: Mapping[str, str]) -> Session:
        session = self.find_session(cookies)
        if session is None:
            raise Refused("accounts.not-signed-in", expected="a session", found="none")
        return session

    def require_proved(self, cookies: Mapping[str, str]) -> Session:
        """Before a dangerous act of any kind: the person showed a moment ago who he is."""
        session = self.require_session(cookies)
        self._securing.require_proved(session, self._now())
        return session

    def prove(self, session: Session, password: str, caller: Caller) -> Entered:
        return self._entering.prove_by_password(session, password, caller, self._now())

    def prove_by_passkey(
        self, session: Session, asked: str, answer: Mapping[str, Any], caller: Caller
    ) -> Entered:
        return self._entering.prove_by_passkey(
            session, self.site(asked), answer, caller, self._now()
        )

    def sessions(self, person: str) -> tuple[Session, ...]:
        return self._rooms.sessions.of(person, self._now())

    def end_session(self, own: Session, session: str, caller: Caller) -> None:
        """One of this person's; ended already is fine."""
        now = self._now()
        if ids.is_id(session) and self._rooms.sessions.end(own.person, now, session=session):
            is_own = session == own.session
            if not is_own:
                self._rooms.letters.void(own.person)
            kind = "left" if is_own else "session-ended"
            self._rooms.persons.tell(own.person, kind, caller, now)

    def end_others(self, own: Session, caller: Caller) -> None:
        now = self._now()
        self._rooms.letters.void(own.person)
        if self._rooms.sessions.end(own.person, now, spare=own.session):
            self._rooms.persons.tell(own.person, "sessions-ended", caller, now)

    # ---- one's own locks -------------------------------------------------------------

    def find_person(self, person: str) -> Person | None:
        return self._rooms.persons.find(person)

    def name_of(self, person: str) -> str:
        """What a person calls himself; empty where there is none."""
        found = self._rooms.persons.find(person) if person else None
        return found.name if found else ""

    def rename(self, session: Session, name: str) -> None:
        self._rooms.persons.rename(session.person, parse_name(name))

    def has_acknowledged(self, person: str) -> bool:
        return self._rooms.persons.has_happened(person, NOTICE)

    def acknowledge(self, session: Session, caller: Caller) -> None:
        """Once: what is pressed twice is told once."""
        if not self.has_acknowledged(session.person):
            self._rooms.persons.tell(session.person, NOTICE, caller, self._now())

    def security(self, person: str) -> Security:
        persons = self._rooms.persons
        totp = persons.find_totp(person)
        return Security(
            persons.require(person),
            persons.passkeys(person),
            totp is not None and totp.confirmed,
            persons.recovery_left(person),
            persons.history(person, LATEST),
        )

    def change_password(self, session: Session, password: str, caller: Caller) -> Entered:
        entered = self._securing.change_password(session, password, caller, self._now())
        self._writing.warn(
            self._rooms.persons.require(session.person), "password-changed", caller
        )
        return entered

    def propose_totp(self, session: Session) -> Shown:
        return self._securing.propose_totp(session, self._now())

    def proposed_totp(self, session: Session) -> Shown | None:
        return self._securing.proposed_totp(session)

    def confirm_totp(
        self, session: Session, code: str, caller: Caller
    ) -> tuple[Entered, tuple[str, ...]]:
        done = self._securing.confirm_totp(session, code, caller, self._now())
        self._writing.warn(self._rooms.persons.require(session.person), "totp-on", caller)
        return done

    def remove_totp(self, session: Session, caller: Caller) -> Entered:
        entered = self._securing.remove_totp(session, caller, self._now())
        self._writing.warn(self._rooms.persons.require(session.person), "totp-off", caller)
        return entered

    def renew_codes(self, session: Session, caller: Caller) -> tuple[str, ...]:
        codes = self._securing.renew_codes(session, caller, self._now())
        self._writing.warn(self._rooms.persons.require(session.person), "codes-renewed", caller)
        return codes

    def ask_for_passkey(self, session: Session, asked: str) -> dict[str, Any]:
        return self._securing.ask_for_passkey(session, self.site(asked), self._now())

    def add_passkey(
        self,
        session: Session,
        asked: str,
        answer: Mapping[str, Any],
        name: str,
        caller: Caller,
    ) -> Entered:
        site, now = self.site(asked), self._now()
        entered = self._securing.add_passkey(session, site, answer, name, caller, now)
        self._writing.warn(self._rooms.persons.require(session.person), "passkey-added", caller)
        return entered

    def remove_passkey(self, session: Session, passkey: str, caller: Caller) -> Entered:
        entered = self._securing.remove_passkey(session, passkey, caller, self._now())
        self._writing.warn(
            self._rooms.persons.require(session.person), "passkey-removed", caller
        )
        return entered

    def now(self) -> datetime:
        return self._now()
