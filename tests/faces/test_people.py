"""People come in by the pages: in a real browser, and as somebody who means harm."""

import contextlib
import logging
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from guzheng.accounts.onetime import from_websafe
from guzheng.accounts.people_tables import PASSKEY, SESSION
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.store.records import writing
from guzheng.web import create_app
from tests import plain
from tests.faces.browser import Browser, Page
from tests.faces.conftest import Face, serving
from tests.mailbox import Mailbox, mailbox

PASSWORD = "a long enough sentence"
CHEAP = {"password_mib": 19, "password_passes": 2}
PROGRAM = {"Accept": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class House:
    """An installation with accounts, its pages, and the mail server that it uses."""

    platform: Platform
    address: str
    box: Mailbox

    @contextlib.contextmanager
    def client(self, **headers: str) -> Iterator[httpx.Client]:
        with plain.client(base_url=self.address, timeout=60, headers=headers) as made:
            yield made

    def register(self, address: str, *, name: str = "李四") -> str:
        """A person, without the pages: most tests are about what comes after."""
        people = self.platform.people
        people.register(address, "/", self.address, _caller(), "zh")
        token = self.box.link(address, "/confirm/").rsplit("/", 1)[1]
        entered, _ = people.confirm(token, name, PASSWORD, _caller())
        return entered.person


def _caller() -> Any:
    from guzheng.app.people import Caller

    return Caller("a test", f"192.0.2.{time.monotonic_ns() % 250 + 1}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    with mailbox() as box:
        config = Config(
            tmp_path_factory.mktemp("people"),
            accounts="on",
            public_url=address,
            smtp_url=f"smtp://127.0.0.1:{box.port}",
            mail_from="no-reply@guzheng.example",
            password_mib=19,
            password_passes=2,
        )
        platform = Platform(config)
        link = platform.people.operator_link(address)
        platform.people.welcome(
            link.rsplit("/", 1)[1], "运营", "operator@example.com", PASSWORD, _caller()
        )
        with serving(create_app(platform), listening):
            yield House(platform, address, box)


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data=fields)


def sign_in(client: httpx.Client, address: str, password: str = PASSWORD) -> httpx.Response:
    return post(client, "/login", address=address, password=password, next="/me")


# ---- in a browser ------------------------------------------------------------------------


@dataclass
class Hand:
    """What a person does on a page."""

    page: Page

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            self.page.run(
                f"document.getElementById({name.replace('_', '-')!r}).value = {text!r}"
            )

    def press(self, selector: str) -> None:
        """Press, and wait for the page that follows."""
        self.page.run("document.documentElement.dataset.before = '1'")
        self.page.run(f"document.querySelector({selector!r}).click()")
        self.page.wait_for(
            "document.documentElement && !document.documentElement.dataset.before"
            " && document.readyState === 'complete'"
        )

    @property
    def place(self) -> str:
        return str(self.page.run("location.pathname"))


def code_of(typed: str, seconds: float = 0) -> str:
    import base64

    secret = base64.b32decode(typed.replace(" ", ""))
    made = TOTP(secret, 6, SHA1(), 30).generate(int(time.time() + seconds))  # noqa: S303
    return made.decode()


@pytest.mark.browser
def test_register_confirm_second_step_sign_out_and_in_again(
    house: House, browser: Browser
) -> None:
    page = browser.page()
    hand = Hand(page)
    page.open(f"{house.address}/exhibits")
    assert hand.place == "/login"
    page.run("document.querySelector('a[href^=\"/register\"]').click()")
    page.wait_for("location.pathname === '/register' && document.readyState === 'complete'")
    hand.fill(address="zhao@example.com")
    hand.press("main form button")
    assert hand.place == "/sent"
    page.open(house.box.link("zhao@example.com", "/confirm/"))
    hand.fill(name="赵六", password="too short", again="too short")
    page.run("document.querySelector('main form').noValidate = true")
    hand.press("main form button")
    assert "10" in page.text("#password-said")
    assert page.run("document.getElementById('name').value") == "赵六"
    hand.fill(password=PASSWORD, again=PASSWORD)
    hand.press("main form button")
    assert hand.place == "/exhibits", "where he wanted to go"
    assert page.text(".reader a") == "赵六"

    page.open(f"{house.address}/me/security")
    hand.press("form[action='/me/security/totp'] button")
    typed = page.text("[data-typed]")
    assert page.run("document.querySelectorAll('.qr svg path').length") >= 1
    hand.fill(code=code_of(typed))
    hand.press("form[action='/me/security/totp/confirm'] button")
    codes = page.text(".codes").split()
    assert len([one for one in codes if re.fullmatch(r"[0-9A-Z-]{19}", one)]) == 10

    page.open(f"{house.address}/me")
    hand.press("main form[action='/logout'] button")
    assert hand.place == "/login"
    hand.fill(address="zhao@example.com", password=PASSWORD)
    hand.press("main form button")
    assert hand.place == "/login/second"
    hand.fill(code="000000")
    hand.press("main form button")
    assert page.text("#code-said")
    hand.fill(code=code_of(typed, 30))
    hand.press("main form button")
    assert hand.place == "/"
    page.open(f"{house.address}/me/security")
    assert "动态验证码" in page.text("main")
    wanted = [one for one in page.complaints if "403" not in one and "422" not in one]
    assert wanted == []
    page.close()


def with_authenticator(page: Page) -> str:
    """A device that asks its owner, who agrees."""
    page.call("WebAuthn.enable")
    made = page.call(
        "WebAuthn.addVirtualAuthenticator",
        options={
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        },
    )
    return str(made["authenticatorId"])


def signed_in_page(house: House, browser: Browser, address: str) -> Page:
    page = browser.page()
    page.open(f"{house.address}/login")
    hand = Hand(page)
    hand.fill(address=address, password=PASSWORD)
    hand.press("main form button")
    return page


@pytest.mark.browser
def test_a_passkey_is_made_and_signs_in_and_a_copied_one_does_not(
    house: House, browser: Browser
) -> None:
    person = house.register("key@example.com")
    page = signed_in_page(house, browser, "key@example.com")
    device = with_authenticator(page)
    hand = Hand(page)
    page.open(f"{house.address}/me/security")
    page.wait_for("!document.querySelector('form[data-passkey]').closest('[hidden]')")
    hand.fill(passkey_name="办公室电脑")
    hand.press("form[data-passkey] button")
    assert "办公室电脑" in page.text("main")
    hand.fill(passkey_name="again")
    page.run("document.querySelector('form[data-passkey] button').click()")
    page.wait_for("document.querySelector('[data-said]').textContent.includes('已经登记过')")
    page.open(f"{house.address}/me")
    hand.press("main form[action='/logout'] button")
    page.wait_for("!document.querySelector('form[data-passkey]').closest('[hidden]')")
    hand.press("form[data-passkey] button")
    assert hand.place == "/"
    assert page.text(".reader a") == "李四"
    (session,) = [
        one for one in house.platform.people.sessions(person) if one.means == "passkey"
    ]
    assert session.device.startswith("Mozilla")

    # Somebody else has the key, and used it oftener: the counter that we know is beyond his.
    (made,) = page.call("WebAuthn.getCredentials", authenticatorId=device)["credentials"]
    assert made["isResidentCredential"]
    with writing(house.platform.parts.accounts) as connection:
        connection.execute(PASSKEY.update().values(counter=10**6))
    page.open(f"{house.address}/me")
    hand.press("main form[action='/logout'] button")
    page.wait_for("!document.querySelector('form[data-passkey]').closest('[hidden]')")
    page.run("document.querySelector('form[data-passkey] button').click()")
    page.wait_for("document.querySelector('[data-said]').textContent.includes('复制')")
    assert hand.place == "/login"
    page.close()


@pytest.mark.browser
def test_without_the_persons_consent_no_passkey_signs_in(
    house: House, browser: Browser
) -> None:
    house.register("unverified@example.com")
    page = signed_in_page(house, browser, "unverified@example.com")
    device = with_authenticator(page)
    page.call("WebAuthn.setUserVerified", authenticatorId=device, isUserVerified=False)
    page.open(f"{house.address}/me/security")
    page.wait_for("!document.querySelector('form[data-passkey]').closest('[hidden]')")
    Hand(page).fill(passkey_name="x")
    page.run("document.querySelector('form[data-passkey] button').click()")
    page.wait_for("document.querySelector('[data-said]').textContent.startsWith('没有完成')")
    page.close()


@pytest.mark.browser
def test_what_was_typed_outlives_the_session_and_is_shown_to_nobody_else(
    house: House, browser: Browser
) -> None:
    person = house.register("typing@example.com", name="打字的人")
    house.register("other@example.com")
    page = signed_in_page(house, browser, "typing@example.com")
    hand = Hand(page)

    def ended_while_typing() -> None:
        page.open(f"{house.address}/me")
        hand.fill(name="写了很久的称呼")
        for one in house.platform.people.sessions(person):
            house.platform.people.end_session(one, one.session, _caller())
        hand.press("form[action='/me'] button")
        assert hand.place == "/login"

    ended_while_typing()
    hand.fill(address="typing@example.com", password="wrong")
    hand.press("form[action='/login'] button")
    hand.fill(address="typing@example.com", password=PASSWORD)
    hand.press("form[action='/login'] button")
    assert hand.place == "/me"
    assert page.run("document.getElementById('name').value") == "写了很久的称呼"
    assert "已经放回" in page.text("main")
    assert page.text("h1") == "打字的人", "put back, and not sent"
    page.open(f"{house.address}/me")
    assert page.run("document.getElementById('name').value") == "打字的人", "once"

    ended_while_typing()
    hand.fill(address="other@example.com", password=PASSWORD)
    hand.press("form[action='/login'] button")
    assert hand.place == "/me"
    assert page.run("document.getElementById('name').value") == "李四"
    assert page.run("sessionStorage.length") == 0
    page.close()


@pytest.mark.browser
def test_every_page_fits_a_phone_and_names_its_fields(house: House, browser: Browser) -> None:
    house.register("phone@example.com")
    page = signed_in_page(house, browser, "phone@example.com")
    page.size(390, 844, phone=True)
    own = ("/me", "/me/security", "/me/sessions", "/me/prove")
    for path in (*own, "/logout", "/login", "/register", "/forgot", "/sent"):
        if path == "/logout":
            page.open(f"{house.address}/me")
            Hand(page).press("main form[action='/logout'] button")
            continue
        page.open(f"{house.address}{path}")
        assert page.run("document.documentElement.scrollWidth") == 390, path
        unnamed = page.run(
            "[...document.querySelectorAll('main input:not([type=hidden])')].filter("
            "one => !one.labels.length && one.ariaHidden !== 'true').map(one => one.name)"
        )
        assert unnamed == [], path
        low = page.run(
            "[...document.querySelectorAll('main button, main .button, main input')].filter("
            "one => one.offsetParent && one.ariaHidden !== 'true'"
            " && one.getBoundingClientRect().height < 44).map(one => one.outerHTML)"
        )
        assert low == [], path
        tabs = page.run(
            "[...document.querySelectorAll('.top nav a')].filter("
            "one => one.offsetParent || one.getClientRects().length).map(one => one.innerText)"
        )
        assert [one.strip() for one in tabs] == ["取证", "证据", "验证中心", "我的"], path
    assert page.complaints == []
    page.close()


# ---- by hand -----------------------------------------------------------------------------


def test_a_session_that_is_ended_elsewhere_is_dead_at_once(house: House) -> None:
    house.register("two@example.com")
    with house.client() as here, house.client() as there:
        for client in (here, there):
            assert sign_in(client, "two@example.com").headers["location"] == "/me"
        listed = here.get("/me/sessions").text
        (other,) = (
            set(re.findall(r"/me/sessions/(se_\w+)/end", listed))
            - {house.platform.people.require_session(dict(here.cookies)).session}
            - _ended(house, listed, dict(there.cookies))
        )
        assert there.get("/me").status_code == 200
        assert post(here, f"/me/sessions/{other}/end").status_code == 303
        assert there.get("/me").headers["location"] == "/login?next=%2Fme"
        assert here.get("/me").status_code == 200


def _ended(house: House, listed: str, cookies: dict[str, str]) -> set[str]:
    """Those listed that are neither of the two: the one that registering began."""
    known = house.platform.people.require_session(cookies).session
    return set(re.findall(r"/me/sessions/(se_\w+)/end", listed)) - {known}


def test_every_page_lets_one_sign_out(house: House) -> None:
    """In its head: one that is none, or that all may see, too. Nobody else is offered it."""
    house.register("leaving@example.com")
    with house.client() as client, house.client() as nobody:
        sign_in(client, "leaving@example.com")
        for path in ("/", "/exhibits", "/cases", "/me", "/verify", "/ledger", "/help", "/none"):
            head = client.get(path).text.partition("<main")[0]
            assert (
                head.count('<form class="reader off-phone" method="post" action="/logout">')
                == 1
            )
            assert 'action="/logout"' not in nobody.get(path).text, path


def test_nobody_ends_or_sees_a_session_of_another(house: House) -> None:
    one, _ = house.register("one@example.com"), house.register("else@example.com")
    (session,) = house.platform.people.sessions(one)
    with house.client() as client:
        sign_in(client, "else@example.com")
        assert session.session not in client.get("/me/sessions").text
        post(client, f"/me/sessions/{session.session}/end")
        post(client, "/me/sessions/%00/end")
    assert [each.session for each in house.platform.people.sessions(one)] == [session.session]


def test_a_notice_says_what_this_is_not_until_it_is_acknowledged_once(house: House) -> None:
    person = house.register("notice@example.com")
    with house.client() as client:
        sign_in(client, "notice@example.com")
        for _ in range(2):
            page = client.get("/").text
            assert "不会自动识别相似图片，也不会代您发起投诉" in page  # S2-017
            assert 'action="/notice"' in page  # S2-018
        assert post(client, "/notice").headers["location"] == "/"
        assert post(client, "/notice").status_code == 303, "pressed twice"
        page = client.get("/").text
        assert 'action="/notice"' not in page
        assert "不会自动识别相似图片" in page, "stays said"
        history = house.platform.people.security(person).history
        assert [one.kind for one in history].count("notice-acknowledged") == 1
        assert "确认了使用须知" in client.get("/me/security").text
    with house.client() as stranger:
        assert post(stranger, "/notice").headers["location"].startswith("/login")


def test_a_token_that_we_did_not_make_is_never_taken_over(house: House) -> None:
    house.register("fixed@example.com")
    with house.client() as client:
        client.cookies.set("guzheng_session", "chosen-by-somebody-else")
        answer = sign_in(client, "fixed@example.com")
        made = answer.cookies["guzheng_session"]
        assert made != "chosen-by-somebody-else"
        assert len(made) == 43
    for token in ("chosen-by-somebody-else", made):
        with house.client(Cookie=f"guzheng_session={token}") as client:
            status = client.get("/me").status_code
            assert status == (200 if token == made else 303)


def test_signing_in_again_ends_the_session_before(house: House) -> None:
    house.register("again@example.com")
    with house.client() as client:
        before = sign_in(client, "again@example.com").cookies["guzheng_session"]
        after = sign_in(client, "again@example.com").cookies["guzheng_session"]
    assert before != after
    assert house.platform.people.find_session({"guzheng_session": before}) is None
    assert house.platform.people.find_session({"guzheng_session": after}) is not None


@pytest.mark.parametrize(("path", "scheme"), [("/login", "http"), ("/login", "https")])
def test_the_cookie_is_kept_from_scripts_and_from_other_sites(
    tmp_path: Path, path: str, scheme: str
) -> None:
    platform = Platform(Config(tmp_path / "data", accounts="on", **CHEAP))  # type: ignore[arg-type]
    link = platform.people.operator_link("http://x")
    platform.people.welcome(
        link.rsplit("/", 1)[1], "运营", "op@example.com", PASSWORD, _caller()
    )
    with serving(create_app(platform)) as face:
        proxied = {"X-Forwarded-Proto": scheme}
        answer = face.client.post(
            path, data={"address": "op@example.com", "password": PASSWORD}, headers=proxied
        )
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303, answer.text
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= {one.strip() for one in cookie.split(";")}
    assert ("Secure" in cookie) is (scheme == "https")
    assert "Domain" not in cookie


TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d+ 秒|0000-00-00 [\d:]+")


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """What a stranger sees; the time of day left out, and what he typed himself."""
    text = (
        TIMES.sub("", answer.text)
        .replace("known@example.com", "")
        .replace("no-no@example.com", "")
    )
    headers = sorted(set(answer.headers) - {"date", "content-length"})
    return answer.status_code, text, headers


def test_no_answer_says_who_has_an_account(house: House) -> None:
    house.register("known@example.com")
    told_to: dict[str, list[tuple[int, str, list[str]]]] = {"known": [], "no-no": []}
    for who, answers in told_to.items():
        address = f"{who}@example.com"
        with house.client() as client:
            answers.append(told(post(client, "/forgot", address=address)))
            answers.append(told(post(client, "/register", address=address, next="/")))
            for _ in range(6):  # the last is locked, and says until when
                answers.append(told(sign_in(client, address, "wrong and wrong")))
    assert told_to["known"] == told_to["no-no"]
    assert {one[0] for one in told_to["known"]} == {303, 403, 429}


def test_a_lock_says_when_to_try_again_and_holds_against_the_right_password(
    house: House,
) -> None:
    house.register("locked@example.com")
    with house.client() as client:
        for _ in range(5):
            assert sign_in(client, "locked@example.com", "wrong wrong").status_code == 403
        answer = sign_in(client, "locked@example.com")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert re.search(r"请等到 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", answer.text)
        assert "guzheng_session" not in answer.cookies


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie:x=1\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "",
    ],
)
def test_nobody_is_led_elsewhere(house: House, address: str) -> None:
    with house.client() as client:
        answer = post(
            client,
            "/login",
            address="operator@example.com",
            password=PASSWORD,
            next=address,
        )
        assert answer.headers["location"] == "/"
        assert "x" not in answer.cookies
        again = client.get("/login", params={"next": address})
        assert again.headers["location"] == "/"


