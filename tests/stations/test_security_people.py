"""Who means harm against a person's sign-in: many at once, and what was begun before.

What happens at once is tried on both engines: what waits for its turn on SQLite may not on a
server."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from guzheng.accounts.entering import Entered, Halfway
from guzheng.accounts.sessions import Caller, Session
from guzheng.accounts.tries import LETTERS, PERSON
from guzheng.refusals import Problem
from tests.stations.people_house import HERE, PASSWORD, House, refused
from tests.stations.test_people import engine as engine  # both engines
from tests.stations.test_people import house as house
from tests.stations.test_people import on_both

AT_ONCE = 16


def outcomes(calls: Sequence[Callable[[], object]]) -> Counter[str]:
    """What becomes of many that begin at the same moment."""
    ready = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> str:
        ready.wait(30)
        try:
            call()
        except Problem as told:
            return told.code
        return "done"

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(one, calls))


def session_of(house: House, token: str) -> Session:
    found = house.rooms.sessions.find(token, house.now)
    assert found is not None
    return found


# ---- many at once --------------------------------------------------------------------------


@on_both
def test_many_letters_asked_for_at_once_are_no_more_than_one_after_the_other(
    house: House,
) -> None:
    """To one address, from as many places as somebody has."""
    places = [Caller("", f"198.51.100.{one}") for one in range(AT_ONCE)]
    asked = [
        partial(house.registering.ask, "li@example.com", "/", one, house.now) for one in places
    ]
    told = outcomes(asked)
    assert told == {"done": LETTERS.free, "accounts.too-often": AT_ONCE - LETTERS.free}


@on_both
def test_many_codes_at_once_are_no_more_tries_than_one_after_the_other(house: House) -> None:
    """Six digits are few: whoever has the password must not try forty in one moment."""
    person = house.person()
    house.with_totp(person)
    right = house.code(person)
    half = house.enter(person.address, PASSWORD)
    assert isinstance(half, Halfway)
    guesses = [f"{(int(right) + 500_000 + one) % 1_000_000:06}" for one in range(AT_ONCE)]
    told = outcomes(
        [
            partial(house.entering.by_second_step, half.token, typed, HERE, house.now)
            for typed in guesses
        ]
    )
    assert told == {
        "accounts.code-wrong": PERSON.free,
        "accounts.too-often": AT_ONCE - PERSON.free,
    }


@on_both
def test_many_passwords_at_once_are_no_more_tries_either(house: House) -> None:
    person = house.person()
    # From many places: no place has so many failures that it must wait itself.
    callers = [Caller("a browser", f"203.0.113.{one + 10}") for one in range(8)]
    told = outcomes(
        [partial(house.enter, person.address, "wrong and wrong", one) for one in callers]
    )
    judged = told["accounts.sign-in-refused"]
    assert judged <= PERSON.free
    assert judged + told["accounts.too-often"] + told["accounts.crowded"] == len(callers)


def test_what_was_right_is_given_back(house: House) -> None:
    """A hundred right ones are no failure, of nobody and of no place."""
    person = house.person()
    for _ in range(4):
        refused(lambda: house.enter(person.address, "wrong and wrong"))
    for _ in range(PERSON.free + 2):
        session = session_of(house, house.entered(person).token)
        house.entering.prove_by_password(session, PASSWORD, HERE, house.now)
    history = house.rooms.persons.history(person.person, 100)
    assert [one.detail for one in history if one.kind == "failed-before"] == ["4"]
    for _ in range(PERSON.free - 1):
        refused(lambda: house.enter(person.address, "wrong and wrong"))
    assert isinstance(house.enter(person.address, PASSWORD), Entered)


@on_both
def test_a_code_of_the_authenticator_opens_one_of_many(house: House) -> None:
    person = house.person()
    house.with_totp(person)
    code = house.code(person)
    halves = [house.enter(person.address, PASSWORD) for _ in range(4)]
    tokens = [one.token for one in halves if isinstance(one, Halfway)]
    told = outcomes(
        [partial(house.entering.by_second_step, one, code, HERE, house.now) for one in tokens]
    )
    assert told["done"] == 1
    assert told["done"] + told["accounts.code-wrong"] + told["accounts.too-often"] == 4


@on_both
def test_a_recovery_code_opens_one_of_many(house: House) -> None:
    person = house.person()
    first, *_ = house.with_totp(person)
    halves = [house.enter(person.address, PASSWORD) for _ in range(4)]
    tokens = [one.token for one in halves if isinstance(one, Halfway)]
    told = outcomes(
        [partial(house.entering.by_second_step, one, first, HERE, house.now) for one in tokens]
    )
    assert told["done"] == 1
    assert house.rooms.persons.recovery_left(person.person) == 9


# ---- what was begun before -----------------------------------------------------------------

NEW, EVIL = "a whole new sentence", "evil@example.com"


def changed(house: House, session: Session) -> None:
    house.securing.change_password(session, NEW, HERE, house.now)


def forgotten(house: House, session: Session) -> None:
    address = house.rooms.persons.require(session.person).address
    letter = house.registering.ask_anew(address, HERE, house.now)
    house.registering.reset(letter.token, NEW, HERE, house.now)


def released(house: House, session: Session) -> None:
    house.securing.release(house.rooms.persons.require(session.person), HERE, house.now)


@pytest.mark.parametrize("shuts_out", [changed, forgotten, released])
def test_who_had_a_session_cannot_move_the_address_after_he_was_shut_out(
    house: House, shuts_out: Callable[[House, Session], None]
) -> None:
    """He asked for it while he had one, and kept the link: with it, and a forgotten password,
    the account would be his for good."""
    person = house.person()
    stolen = session_of(house, house.entered(person).token)
    letter = house.registering.ask_to_move(stolen, EVIL, HERE, house.now)
    shuts_out(house, session_of(house, house.entered(person).token))
    told = refused(lambda: house.registering.move(letter.token, HERE, house.now))
    assert told.code == "accounts.link-dead"
    assert house.rooms.persons.require(person.person).address == person.address


def test_who_was_halfway_in_stays_outside_once_the_password_is_another(house: House) -> None:
    person = house.person()
    house.with_totp(person)
    half = house.enter(person.address, PASSWORD)
    assert isinstance(half, Halfway)
    letter = house.registering.ask_anew(person.address, HERE, house.now)
    house.registering.reset(letter.token, NEW, HERE, house.now)
    code = house.code(person)
    told = refused(lambda: house.entering.by_second_step(half.token, code, HERE, house.now))
    assert told.code == "accounts.link-dead"


def test_a_letter_to_the_former_address_opens_nothing_after_the_move(house: House) -> None:
    """Somebody reads the letters there: that is why its owner went away."""
    person = house.person()
    session = session_of(house, house.entered(person).token)
    there = house.registering.ask_to_move(session, "after@example.com", HERE, house.now)
    letter = house.registering.ask_anew(person.address, HERE, house.now)
    house.registering.move(there.token, HERE, house.now + timedelta(minutes=1))
    told = refused(lambda: house.registering.reset(letter.token, NEW, HERE, house.now))
    assert told.code == "accounts.link-dead"
