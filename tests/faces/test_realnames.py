"""The pages of real names: from a form with documents to the applicant on a certificate."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from guzheng import words
from guzheng.accounts import Acting, Permission
from guzheng.accounts.people import Persons
from guzheng.accounts.realnames import place_of
from guzheng.app import Platform
from guzheng.app.parts import open_parts
from guzheng.app.wishes import Wanted
from guzheng.config import Config
from guzheng.proof import canonical, package
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Refused
from guzheng.road import folder_of
from guzheng.store.blobs import read
from guzheng.store.ids import LOCAL
from guzheng.web import create_app
from tests import plain, world
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.faces.persons import someone
from tests.faces.tenants import ALL, ANNE, COOKIE, Known
from tests.mailbox import mailbox
from tests.pictures import picture

USCC, FIRM = "91350100M000100Y43", "杭州某某贸易有限公司"
OPERATOR = Acting(LOCAL, "pe_01J000000000000000000000PP", ALL, operator=True)


@dataclass(frozen=True)
class Bureau:
    """A face with accounts, an operator, and Anne's firm."""

    face: Face
    platform: Platform
    known: Known

    def asks(self, who: str, method: str, path: str, **more: object) -> httpx.Response:
        with plain.client(base_url=self.face.address, timeout=60) as client:
            client.cookies.set(COOKIE, who)
            return client.request(method, path, **more)  # type: ignore[arg-type]

    def hand_in(
        self, who: str = "anne", name: str = FIRM, number: str = USCC, *papers: bytes
    ) -> httpx.Response:
        given = papers or (picture("JPEG"), b"%PDF-1.7\n<script>alert(1)</script>%%EOF")
        files = [("document", (f"照片{one}.jpg", octets)) for one, octets in enumerate(given)]
        form = {"kind": "enterprise", "name": name, "number": number}
        return self.asks(who, "POST", "/me/name", data=form, files=files)

    def newest(self) -> str:
        return self.platform.names.latest(1)[0].request


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    config = Config(tmp_path_factory.mktemp("names"), accounts="on", operator="某某存证平台")
    platform, known = Platform(config), Known()
    bert = replace(ANNE, account="ac_01J000000000000000000000BB")
    persons = Persons(platform.parts.accounts, platform.parts.entropy)
    reviewer = persons.add("复核员 老王", "wang@example.com", "", platform.now()).person
    known.people |= {"operator": replace(OPERATOR, person=reviewer), "bert": bert}
    with serving(create_app(platform, identities=known)) as face:
        yield Bureau(face, platform, known)


def certified(bureau: Bureau, account: str) -> dict[str, object]:
    exhibit = bureau.platform.deposit(
        "合同.txt", [b"words"], claimed_applicant="某某旗舰店", account=account
    )
    assert bureau.platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    folder = folder_of(exhibit)
    manifest = Manifest.parse(read(bureau.platform.blobs, folder + package.MANIFEST))
    facts = canonical.parse_object(
        read(bureau.platform.blobs, folder + package.CERTIFICATE_JSON)
    )
    attested = manifest.attested_applicant
    assert facts.get("attested_applicant") == (attested.value() if attested else None)
    return facts | {"exhibit": exhibit}


