"""Editions on pages: what is lacked is refused with where to get it; what was made stays."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from guzheng import road
from guzheng.accounts import Acting, Permission
from guzheng.accounts.editions import FUNCTIONS
from guzheng.app import Platform
from guzheng.app.parts import open_parts
from guzheng.cli.main import run
from guzheng.config import Config
from guzheng.intake import Upload
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.ids import LOCAL
from guzheng.web import create_app, editions
from guzheng.web.application import rules_of
from tests import plain, world
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.faces.tenants import ALL, ANNE, COOKIE, Known

OPERATOR = Acting(LOCAL, "pe_01J000000000000000000000PP", ALL, operator=True)
BERT = replace(ANNE, account="ac_01J000000000000000000000BB")
CLARA = "ac_01J000000000000000000000CC"
WHERE = "https://shop.example/固证"


@dataclass(frozen=True)
class Shop:
    """A face whose accounts have the trial edition until more is granted."""

    face: Face
    platform: Platform
    known: Known

    def asks(self, who: str, method: str, path: str, **more: object) -> httpx.Response:
        with plain.client(base_url=self.face.address, timeout=60) as client:
            client.cookies.set(COOKIE, who)
            return client.request(method, path, **more)  # type: ignore[arg-type]

    def grants(self, **changed: str) -> httpx.Response:
        form = {
            "account": ANNE.account,
            "kind": "purchase",
            "edition": "",
            "units": "2",
            "source": "订单 20261122-7",
            "reason": "年度采购",
            "expires": "2099-01-01",
            "token": self.platform.entitlements.new_token(),
        }
        return self.asks("operator", "POST", "/operator/accounts", data=form | changed)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    config = Config(
        tmp_path_factory.mktemp("shop"),
        accounts="on",
        default_edition="trial",
        quota_units=1,
        editions_url=WHERE,
    )
    platform, known = Platform(config), Known()
    known.people |= {"operator": OPERATOR, "bert": BERT}
    with serving(create_app(platform, identities=known)) as face:
        yield Shop(face, platform, known)


def test_every_function_is_asked_for_somewhere(platform: Platform) -> None:
    asked = set(editions.FUNCTIONS.values()) | {"capture", "deposit"}
    assert asked == set(FUNCTIONS)
    rules = rules_of(platform)
    assert editions.FUNCTIONS.keys() <= rules.keys()
    # What only shows is never refused: a lower edition keeps the evidence readable. An empty
    # form shows nothing of it.
    shown = [one for one in editions.FUNCTIONS if one.startswith("GET ")]
    assert not [one for one in shown if not one.endswith("/new")]
    beginnings = {"batches", "schedules", "cases", "packages", "shares", "keys"}
    posts = {f"POST /{one}" for one in beginnings}
    assert posts <= editions.FUNCTIONS.keys()


def test_a_function_is_refused_until_it_is_granted_and_old_things_stay(shop: Shop) -> None:
    case = {"name": "某某诉某某", "title": "某某诉某某"}
    refused = shop.asks("anne", "POST", "/cases", data=case)
    assert refused.status_code == 402
    assert "accounts.not-in-edition" in refused.text
    assert WHERE in refused.text
    assert "有“案卷”功能的版本：标准版、专业版、完整版" in refused.text
    for form in ("/cases/new", "/shares/new", "/packages/new"):
        early = shop.asks("anne", "GET", form)
        assert (early.status_code, 'href="/me/edition"' in early.text) == (402, True)
    page = shop.asks("anne", "GET", "/me/edition").text
    assert "当前版本：体验版" in page
    assert WHERE in page

    assert shop.grants(kind="theft").status_code == 422
    assert shop.grants(account="ac_nobody").status_code == 422
    assert shop.grants(units="many").status_code == 422
    assert shop.grants(expires="22.11.2099").status_code == 422
    both = shop.grants(units="7", unlimited="1")
    assert both.status_code == 422
    assert 'name="units" inputmode="numeric"' in both.text
    assert 'value="7"' in both.text
    assert 'name="unlimited" value="1" checked' in both.text
    assert "或只勾选“不限次数”" in both.text
    token = shop.platform.entitlements.new_token()
    for _ in range(2):  # the answer was lost, and it is sent again
        answer = shop.grants(edition="standard", units="0", token=token)
        assert answer.status_code == 303
    page = shop.asks("operator", "GET", f"/operator/accounts?account={ANNE.account}").text
    assert "订单 20261122-7" in page
    assert "授权于 <time" in page
    assert len(shop.platform.entitlements.view(ANNE.account).grants) == 1
    assert "当前版本：标准版" in shop.asks("anne", "GET", "/me/edition").text
    gift = shop.grants(edition="standard", units="", kind="gift", account=CLARA)
    assert gift.status_code == 303  # nothing typed: what the edition says it has
    (given,) = shop.platform.entitlements.view(CLARA).grants
    assert given.units == next(
        one.units for one in shop.platform.entitlements.editions if one.edition == "standard"
    )
    for number, said in enumerate(({"unlimited": "1", "units": ""}, {"units": "none"}), 1):
        account = f"ac_{number:026}"
        assert shop.grants(edition="standard", account=account, **said).status_code == 303
        (given,) = shop.platform.entitlements.view(account).grants
        assert given.units is None
    opened = shop.asks("anne", "POST", "/cases", data=case)
    assert opened.status_code in {303, 422}  # past the edition; the case's own form judges
    assert shop.asks("bert", "POST", "/cases", data=case).status_code == 402

    ended = shop.asks(
        "operator", "POST", f"/operator/accounts/{token}/end", data={"reason": ""}
    )
    assert ended.status_code == 422
    ended = shop.asks(
        "operator", "POST", f"/operator/accounts/{token}/end", data={"reason": "误发"}
    )
    assert ended.status_code == 303
    assert shop.asks("anne", "POST", "/cases", data=case).status_code == 402
    assert shop.asks("anne", "GET", "/cases").status_code == 200
    for who in ("anne", "bert"):
        assert shop.asks(who, "GET", "/operator/accounts").status_code == 403


def test_programs_are_a_function_and_a_page_s_own_script_is_none(shop: Shop) -> None:
    shop.known.people["gzk_1"] = replace(ANNE, by="key")
    with plain.client(base_url=shop.face.address, timeout=60) as client:
        told = client.post(
            "/api/exhibits",
            headers={"Authorization": "Bearer gzk_1"},
            files={"file": ("a.txt", b"words")},
        )
    assert (told.status_code, told.json()["code"]) == (402, "accounts.not-in-edition")


def test_a_deposit_takes_a_unit_and_one_that_fails_gives_it_back(shop: Shop) -> None:
    def deposit(octets: bytes) -> httpx.Response:
        files = {"file": ("a.txt", octets)}
        return shop.asks("bert", "POST", "/api/exhibits", files=files)

    entitlements = shop.platform.entitlements
    assert deposit(b"").json()["code"] == "intake.empty-file"
    assert entitlements.view(BERT.account).left == 1
    assert deposit(b"words").status_code == 201
    assert entitlements.view(BERT.account).left == 0
    told = deposit(b"more words")
    assert (told.status_code, told.json()["code"]) == (402, "commission.quota-spent")
    assert shop.grants(account=BERT.account, units="1").status_code == 303
    assert deposit(b"more words").status_code == 201
    view = entitlements.view(BERT.account)
    assert (view.left, view.quota.spent, view.quota.held) == (0, 2, 0)
    assert [one.means for one in view.lines].count("charge") == 2
    page = shop.asks("bert", "GET", "/me/edition").text
    assert "剩 0 / 1 次" in page
    assert "退回" in page
    # Bert's evidence stays readable with nothing left.
    listed = shop.asks("bert", "GET", "/exhibits").text
    exhibit = view.lines[0].subject
    assert exhibit in listed
    assert shop.asks("bert", "GET", f"/exhibits/{exhibit}").status_code == 200


def test_what_a_killed_program_held_is_settled(tmp_path: Path) -> None:
    clock = [world.now()]
    config = Config(tmp_path, accounts="on", default_edition="trial", quota_units=2)
    platform = Platform(config, open_parts(config, now=lambda: clock[0]))
    entitlements, units = platform.entitlements, platform.parts.commissions.units
    allowance = entitlements.allowance_of(ANNE.account)
    kept = platform.deposit("a.txt", [b"words"], account=ANNE.account)
    lost = ids.new("ex", clock[0], lambda size: b"\1" * size)
    units.hold(lost, ANNE.account, allowance, clock[0])
    assert entitlements.round() == 0  # it may be coming in at this moment
    assert entitlements.view(ANNE.account).left == 0
    clock[0] += timedelta(days=2)
    assert entitlements.round() == 1
    assert entitlements.view(ANNE.account).left == 1
    units.hold(
        f"{kept[:-1]}{'0' if kept[-1] != '0' else '1'}", ANNE.account, allowance, clock[0]
    )
    assert entitlements.view(ANNE.account).left == 0


def test_a_deposit_that_is_refused_for_good_is_given_back(tmp_path: Path) -> None:
    """What was charged, and what a program that was killed had only held, alike."""
    config = Config(tmp_path, accounts="on", default_edition="trial", quota_units=2)
    platform = Platform(config)
    entitlements, units = platform.entitlements, platform.parts.commissions.units
    for held_only in (False, True):
        if held_only:
            killed = replace(platform.road, spending=lambda *_: contextlib.nullcontext())
            upload = Upload("a.txt", [b"words"])
            exhibit = killed.deposit([upload], largest=9, account=ANNE.account).exhibit
            allowance = entitlements.allowance_of(ANNE.account)
            units.hold(exhibit, ANNE.account, allowance, platform.now())
        else:
            exhibit = platform.deposit("a.txt", [b"words"], account=ANNE.account)
        assert entitlements.view(ANNE.account).left == 1
        place = f"{road.folder_of(exhibit)}{road.REFUSED}"
        platform.blobs.put(place, [b'{"code":"keep.damaged","schema":"guzheng.refusal/1"}'])
        for _ in range(2):  # the second as after a kill
            assert platform.walk(exhibit, lambda _step, _detail: None) == "refused"
        entitlements.round()
        view = entitlements.view(ANNE.account)
        assert (view.left, view.quota.held, view.quota.spent) == (2, 0, 0)


def test_a_capture_needs_its_function(tmp_path: Path) -> None:
    file = tmp_path / "editions.toml"
    file.write_text(
        '[[edition]]\nedition = "files"\nname.zh = "仅存证"\nfunctions = ["deposit"]\n', "utf-8"
    )
    config = Config(
        tmp_path / "data", accounts="on", default_edition="files", editions=str(file)
    )
    platform = Platform(config)
    with pytest.raises(Refused, match=r"accounts\.not-in-edition"):
        platform.ordering.allowance_of(ANNE.account)
    exhibit = platform.deposit("a.txt", [b"words"], account=ANNE.account)
    assert platform.entitlements.view(ANNE.account).lots is None
    assert platform.is_placed(exhibit)
    with pytest.raises(Refused, match=r"config\.value-refused"):
        Platform(Config(tmp_path / "other", default_edition="none-such"))


def test_the_seat_is_as_it_was(face: Face, platform: Platform) -> None:
    assert platform.entitlements.allowance_of(LOCAL) is None
    page = face.client.get("/me/edition").text
    assert "不限次数" in page
    assert "当前版本：" not in page


def test_the_shell_grants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    (data).mkdir()
    (data / "guzheng.toml").write_text(
        'clock_profile = "evaluation"\ndefault_edition = "trial"\n', "utf-8"
    )
    command = ["--data", str(data), "--json", "accounts"]
    asked = [
        *(*command, "grant", ANNE.account, "--edition", "standard", "--units", "5"),
        *("--kind", "purchase", "--source", "订单 7", "--reason", "年度"),
        *("--expires", "2099-01-01", "--number", "gr_01J000000000000000000000GR"),
    ]
    for _ in range(2):
        assert run(asked) == 0
    assert run([*command, "show", ANNE.account]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["edition"], shown["left"], len(shown["grants"])) == ("standard", 25, 1)
    assert run([*command, "grant", ANNE.account, "--kind", "gift", "--source", "x" * 300]) != 0


@pytest.mark.browser
def test_the_pages_fit_a_phone(shop: Shop, browser: Browser) -> None:
    visits = [
        ("anne", "/me/edition"),
        ("operator", f"/operator/accounts?account={ANNE.account}"),
    ]
    for who, path in visits:
        page = browser.page()
        for width in (390, 1280):
            page.size(width, 800, phone=width < 600)
            page.call("Network.setCookie", name=COOKIE, value=who, url=shop.face.address)
            page.open(shop.face.address + path)
            assert page.run("document.documentElement.scrollWidth") <= width, (path, width)
        assert page.complaints == []
        page.close()


def test_only_an_operator_grants(shop: Shop) -> None:
    reader = shop.known.with_only(ANNE, Permission.READ)
    for who in ("anne", reader):
        answer = shop.asks(who, "POST", "/operator/accounts", data={"account": LOCAL})
        assert answer.status_code == 403
    with pytest.raises(Refused, match=r"accounts\.operator-only"):
        shop.platform.entitlements.grant(ANNE, ANNE.account, "gift", "自己", "自己")


def test_every_grant_can_be_reached_a_page_at_a_time(shop: Shop) -> None:
    first = shop.platform.entitlements.grant(
        OPERATOR, ANNE.account, "gift", "第一次", "年度采购", units=1
    )
    for at in range(51):
        shop.platform.entitlements.grant(
            OPERATOR, ANNE.account, "gift", f"第 {at} 次", "年度采购", units=1
        )
    page = shop.asks("operator", "GET", "/operator/accounts").text
    assert "第一次" not in page
    older = re.search(r"/operator/accounts\?before=gr_\w{26}", page)
    assert older is not None
    assert "第一次" in shop.asks("operator", "GET", older[0]).text
    rows = shop.platform.members.rows
    whole, seen = rows.latest(100), tuple[str, ...]()
    while found := rows.latest(1, seen[-1] if seen else None):
        seen += found
    assert seen == whole
    assert (
        first.grant == shop.platform.entitlements.latest(1, _after(shop, first.grant))[0].grant
    )


def _after(shop: Shop, grant: str) -> str:
    """The grant that was made next."""
    return min(one.grant for one in shop.platform.entitlements.latest(200) if one.grant > grant)
