"""What happened to an exhibit, and what was noted beside it: added to, never changed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.keep.custody import NOTED, Custody, CustodyEvent
from guzheng.proof import instant
from guzheng.store.records import writing
from guzheng.web import create_app
from tests import engines
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving

AT = instant.parse("2026-11-21T10:44:12.038Z")


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


def test_rows_are_only_added(engine: Engine) -> None:
    rows = Custody(engine)
    one = CustodyEvent("cu_1", "ex_1", NOTED, AT, "local", "", "看过原物")
    rows.add(one)
    Custody(engine).add(CustodyEvent("cu_2", "", "read-again", AT, said="0"))
    assert [found.event for found in rows.of("ex_1")] == ["cu_2", "cu_1"]
    assert rows.of("ex_1")[1] == one
    assert [found.event for found in rows.of("ex_2")] == ["cu_2"]
    for statement in ("UPDATE custody_event SET said = 'x'", "DELETE FROM custody_event"):
        with pytest.raises(DatabaseError), writing(engine) as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Face, Platform, str]]:
    platform = Platform(Config(tmp_path_factory.mktemp("custody")))
    exhibit = platform.deposit("合同.txt", [b"words"])
    platform.walk(exhibit, lambda _step, _detail: None)
    with serving(create_app(platform)) as face:
        yield face, platform, exhibit


def test_what_happened_is_told(own: tuple[Face, Platform, str]) -> None:
    face, platform, exhibit = own
    address = f"/exhibits/{exhibit}"
    client = face.client
    assert client.get(f"{address}/papers/items/合同.txt").content == b"words"
    client.head(f"{address}/papers/items/合同.txt")
    client.get(f"{address}/papers/seal.tsa")
    client.get(f"{address}/package.zip")
    client.get("/packages.zip", params={"exhibit": exhibit})
    assert platform.fsck(lambda _: None) == []
    acts = [one.act for one in reversed(platform.keeping.of(exhibit))]
    assert acts == ["taken", "packed", "packed", "read-again"]
    page = client.get(address).text
    section = page[page.index("保管记录") : page.index('id="notes"')]
    told = re.findall(r"<div><b>([^<]+)</b>", section)
    assert told == [
        *("收到", "固化（时间戳）", "取走原件", "下载证据包", "下载证据包"),
        "逐字节复核：全部完好",
    ]
    assert "签名证明" in section
    assert "平台自己的记录" in section
    assert "openssl ts -verify -data manifest.json -in seal.tsa -CAfile roots.pem" in page
    other = platform.deposit("later.txt", [b"later"])
    assert platform.keeping.of(other) == (), "what was read before it came says nothing of it"


def test_notes_stay(own: tuple[Face, Platform, str]) -> None:
    face, platform, exhibit = own
    address = f"/exhibits/{exhibit}/notes"
    made = face.client.post(address, data={"note": " 第一行\r\n<b>第二行</b> "})
    assert (made.status_code, made.headers["location"]) == (303, f"/exhibits/{exhibit}#notes")
    page = face.client.get(f"/exhibits/{exhibit}").text
    assert "第一行<br>&lt;b&gt;第二行&lt;/b&gt;" in page
    for wrong in ("", "  ", "x" * 2001, "a\u202eb"):
        refused = face.client.post(address, data={"note": wrong})
        assert (refused.status_code, "keep.note-refused" in refused.text) == (422, True)
    assert len([one for one in platform.keeping.of(exhibit) if one.act == NOTED]) == 1
    before = face.client.get(f"/exhibits/{exhibit}/package.zip").content
    face.client.post(address, data={"note": "another"})
    assert face.client.get(f"/exhibits/{exhibit}/package.zip").content == before


@pytest.mark.browser
def test_on_a_phone(own: tuple[Face, Platform, str], browser: Browser) -> None:
    face, _, exhibit = own
    page = browser.page()
    page.size(390, 844, phone=True)
    page.open(f"{face.address}/exhibits/{exhibit}")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    page.run("document.querySelector('#note').value = '手机上写的'")
    page.run("document.querySelector('#notes button').click()")
    page.wait_for("location.hash === '#notes' && document.readyState === 'complete'")
    page.wait_for("document.querySelector('#notes')?.innerText.includes('手机上写的')")
    assert page.complaints == []
    page.close()