def test_a_form_that_was_refused_leads_where_it_led_before(house: House) -> None:
    house.register("onward@example.com")
    kept = '<input type="hidden" name="next" value="/exhibits?state=certified">'
    onward = "/exhibits?state=certified"
    with house.client() as client:
        wrong = {"address": "onward@example.com", "password": "x", "next": onward}
        refused = post(client, "/login", **wrong)
        assert refused.status_code == 403
        assert kept in refused.text
        assert "/register?next=/exhibits%3Fstate%3Dcertified" in refused.text
        assert kept in post(client, "/register", address="nowhere", next=onward).text
        assert kept not in post(client, "/login", address="x", password="x", next="//evil").text
        sign_in(client, "onward@example.com")
        assert kept in post(client, "/me/prove", password="x", next=onward).text


def test_what_is_dangerous_asks_again_who_it_is_and_changes_the_token(house: House) -> None:
    person = house.register("careful@example.com")
    with house.client() as client:
        before = sign_in(client, "careful@example.com").cookies["guzheng_session"]
        with writing(house.platform.parts.accounts) as connection:  # a while passes
            connection.execute(
                SESSION.update()
                .where(SESSION.c.person == person)
                .values(proved_at="2020-01-01T00:00:00.000Z")
            )
        here = {"Referer": f"{house.address}/me/security"}
        for path in ("/me/security/password", "/me/security/totp", "/me/security/codes"):
            answer = client.post(path, data={"password": PASSWORD + "!"}, headers=here)
            first = "/me/prove?next=%2Fme%2Fsecurity%3Fnot-done%3D1"
            assert answer.headers["location"] == first, path
        asked = client.post("/me/passkeys/options", json={}, headers=PROGRAM)
        assert (asked.status_code, asked.json()["code"]) == (403, "accounts.prove-again")
        assert "/me/security/password" not in client.get("/me/security").text
        proved = post(client, "/me/prove", password=PASSWORD, next="/me/security")
        after = proved.cookies["guzheng_session"]
        assert after != before
        assert house.platform.people.find_session({"guzheng_session": before}) is None
        assert "/me/security/password" in client.get("/me/security").text
        assert "还没有执行" in client.get("/me/security?not-done=1").text
        assert "还没有执行" not in client.get("/me/security").text
        changed = post(client, "/me/security/password", password="another long sentence")
        assert changed.headers["location"] == "/me/security"
        assert client.get("/me").status_code == 200
    with house.client() as client:
        assert sign_in(client, "careful@example.com").status_code == 403
    told_of = house.box.letter("careful@example.com", "更换密码")
    assert "another long sentence" not in str(told_of.get_content())


