"""Webhooks on the pages, and from a finished exhibit to somebody else's program."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from guzheng.app import Platform
from guzheng.app.sharing import WantedShare
from guzheng.commission import Commission, Event, rules
from guzheng.config import Config
from guzheng.store import ids
from guzheng.web import create_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.faces.persons import Someone, someone
from tests.receivers import Receiver, receiver

EVERYTHING = {
    f"kind.{one}": "1"
    for one in (
        "exhibit.certified",
        "capture.failed",
        "exhibit.ended",
        "order.confirmed",
        "share.opened",
    )
}


@dataclass(frozen=True)
class Told:
    face: Face
    platform: Platform
    owner: Someone
    stranger: Someone
    other: Receiver

    def make(self) -> tuple[str, str]:
        """The page of a webhook, and its secret."""
        form = {"url": f"{self.other.url}/in"} | EVERYTHING
        answer = self.owner.post("/webhooks", form, status=201)
        secret = re.search(r"whsec_[\w+/]{43}=", answer.text.replace("&#43;", "+"))
        page = re.search(r"/webhooks/we_\w{26}", answer.text)
        assert secret is not None
        assert page is not None
        assert secret[0] not in self.owner.text("/webhooks"), "shown once"
        return page[0], secret[0]

    def deposit(self) -> str:
        files = {"file": ("a.txt", b"words", "text/plain")}
        answer = self.owner.client.post("/api/exhibits", files=files)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["exhibit"])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Face]]:
    folder = tmp_path_factory.mktemp("webhooks")
    config = Config(folder, accounts="on", allow_private=("127.0.0.1/32",))
    platform = Platform(config)
    with serving(create_app(platform, upload_limit=1024 * 1024)) as face:
        yield platform, face


@pytest.fixture
def told(opened: tuple[Platform, Face]) -> Iterator[Told]:
    platform, face = opened
    with (
        receiver() as other,
        someone(platform, face.address, "owner") as owner,
        someone(platform, face.address, "stranger") as stranger,
    ):
        yield Told(face, platform, owner, stranger, other)


def test_a_finished_exhibit_is_told(told: Told) -> None:
    page, secret = told.make()
    assert "还没有发送过" in told.owner.text(f"{page}?lang=zh")
    told.owner.post(f"{page}/test")
    test = told.other.heard[0]
    assert test.is_signed(secret)
    assert json.loads(test.body)["type"] == "webhook.test"
    told.other.status = 503
    exhibit = told.deposit()
    assert told.platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    told.platform.webhooks.round()
    shown = told.owner.text(f"{page}?lang=zh")
    assert "HTTP 503" in shown
    assert "等待发送 1 条" in shown
    message = re.search(r'name="message" value="(wm_\w+)"', shown)
    assert message is not None
    told.other.status = 204
    told.owner.post(f"{page}/again", {"message": message[1]})
    told.platform.webhooks.round()
    first, second = told.other.heard[1:]
    assert (first.body, first.headers["webhook-id"]) == (
        second.body,
        second.headers["webhook-id"],
    )
    assert second.is_signed(secret)
    assert json.loads(second.body) == {
        "type": "exhibit.certified",
        "timestamp": json.loads(second.body)["timestamp"],
        "data": {"exhibit": exhibit, "kind": "deposit", "state": "certified"},
    }
    told.owner.post(f"{page}/remove", status=422)
    told.owner.post(f"{page}/remove", {"sure": "1"})
    told.owner.post(f"{page}/test", status=409)
    told.platform.walk(told.deposit(), lambda _step, _detail: None)
    told.platform.webhooks.round()
    assert len(told.other.heard) == 3


def test_what_failed_is_sent_again_at_once_by_hand_and_given_up_with_its_address(
    told: Told,
) -> None:
    page, _secret = told.make()
    told.other.status = 500
    told.owner.post(f"{page}/test")
    shown = told.owner.text(page)
    assert ("HTTP 500" in shown, "等待发送 1 条" in shown) == (True, True)
    assert "data-unfinished" in shown, "the page looks again by itself"
    message = re.search(r'name="message" value="(wm_\w+)"', shown)
    assert message is not None
    told.other.status = 204
    told.owner.post(f"{page}/again", {"message": message[1]})
    shown = told.owner.text(page)
    assert "HTTP 204" in shown, "who pressed need not wait for a round"
    assert ("等待发送" in shown, "data-unfinished" in shown) == (False, False)
    told.other.status = 500
    told.owner.post(f"{page}/test")
    told.other.status = 410
    told.owner.post(f"{page}/test")
    shown = told.owner.text(page)
    assert "已停用" in shown
    assert ("等待发送" in shown, "下一次" in shown) == (False, False)


def test_what_the_operator_ended_is_told_as_that_and_not_as_a_capture(told: Told) -> None:
    told.make()
    exhibit = told.deposit()
    told.platform.halting.end(exhibit, "its file is lost")
    told.platform.webhooks.look(exhibit)
    told.platform.webhooks.round()
    (heard,) = [json.loads(one.body) for one in told.other.heard]
    assert heard["type"] == "exhibit.ended"
    assert heard["data"] == {"exhibit": exhibit, "kind": "deposit", "state": "refused"}


def test_a_secret_is_rotated_on_the_page_and_shown_once(told: Told) -> None:
    page, first = told.make()
    answer = told.owner.post(f"{page}/rotate", status=201)
    found = re.search(r"whsec_[\w+/=]+", answer.text)
    assert found is not None
    assert found[0] not in told.owner.text(page)
    told.owner.post(f"{page}/test")
    (message,) = told.other.heard
    assert message.is_signed(first)
    assert message.is_signed(found[0])
    told.owner.post(f"{page}/rotate", status=409)
    told.stranger.post(f"{page}/rotate", status=404)
    assert "轮换了 Webhook 的签名密钥" in told.owner.text("/members/audit?lang=zh")


def test_a_confirmed_order_is_told_even_if_the_program_died(told: Told) -> None:
    told.make()
    platform, now = told.platform, told.platform.now()
    names = [ids.new(kind, now, platform.parts.entropy) for kind in ("or", "or", "ex", "ex")]
    one, other = (
        Commission(names[at], names[at + 2], "https://a/", now, account=told.owner.account)
        for at in (0, 1)
    )
    rows = platform.parts.commissions
    for each in rows.add([one, other], allowance=None):
        for kind in (rules.BEGAN, rules.CAPTURED):
            rows.append(each, Event(kind, now))
    platform.ordering.confirm(one.commission)
    rows.append(other, Event(rules.CONFIRMED, now))  # and nobody was left to tell of it
    Platform(platform.config).webhooks.round()
    heard = [json.loads(each.body) for each in told.other.heard]
    assert {each["data"]["order"] for each in heard} == {one.commission, other.commission}
    platform.webhooks.round()
    assert len(told.other.heard) == 2, "told once"


def test_the_first_opening_of_a_link_is_told(told: Told) -> None:
    exhibit = told.deposit()
    told.platform.walk(exhibit, lambda _step, _detail: None)
    told.make()
    made = told.platform.shares.make(WantedShare((exhibit,)), account=told.owner.account)
    visitor = told.platform.shares.visitor("192.0.2.7", "a browser")
    for _ in range(2):
        share = told.platform.shares.opened(made.secret, "", visitor)
        assert share is not None
        told.platform.shares.seen(share, visitor)
    told.platform.webhooks.round()
    heard = [json.loads(each.body) for each in told.other.heard]
    assert [each["type"] for each in heard] == ["share.opened"]
    assert heard[0]["data"] == {"share": made.view.share.share, "state": "opened"}


def test_addresses_that_lead_inside_are_refused(told: Told) -> None:
    for url, code, status in (
        ("https://169.254.169.254/latest", "webhooks.address-refused", 422),
        ("https://[::1]/", "webhooks.address-refused", 422),
        ("http://8.8.8.8/", "webhooks.not-https", 422),
        ("javascript:alert(1)", "webhooks.url-refused", 422),
    ):
        answer = told.owner.post("/webhooks", {"url": url} | EVERYTHING, status=status)
        assert code in answer.text
    none = told.owner.post("/webhooks", {"url": told.other.url}, status=422)
    assert "webhooks.kinds-refused" in none.text
    assert told.platform.webhooks.of(told.owner.account) == ()


def test_nothing_of_another_account_is_seen_or_sent(told: Told) -> None:
    page, _secret = told.make()
    assert told.stranger.client.get(page).status_code == 404
    for act in ("test", "again", "remove"):
        told.stranger.post(f"{page}/{act}", {"message": "wm_1", "sure": "1"}, status=404)
    told.owner.post(f"{page}/forward", status=404)
    told.owner.post(f"{page}/again", {"message": "wm_1"}, status=404)
    exhibit = told.stranger.client.post(
        "/api/exhibits", files={"file": ("a.txt", b"words", "text/plain")}
    ).json()["exhibit"]
    told.platform.walk(exhibit, lambda _step, _detail: None)
    told.platform.webhooks.round()
    assert told.other.heard == []


def test_who_is_gone_is_told_nothing_and_its_owner_is(
    told: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    page, _secret = told.make()
    told.other.status = 410
    told.owner.post(f"{page}/test")
    assert "已停用" in told.owner.text(f"{page}?lang=zh")
    assert "停用 Webhook" in told.owner.text("/members/audit?lang=zh")
    said, deadline = "", time.monotonic() + 30
    while told.other.url not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
        said += capfd.readouterr().err
    assert "一个 Webhook 已停用" in said


@pytest.mark.browser
def test_the_pages_fit_a_phone(told: Told, browser: Browser) -> None:
    path, _secret = told.make()
    told.owner.post(f"{path}/test")
    page = browser.page()
    token = told.owner.client.cookies["guzheng_session"]
    page.call("Network.setCookie", name="guzheng_session", value=token, url=told.face.address)
    for each in ("/webhooks", path):
        for width in (390, 1280):
            page.size(width, 800, phone=width < 500)
            page.open(told.face.address + each)
            assert page.run("document.documentElement.scrollWidth") <= width, (each, width)
    assert page.complaints == []
    page.close()