def test_from_the_form_to_the_certificate(bureau: Bureau) -> None:
    assert "attested_applicant" not in certified(bureau, ANNE.account)
    page = bureau.asks("anne", "GET", "/me/name").text
    assert "未实名" in page
    wrong = bureau.hand_in("anne", FIRM, USCC[:-1] + "4")
    assert (wrong.status_code, "identifier.uscc-check" in wrong.text) == (422, True)
    assert words.say("proof.identifier.uscc-check") in wrong.text, "in words"
    assert FIRM in wrong.text  # what was typed is given back
    assert bureau.hand_in().status_code == 303
    assert bureau.hand_in().status_code == 409
    page = bureau.asks("anne", "GET", "/me/name").text
    assert "等待人工审核" in page
    assert USCC not in page
    assert "913***********0Y43" in page

    queue = bureau.asks("operator", "GET", "/operator/reviews").text
    review = f"/operator/reviews/{bureau.newest()}"
    assert review in queue
    opened = bureau.asks("operator", "GET", review).text
    assert USCC in opened
    shown = bureau.asks("operator", "GET", f"{review}/pictures/1")
    assert (shown.headers["content-type"], shown.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    taken = bureau.asks("operator", "GET", f"{review}/documents/2")
    assert taken.content.startswith(b"%PDF-")
    assert taken.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in taken.headers["content-security-policy"]
    for path in ("documents/0", "documents/9", "pictures/2"):  # the statement, nothing, a PDF
        assert bureau.asks("operator", "GET", f"{review}/{path}").status_code in {404, 422}
    assert (
        bureau.asks("operator", "POST", f"{review}/refuse", data={"reason": ""}).status_code
        == 422
    )
    assert bureau.asks("operator", "POST", f"{review}/approve").status_code == 303
    again = bureau.asks("operator", "POST", f"{review}/refuse", data={"reason": "不符"})
    assert (again.status_code, "accounts.name-decided" in again.text) == (409, True)

    facts = certified(bureau, ANNE.account)
    attested = facts["attested_applicant"]
    assert isinstance(attested, dict)
    assert (attested["name"], attested["uscc"], attested["attested_by"]) == (
        FIRM,
        USCC,
        "某某存证平台",
    )
    assert facts["claimed_applicant"] == "某某旗舰店"
    page = bureau.asks("anne", "GET", f"/exhibits/{facts['exhibit']}").text
    assert FIRM in page
    assert "平台运营者人工核对身份材料" in page
    assert bureau.platform.names.attested_name(ANNE.account) == FIRM

    withdrawn = bureau.asks(
        "operator", "POST", f"{review}/withdraw", data={"reason": "执照系伪造"}
    )
    assert withdrawn.status_code == 303
    assert "attested_applicant" not in certified(bureau, ANNE.account)
    page = bureau.asks("anne", "GET", f"/exhibits/{facts['exhibit']}").text
    assert FIRM in page  # what was certified stays
    history = bureau.asks("operator", "GET", review).text
    assert "复核员 老王" in history, "who decided, by name"
    assert bureau.known.people["operator"].person not in history
    assert re.findall("提交|审核者查看材料|>通过<|撤回<|执照系伪造", history)
    assert [one.kind for one in bureau.platform.names.latest(1)[0].events] == [
        "asked",
        "viewed",
        "approved",
        "withdrawn",
    ]


def test_decided_requests_are_listed_newest_first_and_all_can_be_reached(
    bureau: Bureau,
) -> None:
    names = bureau.platform.names
    for _ in range(2):
        bureau.hand_in()
        path = f"/operator/reviews/{bureau.newest()}/refuse"
        bureau.asks("operator", "POST", path, data={"reason": "照片看不清"})
    whole = names.decided(100)
    assert [one.request for one in whole] == sorted(
        (one.request for one in whole), reverse=True
    )
    assert len(whole) >= 2
    assert names.decided(1, whole[0].request) == whole[1:2]
    page = bureau.asks("operator", "GET", f"/operator/reviews?before={whole[0].request}").text
    assert f"/operator/reviews/{whole[0].request}" not in page
    assert f"/operator/reviews/{whole[1].request}" in page


def test_documents_are_nobody_s_but_a_reviewer_s(bureau: Bureau) -> None:
    assert bureau.hand_in("bert").status_code == 303
    review = f"/operator/reviews/{bureau.newest()}"
    for who in ("anne", "bert"):
        for path in ("", "/documents/1", "/pictures/1"):
            assert bureau.asks(who, "GET", review + path).status_code == 403
        assert bureau.asks(who, "POST", f"{review}/approve").status_code == 403
    reader = bureau.known.with_only(ANNE, Permission.READ)
    assert bureau.hand_in(reader).status_code == 403
    assert "只有可以管理成员的人" in bureau.asks(reader, "GET", "/me/name").text
    # Nothing of them lies in clear.
    for file in Path(bureau.platform.config.data).rglob("*"):
        if file.is_file() and "keys" not in file.parts:
            octets = file.read_bytes()
            assert b"alert(1)" not in octets, file
            assert b'"salt":"' not in octets or b"number" not in octets, file
    refused = bureau.asks("operator", "POST", f"{review}/refuse", data={"reason": "看不清"})
    assert refused.status_code == 303
    assert "看不清" in bureau.asks("bert", "GET", "/me/name").text
    assert bureau.hand_in("bert").status_code == 303  # again, after a refusal
    queue = bureau.asks("operator", "GET", "/operator/reviews").text
    assert "未通过" in queue


@pytest.mark.parametrize(
    ("papers", "code"),
    [
        ((b"GIF89a",), "accounts.document-unreadable"),
        ((b"\xff\xd8\xffnot a picture",), "accounts.document-unreadable"),
        ((b"%PDF-" + b"x" * (10 << 20),), "accounts.document-too-large"),
        ((b"%PDF-1",) * 5, "accounts.documents-wanted"),
    ],
)
def test_what_is_no_document_is_refused(
    bureau: Bureau, papers: tuple[bytes, ...], code: str
) -> None:
    bureau.known.people["cato"] = replace(ANNE, account="ac_01J000000000000000000000CC")
    answer = bureau.hand_in("cato", FIRM, USCC, *papers)
    assert code in answer.text
    assert "b&#39;" not in answer.text, "no applicant reads Python"
    assert answer.status_code in {413, 422}


def test_documents_end_and_the_decision_stays(tmp_path: Path) -> None:
    clock = [world.now()]
    config = Config(tmp_path, accounts="on", name_document_days=90)
    platform = Platform(config, open_parts(config, now=lambda: clock[0]))
    names = platform.names
    asked = names.ask(ANNE, "enterprise", FIRM, USCC, [picture("PNG")])
    platform.blobs.put(place_of("na_01J000000000000000000000XX", 0), [b"of a killed program"])
    names.approve(asked.request, OPERATOR)
    assert names.round() == 1  # what was never entered
    clock[0] += timedelta(days=89)
    assert names.round() == 0
    assert len(list(platform.blobs.names("accounts/"))) == 2
    clock[0] += timedelta(days=2)
    assert names.round() == 1
    assert list(platform.blobs.names("accounts/")) == []
    view = names.review(asked.request, OPERATOR)
    assert (view.statement, view.request.is_deleted) == (None, True)
    assert [one.media_type for one in view.request.documents][1:] == ["image/png"]
    assert names.attested_name(ANNE.account) == FIRM
    names.withdraw(asked.request, OPERATOR, "公司已注销")
    assert names.round() == 0


def test_where_a_real_name_is_wanted_nothing_begins_without(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path, accounts="on", real_names="required"))
    wanted = Wanted("https://a/", account=ANNE.account)
    with pytest.raises(Refused, match=r"accounts\.name-wanted"):
        platform.deposit("a.txt", [b"words"], account=ANNE.account)
    with pytest.raises(Refused, match=r"accounts\.name-wanted"):
        platform.ordering.order(wanted)
    with serving(create_app(platform, identities=Known())) as face:
        first = Bureau(face, platform, Known())
        page = first.asks("anne", "GET", "/").text
        assert 'id="name-wanted"' in page, "before anything is filled in"
    asked = platform.names.ask(ANNE, "enterprise", FIRM, USCC, [picture("PNG")])
    platform.names.approve(asked.request, OPERATOR)
    assert platform.deposit("a.txt", [b"words"], account=ANNE.account)
    assert platform.ordering.order(wanted)
    with serving(create_app(platform, identities=Known())) as face:
        page = Bureau(face, platform, Known()).asks("anne", "GET", "/").text
        assert 'id="name-wanted"' not in page


