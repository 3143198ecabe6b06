"""What people come for, from the first page to the last, as they would do it.

A merchant with a phone registers, has a file fixed, puts it into a case and shares it; a judge
without an account opens the link, fetches file and timestamp and has them verified where they
lie; a lawyer who was invited may do nothing until he is granted it, makes the court package,
and `guzheng-verify` passes it; his staff orders captures for the shop, looks at them and
confirms, and may do nothing else. Who has no pointer does all of it by keys."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.verifier.main import main as verify
from guzheng.web import create_app
from guzheng.words import say
from tests import world
from tests.faces.conftest import serving
from tests.journeys.conftest import DESKTOP, PHONE, Hands, aside, hands_of
from tests.mailbox import Mailbox, mailbox

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("journeys")]
PASSWORD = "一句 足够长的 口令 2026"
WAIT = 60_000


@dataclass(frozen=True)
class Town:
    """An installation at work, the mail server it uses, and a browser for each person."""

    platform: Platform
    address: str
    box: Mailbox
    chromium: Browser


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Platform, str, Mailbox]]:
    """Before the browser: its driver's event loop would be in the queue's way."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    with mailbox() as box:
        config = Config(
            tmp_path_factory.mktemp("town"),
            accounts="on",
            allow_private=("127.0.0.1/32",),
            public_url=address,
            smtp_url=f"smtp://127.0.0.1:{box.port}",
            mail_from="no-reply@guzheng.example",
            password_mib=19,
            password_passes=2,
        )
        platform = Platform(config)
        with serving(create_app(platform), listening), platform.jobs.running():
            yield platform, address, box
            platform.interrupt()


@pytest.fixture(scope="module")
def town(installation: tuple[Platform, str, Mailbox], chromium: Browser) -> Town:
    platform, address, box = installation
    with hands_of(chromium, address, None) as hands:
        hands.page.goto(platform.people.operator_link(address))
        fill(hands.page, address="operator@guzheng.example", name="运营")
        choose_password(hands.page)
        expect(hands.page).to_have_url(re.compile("/me"))
        assert hands.complaints == []
    return Town(platform, address, box, chromium)


def words(code: str, **facts: object) -> str:
    return say(code, "zh", **facts)


def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.locator(f"#{name}").fill(text)


def choose_password(page: Page) -> None:
    fill(page, password=PASSWORD, again=PASSWORD)
    page.locator("main button.first").click()


def register(town: Town, page: Page, address: str, name: str, begin: str = "/register") -> None:
    """From the first page to signed in, by the letter that comes."""
    page.goto(town.address + begin)
    fill(page, address=address)
    page.get_by_role("button", name=words("page.people.send")).click()
    expect(page.get_by_role("heading", name=words("page.people.sent"))).to_be_visible()
    page.goto(town.box.link(address, "/confirm/"))
    fill(page, name=name)
    choose_password(page)
    expect(page).not_to_have_url(re.compile("/confirm"))


def press(page: Page, code: str) -> None:
    page.get_by_role("button", name=words(code), exact=True).first.click()


def follow(page: Page, code: str) -> None:
    page.get_by_role("link", name=words(code), exact=True).first.click()


def deposited(page: Page, original: Path, address: str) -> str:
    """A file chosen on the first page, and its exhibit watched until it is certified."""
    page.goto(address + "/")
    page.locator("input[name=name_subject]").fill("杭州某店")
    page.locator("input[name=name_scene]").fill("盗用主图")
    page.locator("#files").set_input_files(original)
    press(page, "page.home.deposit")
    page.wait_for_url("**/exhibits/ex_*", timeout=WAIT)
    done = page.locator("section.verdict.passed")
    expect(done).to_be_visible(timeout=WAIT)
    return page.url.split("/exhibits/")[1].split("?")[0]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "主图 01.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 a photograph of a product \xff\xd9" * 64)
    return path


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with world.site() as address:
        yield address


@dataclass(frozen=True)
class Merchant:
    hands: Hands
    exhibit: str


@pytest.fixture(scope="module")
def merchant(town: Town, original: Path) -> Iterator[Merchant]:
    with hands_of(town.chromium, town.address, None, viewport=PHONE) as hands:
        page = hands.page
        page.goto(town.address + "/exhibits")
        expect(page).to_have_url(re.compile("/login"))
        register(town, page, "merchant@shop.example", "王店主")
        yield Merchant(hands, deposited(page, original, town.address))
        assert hands.complaints == []


