"""Members and keys on the pages: invited, granted, switched, refused, and in the audit."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.paging import PER_PAGE
from tests import plain
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.faces.persons import Someone, someone

# What a finger is to hit is 44 px high.
_SMALL = """[...document.querySelectorAll("main button, main .button, main select, main input, \
    main .boxes label")].filter(one => one.type !== "hidden" && one.type !== "checkbox"
    && one.getClientRects().length && one.getBoundingClientRect().height < 43.5)
    .map(one => one.outerHTML.slice(0, 80))"""


@dataclass(frozen=True)
class Firm:
    """An owner, somebody who is to work for him, and a stranger with an account of his own."""

    face: Face
    platform: Platform
    owner: Someone
    staff: Someone
    stranger: Someone

    def invite(self, note: str = "") -> str:
        """The path of an invitation's link."""
        answer = self.owner.post("/members/invitations", {"note": note}, status=201)
        link = re.search(r"/invitation/[\w-]{43}", answer.text)
        assert link is not None
        return link[0]

    def employ(self, *may: str) -> None:
        self.staff.post(self.invite())
        path = f"/members/{self.staff.person}/permissions"
        self.owner.post(path, {f"may.{one}": "1" for one in may})


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Face]]:
    platform = Platform(Config(tmp_path_factory.mktemp("members"), accounts="on"))
    with serving(create_app(platform, upload_limit=1024 * 1024)) as face:
        yield platform, face


@pytest.fixture
def firm(opened: tuple[Platform, Face]) -> Iterator[Firm]:
    platform, face = opened
    with (
        someone(platform, face.address, "owner") as owner,
        someone(platform, face.address, "staff") as staff,
        someone(platform, face.address, "stranger") as stranger,
    ):
        yield Firm(face, platform, owner, staff, stranger)


def test_somebody_is_invited_and_may_do_what_was_granted(firm: Firm) -> None:
    path = firm.invite("店铺运营")
    assert "店铺运营" in firm.owner.text("/members?lang=zh")
    assert path.rpartition("/")[2] not in firm.owner.text("/members"), "shown once"
    stranger = firm.face.client.get(path + "?lang=zh")
    assert "owner 的账号" in stranger.text
    assert f"/register?next={path}" in stranger.text
    assert "以 staff 的身份接受" in firm.staff.text(path + "?lang=zh")
    assert firm.staff.post(path).headers["location"] == "/me/account"
    assert "尚未授予您任何权限" in firm.staff.text("/me/account?lang=zh")
    assert "加入于 <time" in firm.staff.text("/me/account?lang=zh"), "a time says of what it is"
    assert firm.staff.client.get("/exhibits").status_code == 403
    assert firm.staff.client.get("/members").status_code == 403
    assert firm.face.client.get(path).status_code == 410
    assert firm.stranger.client.post(path).status_code == 410
    member = f"/members/{firm.staff.person}"
    firm.owner.post(f"{member}/role", {"role": "collector"})
    assert firm.staff.client.get("/exhibits").status_code == 200
    page = firm.owner.text(f"{member}?lang=zh")
    assert 'name="may.capture" value="1" checked' in page
    assert 'name="may.bill" value="1">' in page
    firm.owner.post(f"{member}/permissions", {"may.capture": "1"})
    assert firm.staff.client.get("/exhibits").status_code == 403
    firm.owner.post(f"{member}/remove", status=422)
    firm.owner.post(f"{member}/remove", {"sure": "1"})
    assert firm.owner.client.get(member).status_code == 404
    assert "staff 的账号" in firm.staff.text("/me/account?lang=zh"), "his own is left to him"