def test_the_seat_has_no_name_to_attest(face: Face, platform: Platform) -> None:
    assert "没有启用账号" in face.client.get("/me/name").text
    answer = face.client.post(
        "/me/name",
        data={"kind": "enterprise", "name": FIRM, "number": USCC},
        files={"document": ("a.png", picture("PNG"))},
    )
    assert "accounts.switched-off" in answer.text
    assert not (platform.config.data / "keys" / "documents.key").exists()


@pytest.mark.browser
def test_the_pages_fit_a_phone_and_work_without_scripts(
    bureau: Bureau, browser: Browser
) -> None:
    bureau.known.people["dora"] = replace(ANNE, account="ac_01J000000000000000000000DD")
    assert bureau.hand_in("dora").status_code == 303
    review = f"/operator/reviews/{bureau.newest()}"
    visits = [("dora", "/me/name"), ("operator", "/operator/reviews"), ("operator", review)]
    bureau.known.people["emil"] = replace(ANNE, account="ac_01J000000000000000000000EE")
    for who, path in [*visits, ("emil", "/me/name")]:
        page = browser.page()
        for width in (390, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
            page.call("Emulation.setDeviceMetricsOverride", **size)
            page.call("Network.setCookie", name=COOKIE, value=who, url=bureau.face.address)
            page.open(bureau.face.address + path)
            assert page.run("document.documentElement.scrollWidth") <= width, (path, width)
            small = page.run(SMALL)
            assert small == [], (path, width)
            drawn = "[...document.images].every(one => one.complete && one.naturalWidth)"
            page.wait_for(drawn)
        assert page.complaints == []
        page.close()


# Buttons and fields too small for a finger, and fields that nobody named.
SMALL = """[...document.querySelectorAll('main button, main input')]
  .filter(one => one.type !== 'hidden' && one.offsetParent)
  .filter(one => !(one.labels?.length || one.tagName === 'BUTTON')
    || (one.getBoundingClientRect().height < 44 && !['radio', 'file'].includes(one.type)))
  .map(one => one.outerHTML)"""


def test_who_asked_is_told_by_letter_what_was_decided(tmp_path: Path) -> None:
    with mailbox() as box:
        config = Config(
            tmp_path,
            accounts="on",
            public_url="http://localhost:1",
            smtp_url=f"smtp://127.0.0.1:{box.port}",
            mail_from="no-reply@guzheng.example",
        )
        platform = Platform(config)
        with (
            serving(create_app(platform)) as face,
            someone(platform, face.address, "zhao") as asks,
            someone(platform, face.address, "reviewer", LOCAL) as operator,
        ):
            person = platform.people.find_person(asks.person)
            assert person is not None
            names = platform.names
            for decision, reason, told in (
                ("refuse", "照片不清晰", "未通过"),
                ("approve", "", "已通过"),
                ("withdraw", "营业执照已吊销", "撤回"),
            ):
                if decision != "withdraw":
                    by = asks.acting(platform)
                    names.ask(by, "enterprise", FIRM, USCC, [picture("PNG")])
                review = f"/operator/reviews/{names.latest(1)[0].request}"
                operator.post(f"{review}/{decision}", {"reason": reason} if reason else None)
                text = str(box.letter(person.address, told).get_content())
                assert reason in text
                assert "http://localhost:1/me/name" in text
                assert (FIRM in text, USCC in text) == (False, False), "others read letters"
        platform.interrupt()
