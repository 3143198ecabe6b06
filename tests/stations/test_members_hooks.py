"""Webhooks: signed, pinned, told at least once for days, disabled when nobody takes them."""

import ipaddress
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts import calling
from guzheng.accounts.deliveries import DISABLED_AFTER, WAITS, Deliveries, Due
from guzheng.accounts.hooks import KINDS, Hooks
from guzheng.accounts.sealing import Sealing
from guzheng.addresses import Address
from guzheng.refusals import Refused, Unavailable
from guzheng.store.records import reading, writing
from tests import engines
from tests.receivers import Heard, receiver
from tests.stations.firms import AT, STAFF, Firm
from tests.stations.people_house import OneKey

ALL = frozenset(KINDS)
URL = "https://hooks.example/in"
LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
CERTIFIED = "exhibit.certified"


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def firm(engine: Engine) -> Firm:
    return Firm(engine)


@pytest.fixture
def hooks(engine: Engine, firm: Firm) -> Hooks:
    del firm  # whose tables come first
    return Hooks(engine, os.urandom, Sealing(OneKey(), os.urandom))


@pytest.fixture
def sent(engine: Engine, hooks: Hooks) -> Deliveries:
    return Deliveries(engine, os.urandom, hooks)


def told(hooks: Hooks, firm: Firm, subject: str = "ex_1") -> None:
    hooks.tell(firm.account, CERTIFIED, subject, {"exhibit": subject}, AT)


def taken(sent: Deliveries, at: timedelta = timedelta(0)) -> Due:
    due = sent.take(AT + at)
    assert due is not None
    return due


def test_what_finished_is_told_once_to_each_that_wants_it(
    firm: Firm, hooks: Hooks, sent: Deliveries
) -> None:
    assert not hooks.wanted()
    told(hooks, firm)
    assert sent.take(AT) is None, "nobody wanted it, and nothing is kept"
    one, _secret = hooks.add(firm.by(), URL, ALL, AT)
    hooks.add(firm.by(), URL, frozenset({"order.confirmed"}), AT)
    for _ in range(3):
        told(hooks, firm)
    due = taken(sent)
    assert (due.endpoint, due.number) == (one, 1)
    assert due.body == (
        b'{"data":{"exhibit":"ex_1"},"timestamp":"2026-11-22T01:00:00.000Z",'
        b'"type":"exhibit.certified"}'
    )
    assert sent.take(AT) is None, "who took it has it for a while"
    sent.settle(due, 204, "", 3, AT)
    assert sent.take(AT + timedelta(days=9)) is None


def test_it_is_tried_again_for_days_and_then_given_up(
    firm: Firm, hooks: Hooks, sent: Deliveries
) -> None:
    one, _secret = hooks.add(firm.by(), URL, ALL, AT)
    told(hooks, firm)
    at = AT
    for number in range(1, len(WAITS) + 2):
        due = sent.take(at)
        assert due is not None
        assert due.number == number
        assert not sent.settle(due, 503, "", 3, at)
        if number <= len(WAITS):
            assert sent.take(at + WAITS[number - 1] * 0.89) is None
            at += WAITS[number - 1] * 1.11
    assert timedelta(days=3) < at - AT < DISABLED_AFTER
    assert sent.take(at + timedelta(days=9)) is None
    assert len(sent.attempts(one.endpoint, 99)) == len(WAITS) + 1
    message = sent.attempts(one.endpoint, 1)[0].message
    sent.again(firm.by(), one.endpoint, message, at)
    again = sent.take(at)
    assert again is not None
    sent.settle(again, 200, "", 3, at)
    assert sent.waiting(one.endpoint) == (0, None)


