"""Whether the archive shows what the page showed: every picture of a page, live and replayed.

Live: a browser looks at the page. Replayed: pywb has the capture's package and nothing else,
and the same browser looks at that. Each picture is named, measured and digested by its pixels,
as the browser drew them. Prints JSON; `make ready` installs pywb.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from bench.capture import LOOPBACK, PAGES
from bench.plain_visit import looking
from guzheng.capturer.devtools import text
from tests.corpus.gather import CORPUS, gather
from tests.corpus.served import Served, serving
from tests.hostile.capturing import capture
from tests.hostile.oracles import replaying

_SECONDS = 60
_PICTURES = """(async () => {
  const told = [];
  for (const one of document.images) {
    try { await one.decode(); } catch { /* counted as not shown */ }
    const name = new URL(one.currentSrc || one.src, location).pathname.split('/').pop();
    if (!one.naturalWidth) { told.push([name, 0, 0, '']); continue; }
    const canvas = document.createElement('canvas');
    canvas.width = one.naturalWidth; canvas.height = one.naturalHeight;
    const paper = canvas.getContext('2d');
    paper.drawImage(one, 0, 0);
    const pixels = paper.getImageData(0, 0, canvas.width, canvas.height).data;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', pixels));
    told.push([name, canvas.width, canvas.height, [...digest].join(' ')]);
  }
  return JSON.stringify(told);
})()"""


async def pictures(url: str, spki: str) -> list[list[object]]:
    """Of the page, scrolled to its end: name, width, height, digest of the pixels."""
    async with looking(url, spki) as page:
        await page.go()
        await page.scroll()
        asked = {"expression": _PICTURES, "awaitPromise": True, "returnByValue": True}
        answer = await page.devtools.call(
            "Runtime.evaluate", asked, page.targets.main, seconds=_SECONDS
        )
    found: list[list[object]] = json.loads(text(answer, "result", "value") or "[]")
    return found


def compared(served: Served, page: str, folder: Path) -> dict[str, object]:
    url = served.h2 + page
    live = asyncio.run(pictures(url, served.spki))
    seen = capture(folder, url, allow=LOOPBACK, trust_spki=[served.spki])
    if seen.exit_status:
        raise SystemExit(f"{page}: {seen.failure}")
    (folder / "pywb").mkdir()
    # Or the page would be put into a frame of pywb's own.
    (folder / "pywb/config.yaml").write_text("framed_replay: false\n")
    with replaying(seen.out / "items/page.wacz", folder / "pywb") as collection:
        replayed = asyncio.run(pictures(f"{collection}/{url}", served.spki))
    there = [one for one in live if one[1]]
    return {
        "page": page,
        "pictures_live": len(there),
        "replayed": sum(bool(one[1]) for one in replayed),
        "equal": sum(one in replayed for one in there),
    }


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as room,
        serving(gather(CORPUS), Path(room) / "server") as served,
    ):
        for number, page in enumerate(sys.argv[1:] or PAGES):
            folder = Path(room) / str(number)
            folder.mkdir()
            print(json.dumps(compared(served, page, folder)), flush=True)


if __name__ == "__main__":
    main()