def test_a_forgotten_password_is_chosen_anew_by_who_reads_the_letter(house: House) -> None:
    house.register("forgets@example.com")
    with house.client() as client:
        assert post(client, "/forgot", address="Forgets@example.com").status_code == 303
        link = house.box.link("forgets@example.com", "/reset/")
        assert "forgets@example.com" in client.get(link).text
        fields = {"password": "quite another one", "again": "quite another 0ne"}
        assert post(client, link, **fields).status_code == 422
        fields["again"] = fields["password"]
        done = post(client, link, **fields)
        assert "新密码已保存" in client.get(done.headers["location"]).text
        assert "新密码已保存" not in client.get("/login").text
        assert post(client, link, **fields).status_code == 410
        assert sign_in(client, "forgets@example.com", "quite another one").status_code == 303


def test_a_password_is_typed_unseen_kept_by_a_vault_and_may_be_pasted(house: House) -> None:
    token = house.platform.people.operator_link("").rsplit("/", 1)[1]
    with house.client() as client:
        for path, kinds in (
            ("/login", ["current-password"]),
            (f"/welcome/{token}", ["new-password", "new-password"]),
        ):
            page = client.get(path).text
            fields = re.findall(r"<input[^>]*password[^>]*>", page)
            assert [re.findall(r'autocomplete="([\w-]+)"', one)[0] for one in fields] == kinds
            assert all('type="password"' in one for one in fields)
            assert "onpaste" not in page


