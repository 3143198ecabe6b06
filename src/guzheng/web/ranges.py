"""A file given out so that a reader who lost the line goes on where he was (RFC 9110 §14).

What is given has a strong name, `ETag`, of octets that never change. A range is given of the
very octets that were begun: who asks by another name (`If-Range`) gets all of what is there
now, never the end of one file behind the beginning of another. One range at a time; several,
or what is none, are answered with the whole."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import BinaryIO, Final, NamedTuple

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

CHUNK: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,16})-(\d{0,16})", re.ASCII)


class _Span(NamedTuple):
    first: int
    length: int


def tag_of(*names: str) -> str:
    """Of octets that have these names, and no others will ever have them."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:40]


def given(
    request: Request, opened: BinaryIO, media_type: str, headers: Mapping[str, str], *, tag: str
) -> Response:
    """All of it, or the range that is asked for; it is closed at the end. `tag`: empty where
    a range is asked for of an address that is good for one file only."""
    size = opened.seek(0, os.SEEK_END)
    said = {**headers, "Accept-Ranges": "bytes", **({"ETag": f'"{tag}"'} if tag else {})}
    span = _asked(request, size, tag)
    if span is not None and span.length <= 0:
        opened.close()
        return Response(
            status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={**said, "Content-Range": f"bytes */{size}"},
        )
    first, length = span or (0, size)
    if span is not None:
        said["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    opened.seek(first)
    return StreamingResponse(
        _chunks(opened, 0 if request.method == "HEAD" else length),
        status_code=HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT,
        media_type=media_type,
        headers={**said, "Content-Length": str(length)},
        background=BackgroundTask(opened.close),
    )


def _asked(request: Request, size: int, tag: str) -> _Span | None:
    """What of it; None: all. Of no length: nothing that is there."""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if request.method != "GET" or not asked or not (asked[1] or asked[2]):
        return None
    begun = request.headers.get("if-range")
    if begun is not None and (not tag or begun != f'"{tag}"'):
        return None
    if not asked[1]:
        length = min(size, int(asked[2]))
        return _Span(size - length, length)
    first, last = int(asked[1]), size - 1
    if asked[2]:
        if int(asked[2]) < first:
            return None  # no range, and so not regarded
        last = min(last, int(asked[2]))
    return _Span(first, last - first + 1)


def _chunks(opened: BinaryIO, left: int) -> Iterator[bytes]:
    while left and (chunk := opened.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
