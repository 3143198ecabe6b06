"""The pages in a real Chromium: the clock that never lies, dropping, watching, verifying."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from guzheng.app import Platform
from tests.faces.browser import Browser, Page
from tests.faces.conftest import Certified, Face

pytestmark = pytest.mark.browser

CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}\(UTC\+08:00\)")
ZEROS = "0000-00-00 00:00:00:000(UTC+08:00)"
FACE = "document.querySelector('[data-clock-face]').textContent"
SYNCED = f"!{FACE}.startsWith('0000')"
# The device's own clock, wrong by `window.wrong` milliseconds.
WRONG_CLOCK = """
window.wrong = 86400000;
{ const Right = Date;
  window.Date = class extends Right {
    constructor(...given) {
      given.length ? super(...given) : super(Right.now() + window.wrong); }
    static now() { return Right.now() + window.wrong; }
  }; }
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.page()
    yield opened
    assert opened.complaints == []
    opened.close()


def read_clock(text: str) -> datetime:
    assert CLOCK.fullmatch(text), text
    local = datetime.strptime(text[:23], "%Y-%m-%d %H:%M:%S:%f")  # noqa: DTZ007 - set below
    return local.replace(tzinfo=timezone(timedelta(hours=8)))


def show_clock(page: Page) -> tuple[datetime, datetime, datetime]:
    """What the header shows, between two readings of the server's clock."""
    before = datetime.now(UTC)
    shown = read_clock(str(page.run(FACE)))
    return before, shown, datetime.now(UTC)


@pytest.mark.parametrize("device", ["right", "wrong"])
def test_the_header_shows_the_servers_time(browser: Browser, face: Face, device: str) -> None:
    page = browser.page(before=WRONG_CLOCK if device == "wrong" else "")
    page.open(f"{face.address}/help")
    page.wait_for(SYNCED)
    before, shown, after = show_clock(page)
    margin = timedelta(seconds=2)  # half the way there and back, on a busy machine
    assert before - margin <= shown <= after + margin
    assert page.run("document.querySelector('[data-clock-unsynced]').hidden") is True
    assert page.complaints == []
    page.close()


def test_without_the_server_the_clock_shows_zeros(browser: Browser, face: Face) -> None:
    page = browser.page()
    page.call("Network.setBlockedURLs", urls=["*/api/time*"])
    page.open(f"{face.address}/help")
    time.sleep(1)
    assert page.run(FACE) == ZEROS
    assert page.text("[data-clock-unsynced]") == "未同步"
    page.call("Network.setBlockedURLs", urls=[])
    page.run("dispatchEvent(new Event('online'))")
    page.wait_for(SYNCED)
    page.close()


def test_a_device_that_slept_is_not_believed(browser: Browser, face: Face) -> None:
    page = browser.page(before=WRONG_CLOCK)
    page.open(f"{face.address}/help")
    page.wait_for(SYNCED)
    page.call("Network.setBlockedURLs", urls=["*/api/time*"])
    page.run("window.wrong += 3600000")  # an hour passed that the counter did not count
    page.wait_for(f"{FACE}.startsWith('0000')")
    assert page.text("[data-clock-unsynced]") == "未同步"
    page.close()


def test_the_clock_tells_its_source(page: Page, face: Face) -> None:
    page.open(f"{face.address}/help")
    page.wait_for(SYNCED)
    page.run("document.querySelector('[data-clock] summary').click()")
    page.wait_for("document.querySelector('[data-clock-here]').textContent.includes('±')")
    panel = page.text(".clock .panel")
    assert "服务器系统时钟" in panel
    assert "尚未向外部时间源核实" in panel


def test_a_file_is_dropped_and_watched(
    page: Page, face: Face, platform: Platform, walk: Callable[[str], str], tmp_path: Path
) -> None:
    file = tmp_path / "照片.txt"
    file.write_bytes(b"seen in a browser")
    page.open(face.address)
    page.run("document.querySelector('[name=name_subject]').value = '甲'")
    page.run("document.querySelector('[name=name_scene]').value = '乙'")
    page.choose("#files", file)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("location.pathname.startsWith('/exhibits/ex_')")
    page.wait_for("document.querySelector('[data-unfinished] .steps .now')")
    exhibit = str(page.run("location.pathname")).rpartition("/")[2]
    view = platform.exhibit(exhibit)
    assert view.claimed_name.startswith("甲_乙_20")
    walk(exhibit)
    page.wait_for("document.querySelector('[data-live]:not([data-unfinished])')")
    assert page.text("[data-said]") == "已出证"
    assert page.text(".verdict .chip") == "已出证"
    assert page.run("document.querySelectorAll('.steps .done').length") == 5