def test_another_address_counts_once_its_link_is_opened_and_the_former_is_told(
    house: House,
) -> None:
    house.register("before@example.com")
    with house.client() as client:
        sign_in(client, "before@example.com")
        wrong = post(client, "/me/security/address", address="after@")
        assert (wrong.status_code, 'value="after@"' in wrong.text) == (422, True)
        asked = post(client, "/me/security/address", address="After@example.com")
        assert asked.headers["location"] == "/sent"
        link = house.box.link("after@example.com", "/move/")
        assert client.get(link).status_code == 200
        with house.client() as other:
            assert sign_in(other, "after@example.com").status_code == 403, "not yet"
        with house.client() as telephone:  # the letter is read on another device
            done = post(telephone, link).headers["location"]
            assert "登录地址已更换" in telephone.get(done).text
        assert post(client, link).status_code == 410
        assert client.get("/me").status_code == 200
    house.box.letter("before@example.com", "更换登录地址")
    with house.client() as client:
        assert sign_in(client, "before@example.com").status_code == 403
        assert sign_in(client, "after@example.com").status_code == 303


def test_a_dead_link_says_so_and_nothing_else(house: House) -> None:
    with house.client() as client:
        for place in ("confirm", "reset", "welcome", "move"):
            answer = client.get(f"/{place}/{'A' * 43}")
            assert answer.status_code == 410
            assert "链接" in answer.text


