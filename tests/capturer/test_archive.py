"""The archive as other readers see it: heads kept, bodies whole, nothing smuggled in."""

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from guzheng.capturer import wacz
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.surt import surt
from guzheng.capturer.warc import WarcWriter

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEAD = (
    "HTTP/1.1 200 Fine\r\nContent-Encoding: gzip\r\nX-Twice: a\r\nX-Twice: b\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
)


def _entropy(size: int) -> bytes:
    return bytes(size)


def _exchange(**more: object) -> Exchange:
    exchange = Exchange(1, "GET", "https://example.org/a?b=c", "document", "f", "s", "r", NOON)
    exchange.status, exchange.reason, exchange.protocol = 200, "OK", "http/1.1"
    exchange.response_head, exchange.body, exchange.finished = HEAD, b"<p>body", True
    exchange.mime, exchange.peer = "text/html", "93.184.216.34"
    for name, value in more.items():
        setattr(exchange, name, value)
    exchange.close()
    return exchange


def _written(exchange: Exchange) -> tuple[WarcWriter, bytes]:
    out = io.BytesIO()
    writer = WarcWriter(out, _entropy, "data.warc.gz")
    writer.begin("2026-11-21T12:00:00.000Z", "test", {"http-header-user-agent": "x\r\ny"})
    writer.write(exchange)
    return writer, out.getvalue()


def test_a_head_is_kept_except_what_no_longer_fits() -> None:
    _, octets = _written(_exchange())
    found = []
    for record in ArchiveIterator(io.BytesIO(octets), check_digests="raise"):
        body = record.raw_stream.read()
        if record.rec_type == "response":
            found = record.http_headers.headers
            assert record.http_headers.statusline == "200 Fine"
            assert body == b"<p>body"
    assert found == [
        ("x-orig-Content-Encoding", "gzip"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
        ("x-orig-Transfer-Encoding", "chunked"),
        ("content-length", "7"),
    ]


def test_no_header_smuggles_another_one_in() -> None:
    exchange = _exchange(
        response_head="",
        response_headers=[("x", "1\r\nWARC-Type: warcinfo\r\n\r\nHTTP/1.1 200")],
    )
    _, octets = _written(exchange)
    kinds = [one.rec_type for one in ArchiveIterator(io.BytesIO(octets))]
    assert kinds == ["warcinfo", "response", "request"]


def test_the_index_points_at_whole_members() -> None:
    writer, octets = _written(_exchange())
    (entry,) = writer.index
    offset, length = int(str(entry.fields["offset"])), int(str(entry.fields["length"]))
    member = io.BytesIO(octets[offset : offset + length])
    (record,) = ArchiveIterator(member, check_digests="raise")
    assert record.rec_headers.get_header("WARC-Target-URI") == "https://example.org/a?b=c"
    assert entry.fields["digest"] == f"sha256:{hashlib.sha256(b'<p>body').hexdigest()}"


def test_the_same_input_gives_the_same_package(tmp_path: Path) -> None:
    for name in ("one", "two"):
        writer, octets = _written(_exchange())
        warc = tmp_path / f"{name}.warc.gz"
        warc.write_bytes(octets)
        page = wacz.PageEntry("https://example.org/a", "2026-11-21T12:00:00.000Z", "题")
        wacz.write(tmp_path / name, warc=warc, index=writer.index, page=page, software="test")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_reader_of_the_draft_misses_its_profile_and_nothing_else(tmp_path: Path) -> None:
    """What WACZ 1.2.0 (a draft) demands beyond 1.1.1: docs/decisions/0024."""
    writer, octets = _written(_exchange())
    warc, package = tmp_path / "data.warc.gz", tmp_path / "page.wacz"
    warc.write_bytes(octets)
    page = wacz.PageEntry("https://example.org/a", "2026-11-21T12:00:00.000Z", "题")
    wacz.write(package, warc=warc, index=writer.index, page=page, software="test")
    with zipfile.ZipFile(package) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
    described = json.loads(members["datapackage.json"])
    assert (described["profile"], described["wacz_version"]) == ("data-package", "1.1.1")
    assert described["home"] == {"url": page.url, "ts": page.at}
    listed = {one["path"]: one for one in described["resources"]}
    assert listed.keys() == members.keys() - {"datapackage.json", "datapackage-digest.json"}
    for name, one in listed.items():
        assert one["hash"] == f"sha256:{hashlib.sha256(members[name]).hexdigest()}"
        assert (one["bytes"], one["name"]) == (len(members[name]), name.rpartition("/")[2])
    _, *pages = map(json.loads, members["pages/pages.jsonl"].splitlines())
    assert [(one["url"], one["ts"]) for one in pages] == [(page.url, page.at)]
    digest = json.loads(members["datapackage-digest.json"])
    wanted = hashlib.sha256(members["datapackage.json"]).hexdigest()
    assert digest == {"path": "datapackage.json", "hash": f"sha256:{wanted}"}


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "recorded"),
        ({"octets_reported": 9}, "recorded-in-part"),
        ({"finished": False}, "recorded-in-part"),
        ({"body": None}, "recorded-without-body"),
        ({"status": 304, "body": None}, "recorded"),
        ({"method": "HEAD", "body": None}, "recorded"),
        ({"status": 0, "failed_because": "net::ERR_FAILED"}, "failed"),
        ({"status": 0}, "unfinished"),
        ({"from_cache": True}, "from-cache"),
        ({"from_worker": True}, "from-service-worker"),
        ({"kind": "websocket"}, "websocket"),
        ({"kind": "websocket", "status": 0}, "unfinished"),
        ({"kind": "websocket", "status": 0, "failed_because": "refused"}, "failed"),
    ],
)
def test_the_outcome_of_a_request(more: dict[str, object], outcome: str) -> None:
    exchange = _exchange(**more)
    assert exchange.outcome == outcome
    assert bool(exchange.why) == (
        outcome not in {"recorded", "from-cache", "from-service-worker"}
    )


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://127.0.0.1:42307/zh-CN/A.html", "1,0,0,127:42307)/zh-cn/a.html"),
        ("http://www.example.com/", "com,example)/"),
        ("https://www2.example.com/A%20b?Q=1&b=&a=2", "com,example)/a%20b?a=2&b=&q=1"),
        ("http://[::1]:80/x", "::1)/x"),
        ("http://xn--fiq228c.com/%E8%AF%81", "com,xn--fiq228c)/%e8%af%81"),
        ("http://e.com/?", "com,e)/"),
        ("http://e.com/a/", "com,e)/a"),
        ("http://e.com:8080/?b=2&a=1", "com,e:8080)/?a=1&b=2"),
        ("http://e.com/a?x=%2F%3a&y=a+b", "com,e)/a?x=/:&y=a+b"),
    ],
)
def test_keys_are_those_of_replay_tools(url: str, key: str) -> None:
    """The right-hand side is what pywb 2.10 computes for the left."""
    assert surt(url) == key


@pytest.mark.parametrize(
    ("body", "is_pressed"),
    [
        (hashlib.shake_256(b"a picture").digest(200_000), False),
        (b"<p>once more</p>" * 20_000, True),
        (b"<p>small</p>", True),
    ],
)
def test_what_does_not_shrink_is_stored_as_it_is(*, body: bytes, is_pressed: bool) -> None:
    writer, octets = _written(_exchange(body=body))
    kept = [
        record.raw_stream.read()
        for record in ArchiveIterator(io.BytesIO(octets), check_digests="raise")
        if record.rec_type == "response"
    ]
    assert kept == [body]
    length = int(str(writer.index[0].fields["length"]))
    assert is_pressed == (length < len(body) or len(body) < 1000)
