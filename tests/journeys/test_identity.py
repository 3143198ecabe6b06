"""Signing in by an identity provider, and being led to a second step, in a real browser.

A client in a test follows whatever it is told; a browser keeps cookies by site, and lets a form
lead only where the page's policy says. Both pages are judged by axe-core, on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from guzheng.accounts.sessions import COOKIE
from tests.faces.persons import someone
from tests.faces.test_federation import House, opened
from tests.journeys.conftest import PHONE, hands_of
from tests.journeys.test_every_page import _JUDGE, _OVER, AXE
from tests.providers import Person, provider

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("journeys"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make ready` installs it"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        provider() as outside,
        opened(tmp_path_factory.mktemp("identity"), outside, second_step="everybody") as made,
    ):
        yield made


def judged(page: Page) -> None:
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(_JUDGE) == []
    assert page.evaluate(_OVER) == []


def test_linked_in_a_browser_and_signed_in_by_it(house: House, chromium: Browser) -> None:
    house.provider.person = Person("s-browser", email="wang@idp.example")
    with (
        someone(house.platform, house.address, "王店主") as owner,
        hands_of(chromium, house.address, owner, viewport=PHONE) as hands,
    ):
        page = hands.go("/exhibits")
        expect(page).to_have_url(re.compile("/me/security"))  # a second step is demanded
        judged(page)
        page.locator(
            "[href='/me/security/identities/new'], "
            "form[action='/me/security/identities/new'] button"
        ).first.click()
        expect(page.locator("input[name=token]")).to_be_attached()
        judged(page)
        page.locator("main form[action='/me/security/identities'] button.first").click()
        expect(page).to_have_url(re.compile("/me/security$"))
        expect(page.locator("main")).to_contain_text("wang@idp.example")
        assert hands.complaints == []
    with hands_of(chromium, house.address, None, viewport=PHONE) as hands:
        page = hands.go("/login")
        judged(page)
        page.get_by_role("link", name=re.compile("统一身份")).click()
        expect(page).not_to_have_url(re.compile("/login"))
        assert COOKIE in {one["name"] for one in page.context.cookies()}
        assert hands.complaints == []
