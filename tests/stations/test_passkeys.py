"""Passkeys: a device is believed when it answers us, here, now, once, its owner verified."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from guzheng.accounts import challenges
from guzheng.accounts.entering import Entered
from guzheng.accounts.passkeys import Site
from guzheng.accounts.people_tables import LETTER
from guzheng.accounts.sessions import Session
from guzheng.refusals import Refused
from guzheng.store.records import open_engine, reading
from tests.authenticator import PRESENT, VERIFIED, Device
from tests.stations.people_house import HERE, PASSWORD, House, refused

SITE = Site("https://guzheng.example", "guzheng.example")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(open_engine(tmp_path / "accounts.sqlite"))


def session_of(house: House, address: str = "li@example.com") -> Session:
    person = house.person(address)
    session = house.rooms.sessions.find(house.entered(person).token, house.now)
    assert session is not None
    return session


def with_passkey(house: House, session: Session, device: Device | None = None) -> Device:
    device = device or Device(SITE.origin, SITE.name)
    options = house.securing.ask_for_passkey(session, SITE, house.now)
    house.securing.add_passkey(session, SITE, device.make(options), "office", HERE, house.now)
    return device


def come_in(house: House, device: Device, answer: dict[str, Any] | None = None) -> Entered:
    answer = answer or device.sign(house.entering.ask_passkey(SITE, house.now))
    return house.entering.by_passkey(SITE, answer, HERE, house.now)


def test_a_passkey_comes_in_past_a_lock_and_without_a_second_step(house: House) -> None:
    session = session_of(house)
    device = with_passkey(house, session)
    for _ in range(5):
        refused(lambda: house.enter("li@example.com", "wrong wrong"))
    assert refused(lambda: house.enter("li@example.com", PASSWORD)).code == (
        "accounts.too-often"
    )
    entered = come_in(house, device)
    assert entered.person == session.person
    found = house.rooms.sessions.find(entered.token, house.now)
    assert found is not None
    assert found.means == "passkey"


@pytest.mark.parametrize(
    "bend",
    [
        lambda device: setattr(device, "origin", "https://guzheng.example.evil.example"),
        lambda device: setattr(device, "origin", "https://sub.guzheng.example"),
        lambda device: setattr(device, "origin", "http://guzheng.example"),
        lambda device: setattr(device, "name", "evil.example"),
        lambda device: setattr(device, "flags", PRESENT),
        lambda device: setattr(device, "flags", VERIFIED),
    ],
    ids=["another site", "a site below", "in clear", "another name", "unverified", "absent"],
)
def test_what_a_device_says_of_elsewhere_or_of_nobody_is_refused(
    house: House, bend: Callable[[Device], None]
) -> None:
    session = session_of(house)
    bent = Device(SITE.origin, SITE.name)
    bend(bent)
    with pytest.raises(Refused, match="accounts.passkey-refused"):  # noqa: RUF043
        with_passkey(house, session, bent)
    device = with_passkey(house, session)
    bend(device)
    assert refused(lambda: come_in(house, device)).code == "accounts.passkey-refused"


def test_an_answer_counts_once(house: House) -> None:
    device = with_passkey(house, session_of(house))
    answer = device.sign(house.entering.ask_passkey(SITE, house.now))
    come_in(house, device, answer)
    assert refused(lambda: come_in(house, device, answer)).code == "accounts.passkey-copied"
    still = with_counter_at_rest(house)
    answer = still.sign(house.entering.ask_passkey(SITE, house.now))
    come_in(house, still, answer)
    assert refused(lambda: come_in(house, still, answer)).code == "accounts.link-dead"


def with_counter_at_rest(house: House) -> Device:
    """As synced passkeys are: they count nothing."""
    device = Device(SITE.origin, SITE.name, counts=False, credential=b"another")
    return with_passkey(house, session_of(house, "wang@example.com"), device)


def test_a_copy_is_refused_by_its_counter(house: House) -> None:
    device = with_passkey(house, session_of(house))
    come_in(house, device)
    come_in(house, device)
    device.counter -= 1  # the copy was made before
    assert refused(lambda: come_in(house, device)).code == "accounts.passkey-copied"


def test_a_forged_signature_an_unknown_key_and_anothers_name_are_refused(
    house: House,
) -> None:
    device = with_passkey(house, session_of(house))
    forger = Device(SITE.origin, SITE.name, handle=device.handle)
    assert refused(lambda: come_in(house, forger)).code == "accounts.passkey-refused"
    forger.credential = b"never seen"
    assert refused(lambda: come_in(house, forger)).code == "accounts.passkey-unknown"
    device.handle = "cGVfb3RoZXI"  # pe_other
    assert refused(lambda: come_in(house, device)).code == "accounts.passkey-unknown"


def test_a_challenge_is_for_one_purpose_one_person_and_five_minutes(house: House) -> None:
    session, other = session_of(house), session_of(house, "wang@example.com")
    device = Device(SITE.origin, SITE.name)
    made = device.make(house.securing.ask_for_passkey(session, SITE, house.now))
    told = refused(lambda: house.securing.add_passkey(other, SITE, made, "x", HERE, house.now))
    assert told.code == "accounts.link-dead"
    house.securing.add_passkey(session, SITE, made, "x", HERE, house.now)
    to_make = house.securing.ask_for_passkey(session, SITE, house.now)
    assert refused(lambda: come_in(house, device, device.sign(to_make))).code == (
        "accounts.link-dead"
    )
    answer = device.sign(house.entering.ask_passkey(SITE, house.now))
    house.later(minutes=5)
    assert refused(lambda: come_in(house, device, answer)).code == "accounts.link-dead"


@pytest.mark.parametrize("challenge", ["", "AAAA", "A" * 50, "!" * 50, "A" * 49 + "B", "é"])
def test_a_challenge_that_we_did_not_make_is_refused(house: House, challenge: str) -> None:
    with pytest.raises(Refused, match="link-dead"):
        challenges.require(house.rooms.sealing, challenges.TO_SIGN, challenge, house.now)


def test_asking_for_a_challenge_writes_nothing(house: House) -> None:
    def rows() -> int:
        with reading(house.engine) as connection:
            return int(
                connection.execute(select(func.count()).select_from(LETTER)).scalar_one()
            )

    before = rows()
    for _ in range(5):
        house.entering.ask_passkey(SITE, house.now)
    assert rows() == before


def test_one_proves_himself_by_a_passkey_of_his_own_only(house: House) -> None:
    session = session_of(house)
    device = with_passkey(house, session)
    stranger = with_counter_at_rest(house)
    house.later(minutes=11)
    for one, code in ((stranger, "accounts.passkey-unknown"), (device, "")):
        answer = one.sign(house.entering.ask_passkey(SITE, house.now))
        try:
            house.entering.prove_by_passkey(session, SITE, answer, HERE, house.now)
            assert code == ""
        except Refused as problem:
            assert problem.code == code


def test_a_removed_passkey_opens_nothing(house: House) -> None:
    session = session_of(house)
    device = with_passkey(house, session)
    (kept,) = house.rooms.persons.passkeys(session.person)
    house.securing.remove_passkey(session, kept.passkey, HERE, house.now)
    assert refused(lambda: come_in(house, device)).code == "accounts.passkey-unknown"


def test_a_change_of_passkeys_ends_the_other_sessions(house: House) -> None:
    """And by the last one goes what a session had by it: it is in two steps no longer."""
    session = session_of(house)
    sessions = house.rooms.sessions
    first = with_passkey(house, session)
    another = Device(SITE.origin, SITE.name, credential=b"another")
    second = with_passkey(house, session, another)
    elsewhere = come_in(house, first)
    begun = come_in(house, second)
    own = sessions.find(begun.token, house.now)
    assert own is not None
    assert own.in_two_steps
    one, other = (one.passkey for one in house.rooms.persons.passkeys(session.person))
    still = house.securing.remove_passkey(own, one, HERE, house.now)
    assert sessions.find(elsewhere.token, house.now) is None
    assert sessions.find(begun.token, house.now) is None, "another token"
    found = sessions.find(still.token, house.now)
    assert found is not None
    assert found.in_two_steps, "there is another passkey"
    assert len(sessions.of(session.person, house.now)) == 1
    last = house.securing.remove_passkey(found, other, HERE, house.now)
    left = sessions.find(last.token, house.now)
    assert left is not None
    assert not left.in_two_steps
    options = house.securing.ask_for_passkey(left, SITE, house.now)
    device = Device(SITE.origin, SITE.name, credential=b"a third")
    added = house.securing.add_passkey(
        left, SITE, device.make(options), "home", HERE, house.now
    )
    again = sessions.find(added.token, house.now)
    assert again is not None
    assert not again.in_two_steps, "it has not been shown yet"