def test_a_secret_is_rotated_and_both_sign_for_a_day(firm: Firm, hooks: Hooks) -> None:
    one, first = hooks.add(firm.by(), URL, ALL, AT)
    body, name = b"{}", one.endpoint

    def signed(at: timedelta) -> Heard:
        keys = hooks.keys_of(name, AT + at)
        return Heard("/in", calling.signed(keys, "wm_1", body, AT + at), body)

    at = timedelta(days=3)
    second = hooks.rotate(firm.by(), name, AT + at)
    assert second != first
    assert firm.members.audit(firm.account, 1)[0].kind == "webhook-rotated"
    both = signed(at + timedelta(hours=23))
    assert (both.is_signed(first), both.is_signed(second)) == (True, True)
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    with pytest.raises(Refused, match=r"webhooks\.rotated-lately"):
        hooks.rotate(firm.by(), name, AT + at + timedelta(hours=23))
    alone = signed(at + timedelta(hours=24))
    assert (alone.is_signed(first), alone.is_signed(second)) == (False, True)
    third = hooks.rotate(firm.by(), name, AT + at + timedelta(hours=24))
    now = signed(at + timedelta(hours=25))
    signers = (now.is_signed(first), now.is_signed(second), now.is_signed(third))
    assert signers == (False, True, True)
    hooks.remove(firm.by(), name, AT + at)
    with pytest.raises(Refused, match=r"webhooks\.ended"):
        hooks.rotate(firm.by(), name, AT + timedelta(days=30))


def test_only_who_may_manage_members_rotates(firm: Firm, hooks: Hooks) -> None:
    one, _secret = hooks.add(firm.by(), URL, ALL, AT)
    firm.invite(STAFF)
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        hooks.rotate(firm.by(STAFF), one.endpoint, AT)
    assert len(hooks.keys_of(one.endpoint, AT)) == 1


def test_who_dies_with_a_message_leaves_it_to_the_next(
    firm: Firm, hooks: Hooks, sent: Deliveries
) -> None:
    hooks.add(firm.by(), URL, ALL, AT)
    told(hooks, firm)
    first = taken(sent)
    assert sent.take(AT + timedelta(minutes=4)) is None
    second = taken(sent, timedelta(minutes=6))
    assert (second.message, second.number) == (first.message, 2)


def test_an_endpoint_that_takes_nothing_is_disabled(
    firm: Firm, hooks: Hooks, sent: Deliveries
) -> None:
    one, _secret = hooks.add(firm.by(), URL, ALL, AT)
    told(hooks, firm)
    assert not sent.settle(taken(sent), 500, "", 3, AT)
    told(hooks, firm, "ex_2")
    assert not sent.settle(taken(sent), 200, "", 3, AT + timedelta(days=1))
    later = AT + timedelta(days=2)
    due = taken(sent, timedelta(days=2))
    assert not sent.settle(due, 0, "webhooks.no-answer", 3, later), "it took one since"
    due = taken(sent, timedelta(days=7))
    assert sent.settle(due, 0, "webhooks.no-answer", 3, later + DISABLED_AFTER)
    assert hooks.of(firm.account)[0].ended == "disabled"
    assert not hooks.wanted()
    assert firm.members.audit(firm.account, 1)[0].kind == "webhook-disabled"
    told(hooks, firm, "ex_3")
    assert sent.take(AT + timedelta(days=99)) is None
    with pytest.raises(Refused, match=r"webhooks\.ended"):
        hooks.test(firm.by(), one.endpoint, AT)


def test_gone_means_gone(firm: Firm, hooks: Hooks, sent: Deliveries) -> None:
    hooks.add(firm.by(), URL, ALL, AT)
    told(hooks, firm)
    assert sent.settle(taken(sent), 410, "", 3, AT)


def test_only_who_may_makes_them_and_only_of_his_account(
    firm: Firm, hooks: Hooks, sent: Deliveries
) -> None:
    one, secret = hooks.add(firm.by(), URL, ALL, AT)
    firm.invite(STAFF)
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        hooks.add(firm.by(STAFF), URL, ALL, AT)
    other = firm.members.found(STAFF, AT)
    staff = firm.members.acting(STAFF, other)
    assert staff is not None
    for refused in (
        lambda: hooks.remove(staff, one.endpoint, AT),
        lambda: hooks.test(staff, one.endpoint, AT),
        lambda: sent.again(staff, one.endpoint, "wm_1", AT),
    ):
        with pytest.raises(Refused, match=r"webhooks\.not-found"):
            refused()
    for kinds in (frozenset[str](), frozenset({"all"})):
        with pytest.raises(Refused, match=r"webhooks\.kinds-refused"):
            hooks.add(firm.by(), URL, kinds, AT)
    for _ in range(9):
        hooks.add(firm.by(), URL, ALL, AT)
    with pytest.raises(Refused, match=r"webhooks\.too-many"):
        hooks.add(firm.by(), URL, ALL, AT)
    for _ in range(2):
        hooks.remove(firm.by(), one.endpoint, AT)
    hooks.add(firm.by(), URL, ALL, AT)
    assert secret.startswith("whsec_")