def fetched(page: Page, target: str, folder: Path) -> Path:
    """What a click on this link gives a person."""
    with page.expect_download() as coming:
        page.locator(target).first.click()
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def give_to_be_verified(page: Page, file: Path, token: Path) -> None:
    """Where the page's own engine was built, it judges; else the form of the server does."""
    engine = page.locator("[data-engine-root]")
    if engine.count():
        engine.locator("input[type=file]").first.set_input_files([file, token])
        press(page, "page.engine.check")
    else:
        page.locator("#pair-file").set_input_files(file)
        page.locator("#pair-token").set_input_files(token)
        press(page, "page.verify.check")


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_a_merchant_shares_and_a_judge_verifies(
    town: Town, merchant: Merchant, original: Path, tmp_path: Path, window: dict[str, int]
) -> None:
    page = merchant.hands.page
    page.goto(f"{town.address}/exhibits/{merchant.exhibit}")
    follow(page, "page.share.make")
    page.locator("input[name=code]").fill("法庭-2026")
    press(page, "page.share.make")
    link = str(page.locator(".command code, code.command, pre").first.text_content()).strip()
    assert "/s/" in link

    with hands_of(town.chromium, town.address, None, viewport=window) as judge:
        judge.page.goto(link)
        fill(judge.page, code="不是这个")
        press(judge.page, "page.shared.open")
        expect(judge.page.get_by_role("alert")).to_be_visible()
        judge.complaints.clear()  # the browser tells of each refusal
        fill(judge.page, code="法庭-2026")
        press(judge.page, "page.shared.open")
        expect(judge.page.get_by_text(words("page.shared.ten-minutes"))).to_be_visible()
        file = fetched(judge.page, f"a:has-text('{words('page.exhibit.original')}')", tmp_path)
        token = fetched(judge.page, f"a:has-text('{words('page.exhibit.token')}')", tmp_path)
        assert file.read_bytes() == original.read_bytes()
        follow(judge.page, "page.shared.check-here")
        give_to_be_verified(judge.page, file, token)
        expect(judge.page.locator("section.verdict.passed")).to_be_visible(timeout=WAIT)
        expect(judge.page.get_by_text(words("page.says.cannot-text"))).to_be_visible()
        assert judge.complaints == []

        page.goto(town.address + "/shares")
        page.locator("main ul a").first.click()
        page.locator("summary", has_text=words("page.share.revoke")).click()
        press(page, "page.share.revoke-now")
        assert status_of(judge.page, link) == 410


@contextmanager
def invited(
    town: Town, merchant: Merchant, address: str, name: str, viewport: dict[str, int]
) -> Iterator[Hands]:
    """Somebody who came by the merchant's letter, and was granted nothing yet."""
    page = merchant.hands.page
    to_members(town, page)
    page.locator("input[name=note]").fill(name)
    page.locator("input[name=address]").fill(address)
    press(page, "page.members.invite")
    invitation = town.box.link(address, "/invitation/").removeprefix(town.address)
    with hands_of(town.chromium, town.address, None, viewport=viewport) as hands:
        hands.page.goto(town.address + invitation)
        follow(hands.page, "page.invitation.register")
        begin = hands.page.url.removeprefix(town.address)
        register(town, hands.page, address, name, begin)
        if invitation not in hands.page.url:
            hands.page.goto(town.address + invitation)
        hands.page.locator("main form button.first").click()
        expect(hands.page).not_to_have_url(re.compile("/invitation/"))
        yield hands


def to_members(town: Town, page: Page) -> None:
    page.goto(town.address + "/members")
    if "/me/prove" in page.url:
        page.locator("input[type=password]").fill(PASSWORD)
        page.locator("main button.first").first.click()


def grant(town: Town, page: Page, name: str, role: str) -> None:
    to_members(town, page)
    page.get_by_role("link", name=re.compile(name)).click()
    page.locator("select[name=role]").select_option(role)
    press(page, "page.members.grant-role")


def status_of(page: Page, address: str) -> int:
    answer = page.goto(address)
    assert answer is not None
    return answer.status


