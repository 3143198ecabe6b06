"""The comparison of pictures itself: what it must see, and what it must not count."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.journeys import pictures


def drawn(top: int, paper: int = 250, ink: int = 20) -> Image.Image:
    page = Image.new("L", (320, 600), paper)
    for line in range(6):
        ImageDraw.Draw(page).rectangle((20, top + 30 * line, 280, top + 8 + 30 * line), ink)
    return page


@pytest.fixture
def known(tmp_path: Path) -> Path:
    drawn(100).save(tmp_path / "page.png")
    return tmp_path


def test_a_browser_that_draws_a_little_otherwise_is_no_difference(known: Path) -> None:
    assert pictures.difference("page", drawn(100, 244, 40), known / "out", known) is None


def test_what_moved_by_a_few_pixels_is_shown_beside_what_was(known: Path) -> None:
    said = pictures.difference("page", drawn(103), known / "out", known)
    assert said is not None
    assert (known / "out" / "page.png").exists()


def test_a_page_that_grew_is_a_difference(known: Path) -> None:
    longer = Image.new("L", (320, 800), 250)
    longer.paste(drawn(100))
    assert pictures.difference("page", longer, known / "out", known) is not None


def test_a_page_without_a_reference_says_how_to_make_one(known: Path) -> None:
    said = pictures.difference("new", drawn(100), known / "out", known)
    assert said is not None
    assert "pictures.py" in said
