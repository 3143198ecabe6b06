"""Reading a form as it arrives: a file's bytes go on to the platform and are never gathered.

`multipart/form-data` (RFC 7578) is taken apart while it is received, so a file of any size
needs a mebibyte or two of memory and is written to disk once, by whom it is meant for. The
receiving side pulls: an endpoint runs in a worker thread and asks the event loop for what came
meanwhile, so a slow disk slows the sender instead of filling memory. Fields must come before
the file they speak of, as a browser sends them. Refused: other types of body, a body that ends
early, more than `limit` octets, and fields without measure."""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from anyio import from_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Message

from guzheng.refusals import Refused

FIELD_LIMIT: Final = 16 * 1024
FIELDS_LIMIT: Final = 64
PLAIN_FORM_LIMIT: Final = 64 * 1024
AHEAD: Final = 1 << 20  # octets that are received while a thread is at those before
# What a browser escapes in a file name inside the header: RFC 7578 §4.2, WHATWG HTML.
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file part; `chunks` must be read to its end before the next part is asked for."""

    field: str
    name: str
    media_type: str | None
    chunks: Iterator[bytes]


def body_of(request: Request, *, limit: int) -> Iterator[bytes]:
    """The body as it arrives, from a worker thread; refuses more than `limit` octets."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        _require_within(int(declared), limit)
    arriving = _Arriving(request)
    received = 0
    more = True
    try:
        while more:
            for message in from_thread.run(arriving.following):
                if message["type"] == "http.disconnect":
                    raise Refused(
                        "web.cut-off",
                        expected=f"{declared or 'more'} octets",
                        found=f"{received}",
                    )
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                received += len(chunk)
                _require_within(received, limit)
                if chunk:
                    yield chunk
    finally:
        arriving.end()


class _Arriving:
    """On the event loop: what comes while the worker thread is still at what came before.

    A turn for each message would cost more than the message, so it takes what is there and
    waits until that is worth a turn, or the end; it never holds more than AHEAD and a piece."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._ahead: asyncio.Task[list[Message]] | None = None

    async def following(self) -> list[Message]:
        messages = await (self._ahead or self._gathered())
        more = messages[-1].get("more_body", False)
        self._ahead = asyncio.create_task(self._gathered()) if more else None
        return messages

    async def _gathered(self) -> list[Message]:
        messages: list[Message] = []
        octets = 0
        while octets < AHEAD:
            message = await self._receive()
            messages.append(message)
            octets += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        return messages

    def end(self) -> None:
        """Whoever reads no further leaves nothing behind; may be called from any thread."""
        ahead = self._ahead
        if ahead is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and it with it
                ahead.get_loop().call_soon_threadsafe(ahead.cancel)


def whole_body(request: Request, *, limit: int) -> bytes:
    """For bodies that are small by nature."""
    return b"".join(body_of(request, limit=limit))


def parts_of(request: Request, *, limit: int) -> Iterator[Field | File]:
    """The parts of a form in the order in which they were sent."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"application/x-www-form-urlencoded":
        yield from plain_fields(request)
        return
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refused(
            "web.not-a-form",
            expected="multipart/form-data",
            found=request.headers.get("content-type", "none")[:100],
        )
    yield from _Multipart(boundary, body_of(request, limit=limit)).parts()


def plain_fields(
    request: Request, *, limit: int = PLAIN_FORM_LIMIT, most: int = FIELDS_LIMIT
) -> Iterator[Field]:
    """The fields of a form without files, as browsers send it when nothing else is said."""
    text = whole_body(request, limit=limit)
    try:
        pairs = parse_qsl(
            text.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        raise _malformed(str(error)) from error
    for name, value in pairs:
        yield Field(name, value)


def _require_within(size: int, limit: int) -> None:
    if size > limit:
        raise Refused(
            "web.upload-too-big", expected=f"≤ {limit:,} octets", found=f"{size:,} octets"
        )


def _malformed(found: str) -> Refused:
    return Refused("web.malformed-form", expected="RFC 7578", found=found[:200])


class _Multipart:
    """Turns the parser's callbacks into a sequence one can wait on."""

    def __init__(self, boundary: bytes, body: Iterator[bytes]) -> None:
        self._body = body
        self._events: deque[tuple[str, bytes]] = deque()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._events.append(("begin", b"")),
                "on_header_field": lambda raw, start, end: self._note("field", raw, start, end),
                "on_header_value": lambda raw, start, end: self._note("value", raw, start, end),
                "on_header_end": lambda: self._events.append(("header", b"")),
                "on_headers_finished": lambda: self._events.append(("headers", b"")),
                "on_part_data": lambda raw, start, end: self._note("octets", raw, start, end),
                "on_part_end": lambda: self._events.append(("end", b"")),
                "on_end": lambda: self._events.append(("closed", b"")),
            },
        )

    def _note(self, kind: str, raw: bytes, start: int, end: int) -> None:
        self._events.append((kind, bytes(raw[start:end])))

    def _next(self) -> tuple[str, bytes]:
        """The next event; reads on only when there is none left."""
        while not self._events:
            chunk = next(self._body, None)
            if chunk is None:
                raise Refused(
                    "web.cut-off", expected="the closing boundary", found="end of body"
                )
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise _malformed(str(error)) from error
        return self._events.popleft()

    def parts(self) -> Iterator[Field | File]:
        fields = 0
        while True:
            kind, _ = self._next()
            if kind == "closed":
                for _ in self._body:  # an epilogue, which RFC 2046 tells us to ignore
                    pass
                return
            if kind != "begin":
                raise _malformed(f"{kind} before a part")
            headers = self._headers()
            disposition, options = parse_options_header(headers.get(b"content-disposition"))
            if disposition != b"form-data" or b"name" not in options:
                raise _malformed("a part without a name")
            name = _text(options[b"name"])
            if b"filename" in options:
                media_type = headers.get(b"content-type", b"").decode("latin-1").strip()
                chunks = self._octets()
                yield File(name, _file_name(options[b"filename"]), media_type or None, chunks)
                for _ in chunks:  # whoever took the part may have left some
                    pass
                continue
            fields += 1
            if fields > FIELDS_LIMIT:
                raise _malformed(f"more than {FIELDS_LIMIT} fields")
            yield Field(name, self._field_text(name))

    def _headers(self) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}
        field, value = b"", b""
        while True:
            kind, octets = self._next()
            match kind:
                case "field":
                    field += octets
                case "value":
                    value += octets
                case "header":
                    headers[field.lower()] = value
                    field, value = b"", b""
                case "headers":
                    return headers
                case _:
                    raise _malformed(f"{kind} among the headers of a part")

    def _octets(self) -> Iterator[bytes]:
        while True:
            kind, octets = self._next()
            if kind == "end":
                return
            if kind != "octets":
                raise _malformed(f"{kind} inside a part")
            yield octets

    def _field_text(self, name: str) -> str:
        whole = b""
        for octets in self._octets():
            whole += octets
            if len(whole) > FIELD_LIMIT:
                raise Refused(
                    "web.field-too-big", expected=f"≤ {FIELD_LIMIT:,} octets", found=name[:80]
                )
        return _text(whole)


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("text that is not UTF-8") from error


def _file_name(octets: bytes) -> str:
    return re.sub("%22|%0D|%0A", lambda escape: _ESCAPES[escape.group()], _text(octets))
