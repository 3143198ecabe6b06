"""The exchanges once more as HAR 1.2, for the tools that people have at hand.

A derivative: everything in it stands in the archive and on the record. Bodies are named by
digest and size, and are in the archive.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from guzheng.capturer.exchange import Exchange, Headers, find_header
from guzheng.capturer.journal import cut
from guzheng.proof import canonical, instant

VERSION = "1.2"
_POST_TEXT = 64 * 1024  # of a request body; the archive has it whole
_HEADER = 64 * 1024


def encode(
    exchanges: Iterable[Exchange],
    *,
    url: str,
    title: str,
    at: datetime,
    software: str,
    browser: str,
) -> bytes:
    creator, _, version = software.partition(" ")
    product, _, edition = browser.partition("/")
    page = {
        "id": "page_1",
        "startedDateTime": instant.encode(at),
        "title": cut(title or url),
        "pageTimings": {},
    }
    return canonical.encode(
        {
            "log": {
                "version": VERSION,
                "creator": {"name": creator, "version": version},
                "browser": {"name": product, "version": edition},
                "pages": [page],
                "entries": [_entry(one) for one in exchanges],
                "comment": "derived from page.wacz and capture.json",
            }
        }
    )


def _entry(exchange: Exchange) -> dict[str, object]:
    wait, receive = exchange.wait_milliseconds, exchange.receive_milliseconds
    entry: dict[str, object] = {
        "pageref": "page_1",
        "startedDateTime": instant.encode(exchange.began_at),
        "time": wait + receive,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": receive},
        "_number": exchange.number,
        "_outcome": exchange.outcome,
        "_kind": exchange.kind,
    }
    if exchange.why:
        entry["comment"] = cut(exchange.why)
    if exchange.peer:
        entry["serverIPAddress"] = exchange.peer
    return entry


def _request(exchange: Exchange) -> dict[str, object]:
    request: dict[str, object] = {
        "method": cut(exchange.method),
        "url": cut(exchange.url, _HEADER),
        "httpVersion": exchange.protocol or "unknown",
        "cookies": [],
        "headers": _listed(exchange.request_headers),
        "queryString": _listed(
            parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True, max_num_fields=None)
        ),
        "headersSize": -1,
        "bodySize": len(exchange.request_body),
    }
    if exchange.request_body:
        start = exchange.request_body[:_POST_TEXT].decode("utf-8", "replace")
        request["postData"] = {
            "mimeType": cut(find_header(exchange.request_headers, "content-type") or ""),
            "text": cut(start, _POST_TEXT),
        }
    return request


def _response(exchange: Exchange) -> dict[str, object]:
    content: dict[str, object] = {
        "size": len(exchange.body or b""),
        "mimeType": cut(exchange.mime) or "x-unknown",
    }
    if exchange.body is not None:
        content["_sha256"] = hashlib.sha256(exchange.body).hexdigest()
    return {
        "status": exchange.status,
        "statusText": cut(exchange.reason),
        "httpVersion": exchange.protocol or "unknown",
        "cookies": [],
        "headers": _listed(exchange.response_headers),
        "content": content,
        "redirectURL": cut(exchange.redirected_to, _HEADER),
        "headersSize": -1,
        "bodySize": -1,
    }


def _listed(pairs: Headers) -> list[dict[str, str]]:
    return [{"name": cut(name), "value": cut(value, _HEADER)} for name, value in pairs]
