"""The list of evidence: what is shown, found, chosen and taken along."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving


def picture(width: int = 640, height: int = 480, form: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), (18, 52, 43)).save(made, form)
    return made.getvalue()


def counted(number: int) -> str:
    return f'<b data-count data-most="100">{number}</b>'


@dataclass(frozen=True)
class Shelf:
    """A server of its own, with more exhibits than one page holds; the names, newest first."""

    face: Face
    platform: Platform
    names: tuple[str, ...]

    def page(self, **asked: object) -> str:
        answer = self.face.client.get("/exhibits", params=asked)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    platform = Platform(Config(tmp_path_factory.mktemp("shelf")))
    names = [
        platform.deposit(
            f"照片-{number}.png",
            [picture() if number == 33 else b"a file\n"],
            claimed_name=f"商家{number % 3}_虚假宣传_{20261100 + number}",
        )
        for number in range(34)
    ]
    for one in names[-2:]:
        platform.walk(one, lambda _step, _detail: None)
    with serving(create_app(platform)) as face:
        yield Shelf(face, platform, tuple(reversed(names)))


def test_a_page_of_the_list_and_the_next(shelf: Shelf) -> None:
    first = shelf.page()
    assert [one for one in shelf.names if f'href="/exhibits/{one}"' in first] == [
        *shelf.names[:30]
    ]
    assert "已出证" in first
    assert "已收到" in first
    then = shelf.page(before=shelf.names[29])
    assert [one for one in shelf.names if f'href="/exhibits/{one}"' in then] == [
        *shelf.names[30:]
    ]


def test_what_is_asked_for_is_what_is_shown(shelf: Shelf) -> None:
    def shown(**asked: object) -> list[str]:
        html = shelf.page(**asked)
        return [one for one in shelf.names if f'href="/exhibits/{one}"' in html]

    assert shown(q="商家1 20261101") == [shelf.names[-2]]
    assert shown(q="虚假", state="certified") == [*shelf.names[:2]]
    newest = shelf.platform.exhibit(shelf.names[0])
    items = newest.facts["items"] if newest.facts else None
    assert isinstance(items, list)
    digits = items[0]["digests"][0].removeprefix("sha256:")
    assert shown(q=digits) == [shelf.names[0]]
    assert shown(q=digits[:10]) == [shelf.names[0]]
    assert newest.facts is not None
    assert shown(q=newest.facts["number"]) == [shelf.names[0]], "the certificate's number"
    assert shown(kind="web") == []
    assert "没有找到" in shelf.page(kind="web")
    assert shown(until="2001-01-01") == []
    assert len(shown(since="2001-01-01")) == 30
    for wrong in ({"kind": "x"}, {"state": "x"}, {"since": "2026-13-01"}, {"until": "0000-0"}):
        html = shelf.page(**wrong)
        assert "web.malformed-query" in html
        assert html.count('role="alert"') == 1
    assert "&lt;script&gt;" in shelf.page(q="<script>")


def test_a_selection_goes_from_page_to_page(shelf: Shelf) -> None:
    chosen = [shelf.names[0], shelf.names[1]]
    then = shelf.page(before=shelf.names[29], exhibit=chosen)
    for one in chosen:
        assert f'<input type="hidden" name="exhibit" value="{one}"' in then
    assert counted(2) in then
    again = shelf.page(exhibit=[*chosen, shelf.names[-1]])
    assert again.count(" checked") == 2
    assert counted(3) in again
    assert counted(0) in shelf.page(exhibit=chosen, none="1")
    assert counted(34) in shelf.page(every="1")
    assert counted(2) in shelf.page(every="1", state="certified")
    many = [f"ex_{number:026}" for number in range(101)]
    assert "web.too-many-exhibits" in shelf.page(exhibit=many)
    answer = shelf.face.client.get("/packages.zip", params={"exhibit": chosen, "q": ""})
    assert answer.status_code == 200
    second = shelf.face.client.get("/packages.zip", params={"exhibit": chosen})
    assert second.content == answer.content
    kept = list(shelf.platform.parts.blobs.names("packages/"))
    assert len(kept) == 1, "made once"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
        assert {one.split("/")[1] for one in package.namelist() if "items/" in one} == {*chosen}
    nothing = shelf.face.client.get("/packages.zip")
    assert nothing.status_code == 422
    assert "web.nothing-chosen" in nothing.text


MANY = [f"ex_{number:026}" for number in range(101)]
TO_MANY = {
    "/packages.zip": 100,
    "/packages/new": 100,
    "/cases/add": 100,
    "/cases/new": 100,
    "/shares/new": 50,
}


@pytest.mark.parametrize("address", TO_MANY)
def test_more_than_are_taken_at_once_go_back_to_the_list(shelf: Shelf, address: str) -> None:
    """With the refusal in words, and with every tick, the filters and the page."""
    most = TO_MANY[address]
    asked = {"q": "照片", "state": "received", "at": shelf.names[29]}
    sent = {**asked, "exhibit": [*MANY[:most], shelf.names[-1]]}
    answer = shelf.face.client.get(address, params=sent)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (422, "text/html")
    html = answer.text
    assert html.count('role="alert"') == 1
    assert "web.too-many-exhibits" in html
    assert f"最多 {most} 份证据" in html
    assert set(
        re.findall(r'name="exhibit" value="(ex_\w+)" (?:checked|data-elsewhere)', html)
    ) == {*sent["exhibit"]}, "nothing is lost"
    assert counted(most + 1) in html
    assert 'value="照片"' in html
    assert f'href="/exhibits/{shelf.names[30]}"' in html, "where they were ticked"
    assert f'href="/exhibits/{shelf.names[0]}"' not in html
    few = {"exhibit": shelf.names[:2]}
    assert shelf.face.client.get(address, params=few).status_code == 200
    told = shelf.face.client.get(address, params=sent, headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["found"]) == (422, str(most + 1)), "a program's"


def test_more_than_go_into_a_case_at_once_go_back_to_the_list(shelf: Shelf) -> None:
    client = shelf.face.client
    case = client.post("/cases", data={"name": "某案"}).headers["location"].rpartition("/")[2]
    ticked = [*MANY[1:], shelf.names[0]]
    for address, form in (
        (f"/cases/{case}/exhibits", {"into": case, "exhibit": ticked, "q": "照片"}),
        ("/cases/add", {"case": case, "exhibit": ticked, "q": "照片"}),
    ):
        answer = client.post(address, data=form)
        assert answer.status_code == 422
        assert 'value="照片"' in answer.text
        assert ("formmethod" in answer.text) == ("into" in form), "for the same case as before"
        kept = re.findall(
            r'name="exhibit" value="(ex_\w+)" (?:checked|data-elsewhere)', answer.text
        )
        assert set(kept) == set(ticked)
    platform = shelf.platform
    assert platform.cases.case(case).exhibits == {}
    refused = client.post("/cases", data={"name": "", "exhibit": ticked})
    assert refused.text.count('name="exhibit"') == 101, "a form that was typed is kept whole"


def test_a_choice_that_is_too_large_is_kept_where_it_was_ticked(shelf: Shelf) -> None:
    """A hundred of other pages, and all of a page: with turning on it grows no further."""
    ticked = [*MANY[:100], *shelf.names[:30]]
    html = shelf.page(exhibit=ticked, before=shelf.names[29])
    assert counted(130) in html
    assert html.count(" checked") == 30, "the page where they were ticked"
    assert html.count("data-elsewhere") == 100
    assert "已超过 100 件" in html
    assert "一次最多：证据包、案卷 100 件，分享链接 50 件" in shelf.page(), "said before"


def test_a_preview_is_a_derivative_made_once(shelf: Shelf) -> None:
    name = shelf.names[0]
    address = f"/exhibits/{name}/thumbnail"
    assert f'src="{address}"' in shelf.page()
    answer = shelf.face.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "sandbox" in answer.headers["content-security-policy"]
    with Image.open(io.BytesIO(answer.content)) as shown:
        assert shown.size == (320, 240)
    derivative = shelf.platform.config.data / "derivatives" / f"{name}.jpg"
    derivative.write_bytes(answer.content + b"x")
    assert shelf.face.client.get(address).content.endswith(b"x"), "not made twice"
    assert shelf.face.client.get(f"/exhibits/{shelf.names[1]}/thumbnail").status_code == 303


@pytest.mark.parametrize(
    "made",
    [
        lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        lambda: picture()[:200],
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n",
        lambda: picture(9000, 9000),  # 81 million pixels in a few kilobytes: two seconds' work
    ],
    ids=["broken", "cut", "other", "bomb"],
)
def test_a_picture_that_is_none_is_not_shown(shelf: Shelf, made: Callable[[], bytes]) -> None:
    exhibit = shelf.platform.deposit("picture.png", [made()])
    answer = shelf.face.client.get(f"/exhibits/{exhibit}/thumbnail")
    assert answer.status_code == 303
    blank = shelf.face.client.get(answer.headers["location"])
    assert (blank.status_code, blank.headers["content-type"]) == (200, "image/svg+xml")
    shelf.platform.road._forget(exhibit)


def test_to_compare_one_is_asked_for_two(shelf: Shelf) -> None:
    client, names = shelf.face.client, shelf.names
    answer = client.get("/compare")
    assert answer.status_code == 200
    assert 'action="/compare"' in answer.text
    half = client.get("/compare", params={"one": f" {names[0]} "})
    assert f'value="{names[0]}"' in half.text
    both = client.get("/compare", params={"one": names[0], "other": names[1]})
    assert both.headers["location"] == f"/compare/{names[0]}/{names[1]}"
    unknown = client.get("/compare", params={"one": names[0], "other": "x"})
    assert unknown.status_code == 404


def test_where_there_is_no_trace_it_is_said_what_has_one(shelf: Shelf) -> None:
    answer = shelf.face.client.get(f"/exhibits/{shelf.names[0]}/trace")
    assert answer.status_code == 422
    assert "只有网页取证" in answer.text
    assert "这份证据的其他文件都在证据页上" in answer.text


@pytest.mark.browser
def test_by_hand_and_by_keyboard(shelf: Shelf, browser: Browser) -> None:
    page = browser.page()
    for width, phone in ((1280, False), (390, True)):
        page.size(width, 900, phone=phone)
        page.open(f"{shelf.face.address}/exhibits")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), width
        small = page.run(
            "[...document.querySelectorAll('main button, main .pick, main summary, .button')]"
            ".filter((one) => one.offsetHeight < 44).map((one) => one.outerHTML)"
        )
        assert small == [], width
    page.size(1280, 900)
    page.open(f"{shelf.face.address}/exhibits")
    assert page.run("document.querySelector('[data-needs-chosen]').disabled")
    page.run("document.querySelector('[name=exhibit]').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ")
    page.wait_for("document.querySelector('[data-count]').textContent === '1'")
    assert not page.run("document.querySelector('[data-needs-chosen]').disabled")
    page.run("document.querySelector('.pager button').click()")
    page.wait_for("location.search.includes('before=') && document.readyState === 'complete'")
    page.wait_for("document.querySelector('[data-count]')?.textContent === '1'")
    assert "q=" not in page.run("location.search"), "what is empty is not in the address"
    page.run("document.querySelector('[name=exhibit]:not([type=hidden])').click()")
    assert page.text("[data-count]") == "2"
    page.run("document.querySelector('#q').value = '20261133'")
    page.run("document.querySelector('.seek button').click()")
    page.wait_for(
        "location.search.includes('q=20261133') && document.readyState === 'complete'"
    )
    page.wait_for("document.querySelector('[data-count]')?.textContent === '2'")
    assert page.run("document.querySelectorAll('.shelf-rows > li').length") == 1
    page.wait_for("document.querySelector('.shelf-rows img')?.naturalWidth === 320")
    assert page.complaints == []
    page.close()


@pytest.mark.browser
def test_without_scripts(shelf: Shelf, browser: Browser) -> None:
    page = browser.page(scripts=False)
    page.open(f"{shelf.face.address}/exhibits?exhibit={shelf.names[0]}")
    html = page.html_with("data-count")
    assert "disabled" not in html
    assert "<b data-count" in html
    page.close()


def test_an_original_that_is_awaited(tmp_path: Path, walk: Callable[[str], str]) -> None:
    del walk
    platform = Platform(Config(tmp_path / "data"))
    file = tmp_path / "录音.mp3"
    file.write_bytes(b"sound")
    exhibit = platform.deposit_digest(file, file.name)
    with serving(create_app(platform)) as face:
        assert "原件待上传，建议期限" not in face.client.get("/exhibits").text, "not sealed yet"
        platform.walk(exhibit, lambda _step, _detail: None)
        html = face.client.get("/exhibits").text
        assert "有 1 件只存了指纹" in html
        assert "原件待上传，建议期限还有 23 小时" in html
        assert exhibit in face.client.get("/exhibits", params={"state": "wanted"}).text


@pytest.mark.browser
def test_more_than_a_hundred_by_hand(tmp_path: Path, browser: Browser) -> None:
    """On a phone: told while ticking, refused with all of it still ticked, and done at last."""
    platform = Platform(Config(tmp_path / "data"))
    for number in range(105):
        platform.deposit(f"照片-{number}.txt", [b"%d" % number])
    with serving(create_app(platform)) as face:
        page = browser.page()
        page.size(360, 740, phone=True)
        page.open(f"{face.address}/exhibits")
        ready = "document.readyState === 'complete' && document.querySelector('[data-count]')"
        boxes = "[...document.querySelectorAll('.shelf-rows [name=exhibit]')]"
        for turn in range(4):
            # The page before says the same number until it is left, with all of it ticked.
            page.wait_for(
                f"{ready}?.textContent === '{turn * 30}' && !{boxes}.some((one) => one.checked)"
            )
            assert page.run("document.querySelector('[data-over]').hidden")
            page.run(f"{boxes}.forEach((one) => one.click())")
            if turn < 3:
                page.run("document.querySelector('.pager button:last-child').click()")
        assert page.text("[data-count]") == "105"
        assert not page.run("document.querySelector('[data-over]').hidden"), "told at once"
        for address, most in (("/shares/new", 50), ("/packages/new", 100), ("/cases/add", 100)):
            page.run(f"document.querySelector('[formaction=\"{address}\"]').click()")
            page.wait_for(
                f"location.pathname === '{address}' && {ready}?.textContent === '105'"
            )
            assert f"最多 {most} 份证据" in page.text("[role=alert]")
            assert page.run(f"{boxes}.filter((one) => one.checked).length") == 15, (
                "where he was"
            )
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.run(f"{boxes}.slice(0, 5).forEach((one) => one.click())")
        assert page.run("document.querySelector('[data-over]').hidden")
        page.run("document.querySelector('[formaction=\"/cases/add\"]').click()")
        page.wait_for("document.querySelector('h1')?.textContent.includes('案卷')")
        page.run("document.querySelector('a[href^=\"/cases/new\"]').click()")
        page.wait_for(
            "document.querySelector('[name=name]') && document.readyState === 'complete'"
        )
        page.run("document.querySelector('[name=name]').value = '某案'")
        page.run("document.querySelector('.case-form button').click()")
        page.wait_for(
            "location.pathname.endsWith('/exhibits') && document.querySelector('.entries')"
        )
        case = page.run("location.pathname.split('/')[2]")
        assert len(platform.cases.case(str(case)).exhibits) == 100
        page.close()