def test_an_invitation_goes_out_by_letter(
    firm: Firm, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = firm.owner.post(
        "/members/invitations?lang=zh",
        {"address": f"New.{firm.owner.person}@Example.com"},
        status=201,
    )
    assert f"正在发往 new.{firm.owner.person.lower()}@example.com" in answer.text
    link = re.search(r"/invitation/[\w-]{43}", answer.text)
    assert link is not None
    said, deadline = "", time.monotonic() + 30
    while link[0] not in said:
        assert time.monotonic() < deadline, said
        said += capfd.readouterr().err
        time.sleep(0.05)
    assert "owner 邀请您" in said
    wrong = firm.owner.post("/members/invitations", {"address": "nobody"}, status=201)
    assert "accounts.address-refused" in wrong.text, "the link is there all the same"
    for _ in range(48):
        firm.platform.members.invite(firm.owner.acting(firm.platform))
    full = firm.owner.post("/members/invitations", status=409)
    assert "accounts.invitations-too-many" in full.text


def test_who_is_a_member_already_is_told_so_and_accepts_nothing(firm: Firm) -> None:
    link = firm.invite()
    page = firm.owner.text(link)
    assert "您已经是这个账号的成员" in page
    assert f'action="{link}"' not in page
    assert firm.owner.post(link, status=409).text.count("pe_") == 0
    assert f'action="{link}"' in firm.staff.text(link)


def test_dangerous_acts_ask_again_who_it_is(firm: Firm) -> None:
    firm.employ()
    later = firm.platform.now() - timedelta(minutes=11)
    with someone(firm.platform, firm.face.address, "late", signed_in_at=later) as late:
        for path, fields in (
            ("/keys", {"note": "n", "days": "30", "may.read": "1"}),
            (f"/members/{late.person}/permissions", {"may.read": "1"}),
        ):
            asked = late.post(path, fields).headers["location"]
            assert asked.startswith("/me/prove?next=")
        assert firm.platform.keys.of(late.account) == ()


def test_what_a_member_may_not_is_not_offered_to_him(firm: Firm) -> None:
    sent = {"file": ("a.txt", b"a member's", "text/plain")}
    made = firm.owner.client.post("/api/exhibits", files=sent).json()["exhibit"]
    assert firm.platform.walk(made, lambda *_: None) == "certified"
    offered = {
        "download": ("/package.zip", "/packages/new", "/papers/"),
        "share": ("/shares/new",),
        "cases": ("/cases/add",),
    }
    for may in ((), ("share",), ("cases",), ("download",), tuple(offered)):
        firm.employ("read", *may)
        page = firm.staff.text(f"/exhibits/{made}") + firm.staff.text("/exhibits")
        for permission, addresses in offered.items():
            for one in addresses:
                assert (one in page) == (permission in may), (one, may)
        firm.owner.post(f"/members/{firm.staff.person}/remove", {"sure": "1"})
    firm.employ()
    assert "可以在“证据”中查看" not in firm.staff.text("/")
    firm.owner.post(f"/members/{firm.staff.person}/permissions", {"may.read": "1"})
    assert "可以在“证据”中查看" in firm.staff.text("/")


def test_two_who_decide_at_once_do_not_undo_each_other(firm: Firm) -> None:
    firm.employ()
    member = f"/members/{firm.staff.person}"
    seen = re.search(r'name="seen" value="(\d+)"', firm.owner.text(member))
    assert seen is not None
    firm.owner.post(f"{member}/permissions", {"may.read": "1", "seen": seen[1]})
    wanted = {"may.bill": "1", "seen": seen[1]}
    late = firm.owner.post(f"{member}/permissions", wanted, status=409)
    assert "accounts.changed-meanwhile" in late.text
    firm.owner.post(f"{member}/role", {"role": "emperor"}, status=422)
    firm.owner.post(f"{member}/promote", status=404)


def test_the_last_owner_stays(firm: Firm) -> None:
    own = f"/members/{firm.owner.person}"
    for path, fields in (("remove", {"sure": "1"}), ("permissions", {"may.read": "1"})):
        answer = firm.owner.post(f"{own}/{path}", fields, status=409)
        assert "accounts.last-owner" in answer.text
    assert (
        "accounts.last-owner"
        in firm.owner.post("/me/account/leave", {"sure": "1"}, status=409).text
    )


def test_a_person_acts_for_the_account_that_he_chose(firm: Firm) -> None:
    firm.employ("read", "members")
    assert "owner" in firm.staff.text("/members")
    firm.staff.post("/me/account", {"account": firm.staff.account})
    assert firm.owner.person not in firm.staff.text("/members")
    firm.staff.post("/me/account", {"account": firm.stranger.account}, status=404)
    firm.staff.post("/me/account", {"account": firm.owner.account})
    firm.staff.post("/me/account/leave", {"sure": "1"})
    assert firm.staff.client.get(f"/members/{firm.owner.person}").status_code == 404


def test_nothing_of_another_account_is_seen_or_changed(firm: Firm) -> None:
    firm.invite()
    wanted = {"note": "n", "days": "30", "may.read": "1"}
    made = firm.owner.post("/keys", wanted, status=201)
    key = firm.platform.keys.of(firm.owner.account)[0].key.key
    assert key in made.text
    invitation = firm.platform.members.invitations(firm.owner.account)[0][0].invitation
    for path in (
        f"/members/invitations/{invitation}/revoke",
        f"/keys/{key}/revoke",
        f"/members/{firm.owner.person}/remove",
    ):
        firm.stranger.post(path, {"sure": "1"}, status=404)
    assert firm.stranger.client.get(f"/members/{firm.owner.person}").status_code == 404
    audit = firm.stranger.text("/members/audit.csv")
    assert firm.owner.person not in audit
    firm.owner.post(f"/members/invitations/{invitation}/revoke")


def test_a_key_is_shown_once_and_opens_what_it_may(firm: Firm) -> None:
    wanted = {"note": "巡检", "days": "90", "may.read": "1"}
    answer = firm.owner.post("/keys", wanted, status=201)
    assert answer.headers["cache-control"] == "no-store"
    secret = re.search(r"gzk_[\w-]{43}", answer.text)
    assert secret is not None
    page = firm.owner.text("/keys?lang=zh")
    assert secret[0] not in page
    assert f"gzk_…{secret[0][-4:]}" in page
    headers = {"Authorization": f"Bearer {secret[0]}"}
    with plain.client(base_url=firm.face.address, headers=headers) as program:
        assert program.get("/api/orders").status_code == 200
        refused = program.post("/api/orders", json={"url": "https://example.com/"})
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts.not-permitted")
        assert refused.json()["expected"] == "取证", "in words"
        assert program.get("/keys").status_code == 403
        key = firm.platform.keys.of(firm.owner.account)[0].key.key
        firm.owner.post(f"/keys/{key}/revoke")
        gone = program.get("/api/orders")
        assert (gone.status_code, gone.json()["code"]) == (401, "accounts.key-refused")
    for fields in ({"days": "30"}, {"days": "x", "may.read": "1"}, {"days": "30", "note": ""}):
        firm.owner.post("/keys", {"note": "n"} | fields, status=422)


def test_what_a_member_does_is_done_for_the_owner(firm: Firm) -> None:
    firm.employ("read", "deposit")
    files = {"file": ("a.txt", b"words", "text/plain")}
    made = firm.staff.client.post("/api/exhibits", files=files)
    assert made.status_code == 201, made.text
    path = f"/exhibits/{made.json()['exhibit']}"
    for who in (firm.owner, firm.staff):
        assert "由 staff 代 owner 操作" in who.text(f"{path}?lang=zh")
    assert firm.stranger.client.get(path).status_code == 404
    own = firm.owner.client.post("/api/exhibits", files=files).json()["exhibit"]
    assert "由 owner 操作" in firm.owner.text(f"/exhibits/{own}?lang=zh")
    order = firm.platform.road.order(made.json()["exhibit"])
    assert (order.account, order.person) == (firm.owner.account, firm.staff.person)


def test_the_audit_says_who_did_what_for_whom(firm: Firm) -> None:
    firm.employ("read")
    page = firm.owner.text("/members/audit?lang=zh")
    for line in ("授予 staff：", "staff 接受邀请，加入账号", "owner 开通账号"):
        assert line in page
    narrowed = firm.owner.text("/members/audit?kind=granted")
    assert "founded the account" not in narrowed
    rows = firm.owner.text("/members/audit.csv?kind=granted").splitlines()
    assert len(rows) == 2
    assert '"staff","read"' in rows[1]
    assert rows[1].endswith('"owner","session"')


@pytest.mark.browser
def test_the_pages_fit_a_phone_and_say_nothing_to_the_console(
    firm: Firm, browser: Browser
) -> None:
    firm.employ("read")
    firm.owner.post("/keys", {"note": "巡检", "days": "90", "may.read": "1"}, status=201)
    page = browser.page()
    token = firm.owner.client.cookies["guzheng_session"]
    page.call("Network.setCookie", name="guzheng_session", value=token, url=firm.face.address)
    member = f"/members/{firm.staff.person}"
    for path in ("/members", member, "/members/audit", "/keys", "/me/account", firm.invite()):
        for width in (390, 1280):
            page.size(width, 800, phone=width < 500)
            page.open(firm.face.address + path)
            assert page.run("document.documentElement.scrollWidth") <= width, (path, width)
            small = page.run(_SMALL)
            assert small == [], (path, width, small)
    assert page.complaints == []
    page.close()


def test_invitations_of_before_are_reached_a_page_at_a_time(firm: Firm) -> None:
    firm.invite("最早的一位")
    for at in range(PER_PAGE):
        link = firm.invite(f"第 {at} 位")
        own = firm.platform.members.invited_by(link.rsplit("/", 1)[1]).invitation
        firm.owner.post(f"/members/invitations/{own}/revoke")
    page = firm.owner.text("/members")
    assert "最早的一位" not in page
    assert f"/members?invited={PER_PAGE}" in page
    further = firm.owner.text(f"/members?invited={PER_PAGE}")
    assert "最早的一位" in further
    assert '"/members?invited=0"' in further
    for odd in ("-1", "x", "9" * 30, "²"):
        assert firm.owner.text(f"/members?start={odd}&invited={odd}")
