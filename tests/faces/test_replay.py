"""Films and captured pages, played at another origin: tickets, ranges, the player itself."""

import json
import os
import struct
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Error, Frame, Page, expect, sync_playwright

from guzheng.app import Platform
from guzheng.app.parts import open_parts
from guzheng.app.replaying import LASTS
from guzheng.capturer import wacz
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.warc import WarcWriter
from guzheng.config import Config
from guzheng.proof import instant
from guzheng.web import create_app
from guzheng.web.replay import create_replay_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving

PLAYER = Path(__file__).parents[1] / "oracles/node/node_modules/replaywebpage"
ADDRESS = "https://shop.example/"
# Through every shadow root and frame of the player, which are its own affair.
DEEP = """(function deep(root) {
  if (!root) return null;
  const found = root.querySelector("#seen");
  if (found) return found;
  for (const one of root.querySelectorAll("*")) {
    const within = deep(one.shadowRoot) ?? deep(one.contentDocument);
    if (within) return within;
  }
  return null;
})"""
SEEN = b"<!doctype html><title>shop</title><h1 id=seen>SEEN</h1><script>top.document</script>"


def asked() -> Exchange:
    one = Exchange(
        1, "GET", ADDRESS, "document", "f", "s", "r", instant.parse("2026-11-21T10:44:12.038Z")
    )
    one.status, one.reason, one.protocol = 200, "OK", "http/1.1"
    one.response_head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n"
    one.body, one.finished, one.mime = SEEN, True, "text/html"
    one.close()
    return one


def sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(struct.pack("<h", 1000) * 8000)
    return path


def _packed(folder: Path) -> bytes:
    name = "data.warc.gz"
    warc = folder / name
    with warc.open("wb") as out:
        writer = WarcWriter(out, os.urandom, name)
        writer.begin("2026-11-21T10:44:12.038Z", "test", {})
        writer.write(asked())
    page_entry = wacz.PageEntry(ADDRESS, "2026-11-21T10:44:12Z", "shop")
    package = folder / "page.wacz"
    wacz.write(package, warc=warc, index=writer.index, page=page_entry, software="test")
    return package.read_bytes()


@dataclass(frozen=True)
class Two:
    """Our origin, and the one that plays."""

    own: Face
    other: Face
    platform: Platform
    at: list[object]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("replay")
    player = str(PLAYER) if (PLAYER / "sw.js").is_file() else ""
    at = [instant.parse("2026-11-21T10:44:12.038Z")]
    config = Config(folder / "data", replay_port=1, replay_player=player)
    platform = Platform(config, open_parts(config, now=lambda: at[0]))
    with serving(create_replay_app(platform.replaying)) as other:
        port = other.address.rpartition(":")[2]
        platform.replaying.listens_at(int(port))
        with serving(create_app(platform)) as own:
            yield Two(own, other, platform, at)  # type: ignore[arg-type]


def frame_of(two: Two, exhibit: str, name: str) -> tuple[str, str]:
    """The address that is framed, and the page's content policy."""
    answer = two.own.client.get(f"/exhibits/{exhibit}", params={"play": name})
    assert answer.status_code == 200
    _, found, rest = answer.text.partition('<iframe class="play" src="')
    assert found, "nothing is played"
    return rest.partition('"')[0], answer.headers["content-security-policy"]


def test_a_sound_in_ranges_for_an_hour(two: Two, tmp_path: Path) -> None:
    file = sound(tmp_path / "录音.wav").read_bytes()
    exhibit = two.platform.deposit("录音.wav", [file])
    plain = two.own.client.get(f"/exhibits/{exhibit}")
    assert "<iframe" not in plain.text, "nothing is played before it was asked for"
    assert "frame-src" not in plain.headers["content-security-policy"]
    address, policy = frame_of(two, exhibit, "items/录音.wav")
    origin = two.other.address.replace("127.0.0.1", "localhost")
    assert address.startswith(f"{origin}/play/"), "another name than ours"
    assert policy.endswith(f"frame-src {origin}")
    page = two.other.client.get(address.replace("localhost", "127.0.0.1"))
    assert f"frame-ancestors {two.own.address}" in page.headers["content-security-policy"]
    assert "script" not in page.text
    assert "set-cookie" not in page.headers
    ticket = address.rpartition("/")[2]
    octets = f"/octets/{ticket}/x"
    get = two.other.client.get
    whole = get(octets)
    assert (whole.status_code, whole.content) == (200, file)
    assert whole.headers["content-type"] == "audio/x-wav" or whole.headers[
        "content-type"
    ].startswith("audio/")
    assert "sandbox" in whole.headers["content-security-policy"]
    for asked, wanted in (
        ("bytes=0-0", file[:1]),
        ("bytes=10-19", file[10:20]),
        ("bytes=16000-", file[16000:]),
        ("bytes=-100", file[-100:]),
        (f"bytes=5-{len(file) * 2}", file[5:]),
    ):
        part = get(octets, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, wanted), asked
        assert part.headers["content-range"].endswith(f"/{len(file)}")
    assert get(octets, headers={"Range": f"bytes={len(file)}-"}).status_code == 416
    for wrong in (ticket[:-2], "x" + ticket, ticket.partition(".")[0], "a.b", "%00"):
        assert get(f"/play/{wrong}").status_code == 403, wrong
    two.at[0] += LASTS * 2  # type: ignore[operator]
    assert get(octets).status_code == 410


