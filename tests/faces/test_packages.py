"""Court packages in the browser's way: chosen, checked, ordered, watched, fetched, verified."""

import io
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.app.sharing import WantedShare
from guzheng.app.volumes import WantedPackage
from guzheng.cases import Exhibited, Facts
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.proof.report import Outcome
from guzheng.prove import Chosen, Selection
from tests.faces.browser import Browser
from tests.faces.conftest import Certified, Face

WAIT_SECONDS = 90.0


def form_of(face: Face, address: str) -> dict[str, str]:
    """What a browser would send of the page's form, as it stands."""
    page = face.client.get(address)
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    fields |= dict(
        re.findall(r'type="checkbox" name="(document\.\w+)" value="(1)" checked', page.text)
    )
    for name, text in re.findall(
        r'<textarea name="([^"]+)"[^>]*>([^<]*)</textarea>', page.text
    ):
        fields[name] = text
    for name, text in re.findall(r'<input type="text" name="(\w+)" value="([^"]*)"', page.text):
        fields[name] = text
    return fields


def made(face: Face, address: str) -> str:
    """Its page, as soon as it is made."""
    deadline = time.monotonic() + WAIT_SECONDS
    while "data-unfinished" in (page := face.client.get(address).text):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    return page


def test_what_nobody_named_is_called_by_its_exhibits(face: Face, certified: Certified) -> None:
    fields = form_of(face, f"/packages/new?exhibit={certified.exhibit}")
    assert fields["title"] == "XX商家_虚假宣传_20261121"
    asked = {**fields, "title": "", "profile": "zip", "step": "make"}
    address = face.client.post("/packages", data=asked).headers["location"]
    page = made(face, address)
    assert '<h1 class="name">XX商家_虚假宣传_20261121</h1>' in page
    name = address.rpartition("/")[2]
    assert f'<b class="name">{name}' not in face.client.get("/packages").text


def test_the_newest_is_offered(face: Face, walk: Callable[[str], str]) -> None:
    """One of its own: of the others, whatever tests ran before may have made newer ones."""
    sent = face.client.post("/api/exhibits", files={"file": ("a.txt", b"a", "text/plain")})
    exhibit = sent.json()["exhibit"]
    assert exhibit not in face.client.get("/packages/new").text
    assert walk(exhibit) == "certified"
    assert exhibit in face.client.get("/packages/new").text


def test_chosen_checked_made_and_fetched(
    face: Face, certified: Certified, platform: Platform, tmp_path: Path
) -> None:
    fields = form_of(face, f"/packages/new?exhibit={certified.exhibit}")
    fields |= {
        "title": "某案",
        "profile": "zip",
        f"purpose.{certified.exhibit}": "证明\r\n合同成立",
    }
    checked = face.client.post("/packages", data={**fields, "step": "check"})
    assert checked.status_code == 200
    assert "没有不合" in checked.text
    assert "合同成立" in checked.text, "what was typed is given back"
    ordered = face.client.post("/packages", data={**fields, "step": "make"})
    assert ordered.status_code == 303, ordered.text
    address = ordered.headers["location"]
    again = face.client.post("/packages", data={**fields, "step": "make"})
    assert again.headers["location"] == address, "sent twice, ordered once"
    page = made(face, address)
    assert "已核验通过" in page, page
    link = re.search(rf'href="({address}/files/[^"]+)"', page)
    assert link
    fetched = face.client.get(link[1])
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert sha256(fetched.content).hex in re.sub(r"</?span>|\s", "", page)
    file = tmp_path / "package.zip"
    file.write_bytes(fetched.content)
    assert platform.verify_package(file).outcome is Outcome.PASSED
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
    assert {package.CATALOGUE, package.LABELS, package.DISCLOSURE} <= names
    assert package.CERTIFICATION not in names, "an option, and not the usual"
    assert address in face.client.get("/packages").text
    assert "上次核验" in face.client.get(f"/packages/new?exhibit={certified.exhibit}").text


def test_what_goes_onto_a_stick_says_how_and_verifies_there(
    face: Face, certified: Certified, platform: Platform, tmp_path: Path
) -> None:
    fields = form_of(face, f"/packages/new?exhibit={certified.exhibit}")
    fields |= {"title": "某案", "profile": "usb", "step": "make"}
    page = made(face, face.client.post("/packages", data=fields).headers["location"])
    assert "把它解压到 U 盘上" in page
    link = re.search(r'href="(/packages/[^"]+/files/[^"]+zip)"', page)
    assert link
    stick = tmp_path / "stick"
    with zipfile.ZipFile(io.BytesIO(face.client.get(link[1]).content)) as archive:
        archive.extractall(stick)
    assert {"VERIFY.md", "verify.html"} <= {one.name for one in stick.iterdir()}
    assert platform.verify_package(stick).outcome is Outcome.PASSED


