"""What a merchant reads on a telephone of 390 points: nothing of it lies beyond the edge."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from guzheng.app import Platform
from tests.faces.conftest import Face
from tests.faces.persons import Someone, someone
from tests.journeys.conftest import hands_of
from tests.journeys.test_every_page import _JUDGE, AXE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("journeys"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make ready` installs it"),
]
PHONE = {"width": 390, "height": 844}
LANGUAGES = ("zh-CN", "en")


def judged(page: Page, tmp_path: Path, name: str) -> None:
    """axe-core has nothing to say, and the page is no wider than its window."""
    page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(_JUDGE) == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_edition_is_read_without_scrolling_aside(
    platform: Platform, face: Face, chromium: Browser, language: str, tmp_path: Path
) -> None:
    with (
        someone(platform, face.address, "merchant") as merchant,
        hands_of(chromium, face.address, merchant, viewport=PHONE, language=language) as hands,
    ):
        page = hands.go("/me/edition")
        judged(page, tmp_path, f"edition-{language}")
        shown = page.locator(".editions > li")
        for number, edition in enumerate(platform.entitlements.editions):
            card = shown.nth(number)
            assert edition.name(language[:2]) in card.inner_text()
            box = card.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
            assert card.locator("li").count() == page.locator(".matrix tbody tr").count() - 1
        assert not page.locator(".matrix").is_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_is_read_and_leads_on(
    operator: Someone, face: Face, chromium: Browser, language: str, tmp_path: Path
) -> None:
    with hands_of(chromium, face.address, operator, viewport=PHONE, language=language) as hands:
        page = hands.go("/cases/ca_01J00000000000000000000000")
        judged(page, tmp_path, f"refusal-{language}")
        assert not page.locator(".technical code").is_visible()
        page.locator(".technical summary").click()
        assert page.locator(".technical code").inner_text() == "cases.not-found"
        judged(page, tmp_path, f"refusal-open-{language}")
        page.locator("a.button.first").click()
        assert page.url.endswith("/cases")
    # The browser itself says on its console that an answer was 404.
    assert all("404" in one for one in hands.complaints)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_is_typed_into_the_page_that_waits_for_it(
    face: Face, operator: Someone, chromium: Browser, language: str, tmp_path: Path
) -> None:
    """With a keyboard of figures, and the telephone's own offer to fill it in."""
    with hands_of(chromium, face.address, None, viewport=PHONE, language=language) as hands:
        page = hands.go("/register")
        page.locator("[name=address]").fill(f"li-{language}@example.com")
        page.locator("form[action='/register'] button").click()
        code = page.locator("[name=code]")
        assert code.get_attribute("autocomplete") == "one-time-code"
        assert code.get_attribute("inputmode") == "numeric"
        page.locator("form[action='/sent/again'] button:disabled").wait_for()  # counted down
        assert any(one.isdecimal() for one in page.locator("[data-wait]").inner_text())
        judged(page, tmp_path, f"sent-{language}")
        code.fill("000000")
        code.press("Enter")
        page.locator("#code-said.wrong").wait_for()
        judged(page, tmp_path, f"sent-wrong-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_audit_says_by_whom_and_a_grant_until_when(
    platform: Platform,
    operator: Someone,
    face: Face,
    chromium: Browser,
    language: str,
    tmp_path: Path,
) -> None:
    with (
        someone(platform, face.address, "granted") as granted,
        hands_of(chromium, face.address, operator, viewport=PHONE, language=language) as hands,
    ):
        page = hands.go("/members/audit")
        judged(page, tmp_path, f"audit-{language}")
        by_whom = page.locator(".rows.told .row .kind:last-child")
        assert by_whom.first.is_visible() and by_whom.first.inner_text()
        page = hands.go("/operator/accounts")
        form = page.locator("form[action='/operator/accounts']")
        form.locator("[name=account]").fill(granted.account)
        form.locator("[name=kind]").first.check()
        form.locator("[name=units]").fill("5")
        form.locator("[name=expires]").fill("2099-01-01")
        form.locator("[name=source]").fill("2026-1")
        form.locator("[name=reason]").fill("test")
        form.locator("button").first.click()
        until = page.locator(".rows.told .kind", has_text="2099")
        until.first.wait_for()
        judged(page, tmp_path, f"granted-{language}")
        edition = hands.go("/me/edition").locator("main h2").first.inner_text()
        assert ("：" in edition) == (language == "zh-CN")
