"""Writes exchanges as WARC 1.1 (ISO 28500:2017), one gzip member per record.

Written by hand, since a library re-spells headers: where the browser gave the raw head of an
HTTP/1 message it is kept octet by octet, except that a header which no longer describes the
body is renamed (`content-encoding` → `x-orig-content-encoding`), as replay tools expect. Of
HTTP/2 there is no raw head; the browser's list of headers is spelled as HTTP/1.1 and
WARC-Protocol says what it was. Other tools read it back in the tests.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from guzheng.capturer.exchange import ARCHIVED, IN_PART, WEBSOCKET, WITHOUT_BODY, Exchange
from guzheng.capturer.journal import cut
from guzheng.capturer.surt import surt
from guzheng.proof import canonical, instant
from guzheng.proof.digest import Digest

Entropy = Callable[[int], bytes]
_UNDONE = frozenset({"content-encoding", "transfer-encoding", "content-length"})
_LEVEL, _AS_IT_IS = 6, 0
_PROBE = 16 * 1024  # from the middle: what does not shrink there (pictures, films) is stored
_PROTOCOLS = {"http/1.0": "http/1.0", "http/1.1": "http/1.1", "h2": "h2", "h3": "h3"}


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of the CDXJ index."""

    key: str
    at: str
    fields: dict[str, object]

    def line(self) -> bytes:
        return f"{self.key} {self.at} ".encode() + canonical.encode(self.fields) + b"\n"


class WarcWriter:
    """Call `begin` once, then `write` per exchange; `index` collects what can be replayed."""

    def __init__(self, out: BinaryIO, entropy: Entropy, name: str) -> None:
        self._out = out
        self._entropy = entropy
        self._name = name
        self.index: list[IndexEntry] = []

    def begin(self, date: str, software: str, about: dict[str, str]) -> None:
        lines = {"software": software, "format": "WARC File Format 1.1", **about}
        body = "".join(f"{name}: {_line(value)}\r\n" for name, value in lines.items()).encode()
        self._record(
            [
                ("WARC-Type", "warcinfo"),
                ("WARC-Filename", self._name),
                ("WARC-Date", date),
                ("Content-Type", "application/warc-fields"),
            ],
            body,
            self._new_id(),
        )

    def write(self, exchange: Exchange) -> bool:
        """True if it stands in the archive now."""
        shaken = exchange.outcome == WEBSOCKET and bool(exchange.response_head)
        if exchange.outcome not in ARCHIVED and not shaken:
            return False
        response_id = self._new_id()
        payload = exchange.body or b""
        offset = self._out.tell()
        self._record(
            self._headers(exchange, "response"),
            _response_head(exchange, len(payload)) + payload,
            response_id,
            None if shaken else payload,  # readers take ws: records as a whole
        )
        if not shaken:
            self._index(exchange, payload, offset, self._out.tell() - offset)
        self._record(
            [*self._headers(exchange, "request"), ("WARC-Concurrent-To", response_id)],
            _request_head(exchange) + exchange.request_body,
            self._new_id(),
            None if shaken else exchange.request_body,
        )
        return True

    def _headers(self, exchange: Exchange, kind: str) -> list[tuple[str, str]]:
        headers = [
            ("WARC-Type", kind),
            ("WARC-Target-URI", _line(exchange.url)),
            ("WARC-Date", instant.encode(exchange.began_at)),
            ("Content-Type", f"application/http; msgtype={kind}"),
        ]
        if exchange.peer:
            headers.append(("WARC-IP-Address", exchange.peer))
        for protocol in (_PROTOCOLS.get(exchange.protocol), _tls_name(exchange)):
            if protocol:
                headers.append(("WARC-Protocol", protocol))
        if kind == "response" and exchange.outcome in {WITHOUT_BODY, IN_PART}:
            cut_off = "disconnect" if exchange.failed_because else "unspecified"
            headers.append(("WARC-Truncated", cut_off))
        return headers

    def _record(
        self,
        headers: list[tuple[str, str]],
        block: bytes,
        record_id: str,
        payload: bytes | None = None,
    ) -> None:
        headers = [*headers, ("WARC-Record-ID", record_id)]
        headers.append(("WARC-Block-Digest", f"sha256:{hashlib.sha256(block).hexdigest()}"))
        if payload is not None:
            headers.append(
                ("WARC-Payload-Digest", f"sha256:{hashlib.sha256(payload).hexdigest()}")
            )
        headers.append(("Content-Length", str(len(block))))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        member = zlib.compressobj(_level_for(block), zlib.DEFLATED, zlib.MAX_WBITS + 16)
        for part in (f"WARC/1.1\r\n{head}\r\n".encode(), block, b"\r\n\r\n"):
            self._out.write(member.compress(part))
        self._out.write(member.flush())

    def _new_id(self) -> str:
        octets = bytearray(self._entropy(16))
        octets[6] = octets[6] & 0x0F | 0x40  # RFC 9562 §5.4: version 4
        octets[8] = octets[8] & 0x3F | 0x80
        digits = octets.hex()
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return f"<urn:uuid:{'-'.join(parts)}>"

    def _index(self, exchange: Exchange, payload: bytes, offset: int, length: int) -> None:
        key = surt(exchange.url)
        if exchange.method != "GET":  # replay tools ask for other methods by this mark
            key += ("&" if "?" in key else "?") + f"__wb_method={exchange.method.lower()}"
        fields: dict[str, object] = {
            "url": cut(exchange.url, 8192),
            "mime": _line(exchange.mime) or "unk",
            "status": str(exchange.status),
            "digest": str(Digest("sha256", hashlib.sha256(payload).digest())),
            "length": str(length),
            "offset": str(offset),
            "filename": self._name,
        }
        if exchange.method != "GET":
            fields["method"] = exchange.method
        at = exchange.began_at.strftime("%Y%m%d%H%M%S")
        self.index.append(IndexEntry(key, at, fields))


