"""The heavy page: everything that recorders lose, in one place.

40 lazy pictures with srcset, infinite scroll (8 more pages of 10), a sound with ranges, three
frames (one of another site, one lazy), a worker, a service worker, WebSocket, server-sent
events, a chunked stream, an aborted download, redirects, a revalidation, POST, preflight, HEAD,
beacon, double headers, 404. Addresses are relative, so that http, https and h2 serve the same.
"""

import wave
from pathlib import Path

from PIL import Image

LAZY, SCROLLS, EACH = 40, 8, 10  # the page's script knows how often it asks for more
PICTURES = LAZY * 2 + SCROLLS * EACH
BACKGROUNDS = "debian/usr/share/backgrounds/mate"

_PAGE = Path(__file__).with_name("page")
_LAZY = (
    "<img loading=lazy src=picture-{0}.jpg"
    " srcset='picture-{0}.jpg 1x, picture-{1}.jpg 2x' alt=''>"
)


def make(corpus: Path) -> None:
    """Write the page and its pictures under `heavy`."""
    folder = corpus / "heavy"
    folder.mkdir(exist_ok=True)
    lazy = "".join(_LAZY.format(number, LAZY + number) for number in range(LAZY))
    for part in _PAGE.iterdir():
        text = part.read_text("utf-8").replace("{lazy}", lazy)
        (folder / part.name).write_text(text, "utf-8")
    _pictures(sorted((corpus / BACKGROUNDS).rglob("*.jpg")), folder)
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000 * 2 * 12))


def _pictures(backgrounds: list[Path], folder: Path) -> None:
    """Crops of real photographs, each another one."""
    opened = [Image.open(one).convert("RGB") for one in backgrounds[:6]]
    for number in range(PICTURES):
        whole = opened[number % len(opened)]
        left = (number * 37) % max(whole.width - 640, 1)
        top = (number * 53) % max(whole.height - 480, 1)
        crop = whole.crop((left, top, left + 640, top + 480))
        crop.save(folder / f"picture-{number}.jpg", quality=85)