def test_packages_are_listed_a_page_at_a_time(
    face: Face, platform: Platform, certified: Certified
) -> None:
    wanted = WantedPackage(Selection((Chosen(certified.exhibit),)), documents=())
    made = [platform.exports.order(wanted) for _ in range(2)]
    first, then = (platform.exports.page(most=1, before=one)[0] for one in (None, made[1]))
    assert [first.ordered.package, then.ordered.package] == made[::-1]
    before = face.client.get("/packages", params={"before": made[1]}).text
    assert f'href="/packages/{made[0]}"' in before
    assert f'href="/packages/{made[1]}"' not in before


def test_a_rehearsal_is_asked_for_and_stays_apart(face: Face, certified: Certified) -> None:
    address = f"/packages/new?exhibit={certified.exhibit}&lang=zh"
    assert "document.rehearsal" not in form_of(face, address), "off unless ticked"
    assert "不要随证据交给法院或对方" in face.client.get(address).text
    asked = {**form_of(face, address), "profile": "zip", "document.rehearsal": "1"}
    order = face.client.post("/packages", data={**asked, "step": "make"}).headers["location"]
    page = made(face, order)
    links = re.findall(rf'href="({order}/files/[^"]+)"', page)
    package_, paper = (face.client.get(one).content for one in links)
    assert paper.startswith(b"%PDF")
    with zipfile.ZipFile(io.BytesIO(package_)) as archive:
        assert paper not in map(archive.read, archive.namelist())
        assert not [one for one in archive.namelist() if "预演" in one]


def test_what_does_not_fit_is_said_before_anything_is_made(
    face: Face, platform: Platform, certified: Certified
) -> None:
    exhibit = platform.deposit("a;b.txt", [b"x"])
    assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    fields = form_of(face, f"/packages/new?exhibit={exhibit}&exhibit={certified.exhibit}")
    before = face.client.get("/packages").text.count("/packages/pk_")
    answer = face.client.post("/packages", data={**fields, "profile": "dvd", "step": "make"})
    assert answer.status_code == 422
    assert "不能原样写入光盘" in answer.text
    assert "以 zip 或 U 盘提交" in answer.text, "with its cure"
    assert "a;b.txt：要求 UCS-2" in answer.text
    assert face.client.get("/packages").text.count("/packages/pk_") == before


def test_places_decide_the_order(face: Face, platform: Platform, certified: Certified) -> None:
    other = platform.deposit("second.txt", [b"y"])
    assert platform.walk(other, lambda _step, _detail: None) == "certified"
    fields = form_of(face, f"/packages/new?exhibit={certified.exhibit}&exhibit={other}")
    fields |= {f"place.{certified.exhibit}": "2", f"place.{other}": "1", "step": "make"}
    ordered = face.client.post("/packages", data={**fields, "profile": "usb"})
    assert ordered.status_code == 303, ordered.text
    name = ordered.headers["location"].rpartition("/")[2]
    made(face, f"/packages/{name}")
    view = platform.exports.view(name)
    assert [one.exhibit for one in view.wanted.selection.entries] == [other, certified.exhibit]
    assert view.made[0].name.endswith(".zip"), "a folder is fetched as a zip, to be unpacked"


def test_a_case_brings_its_purposes(
    face: Face, platform: Platform, certified: Certified
) -> None:
    case = platform.cases.open(Facts(name="某某侵权案", court_number="（2026）浙01号")).case
    platform.cases.link(case, [certified.exhibit])
    stated = Exhibited(purpose="证明许诺销售", relevance="与被告店铺有关")
    platform.cases.set(case, "exhibit", stated, subject=certified.exhibit)
    page = face.client.get(f"/packages/new?case={case}").text
    for said in ("某某侵权案", "（2026）浙01号", "证明许诺销售", "与被告店铺有关"):
        assert said in page, said


@pytest.mark.parametrize(
    "address",
    [
        "/packages/pk_" + "0" * 26,
        "/packages/pk_" + "0" * 26 + "/files/x.zip",
        "/packages/new?exhibit=ex_" + "0" * 26,
        "/packages/new?case=ca_" + "0" * 26,
    ],
)
def test_what_nobody_has_is_not_found(face: Face, address: str) -> None:
    assert face.client.get(address).status_code == 404


_OVER = """[...document.querySelectorAll('main *')].filter(one => one.getClientRects().length
  && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('pre'))
  .map(one => one.outerHTML.slice(0, 120)).slice(0, 3)"""


@pytest.mark.browser
def test_nothing_stands_over_the_side_of_a_telephone(
    face: Face, certified: Certified, browser: Browser, platform: Platform
) -> None:
    secret = platform.shares.make(WantedShare((certified.exhibit,), code="")).secret
    coded = platform.shares.make(WantedShare((certified.exhibit,), code="482913")).secret
    page = browser.page()
    page.size(390, 800, phone=True)
    try:
        for address in (
            "/packages",
            "/packages/new",
            f"/packages/new?exhibit={certified.exhibit}",
            "/shares",
            f"/shares/new?exhibit={certified.exhibit}",
            f"/s/{secret}",
            f"/s/{coded}",
        ):
            page.open(face.address + address)
            assert page.run(_OVER) == [], address
    finally:
        page.close()
