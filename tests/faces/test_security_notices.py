"""Who takes over a sign-in cannot keep its owner from being told of it."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from guzheng.accounts.letters import NO_FACTS
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import COOKIE, Sessions
from guzheng.accounts.tries import SHORT, TooOften
from guzheng.app import Platform
from guzheng.app.posting import RESERVED, WAITING, Posting
from guzheng.config import Config
from guzheng.refusals import Unavailable
from guzheng.web import create_app
from tests import plain
from tests.faces.conftest import Face, serving
from tests.faces.persons import CALLER
from tests.faces.test_people import code_of
from tests.receivers import Receiver, receiver

NUMBER = "+8613800138000"
WAIT_SECONDS = 60.0
_SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def gateway() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def platform(tmp_path: Path, gateway: Receiver) -> Platform:
    secret = tmp_path / "sms.secret"
    secret.write_text(_SECRET)
    secret.chmod(0o600)
    return Platform(
        Config(
            tmp_path / "data",
            accounts="on",
            public_url="http://localhost",
            sms_url=f"{gateway.url}/sms",
            sms_secret=str(secret),
            sms_daily=2,
            sms_notices=2,
            password_mib=19,
            password_passes=2,
        )
    )


@pytest.fixture
def face(platform: Platform) -> Iterator[Face]:
    with serving(create_app(platform)) as served:
        yield served


@pytest.fixture
def owner(platform: Platform, face: Face) -> Iterator[httpx.Client]:
    """Whoever has his session: he, or who stole it with the password."""
    parts, now = platform.parts, platform.now()
    person = Persons(parts.accounts, parts.entropy).add("王店主", NUMBER, "", now).person
    platform.members.rows.found(person, now)
    sessions = Sessions(parts.accounts, parts.entropy)
    cookie = {COOKIE: sessions.begin(person, "password", CALLER, now)}
    with plain.client(base_url=face.address, cookies=cookie, timeout=60) as client:
        yield client


def change_password(client: httpx.Client, number: int) -> None:
    fields = {"password": f"第{number}串长的 words 2718281", "again": ""}
    fields["again"] = fields["password"]
    answer = client.post("/me/security/password", data=fields)
    assert answer.status_code == 303, answer.text


def kinds(gateway: Receiver, wanted: Callable[[list[str]], bool]) -> list[str]:
    """What was sent to the number, once it is so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        told = [json.loads(one.body)["data"] for one in list(gateway.heard)]
        found = [one["kind"] for one in told if one["to"] == NUMBER]
        if wanted(found):
            return found
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


def test_the_days_messages_are_spent_and_he_is_told_all_the_same(
    platform: Platform, face: Face, gateway: Receiver, owner: httpx.Client
) -> None:
    for last in (1, 2):
        asked = face.client.post("/register", data={"address": f"1390013900{last}"})
        assert asked.status_code == 303
    full = face.client.post("/register", data={"address": "13900139003"})
    assert full.status_code == 429
    change_password(owner, 1)
    assert kinds(gateway, bool) == ["changed"]
    # The reserve has an end, too: what is changed is changed, and the operator is told.
    for number in (2, 3):
        change_password(owner, number)
    assert kinds(gateway, lambda found: len(found) >= 2) == ["changed"] * 2
    lines = (platform.config.data / "audit.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(one) for one in lines]
    spent = [(one["prefix"], one["sent"]) for one in told if one["event"] == "sms.budget"]
    assert spent == [("+86", 2), ("+86 notices", 2)]
    # Nobody spends the reserve by asking.
    late = face.client.post("/register", data={"address": "13900139004"})
    assert late.status_code == 429
    history = owner.get("/me/security?lang=en").text
    assert history.count("Changed the password") == 3


def test_messages_to_his_number_that_others_asked_for_keep_no_notice_away(
    platform: Platform, gateway: Receiver, owner: httpx.Client
) -> None:
    """Ten to one number cost nothing, and then it waits: not for what he must know."""
    rooms = platform.people._rooms
    subject = rooms.subject("short", NUMBER)
    for _ in range(SHORT.free):
        rooms.tries.count({subject: SHORT}, platform.now())
    with pytest.raises(TooOften):
        rooms.tries.require((subject,), platform.now())
    change_password(owner, 1)
    assert kinds(gateway, bool) == ["changed"]


class Held:
    """An outside mail server that takes its time: nothing goes on before it is let go."""

    def __init__(self) -> None:
        self.let_go, self.taken = threading.Event(), list[str]()

    def reaches(self, address: str) -> bool:
        del address
        return True

    def send(
        self, address: str, subject: str, text: str, facts: Mapping[str, str] = NO_FACTS
    ) -> None:
        del subject, text, facts
        self.taken.append(address)
        assert self.let_go.wait(WAIT_SECONDS)


def test_a_thousand_letters_that_wait_keep_no_notice_away() -> None:
    mail = Held()
    posting = Posting(mail)
    posting.post("first@example.com", "", "")
    deadline = time.monotonic() + WAIT_SECONDS
    while not mail.taken:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for number in range(WAITING):
        posting.post(f"{number}@example.com", "", "")
    with pytest.raises(Unavailable, match="mail-crowded"):
        posting.post("late@example.com", "", "")
    for _ in range(RESERVED):
        posting.post("owner@example.com", "", "", is_notice=True)
    with pytest.raises(Unavailable, match="mail-crowded"):
        posting.post("owner@example.com", "", "", is_notice=True)
    mail.let_go.set()
    while len(mail.taken) < 1 + RESERVED + WAITING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert set(mail.taken[1 : 1 + RESERVED]) == {"owner@example.com"}
    assert mail.taken[1 + RESERVED :] == [f"{one}@example.com" for one in range(WAITING)]


def test_another_set_of_recovery_codes_is_told(
    platform: Platform, gateway: Receiver, owner: httpx.Client
) -> None:
    """They open past the second step: whoever makes them may come back whenever he likes."""
    people = platform.people
    session = people.find_session(dict(owner.cookies))
    assert session is not None
    people.confirm_totp(session, code_of(people.propose_totp(session).typed), CALLER)
    people.renew_codes(session, CALLER)
    assert kinds(gateway, lambda found: len(found) >= 2) == ["changed", "changed"]
