"""How every page looks, held against how it looked when somebody last looked at it.

A reference is the first screens of a page at a quarter of its size, in grey: small enough to
keep, large enough for a person to see what it is. What differs from run to run (times, numbers,
digests, names of things) is written over with zeros first, so that a difference is one of
the page's making. Differences of a browser's version stay below what is counted; a heading that
stuck to a button, a column that fell under its neighbour or a style that did not load do not.

    GUZHENG_PICTURES=write .venv/bin/python -m pytest tests/journeys/test_every_page.py

makes them again; look at what changed before it is committed.
"""

import base64
import io
import os
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page

FOLDER = Path(__file__).parent / "looks"
SCREENS = 3  # that many heights of the window count; what is below is more of a list
SMALLER = 4
_DIFFERS = 40  # of 255: two greys further apart than this are not an edge drawn otherwise
_OF_ALL = 0.004
_SAME = """(hidden) => {
  const sheet = new CSSStyleSheet();  // one in the page would be against its policy
  sheet.replaceSync(hidden);
  document.adoptedStyleSheets.push(sheet);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const text = node.data;
    const same = text
      .replace(/127\\.0\\.0\\.1:\\d+/g, '127.0.0.1:00000')
      .replace(/\\b([a-z]{2}_)[0-9A-Z]{26}\\b/g, '$1' + '0'.repeat(26))
      .replace(/\\bGZ-\\d{8}-[0-9A-Z]{10}\\b/g, 'GZ-00000000-0000000000')
      .replace(/[A-Za-z0-9+\\/_-]{24,}=*/g, (one) => '0'.repeat(one.length))
      .replace(/\\b[0-9a-f]{8,}\\b/g, (one) => '0'.repeat(one.length))
      .replace(/\\d/g, '0');
    if (same !== text) node.data = same;
  }
  for (const one of document.querySelectorAll('input')) {
    if (/\\d/.test(one.value)) one.value = one.value.replace(/\\d/g, '0');
  }
}"""
# The clock of the head takes its room by whether it has been answered yet.
_HIDDEN = (
    "[data-clock] { display: none !important; } main img { visibility: hidden !important; }"
)


def grey(page: Page) -> Image.Image:
    """The page as it is compared; the page itself is not good for anything after this."""
    page.evaluate(_SAME, _HIDDEN)
    size = page.viewport_size
    assert size is not None
    height = min(
        page.evaluate("document.documentElement.scrollHeight"), SCREENS * size["height"]
    )
    page.set_viewport_size({"width": size["width"], "height": height})
    asked = page.context.new_cdp_session(page)  # Playwright's own way takes twice the time
    how = {"format": "png", "optimizeForSpeed": True}
    taken = base64.b64decode(asked.send("Page.captureScreenshot", how)["data"])
    asked.detach()
    page.set_viewport_size(size)
    drawn = Image.open(io.BytesIO(taken)).convert("L")
    return drawn.resize((drawn.width // SMALLER, drawn.height // SMALLER), Image.Resampling.BOX)


def difference(name: str, seen: Image.Image, into: Path, known_in: Path = FOLDER) -> str | None:
    """What is to be said about `name` if it does not look as its reference, else None."""
    reference = known_in / f"{name}.png"
    if os.environ.get("GUZHENG_PICTURES") == "write":
        reference.parent.mkdir(parents=True, exist_ok=True)
        seen.quantize(16).save(reference, optimize=True)
        return None
    if not reference.exists():
        return f"{name}: no picture to compare with; see tests/journeys/pictures.py"
    known = Image.open(reference).convert("L")
    size = (max(known.width, seen.width), max(known.height, seen.height))
    one, other = Image.new("L", size), Image.new("L", size)
    one.paste(known)
    other.paste(seen)
    apart = ImageChops.difference(one, other).point(lambda value: 255 * (value > _DIFFERS))
    share = apart.histogram()[255] / (size[0] * size[1])
    if share <= _OF_ALL:
        return None
    shown = into / f"{name}.png"
    shown.parent.mkdir(parents=True, exist_ok=True)
    beside = Image.new("L", (3 * size[0], size[1]))
    for place, picture in enumerate((one, other, apart)):
        beside.paste(picture, (place * size[0], 0))
    beside.save(shown)
    return f"{name}: {share:.1%} of it looks otherwise: {shown} (was, is, differs)"
