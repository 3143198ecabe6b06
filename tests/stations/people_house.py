"""All that is kept of persons, over one engine, with a clock that is moved by hand."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import Engine

from guzheng.accounts.entering import Entered, Entering, Halfway, Rooms
from guzheng.accounts.letters import Letters
from guzheng.accounts.members import Members
from guzheng.accounts.passwords import Cost, Passwords
from guzheng.accounts.people import Person, Persons
from guzheng.accounts.registering import Registering
from guzheng.accounts.sealing import Sealing
from guzheng.accounts.securing import Securing
from guzheng.accounts.sessions import Caller, Sessions, Terms
from guzheng.accounts.tries import Tries
from guzheng.refusals import Refused

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CHEAP = Cost(kibibytes=8, passes=1, lanes=1)
HERE = Caller("Firefox/141 Windows", "203.0.113.7")
GOOD = "马到成功的一匹小马"  # nine characters: one too few
PASSWORD = f"{GOOD}驹"


class OneKey:
    """As if nobody ever turned to another."""

    def current(self) -> int:
        return 1

    def key(self, generation: int) -> bytes:
        assert generation == 1
        return b"k" * 32

    def marks(self) -> bytes:
        return b"m" * 32


@dataclass
class House:
    """All that is kept of persons, over one engine, with a clock that is moved by hand."""

    engine: Engine
    now: datetime = AT
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        entropy = self.chance.randbytes
        self.rooms = Rooms(
            self.engine,
            Persons(self.engine, entropy),
            Sessions(self.engine, entropy, Terms(timedelta(days=7), timedelta(hours=12))),
            Letters(self.engine, entropy),
            Tries(self.engine),
            Passwords(entropy, CHEAP),
            Sealing(OneKey(), entropy),
            entropy,
        )
        self.members = Members(self.engine, entropy)
        self.entering = Entering(self.rooms)
        self.registering = Registering(self.rooms, self.members, self.entering)
        self.securing = Securing(self.rooms)

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def person(self, address: str = "li@example.com") -> Person:
        letter = self.registering.ask(address, "/", HERE, self.now)
        entered, _ = self.registering.confirm(letter.token, "李四", PASSWORD, HERE, self.now)
        return self.rooms.persons.require(entered.person)

    def enter(self, typed: str, password: str, caller: Caller = HERE) -> Entered | Halfway:
        return self.entering.by_password(typed, password, caller, self.now)

    def entered(self, person: Person) -> Entered:
        done = self.enter(person.address, PASSWORD)
        assert isinstance(done, Entered)
        return done

    def code(self, person: Person) -> str:
        totp = self.rooms.persons.find_totp(person.person)
        assert totp is not None
        secret = self.rooms.totp_secret(person.person, totp.secret)
        made = TOTP(secret, 6, SHA1(), 30).generate(int(self.now.timestamp()))  # noqa: S303
        return made.decode()

    def with_totp(self, person: Person) -> tuple[str, ...]:
        session = self.rooms.sessions.find(self.entered(person).token, self.now)
        assert session is not None
        self.securing.propose_totp(session, self.now)
        _, codes = self.securing.confirm_totp(session, self.code(person), HERE, self.now)
        self.later(seconds=30)
        return codes


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value
