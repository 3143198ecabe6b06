"""A platform as a new operator has it, with accounts, and a browser that people's hands drive.

Playwright speaks to Debian's Chromium; nothing of ours is replaced. Whatever a page says on its
console as an error, and every exception in it, is a fault of the page."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from guzheng.accounts.sessions import COOKIE
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from tests.faces.browser import FEATURES_OFF
from tests.faces.conftest import Face, serving
from tests.faces.persons import Someone, someone

PHONE, DESKTOP = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
T = TypeVar("T")
FLAGS = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", FEATURES_OFF)


@dataclass
class Hands:
    """A person's browser window, and what its pages complained of."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page


def aside(work: Callable[[], T]) -> T:
    """In a thread: Playwright's own event loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


# Not of the session: while it lives, no other test on this worker could run an event loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(FLAGS)
        )
        yield browser
        browser.close()


@contextmanager
def with_accounts(folder: Path, **settings: Any) -> Iterator[Platform]:
    """A platform as a new operator has it; passwords cost as little as they may."""
    opened = Platform(
        Config(
            folder,
            accounts="on",
            allow_private=("203.0.113.0/24",),
            password_mib=19,
            password_passes=2,
            **settings,
        )
    )
    try:
        yield opened
    finally:
        opened.interrupt()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with with_accounts(tmp_path_factory.mktemp("journeys")) as opened:
        yield opened


@pytest.fixture(scope="session")
def face(platform: Platform) -> Iterator[Face]:
    with serving(create_app(platform, upload_limit=64 << 20)) as served:
        yield served


@pytest.fixture(scope="session")
def operator(platform: Platform, face: Face) -> Iterator[Someone]:
    with someone(platform, face.address, "operator", "local") as signed_in:
        yield signed_in


@contextmanager
def hands_of(
    chromium: Browser,
    address: str,
    who: Someone | None,
    *,
    viewport: dict[str, int] = DESKTOP,
    language: str = "zh-CN",
) -> Iterator[Hands]:
    """A window of its own: nothing is shared with another person's."""
    context: BrowserContext = chromium.new_context(
        viewport={"width": viewport["width"], "height": viewport["height"]},
        locale=language,
        reduced_motion="reduce",
        accept_downloads=True,
    )
    if who is not None:
        token = who.client.cookies[COOKIE]
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
    page = context.new_page()
    page.set_default_timeout(40_000)
    hands = Hands(page, address)
    page.on(
        "console",
        lambda one: hands.complaints.append(one.text) if one.type == "error" else None,
    )
    page.on("pageerror", lambda error: hands.complaints.append(str(error)))
    try:
        yield hands
    finally:
        context.close()
