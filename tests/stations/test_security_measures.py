"""What an account may have us send to others has a measure, and the operator sets it.

Invitations are letters to strangers, webhooks are calls to programs of strangers: without a
measure whoever registers here has a tool for both, under our name."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from guzheng.accounts import Acting, invitations
from guzheng.accounts.deliveries import MOST_TRIES
from guzheng.accounts.invitations import Invitations
from guzheng.accounts.people import Persons
from guzheng.app import Platform
from guzheng.app.parts import Parts
from guzheng.config import Config, load
from guzheng.refusals import Problem, Refused
from tests.receivers import Receiver, receiver
from tests.stations.firms import AT, Firm
from tests.stations.test_members import engine as engine  # both engines
from tests.stations.test_members import firm as firm

DAY = timedelta(hours=24)
KINDS = frozenset({"order.confirmed"})


@pytest.fixture
def here() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


def opened(tmp_path: Path, **settings: Any) -> tuple[Platform, Acting]:
    config = Config(tmp_path, accounts="on", allow_private=("127.0.0.1/32",), **settings)
    platform = Platform(config)
    return platform, person(platform.parts, platform, platform.now())


def person(parts: Parts, platform: Platform, now: datetime) -> Acting:
    known = Persons(parts.accounts, parts.entropy).add("李四", "li@example.com", "", now)
    platform.members.rows.found(known.person, now)
    acting = platform.members.acting(known.person)
    assert acting is not None
    return acting


def test_revoking_makes_no_room_for_letters_to_any_number(engine: Engine, firm: Firm) -> None:
    measure = invitations.Measure(open=2, daily=5)
    some = Invitations(engine, firm.members, os.urandom, measure)
    before = len(some.of(firm.account))
    for number in range(5 - before):
        made, _secret = some.invite(firm.by(), AT + timedelta(seconds=number))
        some.revoke(firm.by(), made.invitation, AT + timedelta(seconds=number))
    with pytest.raises(Refused, match=r"accounts\.invitations-daily"):
        some.invite(firm.by(), AT + timedelta(hours=23))
    for _ in range(2):
        some.invite(firm.by(), AT + DAY + timedelta(minutes=1))
    with pytest.raises(Refused, match=r"accounts\.invitations-too-many"):
        some.invite(firm.by(), AT + DAY + timedelta(minutes=2))
    # One that is too old is not open any more.
    some.invite(firm.by(), AT + 10 * DAY)


def test_removing_makes_no_room_for_calls_to_any_number(tmp_path: Path, here: Receiver) -> None:
    platform, by = opened(tmp_path, webhooks_most=2, webhooks_daily=3)
    webhooks = platform.webhooks
    for _ in range(2):
        webhooks.add(by, here.url, KINDS)
    with pytest.raises(Refused, match=r"webhooks\.too-many"):
        webhooks.add(by, here.url, KINDS)
    for one in webhooks.of(by.account):
        webhooks.remove(by, one.endpoint.endpoint)
    webhooks.add(by, here.url, KINDS)
    with pytest.raises(Refused, match=r"webhooks\.made-often"):
        webhooks.add(by, here.url, KINDS)


def test_nobody_has_us_call_others_by_pressing(tmp_path: Path, here: Receiver) -> None:
    platform, by = opened(tmp_path, webhook_calls=3)
    one, _secret = platform.webhooks.add(by, here.url, KINDS)
    for _ in range(2):
        platform.webhooks.test(by, one.endpoint)
    message = platform.webhooks.view(by.account, one.endpoint).attempts[0].message
    platform.webhooks.again(by, one.endpoint, message)
    heard = len(here.heard)
    with pytest.raises(Refused, match=r"accounts\.too-often"):
        platform.webhooks.test(by, one.endpoint)
    with pytest.raises(Refused, match=r"accounts\.too-often"):
        platform.webhooks.again(by, one.endpoint, message)
    assert len(here.heard) == heard
    # What finished is told all the same.
    platform.webhooks._hooks.tell(
        by.account, "order.confirmed", "or_1", {"order": "or_1"}, platform.now()
    )
    platform.webhooks.round()
    assert len(here.heard) > heard


def test_many_pressed_at_once_are_no_more_than_one_after_the_other(
    tmp_path: Path, here: Receiver
) -> None:
    platform, by = opened(tmp_path, webhook_calls=3)
    one, _secret = platform.webhooks.add(by, here.url, KINDS)
    together = threading.Barrier(16)

    def press() -> str:
        together.wait(30)
        try:
            platform.webhooks.test(by, one.endpoint)
        except Refused as refused:
            return refused.code
        return "sent"

    with ThreadPoolExecutor(16) as threads:
        told = Counter(one.result() for one in [threads.submit(press) for _ in range(16)])
    assert told == {"sent": 3, "accounts.too-often": 13}
    assert len(here.heard) == 3


def test_nobody_has_us_look_up_names_one_after_the_other(
    tmp_path: Path, here: Receiver
) -> None:
    """What our resolver knows of the machines beside us would be anybody's to ask for."""
    platform, by = opened(tmp_path, webhook_calls=4)
    for number in range(4):
        with pytest.raises(Problem, match=r"webhooks\.(no-address|address-refused)"):
            platform.webhooks.add(by, f"https://machine-{number}.invalid/", KINDS)
    for url in ("https://machine-4.invalid/", here.url):
        with pytest.raises(Refused, match=r"accounts\.too-often"):
            platform.webhooks.add(by, url, KINDS)


def test_an_address_that_is_taken_costs_nothing(tmp_path: Path, here: Receiver) -> None:
    platform, by = opened(tmp_path, webhook_calls=2)
    for _ in range(5):
        platform.webhooks.add(by, here.url, KINDS)


def test_a_message_is_tried_as_often_as_the_operator_says(
    tmp_path: Path, here: Receiver
) -> None:
    platform, by = opened(tmp_path, webhook_tries=2)
    here.status = 500
    one, _secret = platform.webhooks.add(by, here.url, KINDS)
    platform.webhooks.test(by, one.endpoint)
    later, sent = platform.now() + timedelta(hours=1), platform.webhooks._deliveries
    due = sent.take(later)
    assert due is not None
    sent.settle(due, 500, "", 1, later)
    assert sent.take(later + 30 * DAY) is None
    assert sent.waiting(one.endpoint) == (0, None)


def test_to_one_stranger_go_so_many_whoever_they_are_from(tmp_path: Path) -> None:
    platform, _by = opened(tmp_path)

    def invite() -> None:
        facts = {"link": "http://localhost/", "inviter": "a", "founder": "b"}
        platform.people.write_to("stranger@example.com", "invitation", "zh", **facts)

    for _ in range(5):
        invite()
    with pytest.raises(Problem, match=r"accounts\.too-often"):
        invite()


@pytest.mark.parametrize(
    "name",
    [
        *("invitations_open", "invitations_daily", "webhooks_most", "webhooks_daily"),
        *("webhook_tries", "webhook_calls", "sms_notices"),
    ],
)
def test_a_measure_is_one_or_more(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=name):
        load(tmp_path, environment={f"GUZHENG_{name.upper()}": "0"})
    assert getattr(Config(tmp_path), name) >= 1
    assert Config(tmp_path).webhook_tries == MOST_TRIES
