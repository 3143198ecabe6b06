"""Reading a form as it arrives: a file's bytes go on to the platform and are never gathered.

`multipart/form-data` (RFC 7578) is taken apart while it is received (`arriving`), so a file of
any size needs a few mebibytes of memory and is written to disk once, by whom it is meant for.
Fields must come before the file they speak of, as a browser sends them. Refused: other types of
body, a body that ends early, more than `limit` octets, and fields without measure."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from guzheng.refusals import Refused
from guzheng.web.arriving import body_of, whole_body

FIELD_LIMIT: Final = 16 * 1024
FIELDS_LIMIT: Final = 64
FILES_LIMIT: Final = 500  # each is an exhibit: a form of one octet in each could take hours
PLAIN_FORM_LIMIT: Final = 64 * 1024
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


def parts_of(
    request: Request, *, limit: int, plain: int = PLAIN_FORM_LIMIT, most: int = FIELDS_LIMIT
) -> Iterator[Field | File]:
    """The parts of a form in the order in which they were sent. `limit`: octets of one with
    files, `plain`: of one without, where Chinese takes nine for a character; `most`: fields."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"application/x-www-form-urlencoded":
        yield from plain_fields(request, limit=plain, most=most)
        return
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refused(
            "web.not-a-form",
            expected="multipart/form-data",
            found=request.headers.get("content-type", "none")[:100],
        )
    yield from _Multipart(boundary, body_of(request, limit=limit), most).parts()


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


def _malformed(found: str) -> Refused:
    return Refused("web.malformed-form", expected="RFC 7578", found=found[:200])


class _Multipart:
    """Turns the parser's callbacks into a sequence one can wait on."""

    def __init__(
        self, boundary: bytes, body: Iterator[bytes], most: int = FIELDS_LIMIT
    ) -> None:
        self._body, self._most = body, most
        self._events: deque[tuple[str, bytes]] = deque()
        try:
            self._parser = self._made(boundary)
        except FormParserError as error:  # a boundary longer than RFC 2046 has any
            raise _malformed(str(error)) from error

    def _made(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
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
        fields = files = 0
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
                files += 1
                if files > FILES_LIMIT:
                    raise Refused("web.too-many-files", expected=f"at most {FILES_LIMIT} files")
                media_type = headers.get(b"content-type", b"").decode("latin-1").strip()
                chunks = self._octets()
                yield File(name, _file_name(options[b"filename"]), media_type or None, chunks)
                for _ in chunks:  # whoever took the part may have left some
                    pass
                continue
            fields += 1
            if fields > self._most:
                raise _malformed(f"more than {self._most} fields")
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
