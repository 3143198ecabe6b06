"""Persons: how they come in, what is refused, what is counted, and what is kept of a secret."""

import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts import onetime, people_tables
from guzheng.accounts.entering import Entered, Entering, Halfway, Rooms, network_of
from guzheng.accounts.letters import CONFIRM, FORGOT, KNOWN
from guzheng.accounts.passwords import (
    AT_ONCE,
    MOST_WAITING,
    Cost,
    Passwords,
    normalised,
    require_good,
)
from guzheng.accounts.people import Persons, parse_address
from guzheng.accounts.sealing import Sealing, open_sealing
from guzheng.accounts.sessions import Caller
from guzheng.accounts.tries import PERSON, Tries
from guzheng.refusals import Refused, Unavailable
from guzheng.store.ids import LOCAL
from guzheng.store.records import drawer, open_database, open_engine, writing
from tests import engines
from tests.stations.people_house import AT, CHEAP, GOOD, HERE, PASSWORD, House, refused

BOTH = ["sqlite", pytest.param("postgres", marks=engines.together)]
on_both = pytest.mark.parametrize("engine", BOTH, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if getattr(request, "param", "sqlite") == "sqlite":
        made = open_engine(tmp_path / "accounts.sqlite")
    else:
        server: engines.Postgres = request.getfixturevalue("postgres")
        made = open_database(server.database(engines.fresh("people")))
    yield drawer(made, "accounts")
    made.dispose()


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


# ---- registering -------------------------------------------------------------------------


@on_both
def test_whoever_reads_an_address_makes_the_account_for_it(house: House) -> None:
    letter = house.registering.ask(" Li@Example.com ", "/cases", HERE, house.now)
    assert (letter.kind, letter.address) == (CONFIRM, "li@example.com")
    assert house.rooms.persons.find_by_address("li@example.com") is None
    entered, onward = house.registering.confirm(
        letter.token, "李 四", PASSWORD, HERE, house.now
    )
    assert onward == "/cases"
    acting = house.members.acting(entered.person)
    assert acting is not None
    assert acting.account.startswith("ac_")
    assert not acting.operator
    again = refused(
        lambda: house.registering.confirm(letter.token, "又", PASSWORD, HERE, house.now)
    )
    assert again.code == "accounts.link-dead"


def test_a_refused_password_leaves_the_link_alive(house: House) -> None:
    letter = house.registering.ask("li@example.com", "/", HERE, house.now)
    bad = refused(lambda: house.registering.confirm(letter.token, "李", GOOD, HERE, house.now))
    assert bad.code == "accounts.password-short"
    house.registering.confirm(letter.token, "李", PASSWORD, HERE, house.now)


def test_a_known_address_and_an_unknown_one_are_told_alike(house: House) -> None:
    house.person()
    known = house.registering.ask("li@example.com", "/", HERE, house.now)
    unknown = house.registering.ask("no@example.com", "/", HERE, house.now)
    assert (known.kind, unknown.kind) == (KNOWN, CONFIRM), "only the letters differ"
    assert house.registering.ask_anew("li@example.com", HERE, house.now).kind == FORGOT
    assert house.registering.ask_anew("nix@example.com", HERE, house.now).kind == "unknown"


def test_letters_to_one_address_are_limited(house: House) -> None:
    for _ in range(3):
        house.registering.ask("li@example.com", "/", HERE, house.now)
    told = refused(lambda: house.registering.ask("li@example.com", "/", HERE, house.now))
    assert (told.code, told.retry_seconds) == ("accounts.too-often", 600)
    house.registering.ask("another@example.com", "/", HERE, house.now)


def test_a_later_letter_makes_the_earlier_one_void_and_each_ends(house: House) -> None:
    first = house.registering.ask("li@example.com", "/", HERE, house.now)
    second = house.registering.ask("li@example.com", "/", HERE, house.now)
    assert refused(lambda: house.registering.letter(CONFIRM, first.token, house.now)).code == (
        "accounts.link-dead"
    )
    house.registering.letter(CONFIRM, second.token, house.now)
    house.later(hours=24)
    refused(lambda: house.registering.letter(CONFIRM, second.token, house.now))


@on_both
def test_of_two_who_use_a_link_at_once_one_succeeds(house: House) -> None:
    token = house.registering.ask("li@example.com", "/", HERE, house.now).token
    told: list[str] = []

    def use() -> None:
        try:
            house.registering.confirm(token, "李", PASSWORD, HERE, house.now)
            told.append("done")
        except Refused as problem:
            told.append(problem.code)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == ["accounts.link-dead"] * 3 + ["done"]


def test_another_password_ends_every_session_and_begins_none(house: House) -> None:
    person = house.person()
    token = house.entered(person).token
    letter = house.registering.ask_anew(person.address, HERE, house.now)
    house.registering.reset(letter.token, "a whole new sentence", HERE, house.now)
    assert house.rooms.sessions.find(token, house.now) is None
    assert refused(lambda: house.enter(person.address, PASSWORD)).code == (
        "accounts.sign-in-refused"
    )
    assert isinstance(house.enter(person.address, "a whole new sentence"), Entered)


def test_a_password_that_was_reset_does_not_open_past_the_second_step(house: House) -> None:
    person = house.person()
    house.with_totp(person)
    letter = house.registering.ask_anew(person.address, HERE, house.now)
    house.registering.reset(letter.token, "a whole new sentence", HERE, house.now)
    assert isinstance(house.enter(person.address, "a whole new sentence"), Halfway)


def test_no_password_ends_by_its_age(house: House) -> None:
    person = house.person()
    house.later(days=4000)
    house.entered(person)


# ---- the operator ------------------------------------------------------------------------


def test_the_first_operator_has_the_account_of_the_shell_and_the_link_dies(
    house: House,
) -> None:
    assert not house.registering.has_operator()
    token = house.registering.welcome(house.now)
    entered = house.registering.be_welcomed(
        token, "王五", "op@example.com", PASSWORD, HERE, house.now
    )
    acting = house.members.acting(entered.person)
    assert acting is not None
    assert (acting.account, acting.operator) == (LOCAL, True)
    assert house.registering.has_operator()
    again = refused(
        lambda: house.registering.be_welcomed(
            token, "赵六", "other@example.com", PASSWORD, HERE, house.now
        )
    )
    assert again.code == "accounts.link-dead"


@on_both
def test_a_further_operator_is_one_too_and_earlier_links_are_void(house: House) -> None:
    first, second = (house.registering.welcome(house.now) for _ in range(2))
    names = iter(("one@example.com", "two@example.com"))

    def come(token: str) -> Entered:
        return house.registering.be_welcomed(
            token, "王五", next(names), PASSWORD, HERE, house.now
        )

    with pytest.raises(Refused, match="link-dead"):
        house.registering.be_welcomed(first, "王", "a@example.com", PASSWORD, HERE, house.now)
    come(second)
    further = house.members.acting(come(house.registering.welcome(house.now)).person)
    assert further is not None
    assert (further.account, further.operator) == (LOCAL, True)


def test_the_operators_link_ends_after_a_day(house: House) -> None:
    token = house.registering.welcome(house.now)
    house.later(hours=24)
    with pytest.raises(Refused, match="link-dead"):
        house.registering.be_welcomed(token, "王", "a@example.com", PASSWORD, HERE, house.now)


# ---- signing in --------------------------------------------------------------------------


@on_both
def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(
    house: House,
) -> None:
    person = house.person()
    wrong = refused(lambda: house.enter(person.address, "not it at all"))
    unknown = refused(lambda: house.enter("no@example.com", "not it at all"))
    nonsense = refused(lambda: house.enter("\x00' or 1=1 --", "x"))
    assert str(wrong) == str(unknown) == str(nonsense)


def test_an_unknown_address_costs_the_same_hashes(house: House) -> None:
    """Time is not measured here, where it would be a guess: the work is counted."""
    person = house.person()
    checked: list[str] = []

    class Counting(Passwords):
        def check(self, password: str, kept: str) -> bool:
            checked.append(kept)
            return super().check(password, kept)

    rooms = house.rooms
    counting = Rooms(
        *(rooms.engine, rooms.persons, rooms.sessions, rooms.letters, rooms.tries),
        Counting(house.chance.randbytes, CHEAP),
        *(rooms.sealing, rooms.entropy),
    )
    for address in (person.address, "no@example.com"):
        with pytest.raises(Refused, match="sign-in-refused"):
            Entering(counting).by_password(address, "wrong wrong", HERE, house.now)
    assert len(checked) == 2
    assert checked[1] == "", "nothing is kept, and it is checked all the same"


@pytest.mark.parametrize("address", ["li@example.com", "nobody@example.com"])
def test_after_five_failures_one_waits_longer_each_time_whoever_it_is(
    house: House, address: str
) -> None:
    house.person()
    for _ in range(5):
        assert refused(lambda: house.enter(address, "wrong wrong")).retry_seconds == 0
    told = refused(lambda: house.enter(address, PASSWORD))
    assert (told.code, told.retry_seconds) == ("accounts.too-often", 60)
    house.later(seconds=61)
    refused(lambda: house.enter(address, "wrong wrong"))
    assert refused(lambda: house.enter(address, PASSWORD)).retry_seconds == 120
    for _ in range(12):
        house.later(hours=1)
        refused(lambda: house.enter(address, "wrong wrong"))
    assert refused(lambda: house.enter(address, PASSWORD)).retry_seconds == 3600


def test_what_is_kept_of_a_password_is_argon2id_as_the_rfc_says(house: House) -> None:
    """RFC 9106 §4, the second choice, unless the operator asks for more; a salt of its own."""
    usual = Passwords(os.urandom)
    kept = [usual.hashed(PASSWORD) for _ in range(2)]
    for one in kept:
        assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        salt, tag = (len(part) * 3 // 4 for part in one.split("$")[-2:])
        assert (salt, tag) == (16, 32)
    assert kept[0] != kept[1]
    assert usual.check(PASSWORD, kept[0])
    person = house.person()
    assert house.rooms.persons.require(person.person).password.startswith("$argon2id$v=19$")


def test_each_sign_in_stands_in_the_history_by_which_means_and_from_where(
    house: House,
) -> None:
    person = house.person()
    house.later(seconds=1)
    refused(lambda: house.enter(person.address, "wrong wrong"))
    refused(lambda: house.enter(person.address, "wrong again"))
    house.entered(person)
    codes = house.with_totp(person)
    there = Caller("Edge/1 Android", "198.51.100.9")
    for code in ("", codes[0]):
        half = house.enter(person.address, PASSWORD, there)
        assert isinstance(half, Halfway)
        typed = code or house.code(person)
        house.entering.by_second_step(half.token, typed, there, house.now)
    told = house.rooms.persons.history(person.person, 50)
    entered = [(one.kind, one.device, one.address) for one in reversed(told)]
    for means, caller in (
        ("link", HERE),
        ("password", HERE),
        ("password+totp", there),
        ("password+recovery", there),
    ):
        assert (f"entered.{means}", caller.device, caller.address) in entered
    assert ("failed-before", "2") in {(one.kind, one.detail) for one in told}
    assert all(one.observed_at.tzinfo is not None for one in told)


@on_both
def test_a_success_forgives_and_tells_the_person_of_the_failures(house: House) -> None:
    person = house.person()
    for _ in range(3):
        refused(lambda: house.enter(person.address, "wrong wrong"))
    house.entered(person)
    told = house.rooms.persons.history(person.person, 5)
    assert {(one.kind, one.detail) for one in told} >= {("failed-before", "3")}
    for _ in range(4):
        refused(lambda: house.enter(person.address, "wrong wrong"))
    house.entered(person)


def test_one_place_that_tries_many_people_must_wait_and_others_need_not(house: House) -> None:
    person = house.person()
    for number in range(30):
        refused(lambda: house.enter(f"p{number}@example.com", "wrong wrong"))  # noqa: B023
    assert refused(lambda: house.enter(person.address, PASSWORD)).code == "accounts.too-often"
    elsewhere = Caller("", "198.51.100.1")
    assert isinstance(house.enter(person.address, PASSWORD, elsewhere), Entered)


def test_what_counts_as_one_place() -> None:
    assert network_of("203.0.113.7") != network_of("203.0.113.8")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2")
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:203.0.113.7") == "203.0.113.7"


def test_old_parameters_are_replaced_at_the_next_sign_in(house: House) -> None:
    person = house.person()
    weaker = Passwords(house.chance.randbytes, Cost(16, 1, 1)).hashed(PASSWORD)
    house.rooms.persons.set_password(person.person, weaker, house.now)
    house.entered(person)
    kept = house.rooms.persons.require(person.person).password
    assert kept != weaker
    assert not house.rooms.passwords.is_stale(kept)


# ---- the second step ---------------------------------------------------------------------


@on_both
def test_a_code_is_wanted_after_the_password_and_is_used_once(house: House) -> None:
    person = house.person()
    house.with_totp(person)
    half = house.enter(person.address, PASSWORD)
    assert isinstance(half, Halfway)
    assert house.rooms.sessions.find(half.token, house.now) is None, "half is not in"
    code = house.code(person)
    entered = house.entering.by_second_step(half.token, code, HERE, house.now)
    session = house.rooms.sessions.find(entered.token, house.now)
    assert session is not None
    assert session.means == "password+totp"
    again = house.enter(person.address, PASSWORD)
    told = refused(lambda: house.entering.by_second_step(again.token, code, HERE, house.now))
    assert told.code == "accounts.code-wrong"
    dead = refused(lambda: house.entering.by_second_step(half.token, "1", HERE, house.now))
    assert dead.code == "accounts.link-dead"


def test_codes_cannot_be_tried_for_ever_by_who_has_the_password(house: House) -> None:
    person = house.person()
    house.with_totp(person)
    for _ in range(5):
        half = house.enter(person.address, PASSWORD)
        refused(
            lambda: house.entering.by_second_step(half.token, "000000", HERE, house.now)  # noqa: B023
        )
    assert refused(lambda: house.enter(person.address, PASSWORD)).code == "accounts.too-often"


@on_both
def test_each_recovery_code_is_good_once_however_it_is_typed(house: House) -> None:
    person = house.person()
    codes = house.with_totp(person)
    assert len(set(codes)) == 10
    typed = codes[3].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    half = house.enter(person.address, PASSWORD)
    house.entering.by_second_step(half.token, typed, HERE, house.now)
    assert house.rooms.persons.recovery_left(person.person) == 9
    half = house.enter(person.address, PASSWORD)
    refused(lambda: house.entering.by_second_step(half.token, codes[3], HERE, house.now))


@given(st.integers(10**9, 4 * 10**9), st.integers(-3, 3))
def test_codes_of_the_neighbouring_steps_are_taken_and_no_others(
    seconds: int, off: int
) -> None:
    secret = bytes(range(20))
    now = datetime.fromtimestamp(seconds, UTC)
    made = TOTP(secret, 6, SHA1(), 30).generate(seconds + 30 * off)  # noqa: S303
    found = onetime.find_step(secret, made.decode(), now, -1)
    current = seconds // 30
    if abs(off) <= 1:
        assert found is not None
    if found is not None:
        assert abs(found - current) <= 1
        assert onetime.find_step(secret, made.decode(), now, found) is None, "used up"


# ---- sessions ----------------------------------------------------------------------------


@on_both
def test_a_session_ends_after_its_time_after_idleness_and_at_once_when_told(
    house: House,
) -> None:
    person, sessions = house.person(), house.rooms.sessions
    idle = house.entered(person).token
    house.later(hours=12)
    assert sessions.find(idle, house.now) is None
    used = house.entered(person).token
    for _ in range(7 * 3):
        assert sessions.find(used, house.now) is not None
        house.later(hours=8)
    assert sessions.find(used, house.now) is None, "seven days, however busy"
    told = house.entered(person).token
    session = sessions.find(told, house.now)
    assert session is not None
    assert sessions.end(person.person, house.now, session=session.session) == 1
    assert sessions.find(told, house.now) is None


def test_nobody_ends_the_session_of_another(house: House) -> None:
    one, other = house.person(), house.person("wang@example.com")
    token = house.entered(one).token
    session = house.rooms.sessions.find(token, house.now)
    assert session is not None
    assert house.rooms.sessions.end(other.person, house.now, session=session.session) == 0
    assert house.rooms.sessions.find(token, house.now) is not None


def test_who_proves_himself_gets_another_token(house: House) -> None:
    person = house.person()
    before = house.entered(person).token
    session = house.rooms.sessions.find(before, house.now)
    assert session is not None
    house.later(minutes=11)
    told = refused(
        lambda: house.securing.change_password(session, "another sentence", HERE, house.now)
    )
    assert told.code == "accounts.prove-again"
    refused(lambda: house.entering.prove_by_password(session, "wrong", HERE, house.now))
    after = house.entering.prove_by_password(session, PASSWORD, HERE, house.now).token
    assert house.rooms.sessions.find(before, house.now) is None, "rotated"
    proved = house.rooms.sessions.find(after, house.now)
    assert proved is not None
    other = house.entered(person).token
    last = house.securing.change_password(proved, "another sentence", HERE, house.now).token
    assert house.rooms.sessions.find(after, house.now) is None
    assert house.rooms.sessions.find(other, house.now) is None, "others ended"
    assert house.rooms.sessions.find(last, house.now) is not None


# ---- what is kept ------------------------------------------------------------------------


@on_both
def test_no_secret_lies_in_the_database_in_clear(house: House) -> None:
    person = house.person()
    letter = house.registering.ask("new@example.com", "/", HERE, house.now)
    codes = house.with_totp(person)
    half = house.enter(person.address, PASSWORD)
    token = house.entering.by_second_step(half.token, house.code(person), HERE, house.now).token
    totp = house.rooms.persons.find_totp(person.person)
    assert totp is not None
    secret = house.rooms.totp_secret(person.person, totp.secret)
    with house.engine.connect() as connection:
        kept = "\n".join(
            str(tuple(row))
            for table in people_tables.METADATA.sorted_tables
            for row in connection.execute(table.select())
        )
    typed = onetime.shown(secret, person.address, "x").typed.replace(" ", "")
    hidden = [PASSWORD, normalised(PASSWORD), token, half.token, letter.token, typed]
    hidden += [secret.hex(), *codes, *(one.replace("-", "") for one in codes)]
    assert [one for one in hidden if one in kept] == []
    assert "$argon2id$" in kept


def test_a_sealed_secret_cannot_be_moved_to_another_person(house: House) -> None:
    sealed = house.rooms.sealing.sealed(b"secret", "totp pe_1")
    assert house.rooms.sealing.opened(sealed, "totp pe_1") == b"secret"
    assert refused(lambda: house.rooms.sealing.opened(sealed, "totp pe_2")).code == (
        "accounts.key-differs"
    )


def test_the_key_of_secrets_is_never_made_anew(house: House, tmp_path: Path) -> None:
    def opened() -> Sealing:
        return open_sealing(tmp_path, house.engine, lambda: AT, os.urandom)

    sealed = opened().sealed(b"secret", "totp pe_1")
    file = tmp_path / "accounts.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert opened().opened(sealed, "totp pe_1") == b"secret"
    key = file.read_bytes()
    for wrong in (None, key[:-1], bytes(32)):
        file.unlink()
        if wrong is not None:
            file.write_bytes(wrong)
        assert refused(lambda: opened().digest("x", "y")).code == "accounts.key-differs"
        assert file.exists() == (wrong is not None)
        file.write_bytes(key)
    assert opened().opened(sealed, "totp pe_1") == b"secret"


@on_both
def test_history_is_only_added_to(house: House) -> None:
    house.person()
    for statement in ("DELETE FROM person_event", "UPDATE person_event SET kind = 'x'"):
        with pytest.raises(DatabaseError), writing(house.engine) as connection:
            connection.execute(text(statement))


@on_both
def test_an_address_belongs_to_one_person(house: House) -> None:
    house.person()
    row = dict.fromkeys(people_tables.PERSON.c.keys(), "x") | {"address": "li@example.com"}
    with pytest.raises(DatabaseError), writing(house.engine) as connection:
        connection.execute(insert(people_tables.PERSON), row)


# ---- rules without a house ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short pass"[:9], "password-short"),
        ("一二三四五六七八九", "password-short"),
        ("x" * 257, "password-long"),
        ("Password123", "password-common"),
        ("ｐａｓｓｗｏｒｄ１２３", "password-common"),  # full-width: the same keys
        ("woaini1314", "password-common"),
        ("abcabcabcabc", "password-common"),
        ("aaaaaaaaaaaa", "password-common"),
        ("9876543210", "password-common"),
        ("lisi@example.com", "password-common"),
        ("lisi-shop1234", "password-common"),
        ("guzheng2026", "password-common"),
    ],
)
def test_passwords_that_are_guessed_first_are_refused(password: str, code: str) -> None:
    told = refused(lambda: require_good(password, own=("lisi-shop", "lisi@example.com")))
    assert told.code == f"accounts.{code}"
    assert password not in str(told), "a refusal never repeats it"


