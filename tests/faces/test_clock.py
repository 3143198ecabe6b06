"""S1-001 to S1-003: what pages and programs are told of the time, and of its source."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng import fix
from guzheng.app import Platform
from guzheng.config import Config, load
from guzheng.proof import instant
from guzheng.web import create_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving
from tests.faces.test_in_a_browser import FACE, SYNCED, ZEROS
from tests.ntp import NtpServer, ntp_server


@pytest.fixture
def server() -> Iterator[NtpServer]:
    with ntp_server() as one:
        yield one


@pytest.fixture
def measured(tmp_path: Path, server: NtpServer) -> Iterator[tuple[Platform, Face]]:
    """An installation that compares its clock, each second, with one server alone."""
    settings = {
        "clock_profile": "auto",
        "time_servers": (server.address,),
        "clock_poll_seconds": 1,
    }
    platform = Platform(load(tmp_path / "data", settings, environment={}))
    app = create_app(platform, upload_limit=1 << 20)
    with platform.timekeeping(), serving(app) as face:
        until(lambda: platform.clock().verified)
        yield platform, face


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_clock_that_nobody_compared(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))
    with serving(create_app(platform, upload_limit=1 << 20)) as face:
        told = face.client.get("/api/time").json()
        assert told.pop("now").endswith("Z")
        assert told == {
            "source": "system clock",
            "offset_ms": None,
            "uncertainty_ms": None,
            "synced_at": None,
            "verified": False,
            "standing": "unverified",
            "profile": "evaluation",
            "code": None,
        }
        for language, words in (("zh", "时钟未经核验"), ("en", "clock not verified")):
            page = face.client.get("/help", params={"lang": language}).text
            assert page.count(words) >= 2, "beside the clock, and under the page"


def test_the_source_its_offset_and_its_last_word(
    measured: tuple[Platform, Face], server: NtpServer
) -> None:
    _, face = measured
    before = datetime.now(UTC)
    told = face.client.get("/api/time").json()
    now = instant.parse(told["now"])
    assert before - timedelta(milliseconds=1) <= now <= datetime.now(UTC)
    assert server.address in told["source"]
    assert told["verified"] is True
    assert told["standing"] == "verified"
    assert abs(told["offset_ms"]) <= told["uncertainty_ms"] <= 1000
    assert before - timedelta(seconds=60) <= instant.parse(told["synced_at"]) <= now
    page = face.client.get("/help", params={"lang": "zh"}).text
    assert server.address in page
    footer = page[page.index("<footer") :]
    assert "时钟未经核验" not in footer
    assert re.search(r"data-clock-unverified\s+hidden", page)


def test_a_time_in_doubt_is_not_told(
    measured: tuple[Platform, Face], server: NtpServer
) -> None:
    platform, face = measured
    server.offset_seconds = 5
    until(lambda: platform.clock().standing == "stopped")
    told = face.client.get("/api/time").json()
    assert told["now"] is None
    assert told["synced_at"] is None
    assert (told["verified"], told["standing"]) == (False, "stopped")
    assert told["code"] in {"clock.over-limit", "clock.sources-differ"}
    page = face.client.get("/help", params={"lang": "zh"}).text
    assert "暂停签发时间戳" in page
    assert "时钟未经核验" in page


@pytest.mark.browser
def test_the_header_clock_stops_with_the_gate(
    measured: tuple[Platform, Face], server: NtpServer, browser: Browser
) -> None:
    platform, face = measured
    page = browser.page()
    page.open(f"{face.address}/help")
    page.wait_for(SYNCED)
    assert page.run("document.querySelector('[data-clock-unverified]').hidden") is True
    page.run("document.querySelector('[data-clock] summary').click()")
    assert server.address in page.text(".clock .panel")
    server.offset_seconds = 5
    until(lambda: platform.clock().standing == "stopped")
    page.run("dispatchEvent(new Event('online'))")
    page.wait_for(f"{FACE} === '{ZEROS}'")
    assert page.text("[data-clock-unsynced]") == "未同步"
    assert page.run("document.querySelector('[data-clock-unverified]').hidden") is False
    assert "暂停签发时间戳" in page.text(".clock .panel")
    server.offset_seconds = 0
    until(lambda: platform.clock().verified)
    page.run("dispatchEvent(new Event('online'))")
    page.wait_for(SYNCED)
    page.close()


def test_it_stands_on_the_pages_of_an_exhibit(
    platform: Platform, face: Face, walk: Callable[[str], str]
) -> None:
    exhibit = platform.deposit("words.txt", [b"words under an unverified clock"])
    walk(exhibit)
    facts = platform.exhibit(exhibit).facts or {}
    assert isinstance(facts["seal"], dict)
    assert facts["seal"]["policy"] == fix.LOCAL_POLICY_OID
    page = face.client.get(f"/exhibits/{exhibit}", params={"lang": "zh"}).text
    assert re.search(r"±1000 ms · 时钟未经核验", page)