def test_the_secret_is_sealed_and_history_stays(
    engine: Engine, firm: Firm, hooks: Hooks
) -> None:
    one, secret = hooks.add(firm.by(), URL, ALL, AT)
    with reading(engine) as connection:
        rows = repr(connection.execute(text("SELECT * FROM webhook_endpoint")).all())
        rows += repr(connection.execute(text("SELECT * FROM webhook_sealed")).all())
    assert one.endpoint in rows.partition("]")[2]
    assert hooks.keys_of(one.endpoint, AT)[0].hex() not in rows
    assert secret.removeprefix("whsec_") not in rows
    with (
        pytest.raises(DatabaseError, match="rows are only added"),
        writing(engine) as connection,
    ):
        connection.execute(text("UPDATE webhook_endpoint SET url = 'https://evil.example/'"))


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of standard-webhooks' own libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    key = bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")
    body = b'{"test": 2432232314}'
    at = AT.fromtimestamp(1614265330, AT.tzinfo)
    headers = calling.signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", body, at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert Heard("/", headers, body).is_signed(secret)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "https://user:word@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nHost: inside",
        "https://hooks.例子/",
        f"https://hooks.example/{'a' * 2000}",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"webhooks\.url-refused"):
        calling.parse_address(url)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (["127.0.0.1"], "address-refused"),
        (["169.254.169.254"], "address-refused"),
        (["8.8.8.8", "10.0.0.1"], "address-refused"),
        (["::ffff:127.0.0.1"], "address-refused"),
        (["fd00::1"], "address-refused"),
    ],
)
def test_a_name_that_leads_inside_is_refused(answers: list[str], code: str) -> None:
    def resolve(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address(one) for one in answers]

    parts = calling.parse_address(URL)
    with pytest.raises(Refused, match=rf"webhooks\.{code}"):
        calling.looked_up(parts, (), resolve)


def test_nothing_is_sent_in_clear_to_the_outside() -> None:
    def resolve(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address("8.8.8.8")]

    with pytest.raises(Refused, match=r"webhooks\.not-https"):
        calling.looked_up(calling.parse_address("http://hooks.example/"), LOOPBACK, resolve)
    with pytest.raises(Unavailable, match=r"webhooks\.no-address"):
        calling.looked_up(calling.parse_address(URL), (), lambda _host, _port: [])
    line = calling.looked_up(calling.parse_address(f"{URL}?a=b"), (), resolve)
    assert (str(line.address), line.port, line.path) == ("8.8.8.8", 443, "/in?a=b")


def test_a_call_goes_to_the_address_that_was_looked_at() -> None:
    with receiver() as other:
        port = calling.parse_address(other.url).port

        def resolve(_host: str, _port: int) -> list[Address]:
            return [ipaddress.ip_address("127.0.0.1")]

        parts = calling.parse_address(f"http://name.that.nobody.resolves.example:{port}/in")
        line = calling.looked_up(parts, LOOPBACK, resolve)
        headers = calling.signed([b"k" * 32], "wm_1", b"{}", AT)
        assert calling.post(line, headers, b"{}") == 204
        heard = other.heard[0]
        assert heard.headers["host"] == f"name.that.nobody.resolves.example:{port}"
        assert heard.headers["content-type"] == "application/json"
        other.mood = "redirects"
        assert calling.post(line, headers, b"{}") == 302
        assert [one.path for one in other.heard] == ["/in", "/in"], "nobody followed"
        other.mood = "dawdles"
        assert calling.post(line, headers, b"{}", seconds=1.0) == 0


def test_nobody_at_home_is_no_answer() -> None:
    nowhere = calling.Line("127.0.0.1", 1, ipaddress.ip_address("127.0.0.1"), False, "/")
    assert calling.post(nowhere, {}, b"{}") == 0
