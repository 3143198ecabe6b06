"""What a person does about his own ways in: password, passkeys, authenticator, recovery codes.

Each is asked of the person who is signed in, and each that could lock him out, or let another
in, wants him to have shown a moment ago who he is. A change of the password or of the second
step, a passkey or an identity of a provider added or taken away, ends all his other sessions;
the one he did it in has another token, and is in two steps no longer when what made it so is
gone. Whatever he does stands in his history.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from guzheng.accounts import challenges, onetime
from guzheng.accounts.entering import PASSKEY, WITH_CODE, Entered, Rooms
from guzheng.accounts.passkeys import Site
from guzheng.accounts.passwords import require_good
from guzheng.accounts.people import Person
from guzheng.accounts.sessions import Caller, Session
from guzheng.refusals import Refused

ISSUER: Final = "固证"
WITHOUT_PASSKEY: Final = "passkey-removed"  # by what a session is here whose passkey is gone


class Securing:
    """The person's own hand on his own locks."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @staticmethod
    def require_proved(session: Session, now: datetime) -> None:
        """Before a dangerous act. Refused `accounts.prove-again`: show again who you are."""
        if not session.is_proved(now):
            raise Refused("accounts.prove-again", expected="shown within the last ten minutes")

    def change_password(
        self, session: Session, password: str, caller: Caller, now: datetime
    ) -> Entered:
        """Another password; every other session ends, and this one has another token."""
        self.require_proved(session, now)
        rooms, person = self._rooms, self._rooms.persons.require(session.person)
        self.set_password(person, password, now)
        rooms.persons.tell(person.person, "password-changed", caller, now)
        return self.rotated(session, now)

    def set_password(self, person: Person, password: str, now: datetime) -> None:
        rooms = self._rooms
        good = require_good(password, own=(person.name, person.address))
        rooms.persons.set_password(person.person, rooms.passwords.hashed(good), now)

    def rotated(self, session: Session, now: datetime, means: str = "") -> Entered:
        """His ways in have changed: every other session ends, this one has another token, and
        what somebody else had begun (another address, a second step) leads nowhere."""
        sessions = self._rooms.sessions
        sessions.end(session.person, now, spare=session.session)
        self._rooms.letters.void(session.person)
        return Entered(sessions.prove(session, now, means), session.person)

    # ---- the authenticator -----------------------------------------------------------

    def propose_totp(self, session: Session, now: datetime) -> onetime.Shown:
        """A key for the authenticator; it counts once a code shows that it arrived."""
        self.require_proved(session, now)
        rooms, person = self._rooms, self._rooms.persons.require(session.person)
        secret = rooms.entropy(onetime.SECRET_OCTETS)
        place = f"totp {person.person}"
        rooms.persons.propose_totp(person.person, rooms.sealing.sealed(secret, place))
        return onetime.shown(secret, person.address, ISSUER)

    def proposed_totp(self, session: Session) -> onetime.Shown | None:
        """The key that was proposed and is not confirmed yet, for showing it again."""
        rooms, totp = self._rooms, self._rooms.persons.find_totp(session.person)
        if totp is None or totp.confirmed:
            return None
        person = rooms.persons.require(session.person)
        secret = rooms.totp_secret(person.person, totp.secret)
        return onetime.shown(secret, person.address, ISSUER)

    def confirm_totp(
        self, session: Session, typed: str, caller: Caller, now: datetime
    ) -> tuple[Entered, tuple[str, ...]]:
        """The second step is on; gives the recovery codes, which are shown this once."""
        self.require_proved(session, now)
        rooms, totp = self._rooms, self._rooms.persons.find_totp(session.person)
        if totp is None or totp.confirmed:
            raise Refused("accounts.totp-on", expected="a key that waits for its first code")
        secret = rooms.totp_secret(session.person, totp.secret)
        step = onetime.find_step(secret, typed, now, totp.last_step)
        if step is None or not rooms.persons.take_step(session.person, step, now):
            raise Refused("accounts.code-wrong", expected="a code that was not used yet")
        rooms.persons.tell(session.person, "totp-on", caller, now)
        codes = self._new_codes(session.person)
        shown = session.means if session.in_two_steps else f"{session.means}+{WITH_CODE}"
        return self.rotated(session, now, shown), codes

    def remove_totp(self, session: Session, caller: Caller, now: datetime) -> Entered:
        self.require_proved(session, now)
        self._rooms.persons.remove_totp(session.person)
        self._rooms.persons.tell(session.person, "totp-off", caller, now)
        return self.rotated(session, now, session.means.partition("+")[0])

    def renew_codes(self, session: Session, caller: Caller, now: datetime) -> tuple[str, ...]:
        """Ten others; the ones before are dead."""
        self.require_proved(session, now)
        totp = self._rooms.persons.find_totp(session.person)
        if totp is None or not totp.confirmed:
            raise Refused("accounts.totp-off", expected="a second step that is on")
        self._rooms.persons.tell(session.person, "codes-renewed", caller, now)
        return self._new_codes(session.person)

    def _new_codes(self, person: str) -> tuple[str, ...]:
        rooms, codes = self._rooms, onetime.new_codes(self._rooms.entropy)
        digests = [rooms.sealing.digest("recovery", onetime.code_of(one)) for one in codes]
        rooms.persons.set_recovery(person, tuple(digests))
        return codes

    def release(self, person: Person, caller: Caller, now: datetime) -> None:
        """By the operator, who has made sure otherwise who asks: no second step, no lock, and
        no session. The password and the passkeys stay."""
        self._rooms.persons.remove_totp(person.person)
        self._rooms.tries.forgive(self._rooms.subject("person", person.address))
        self._rooms.sessions.end(person.person, now)
        self._rooms.letters.void(person.person)
        self._rooms.persons.tell(person.person, "released", caller, now)

    # ---- passkeys --------------------------------------------------------------------

    def ask_for_passkey(self, session: Session, site: Site, now: datetime) -> dict[str, Any]:
        from guzheng.accounts import webauthn  # slow to load

        self.require_proved(session, now)
        rooms, person = self._rooms, self._rooms.persons.require(session.person)
        purpose = challenges.to_make(person.person)
        return webauthn.ask_to_make(
            site,
            person.person,
            person.name,
            person.address,
            rooms.persons.passkeys(person.person),
            challenges.new(rooms.sealing, purpose, now, rooms.entropy),
        )

    def add_passkey(
        self,
        session: Session,
        site: Site,
        answer: Mapping[str, Any],
        name: str,
        caller: Caller,
        now: datetime,
    ) -> Entered:
        from guzheng.accounts import webauthn  # slow to load

        self.require_proved(session, now)
        rooms, challenge = self._rooms, webauthn.challenge_in(answer)
        purpose = challenges.to_make(session.person)
        challenges.require(rooms.sealing, purpose, challenge, now)
        made = webauthn.made(site, challenge, answer, session.person, name, now)
        challenges.spend(rooms.letters, challenge, now)
        rooms.persons.add_passkey(made)
        rooms.persons.tell(session.person, "passkey-added", caller, now, made.name)
        return self.rotated(session, now)

    def remove_passkey(
        self, session: Session, passkey: str, caller: Caller, now: datetime
    ) -> Entered:
        """By the last one goes what a session had by it: it is in two steps no longer."""
        self.require_proved(session, now)
        found = self._rooms.persons.find_passkey(passkey)
        if not self._rooms.persons.remove_passkey(session.person, passkey):
            raise Refused("accounts.passkey-not-found", expected="a passkey of this person")
        detail = found.name if found else ""
        self._rooms.persons.tell(session.person, "passkey-removed", caller, now, detail)
        left = self._rooms.persons.passkeys(session.person)
        was = session.means == PASSKEY and not left
        return self.rotated(session, now, WITHOUT_PASSKEY if was else "")