def test_a_passkeys_challenge_is_ours_and_good_once(house: House) -> None:
    with house.client() as client:
        options = client.post("/login/passkey/options", json={}).json()["publicKey"]
        assert len(from_websafe(options["challenge"])) == 37
        assert options["userVerification"] == "required"
        assert "allowCredentials" not in options, "nobody is named"
        some = (b"", b"[]", b"{}", b'{"credential": {}}', b'{"credential": {"id": 1}}')
        for body in (*some, b"[" * 60_000):
            kind = {"Content-Type": "application/json"}
            answer = client.post("/login/passkey", content=body, headers=kind)
            assert answer.status_code in {400, 422}, answer.text
            form = client.post("/login/passkey", content=body, headers=FORM)
            assert form.status_code == 400


def test_no_secret_is_logged(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        house.register("logged@example.com")
        with house.client() as client:
            token = sign_in(client, "logged@example.com").cookies["guzheng_session"]
            sign_in(client, "logged@example.com", "a wrong password indeed")
            post(client, "/forgot", address="logged@example.com")
            link = house.box.link("logged@example.com", "/reset/").rsplit("/", 1)[1]
            client.get("/me/security")
    ours = "\n".join(
        one.getMessage() for one in caplog.records if not one.name.startswith("http")
    )
    out, err = capfd.readouterr()
    for secret in (PASSWORD, token, link, "a wrong password indeed"):
        assert secret not in ours + out + err


def test_a_fault_under_a_link_does_not_log_the_link(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with house.client() as client:
        with caplog.at_level(logging.ERROR):
            client.get("/confirm/a-token-of-the-test")
        assert "a-token-of-the-test" not in caplog.text


def test_without_accounts_there_is_no_trace_of_them(face: Face) -> None:
    home = face.client.get("/").text
    for trace in ("/me", "/logout", "/login"):
        assert f'"{trace}"' not in home
    for path in ("/login", "/register", "/me", "/me/security", "/welcome/x"):
        assert face.client.get(path).status_code == 404, path


def test_program_and_person_are_told_apart(house: House) -> None:
    with house.client() as client:
        sign_in(client, "operator@example.com")
        assert client.get("/me").status_code == 200
        wrong = {"Authorization": "Bearer gzk_nothing"}
        assert client.get("/me", headers=wrong).status_code == 303, "a bad key is nobody"