def test_several_files_each_say_what_became_of_them(
    page: Page, face: Face, tmp_path: Path
) -> None:
    good, empty, large = (tmp_path / one for one in ("good.txt", "empty.txt", "large.bin"))
    good.write_bytes(b"good")
    empty.write_bytes(b"")
    large.write_bytes(b"x" * 2_000_000)
    page.open(face.address)
    page.choose("#files", good, empty, large)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("!document.querySelector('[data-deposit]').disabled")
    page.wait_for("document.querySelectorAll('.sending .failed').length === 2")
    said = page.text(".sending")
    assert "已收到，正在固化" in said
    assert "文件是空的" in said
    assert "超过上限" in said
    assert any("422" in one for one in page.complaints)  # the browser notes the refused one
    page.complaints.clear()


def test_a_pair_is_verified_and_the_file_stays_here(
    page: Page, face: Face, certified: Certified
) -> None:
    page.open(f"{face.address}/verify?by=server")
    page.run(
        "window.sent = []; { const send = XMLHttpRequest.prototype.send;"
        "XMLHttpRequest.prototype.send = function (body) {"
        "if (body) window.sent.push([...body.keys()].join());"
        "return send.call(this, body); }; }"
    )
    page.choose("#pair-file", certified.original)
    page.choose("#pair-token", certified.token)
    page.run("document.querySelector('[data-pair] button').click()")
    page.wait_for("document.querySelector('[data-verdict]')")
    assert page.text("[data-verdict] h1") == "验证通过：文件未被改动"
    assert page.run("window.sent") == ["name,size,sha256,token"]
    assert page.run("document.querySelectorAll('.checks > li.passed').length") == 3


def test_a_large_file_is_hashed_in_parts(
    page: Page, face: Face, certified: Certified, tmp_path: Path
) -> None:
    import hashlib

    large = tmp_path / "large.bin"
    large.write_bytes(bytes(range(256)) * (70 * 4096))  # 70 MiB: above the one-shot limit
    page.open(f"{face.address}/verify?by=server")
    page.choose("#pair-file", large)
    page.choose("#pair-token", certified.token)
    page.run("document.querySelector('[data-pair] button').click()")
    page.wait_for("document.querySelector('[data-verdict]')", seconds=60)
    assert page.text("[data-verdict] h1").startswith("指纹不一致")
    shown = page.text("[data-answer] .facts .digits").replace("\n", "").replace(" ", "")
    assert shown == hashlib.sha256(large.read_bytes()).hexdigest()


def test_what_is_dropped_anywhere_is_sorted(
    page: Page, face: Face, certified: Certified
) -> None:
    page.open(f"{face.address}/verify?by=server")
    octets = list(certified.package.read_bytes())
    page.run(
        "{ const carried = new DataTransfer();"
        f"carried.items.add(new File([new Uint8Array({octets})], 'p.zip'));"
        "dispatchEvent(new DragEvent('drop', {dataTransfer: carried, bubbles: true})); }"
    )
    page.wait_for("document.querySelector('[data-verdict]')", seconds=60)
    assert page.text("[data-verdict] h1") == "验证通过：证据包完整、未被改动"


def test_one_of_two_is_asked_for(page: Page, face: Face, certified: Certified) -> None:
    page.open(f"{face.address}/verify?by=server")
    page.choose("#pair-file", certified.original)
    page.run("document.querySelector('[data-pair] button').click()")
    page.wait_for("!document.querySelector('[data-going]').hidden")
    assert "还缺一样" in page.text("[data-going-said]")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits(
    browser: Browser, face: Face, certified: Certified, language: str, width: int
) -> None:
    page = browser.page(language=language)
    page.size(width, 800, phone=width < 600)
    exhibit = f"/exhibits/{certified.exhibit}"
    for path in ("/", "/exhibits", exhibit, "/verify", "/ledger", "/help", "/map"):
        page.open(face.address + path)
        assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert page.run("document.querySelectorAll('h1').length") == 1, path
        unnamed = page.run(
            "[...document.querySelectorAll('input:not([type=hidden]), button, a')]"
            ".filter((one) => !one.hidden && one.checkVisibility()"
            " && !(one.labels?.length || one.innerText?.trim()"
            " || one.ariaLabel)).map((one) => one.outerHTML)"
        )
        assert unnamed == [], path
    assert page.complaints == []
    page.close()


def test_the_pages_work_without_scripts(
    browser: Browser, face: Face, certified: Certified
) -> None:
    page = browser.page(scripts=False)
    page.size(1280, 900)
    page.call("Page.navigate", url=f"{face.address}/verify")
    page.html_with("data-pair")
    page.choose("#pair-file", certified.original)
    page.choose("#pair-token", certified.token)
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    button = page.call("DOM.querySelector", nodeId=root, selector="[data-pair] button")
    page.call("DOM.scrollIntoViewIfNeeded", nodeId=button["nodeId"])
    box = page.call("DOM.getBoxModel", nodeId=button["nodeId"])["model"]["content"]
    for kind in ("mousePressed", "mouseReleased"):
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=(box[0] + box[2]) / 2,
            y=(box[1] + box[5]) / 2,
            button="left",
            clickCount=1,
        )
    html = page.html_with("data-verdict")
    assert "验证通过：文件未被改动" in html
    page.close()