@pytest.mark.parametrize(
    "password", [PASSWORD, "correct horse battery", "1 lower case only", "lisi went to sea"]
)
def test_no_composition_is_asked_for(password: str) -> None:
    assert require_good(password, own=("lisi",)) == password


def test_a_flood_of_sign_ins_is_sent_away_before_it_eats_the_memory() -> None:
    """Each hash waits for its salt here, so that all places stay taken."""
    salted, inside = threading.Event(), threading.Semaphore(0)
    told: list[str] = []

    def entropy(octets: int) -> bytes:
        inside.release()
        assert salted.wait(60)
        return bytes(octets)

    flooded = Passwords(entropy, CHEAP)

    def come() -> None:
        try:
            told.append(flooded.hashed(PASSWORD))
        except Unavailable as problem:
            told.append(problem.code)

    threads = [threading.Thread(target=come) for _ in range(AT_ONCE + MOST_WAITING + 5)]
    for one in threads:
        one.start()
    for _ in range(AT_ONCE):
        assert inside.acquire(timeout=60)
    deadline = time.monotonic() + 60
    while told.count("accounts.crowded") < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert told == ["accounts.crowded"] * 5, "and nobody else has left"
    assert not inside.acquire(blocking=False), "no more than these are worked out at once"
    salted.set()
    for one in threads:
        one.join()
    assert len([one for one in told if one.startswith("$argon2id$")]) == AT_ONCE + MOST_WAITING


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        (" Zhang@Example.COM", "zhang@example.com"),
        ("138 0013 8000", "+8613800138000"),
        ("+44 (20) 7946-0000", "+442079460000"),
    ],
)
def test_an_address_has_one_spelling(typed: str, spelled: str) -> None:
    assert parse_address(typed) == spelled


@pytest.mark.parametrize(
    "typed",
    [
        *("", "zhang", "a@b", "a b@example.com", "a@example.com\nBcc: x@example.com"),
        *("@example.com", "12345", "a@exa mple.com", "<a@example.com>", "a@例子.com"),
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    assert refused(lambda: parse_address(typed)).code == "accounts.address-refused"


def test_a_wait_is_told_to_the_second(engine: Engine) -> None:
    tries = Tries(engine)
    Persons(engine, random.Random(1).randbytes)
    for _ in range(PERSON.free):
        tries.count({"x": PERSON}, AT)
    later = AT + timedelta(seconds=12.5)
    told = refused(lambda: tries.require(("x", "y"), later))
    assert told.retry_seconds == 48
    tries.require(("x",), AT + timedelta(seconds=60))
    tries.require(("y",), AT)