def _level_for(block: bytes) -> int:
    """To press a picture once more takes long and saves nothing: the octets are the same."""
    middle = (len(block) - _PROBE) // 2
    if middle < 0:
        return _LEVEL
    probe = memoryview(block)[middle : middle + _PROBE]
    return _LEVEL if len(zlib.compress(probe, 1)) < 0.95 * _PROBE else _AS_IT_IS


def _response_head(exchange: Exchange, size: int) -> bytes:
    if exchange.response_head:
        lines = exchange.response_head.replace("\r\n", "\n").rstrip("\n").split("\n")
    else:
        status = f"HTTP/1.1 {exchange.status} {exchange.reason}".rstrip()
        lines = [status]
        lines += [f"{name}: {_line(value)}" for name, value in exchange.response_headers]
    lines = [lines[0], *(_renamed(line) for line in lines[1:])]
    if exchange.outcome != WEBSOCKET:
        lines.append(f"content-length: {size}")
    return _octets("\r\n".join(lines) + "\r\n\r\n")


def _renamed(line: str) -> str:
    """A header that spoke of the octets on the wire does not speak of the body kept here."""
    name = line.partition(":")[0].strip().lower()
    return f"x-orig-{line}" if name in _UNDONE else line


def _request_head(exchange: Exchange) -> bytes:
    if exchange.request_head:
        return _octets(exchange.request_head)
    parts = urlsplit(exchange.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [(name, value) for name, value in exchange.request_headers if name[:1] != ":"]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("Host", parts.netloc))
    lines = [f"{exchange.method} {target} HTTP/1.1"]
    lines += [f"{name}: {_line(value)}" for name, value in headers]
    return _octets("\r\n".join(lines) + "\r\n\r\n")


def _tls_name(exchange: Exchange) -> str:
    protocol = exchange.security.get("protocol")
    name = protocol.lower().replace(" ", "/") if isinstance(protocol, str) else ""
    return name if name in {"tls/1.2", "tls/1.3"} else ""


def _line(text: str) -> str:
    """One line: nothing from outside may begin a header of its own."""
    return cut(text, 65536).replace("\r", " ").replace("\n", " ")


def _octets(text: str) -> bytes:
    """Chromium reads heads as Latin-1; what it made of other octets stays UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
