"""Deposits of a fingerprint alone: made in the browser, and the original that comes later."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.intake import seeking
from guzheng.intake.originals import OVERDUE, REMIND, WAITING, due_of
from guzheng.intake.sources import Sought
from guzheng.proof import instant
from guzheng.proof.digest import sm3
from guzheng.refusals import Refused
from guzheng.web import create_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving

FILE = bytes(range(256)) * 40
SAID = {"name": "录像 一.mp4", "size": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Face, Platform]]:
    platform = Platform(Config(tmp_path_factory.mktemp("originals")))
    with serving(create_app(platform)) as face:
        yield face, platform


def walked(platform: Platform, exhibit: str) -> str:
    return platform.walk(exhibit, lambda _step, _detail: None)


def test_a_day_is_advised_and_never_demanded() -> None:
    sealed_at = instant.parse("2026-11-21T10:44:12.038Z")

    def state(after: str) -> tuple[str, bool]:
        due = due_of(sealed_at, now=instant.parse(after))
        return due.state, due.left.total_seconds() < 0

    assert state("2026-11-21T10:45:00.000Z") == (WAITING, False)
    assert state("2026-11-22T09:44:12.037Z") == (WAITING, False)
    assert state("2026-11-22T09:44:12.038Z") == (REMIND, False), "after 23 hours"
    assert state("2026-11-22T10:44:12.038Z") == (REMIND, False)
    assert state("2026-11-22T10:44:12.039Z") == (OVERDUE, True)
    assert state("2027-11-22T10:44:12.039Z") == (OVERDUE, True)


@pytest.mark.parametrize("national", [False, True])
def test_the_whole_way(own: tuple[Face, Platform], tmp_path: Path, *, national: bool) -> None:
    face, platform = own
    said = {**SAID, "claimed_name": "一段录像"} | (
        {"sm3": sm3(FILE).hex.upper()} if national else {}
    )
    made = face.client.post("/api/digests", json=said)
    assert made.status_code == 201, made.text
    exhibit = made.json()["exhibit"]
    assert made.headers["location"] == f"/api/exhibits/{exhibit}"
    assert walked(platform, exhibit) == "certified"
    package = face.client.get(f"/exhibits/{exhibit}/package.zip")
    assert package.status_code == 200, "verified before it is given out"
    page = face.client.get(f"/exhibits/{exhibit}").text
    assert "原件还没有上传" in page
    address = f"/exhibits/{exhibit}/original"
    for wrong in (FILE[:-1], FILE + b"x", FILE[:500] + b"\0" + FILE[501:], b""):
        answer = face.client.post(address, files={"file": ("录像 一.mp4", wrong)})
        assert answer.status_code == 422
        assert "不是原件" in answer.text
        assert "剪辑" in answer.text, "and why"
        assert platform.originals.names(exhibit) == ()
    assert platform.evidence.due(exhibit) is not None
    answer = face.client.post(address, files={"file": ("called otherwise.mp4", FILE)})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address[:-9]}#original")
    assert platform.evidence.due(exhibit) is None
    assert platform.originals.names(exhibit) == ("录像 一.mp4",)
    taken = face.client.get(f"{address}/录像 一.mp4")
    assert taken.content == FILE
    assert taken.headers["content-type"] == "application/octet-stream"
    assert taken.headers["content-disposition"].startswith("attachment")
    again = face.client.get(f"/exhibits/{exhibit}/package.zip")
    assert again.content == package.content, "no paper and no package changes"
    with zipfile.ZipFile(io.BytesIO(again.content)) as members:
        assert not [one for one in members.namelist() if "items/" in one]
    assert platform.fsck(lambda _: None) == []
    place = platform.config.data / "blobs" / "originals" / exhibit / "录像 一.mp4"
    place.chmod(0o600)
    place.write_bytes(FILE[:-1] + b"\0")
    assert [(one.place, one.code) for one in platform.fsck(lambda _: None)] == [
        (f"originals/{exhibit}/录像 一.mp4", "keep.altered")
    ]
    place.write_bytes(FILE)
    platform.rebuild()
    engine = platform.index.engine
    wanted = seeking.search(engine, Sought(state="wanted"), account="local", limit=9).lines
    assert exhibit not in {one.exhibit for one in wanted}


@pytest.mark.parametrize(
    "said",
    [
        {"size": 0},
        {"size": -1},
        {"size": "12"},
        {"size": True},
        {"size": 10**20},
        {"sha256": "ab"},
        {"sha256": "g" * 64},
        {"sm3": "12"},
        {"name": "../x"},
        {"name": ""},
        {"url": "https://a/"},
    ],
)
def test_what_is_no_fingerprint(own: tuple[Face, Platform], said: dict[str, object]) -> None:
    face, platform = own
    before = platform.index.count()
    answer = face.client.post("/api/digests", json={**SAID, **said})
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["code"]
    assert platform.index.count() == before


def test_who_brings_another_file_is_led_back_to_try_again(own: tuple[Face, Platform]) -> None:
    face, platform = own
    exhibit = face.client.post("/api/digests", json=SAID).json()["exhibit"]
    platform.walk(exhibit, lambda _step, _detail: None)
    answer = face.client.post(f"/exhibits/{exhibit}/original", files={"file": ("a", b"words")})
    assert (answer.status_code, "not-the-original" in answer.text) == (422, True)
    assert f'href="/exhibits/{exhibit}#original"' in answer.text


def test_a_deposit_with_its_file_awaits_none(own: tuple[Face, Platform]) -> None:
    face, platform = own
    exhibit = platform.deposit("a.txt", [b"words"])
    answer = face.client.post(f"/exhibits/{exhibit}/original", files={"file": ("a", b"words")})
    assert (answer.status_code, "no-original-awaited" in answer.text) == (422, True)
    with pytest.raises(Refused, match=r"exhibit\.no-such-paper"):
        platform.originals.open(exhibit, "a.txt")


@pytest.mark.browser
def test_the_file_stays_where_it_is(
    own: tuple[Face, Platform], browser: Browser, tmp_path: Path
) -> None:
    face, platform = own
    file = tmp_path / "照片.jpg"
    file.write_bytes(FILE * 20)
    sent = (
        "addEventListener('submit', (event) => sessionStorage.setItem('sent',"
        " JSON.stringify([...new FormData(event.target)])));"
    )
    page = browser.page(before=sent)
    page.size(390, 844, phone=True)
    page.open(f"{face.address}/digests")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    page.choose("#local", file)
    page.wait_for("document.querySelector('[name=sha256]').value.length === 64")
    page.run("document.querySelector('button[type=submit]').click()")
    page.wait_for("location.pathname.startsWith('/exhibits/ex_')")
    texts = page.run("sessionStorage.getItem('sent')")
    assert hashlib.sha256(FILE * 20).hexdigest() in texts
    exhibit = page.run("location.pathname").rpartition("/")[2]
    order = platform.road.order(exhibit)
    assert (order.kind, order.items[0].name, order.items[0].size) == (
        "hash-only",
        "照片.jpg",
        len(FILE) * 20,
    )
    assert page.complaints == []
    page.close()


def test_typed_by_hand(own: tuple[Face, Platform]) -> None:
    face, platform = own
    digits = str(SAID["sha256"])
    grouped = " ".join(digits[at : at + 8] for at in range(0, 64, 8)).upper()
    form = {"name": "a.mp4", "size": "10240", "sha256": grouped, "sm3": ""}
    answer = face.client.post("/digests", data=form)
    assert answer.status_code == 303
    exhibit = answer.headers["location"].rpartition("/")[2]
    assert str(platform.road.order(exhibit).items[0].digests[0]) == f"sha256:{digits}"
    wrong = face.client.post("/digests", data={**form, "sha256": "abc"})
    assert wrong.status_code == 422
    assert "指纹、文件名或大小填写有误" in wrong.text
    assert 'value="10240"' in wrong.text, "what was typed is still there"


def test_a_fingerprint_is_named_by_its_three_parts(own: tuple[Face, Platform]) -> None:
    """As on the first page: a free name only where somebody writes one."""
    face, platform = own
    form = {
        "name": "b.mp4",
        "size": "10240",
        "sha256": str(SAID["sha256"]),
        "name_subject": "XX商家",
        "name_scene": "虚假宣传",
        "name_day": "20260815",
    }
    assert 'name="name_subject"' in face.client.get("/digests").text
    wrong = face.client.post("/digests", data={**form, "name_day": "20261399"})
    assert wrong.status_code == 422
    assert 'value="XX商家"' in wrong.text, "what was typed is still there"
    made = face.client.post("/digests", data=form)
    assert made.status_code == 303
    exhibit = made.headers["location"].rpartition("/")[2]
    assert platform.road.order(exhibit).claimed_name == "XX商家_虚假宣传_20260815"
