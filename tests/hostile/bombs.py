"""Pages that attack the browser itself: memory, processors, disk, local files, its disguise."""

import base64
import json
import struct
import time
import zlib
from collections.abc import Iterator
from functools import cache

from tests.hostile.site import PNG, Traps

BOMB_OCTETS = 160 * 1024 * 1024  # unpacked; more than one body may have
ENTRIES = 100_000  # subresources that the page asks for at once
HOSTILE_NAME = "../../../../etc/cron.d/\u202egnp.exe"

# What a page that looks for automation looks at; it writes down what it found.
SEEN = """
  const seen = {webdriver: navigator.webdriver, agent: navigator.userAgent,
    languages: navigator.languages, plugins: navigator.plugins.length,
    chrome: typeof window.chrome, outer: [outerWidth, outerHeight]};
  const found = document.createElement('pre'); found.id = 'seen';
  found.textContent = JSON.stringify(seen); document.body.append(found);
"""
_EVERYTHING = f"""<!doctype html><title>everything</title>
<div style="height:40000px;background:linear-gradient(red,blue)">top</div>
<img width=9 src="@picture@"><iframe src="file:///etc/passwd"></iframe><img src="file:///etc/hostname">
<script>
  {SEEN}
  print();
  fetch('/bomb').then(one => one.arrayBuffer()).catch(() => 0);
  fetch('file:///etc/passwd').then(one => one.text())
    .then(text => document.body.append(text)).catch(() => 0);
  const link = document.createElement('a');
  link.href = '/named'; link.download = {json.dumps(HOSTILE_NAME)};
  document.body.append(link); link.click();
</script>"""
_SPINS = """<!doctype html><title>spins aside</title><p>and shows itself<script>
  for (let n = 0; n < 4; n++) new Worker(URL.createObjectURL(new Blob(['while (true) {}'])));
</script>"""
_EATS = """<!doctype html><title>eats</title><script>
  const eaten = [];
  setInterval(() => { eaten.push(new Uint8Array(64 << 20).fill(eaten.length)) }, 5);
</script>"""
_MANY = f"""<!doctype html><title>many</title><script>
  let n = 0;
  const more = () => {{
    for (let i = 0; i < 50 && n < {ENTRIES}; i++) fetch('/item/' + n++).catch(() => 0);
    if (n < {ENTRIES}) setTimeout(more);
  }};
  more();
</script>"""


_DRIPS = """<!doctype html><title>drips</title><h1>there</h1>
<img src="/replaced" width=9 height=9><iframe src="/drip"></iframe>
<script async src="/drip?script"></script>
<script>
  fetch('/drip?fetched').then(async one => { for await (const _ of one.body); });
  new EventSource('/events');
</script>"""
_POURS = """<!doctype html><title>pours</title><h1>there</h1><script>
  fetch('/endless').then(async one => { for await (const _ of one.body); }).catch(() => 0);
</script>"""


def _replaced(handler: Traps) -> None:
    """A camera: one picture after the other in one answer, for ever."""

    def parts() -> Iterator[bytes]:
        while True:
            yield b"--next\r\ncontent-type: image/png\r\n\r\n" + PNG + b"\r\n"
            time.sleep(0.2)

    handler.stream("multipart/x-mixed-replace; boundary=next", parts())


class Bombs(Traps):
    """The traps, and these besides."""

    def answer(self) -> None:
        match self.path.partition("?")[0]:
            case "/everything":
                page = _EVERYTHING.replace("@picture@", picture_bomb())
                self.send(200, {"content-type": "text/html"}, page.encode())
            case "/drips":
                self.send(200, {"content-type": "text/html"}, _DRIPS.encode())
            case "/pours":
                self.send(200, {"content-type": "text/html"}, _POURS.encode())
            case "/replaced":
                _replaced(self)
            case "/spins-aside":
                self.send(200, {"content-type": "text/html"}, _SPINS.encode())
            case "/eats":
                self.send(200, {"content-type": "text/html"}, _EATS.encode())
            case "/many-more":
                self.send(200, {"content-type": "text/html"}, _MANY.encode())
            case "/bomb":
                headers = {"content-type": "text/plain", "content-encoding": "gzip"}
                self.send(200, headers, gzip_bomb())
            case "/named":
                disposition = 'attachment; filename="../../../etc/passwd"'
                self.send(200, {"content-disposition": disposition}, b"nothing")
            case _:
                super().answer()


@cache
def gzip_bomb() -> bytes:
    """A thousandth of what comes out of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    part = b"a" * (1 << 20)
    parts = [packer.compress(part) for _ in range(BOMB_OCTETS >> 20)]
    return b"".join([*parts, packer.flush()])


@cache
def picture_bomb() -> str:
    """A PNG of 8,000 × 8,000 black pixels: 8 kB, and 256 MB once it is unpacked."""
    side = 8_000
    packer = zlib.compressobj(9)
    row = bytes((side + 7) // 8 + 1)

    def chunk(kind: bytes, octets: bytes) -> bytes:
        check = zlib.crc32(kind + octets)
        return struct.pack(">I", len(octets)) + kind + octets + struct.pack(">I", check)

    def rows() -> Iterator[bytes]:
        for _ in range(side):
            yield packer.compress(row)
        yield packer.flush()

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"".join(rows())) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