def test_what_would_run_is_not_played(two: Two) -> None:
    exhibit = two.platform.deposit("page.html", [b"<script>1</script>"])
    page = two.own.client.get(f"/exhibits/{exhibit}?play=items/page.html").text
    assert "<iframe" not in page
    assert 'id="play"' not in page
    assert two.other.client.get("/player/config.json").status_code == 404
    assert two.other.client.get("/").status_code == 404


def test_where_no_other_name_is_known_nothing_is_played(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data", replay_port=8001))
    assert platform.replaying.origin("evidence.example:8000") is None
    assert platform.replaying.origin("192.0.2.1") is None
    assert platform.replaying.origin("localhost:8000") == "http://127.0.0.1:8001"
    named = Config(tmp_path / "named", replay_port=8001, replay_url="https://play.example/")
    assert Platform(named).replaying.origin("evidence.example") == "https://play.example"
    assert Platform(Config(tmp_path / "off")).replaying.origin("localhost") is None


@pytest.mark.browser
@pytest.mark.skipif(not PLAYER.is_dir(), reason="no replaywebpage here: `make ready`")
def test_an_archive_is_played_apart_from_us(two: Two, browser: Browser, tmp_path: Path) -> None:
    exhibit = two.platform.deposit("page.wacz", [_packed(tmp_path)])
    page = browser.page()
    page.size(390, 844, phone=True)
    page.open(f"{two.own.address}/exhibits/{exhibit}?play=items/page.wacz")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.complaints == []
    page.close()
    # The same page by itself: a framed one of another site is another process to the debugger.
    ticket = two.platform.replaying.ticket(
        exhibit, "items/page.wacz", within=two.own.address, address=ADDRESS
    )
    player = browser.page()
    player.open(f"{two.other.address}/play/{ticket}")
    player.wait_for(f"({DEEP})(document)?.textContent === 'SEEN'")
    player.close()


def _require_played(page: Page) -> None:
    """The player opened the archive: an uploaded one names no first page, so it lists them."""

    def seen(frame: Frame) -> bool:
        try:
            return frame.title() == "Pages | ReplayWeb.page"
        except Error:  # it goes elsewhere just now
            return False

    until = time.monotonic() + 30
    while not any(map(seen, page.frames)):
        assert time.monotonic() < until, [one.url for one in page.frames]
        page.wait_for_timeout(100)


@pytest.mark.browser
@pytest.mark.skipif(not PLAYER.is_dir(), reason="no replaywebpage here: `make ready`")
@pytest.mark.parametrize("allowed", [True, False], ids=["cookies-of-others", "none"])
def test_in_the_frame_it_is_played_or_said_why_not(
    two: Two, tmp_path: Path, allowed: bool
) -> None:
    exhibit = two.platform.deposit("page.wacz", [_packed(tmp_path)])
    settings = tmp_path / "Default" / "Preferences"
    settings.parent.mkdir()
    refused = {
        "block_third_party_cookies": not allowed,
        "cookie_controls_mode": int(not allowed),
    }
    settings.write_text(json.dumps({"profile": refused}))
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path),
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox"],
            locale="zh-CN",
        )
        page = context.new_page()
        page.goto(f"{two.own.address}/exhibits/{exhibit}?play=items/page.wacz")
        frame = page.frame_locator("iframe.play")
        if allowed:
            _require_played(page)
            expect(frame.locator("#framed")).to_be_hidden()
        else:
            expect(frame.locator("#framed")).to_contain_text("在新窗口中打开", timeout=30_000)
        with context.expect_page() as opened:
            page.get_by_role("link", name="在新窗口中打开").click()
        _require_played(opened.value)
        context.close()


@pytest.mark.browser
@pytest.mark.skipif(not PLAYER.is_dir(), reason="no replaywebpage here: `make ready`")
def test_a_frame_that_asks_before_the_player_is_at_work_asks_again(
    two: Two, browser: Browser
) -> None:
    page = browser.page()
    page.open(f"{two.other.address}/player/sw.js")
    page.run(
        "void document.body.append(Object.assign(document.createElement('iframe'),"
        " {src: '/player/?source=x.wacz&embed=replayonly'}))"
    )
    page.wait_for(
        "frames[0]?.document.querySelector('p')?.innerText.startsWith('播放器正在启动')"
    )
    # What the player's element does, when a slow device comes to it.
    page.run("navigator.serviceWorker.register('/player/sw.js?serveIndex=1').then(() => true)")
    page.wait_for("frames[0].document.querySelector('replay-app-main')")
