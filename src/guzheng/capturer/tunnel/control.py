"""The control page: a document whose truth is known, shown by the tunnel itself.

The browser opens it by the way that it opens every page, just before the page that was ordered:
the same program, profile, proxy and tunnel. So what it makes of it shows whether anything on
this machine alters what is shown. The name ends in `.invalid` (RFC 6761 §6.4): nobody can own
it, no resolver is asked, and nothing leaves the machine. Once the browser has asked for the
page that was ordered the name is one that does not resolve, so that no page can find it.
"""

import asyncio
import hashlib

from guzheng.capturer.tunnel import socks

HOST, PORT = "control.guzheng.invalid", 80
URL = f"http://{HOST}/"
SIDE = 64  # pixels of the picture
COLOURS = ((192, 57, 43), (39, 174, 96), (41, 128, 185), (241, 196, 15))  # by quadrants
_REQUEST_OCTETS = 16 * 1024

_PLACES = ((0, 0), (32, 0), (0, 32), (32, 32))
_FIELDS = "".join(
    f'<b style="left: {x}px; top: {y}px; background: rgb{colour};"></b>'
    for (x, y), colour in zip(_PLACES, COLOURS, strict=True)
)
_BEFORE = "对照页 control page 0"
_AFTER = "对照页 control page 4950"  # what the script makes of it: the sum of 0 to 99
_PAGE = (
    '<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>control</title><style>'
    "html, body { margin: 0; background: white } b { position: absolute; width: 32px; "
    "height: 32px } p { position: absolute; top: 80px }</style></head>"
    "<body>%s<p>%s</p><script>"
    "let sum = 0; for (let i = 0; i !== 100; i++) sum += i; "
    "document.querySelector('p').textContent = '对照页 control page ' + sum;"
    "</script></body></html>"
)
DOCUMENT = (_PAGE % (_FIELDS, _BEFORE)).encode()
SHOWN = (_PAGE % (_FIELDS, _AFTER)).encode()  # as the browser spells it after the script
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
    "Cache-Control: no-cache\r\nConnection: close\r\n\r\n"
)


def pixels() -> bytes:
    """Red, green and blue of each pixel, row by row, as they must be."""
    half = SIDE // 2
    rows = []
    for left, right in (COLOURS[:2], COLOURS[2:]):
        rows.append((bytes(left) * half + bytes(right) * half) * half)
    return b"".join(rows)


def expected() -> tuple[bytes, bytes, bytes]:
    """SHA-256 of the octets, of the document after its script, and of the pixels."""
    found = (DOCUMENT, SHOWN, pixels())
    return (
        hashlib.sha256(found[0]).digest(),
        hashlib.sha256(found[1]).digest(),
        hashlib.sha256(found[2]).digest(),
    )


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, whatever it asks; ends with the connection."""
    writer.write(socks.reply(socks.GRANTED))
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _REQUEST_OCTETS:
        line = await reader.readline()
        if not line:
            return
        head += line
    writer.write((_HEAD % len(DOCUMENT)).encode() + DOCUMENT)
    await writer.drain()
