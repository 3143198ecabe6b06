"""Share links: a page for whoever has no account, which ends, asks, and forgets nothing."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng import words
from guzheng.app import Platform, open_parts
from guzheng.app.sharing import WantedShare
from guzheng.cases import Facts, course
from guzheng.config import Config
from guzheng.web import create_app
from tests import plain
from tests.faces.conftest import Certified, Face, serving

LINK = re.compile(r"/s/[\w-]{43}")


def made(face: Face, exhibit: str, **form: str) -> str:
    """The link, as its owner reads it off the page."""
    page = face.client.get(f"/shares/new?exhibit={exhibit}").text
    token = re.search(r'name="token" value="(sh_\w+)"', page)
    assert token
    fields = {"token": token[1], "exhibits": exhibit, "days": "30", **form}
    answer = face.client.post("/shares", data=fields)
    assert answer.status_code == 201, answer.text
    link = LINK.search(answer.text)
    assert link
    return link[0]


def owner_page(face: Face, title: str) -> str:
    """The newest share of this title, as its owner sees it."""
    listed = face.client.get("/shares").text
    found = re.search(rf'href="(/shares/sh_\w+)">\s*<span class="what">.*?{title}', listed)
    assert found, listed
    return face.client.get(found[1]).text


def test_what_nobody_named_is_called_by_its_exhibits(
    face: Face, certified: Certified, platform: Platform
) -> None:
    form = face.client.get(f"/shares/new?exhibit={certified.exhibit}&lang=zh").text
    assert 'name="title" value="XX商家_虚假宣传_20261121"' in form
    for exhibits, title in (
        ((certified.exhibit,), "XX商家_虚假宣传_20261121"),
        ((certified.exhibit, second(platform)), "XX商家_虚假宣传_20261121 等，另有 1 件"),
    ):
        share = platform.shares.make(WantedShare(exhibits))
        for address in ("/shares", f"/shares/{share.view.share.share}", f"/s/{share.secret}"):
            page = face.client.get(f"{address}?lang=zh").text
            assert title in page, address
            assert f">{share.view.share.share}</b>" not in page


def second(platform: Platform) -> str:
    exhibit = platform.deposit("b.txt", [b"another"], claimed_name="另一份")
    assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    return exhibit


def test_shares_are_listed_a_page_at_a_time(
    face: Face, certified: Certified, platform: Platform
) -> None:
    made = [platform.shares.make(WantedShare((certified.exhibit,))) for _ in range(31)]
    for one in made:
        platform.shares.revoke(one.view.share.share)
    listed, address = list[str](), "/shares"
    while address:
        html = face.client.get(address).text
        listed += re.findall(r'<a href="/shares/(sh_\w+)"', html)
        older = re.search(r'href="(/shares\?before=sh_\w+)"', html)
        assert (words.say("page.exhibits.newest") in html) == (address != "/shares")
        address = older[1] if older else ""
    assert listed[:31] == [one.view.share.share for one in reversed(made)]
    assert sorted(set(listed), reverse=True) == listed
    assert face.client.get("/shares?before=x").status_code == 200


def test_a_judge_sees_fetches_and_is_told_how_to_check(
    face: Face, certified: Certified
) -> None:
    link = made(face, certified.exhibit, title="给法官", package="1")
    with plain.client(base_url=face.address, timeout=60) as judge:
        page = judge.get(link)
        assert page.status_code == 200
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in page.headers["x-robots-tag"]
        assert page.headers["cache-control"] == "no-store"
        assert "能确认" in page.text
        assert "未实名" in page.text
        assert "openssl ts -verify" in page.text
        files = re.findall(rf'href="({link}/[^"]+)"', page.text)
        for address in files:
            assert judge.get(address).status_code == 200, address
        original = next(one for one in files if "/items/" in one)
        assert judge.get(original).content == certified.original.read_bytes()
        certificate = judge.get(f"{link}/1/certificate.pdf")
        assert certificate.content == certified.certificate.read_bytes()
        for beside in ("1/order.json", "1/leaf", "2/certificate.pdf", "1/../x"):
            assert judge.get(f"{link}/{beside}").status_code == 404, beside
    log = owner_page(face, "给法官")
    assert "1/certificate.pdf" in log
    assert "package.zip" in log
    assert "127.0.0.0/24" in log
    assert "127.0.0.1" not in log
    assert "python-httpx" in log
    assert link.removeprefix("/s/") not in face.client.get("/sitemap.xml").text + log


def test_the_link_is_not_kept(face: Face, certified: Certified, platform: Platform) -> None:
    secret = made(face, certified.exhibit).removeprefix("/s/").encode()
    for file in Path(platform.config.data).glob("accounts.sqlite*"):
        assert secret not in file.read_bytes()


def test_a_form_that_was_sent_twice_makes_one_link(face: Face, certified: Certified) -> None:
    page = face.client.get(f"/shares/new?exhibit={certified.exhibit}").text
    token = re.search(r'name="token" value="(sh_\w+)"', page)
    assert token
    fields = {"token": token[1], "exhibits": certified.exhibit, "days": "7"}
    assert face.client.post("/shares", data=fields).status_code == 201
    again = face.client.post("/shares", data=fields)
    assert again.status_code == 422
    assert not LINK.search(again.text)


@pytest.mark.parametrize("unwanted", [{"days": "0"}, {"days": "9999"}, {"code": "123"}])
def test_what_cannot_be_shared_so_is_said_at_the_form(
    face: Face, certified: Certified, unwanted: dict[str, str]
) -> None:
    fields = {"exhibits": certified.exhibit, "days": "30", **unwanted}
    answer = face.client.post("/shares", data=fields)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_what_nobody_has_is_not_found(face: Face) -> None:
    assert face.client.get("/s/" + "A" * 43).status_code == 404
    assert face.client.get("/s/short").status_code == 404
    assert face.client.get("/shares/new?exhibit=ex_" + "0" * 26).status_code == 404
    assert face.client.get("/shares/sh_" + "0" * 26).status_code == 404


def test_revoked_is_gone_at_once_and_for_good(face: Face, certified: Certified) -> None:
    link = made(face, certified.exhibit, title="将撤回")
    assert face.client.get(link).status_code == 200
    page = owner_page(face, "将撤回")
    share = re.search(r'action="(/shares/sh_\w+/revoke)"', page)
    assert share
    assert face.client.post(share[1]).status_code == 303
    for address in (link, f"{link}/1/certificate.pdf", f"{link}/package.zip"):
        gone = face.client.get(address)
        assert gone.status_code == 410, address
        assert "撤回" in gone.text
    assert "已被拒绝" in owner_page(face, "将撤回")


def test_a_code_stands_before_everything(face: Face, certified: Certified) -> None:
    link = made(face, certified.exhibit, code="Ab 12-XY", title="有码")
    with plain.client(base_url=face.address, timeout=60) as visitor:
        asked = visitor.get(link)
        assert asked.status_code == 200
        assert "提取码" in asked.text
        assert certified.original.name not in asked.text
        assert "noindex" in asked.headers["x-robots-tag"]
        assert visitor.get(f"{link}/1/certificate.pdf").status_code == 403
        wrong = visitor.post(link, data={"code": "ab12-xz"})
        assert wrong.status_code == 422
        assert 'role="alert"' in wrong.text
        right = visitor.post(link, data={"code": "ab12-xy"})
        assert right.status_code == 303
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert f"path={link}".lower() in cookie
        assert certified.original.name in visitor.get(link).text
        assert visitor.get(f"{link}/1/certificate.pdf").status_code == 200
    assert face.client.get(f"{link}/1/certificate.pdf").status_code == 403
    log = owner_page(face, "有码")
    assert log.count("提取码错误") == 1
    assert log.count("提取码正确") == 1


def test_a_code_cannot_be_guessed_by_trying(face: Face, certified: Certified) -> None:
    link = made(face, certified.exhibit, code="482913")

    def guess(code: int) -> int:
        return plain.post(
            face.address + link, data={"code": f"{code:06}"}, timeout=60
        ).status_code

    with ThreadPoolExecutor(8) as guessers:
        answers = list(guessers.map(guess, range(24)))
    assert answers.count(422) == 5, answers
    assert answers.count(429) == 19, answers
    told = face.client.post(link, data={"code": "482913"})
    assert told.status_code == 429
    assert int(told.headers["retry-after"]) > 800


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, Clock, str]:
    """One installation for the tests below; its clock only goes on."""
    clock = Clock()
    config = Config(tmp_path_factory.mktemp("timed"))
    platform = Platform(config, open_parts(config, now=clock))
    exhibit = platform.deposit("a.txt", [b"a"])
    assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    return platform, clock, exhibit


def test_what_has_ended_is_gone_with_words(timed: tuple[Platform, Clock, str]) -> None:
    platform, clock, exhibit = timed
    secret = platform.shares.make(WantedShare((exhibit,), days=7)).secret
    with serving(create_app(platform)) as face:
        assert face.client.get(f"/s/{secret}").status_code == 200
        clock.at += timedelta(days=7)
        for language, said in (("zh", "有效期"), ("en", "its end")):
            gone = face.client.get(f"/s/{secret}?lang={language}")
            assert gone.status_code == 410
            assert said in gone.text
        assert "请向发送人索取新的链接" in face.client.get(f"/s/{secret}?lang=zh").text


def test_wrong_codes_end_it_though_each_waits_its_time(
    timed: tuple[Platform, Clock, str],
) -> None:
    platform, clock, exhibit = timed
    secret = platform.shares.make(WantedShare((exhibit,), 30, code="482913")).secret
    with serving(create_app(platform)) as face:
        answers = []
        for number in range(20):
            if number % 5 == 0:
                clock.at += timedelta(minutes=16)
            posted = face.client.post(f"/s/{secret}", data={"code": f"{number:06}"})
            answers.append(posted.status_code)
        assert set(answers) == {422}
        clock.at += timedelta(days=1)
        for code in ("000021", "482913"):
            assert face.client.post(f"/s/{secret}", data={"code": code}).status_code == 410


def test_an_end_before_the_hearing_is_warned_of(
    timed: tuple[Platform, Clock, str],
) -> None:
    platform, clock, exhibit = timed
    hearing = f"{clock.at + timedelta(days=28):%Y-%m-%d}"
    case = platform.cases.open(Facts(name="某案", hearing_on=hearing)).case
    platform.cases.link(case, [exhibit])
    for days, warned in ((7, True), (28, True), (29, False)):
        view = platform.shares.make(WantedShare((exhibit,), days)).view
        assert ("sharing.ends-before-hearing" in view.warnings) is warned, days
    with serving(create_app(platform)) as face:
        page = face.client.get(f"/shares/new?exhibit={exhibit}").text
        assert hearing in page
        assert 'value="30" checked' in page
        for days, chosen in ((29, 30), (30, 90), (200, 365), (900, 365), (-9, 30)):
            day = f"{clock.at + timedelta(days=days):%Y-%m-%d}"
            platform.cases.set(case, course.FACTS, Facts(name="某案", hearing_on=day))
            page = face.client.get(f"/shares/new?exhibit={exhibit}").text
            assert f'value="{chosen}" checked' in page, "what lasts beyond the hearing"
        platform.cases.set(case, course.FACTS, Facts(name="某案", hearing_on=hearing))
        fields = {"exhibits": exhibit, "days": "7"}
        assert hearing in face.client.post("/shares", data=fields).text


def test_what_was_never_verified_or_long_ago_is_warned_of(
    timed: tuple[Platform, Clock, str],
) -> None:
    from guzheng.app.volumes import WantedPackage
    from guzheng.prove import Chosen, Selection

    platform, clock, exhibit = timed
    old = "sharing.verification-old"
    assert old in platform.shares.make(WantedShare((exhibit,))).view.warnings
    platform.exports.order(WantedPackage(Selection((Chosen(exhibit),)), documents=()))
    platform.exports.finish()
    assert old not in platform.shares.make(WantedShare((exhibit,))).view.warnings
    clock.at += timedelta(days=31)
    assert old in platform.shares.make(WantedShare((exhibit,))).view.warnings


def test_what_is_not_finished_is_not_shared(timed: tuple[Platform, Clock, str]) -> None:
    platform, _, _ = timed
    going = platform.deposit("b.txt", [b"b"])
    with serving(create_app(platform)) as face:
        answer = face.client.post("/shares", data={"exhibits": going, "days": "7"})
        assert answer.status_code == 422
        assert "package.not-complete" in answer.text