def test_staff_capture_for_the_shop_and_may_do_nothing_else(
    town: Town, merchant: Merchant, site: str
) -> None:
    page = merchant.hands.page
    with invited(town, merchant, "staff@shop.example", "小李", PHONE) as staff:
        grant(town, page, "小李", "collector")
        staff.page.goto(town.address + "/")
        staff.page.locator("#url").fill(site)
        staff.page.locator("input[name=name_subject]").fill("杭州某店")
        staff.page.locator("input[name=name_scene]").fill("商品页")
        press(staff.page, "page.home.capture")
        staff.page.wait_for_url("**/orders/or_*", timeout=WAIT)
        expect(staff.page.locator("#confirm")).to_be_visible(timeout=2 * WAIT)
        expect(staff.page.locator(".preview img")).to_be_visible()
        staff.page.locator("#confirm").click()
        expect(staff.page.locator("section.verdict.passed")).to_be_visible(timeout=WAIT)
        follow(staff.page, "page.order.to-exhibit")
        staff.page.wait_for_url("**/exhibits/ex_*")
        exhibit = staff.page.url.split("/exhibits/")[1].split("?")[0]
        assert staff.complaints == []
        assert status_of(staff.page, f"{town.address}/shares/new?exhibit={exhibit}") == 403
        assert status_of(staff.page, town.address + "/members") == 403
    page.goto(f"{town.address}/exhibits?q=商品页")
    expect(page.locator(f"input[value={exhibit}]")).to_be_visible()
    page.goto(f"{town.address}/exhibits/{exhibit}")
    expect(page.locator("section.verdict.passed")).to_be_visible(timeout=WAIT)
    expect(page.locator("main")).to_contain_text("小李")


def test_a_lawyer_may_nothing_until_granted_and_then_makes_the_package(
    town: Town, merchant: Merchant, tmp_path: Path
) -> None:
    page = merchant.hands.page
    with invited(town, merchant, "lawyer@firm.example", "李律师", DESKTOP) as lawyer:
        own = f"{town.address}/exhibits/{merchant.exhibit}"
        assert status_of(lawyer.page, own) in {403, 404}
        grant(town, page, "李律师", "lawyer")
        lawyer.complaints.clear()

        lawyer.page.goto(town.address + "/cases/new")
        lawyer.page.locator("input[name=name]").fill("王店主诉杭州某店")
        press(lawyer.page, "page.case.make")
        lawyer.page.goto(f"{town.address}/cases/add?exhibit={merchant.exhibit}")
        press(lawyer.page, "page.case.add")
        lawyer.page.goto(f"{town.address}/packages/new?exhibit={merchant.exhibit}")
        press(lawyer.page, "page.package.check")
        expect(lawyer.page.locator("#checked")).to_be_visible()
        press(lawyer.page, "page.package.make")
        ready = f"a:has-text('{words('page.package.fetch')}')"
        expect(lawyer.page.locator(ready).first).to_be_visible(timeout=WAIT)
        package = fetched(lawyer.page, ready, tmp_path)
        assert lawyer.complaints == []
        assert status_of(lawyer.page, town.address + "/members") == 403
    assert aside(lambda: verify([str(package)])) == 0


def test_a_keyboard_is_enough(town: Town, merchant: Merchant, site: str) -> None:
    """From the sign-in page to a capture that is confirmed, and an exhibit in a case."""
    with hands_of(town.chromium, town.address, None) as hands:
        page = hands.page
        page.goto(town.address + "/login")
        reach(page, "#address")
        page.keyboard.type("merchant@shop.example")
        reach(page, "#password")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page).not_to_have_url(re.compile("/login"))
        page.goto(town.address + "/")
        reach(page, "#url")
        page.keyboard.type(site)
        page.keyboard.press("Enter")
        page.wait_for_url("**/orders/or_*", timeout=WAIT)
        expect(page.locator("#confirm")).to_be_visible(timeout=2 * WAIT)
        reach(page, "#confirm")
        page.keyboard.press("Enter")
        expect(page.locator("section.verdict.passed")).to_be_visible(timeout=WAIT)
        page.goto(town.address + "/cases/new")
        reach(page, "input[name=name]")
        page.keyboard.type("键盘案")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/cases/ca_"))
        page.goto(town.address + "/exhibits")
        reach(page, f"input[type=checkbox][value={merchant.exhibit}]")
        page.keyboard.press("Space")
        reach(page, "button[formaction='/cases/add']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/add**")
        reach(page, "main form input[type=radio]")
        reach(page, "main form button.first")
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("杭州某店")
        assert hands.complaints == []


def reach(page: Page, target: str) -> None:
    """Press Tab until it has the focus, which must be seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("target => document.activeElement?.matches(target)", target):
            outline = page.evaluate(
                "() => getComputedStyle(document.activeElement).outlineStyle"
                " + getComputedStyle(document.activeElement).boxShadow"
            )
            assert outline != "nonenone", f"{target}: no focus is seen"
            return
    raise AssertionError(f"{target} is not reached by Tab")
