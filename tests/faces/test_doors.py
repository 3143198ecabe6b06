"""What every answer carries, what no request may do, and what may be taken away."""

import re
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from guzheng.app import Platform
from guzheng.web import create_app, guard
from guzheng.web.pages import accepted_language
from tests.faces.conftest import Certified, Face, serving

PAGES = ["/", "/exhibits", "/verify", "/ledger", "/help", "/map", "/no-such-page"]


@pytest.mark.parametrize(
    "path", [*PAGES, "/api/time", "/checkpoint", "/healthz", "/robots.txt"]
)
def test_every_answer_is_guarded(face: Face, certified: Certified, path: str) -> None:
    headers = face.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    told = {one.split()[0]: one.split()[1:] for one in policy.split("; ")}
    for closed in ("default-src", "object-src", "base-uri", "frame-ancestors"):
        assert told[closed] == ["'none'"]
    assert told["script-src"] == ["'self'"]
    assert told["require-trusted-types-for"] == ["'script'"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline(face: Face, path: str) -> None:
    face.client.cookies.clear()
    html = face.client.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    assert "法律提示" in html


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({"Sec-Fetch-Site": "none"}, 422),
        ({}, 422),
    ],
)
def test_other_sites_change_nothing(face: Face, headers: dict[str, str], status: int) -> None:
    answer = face.client.post("/captures", data={"url": ""}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "web.cross-site" in answer.text
    own = {"Origin": face.address}
    assert face.client.post("/captures", data={"url": ""}, headers=own).status_code == 422


def test_only_names_that_are_ours_are_answered(platform: Platform) -> None:
    """Whoever owns a name can have it point here, and his page would read us by it."""
    with serving(create_app(platform, hosts=("Evidence.example",))) as other:

        def named(host: str, path: str = "/healthz", **headers: str) -> httpx.Response:
            return other.client.get(path, headers={"Host": host, **headers})

        assert other.client.get("/healthz").status_code == 200
        for ours in (
            *("evidence.example", "EVIDENCE.example:8443", "evidence.example.", "localhost:80"),
            *("192.168.1.20:8000", "127.0.0.1", "[::1]:8000", "[fe80::1]"),
        ):
            assert named(ours).status_code == 200, ours
        for others in (
            *(
                "evil.example",
                "evil.example:8000",
                "evidence.example.evil.example",
                "localhost.evil",
            ),
            *("127.0.0.1.evil.example", "xevidence.example", "127.1", "evil", "[evil]"),
        ):
            for path in ("/healthz", "/", "/api/exhibits", "/static/site.css"):
                assert named(others, path).status_code == 421, (others, path)
        page = named("evil.example", "/", **{"Accept-Language": "en"})
        assert "does not answer under this name" in page.text
        assert "answered_names" in page.text
        assert "evil.example" in page.text
        assert page.headers["content-security-policy"] == guard.CONTENT_POLICY
        told = named("evil.example", "/api/exhibits")
        assert (told.json()["code"], told.json()["found"]) == (
            "web.unknown-name",
            "evil.example",
        )
    with serving(create_app(platform, hosts=("*",))) as other:
        assert other.client.get("/healthz", headers={"Host": "any.example"}).status_code == 200


class _Broken(Platform):
    def exhibits(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("a secret in a traceback")

    def views_of(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("a secret in a traceback")


def test_a_fault_of_ours_tells_a_number_and_nothing_else(platform: Platform) -> None:
    broken = _Broken(platform.config)
    with serving(create_app(broken)) as other:
        for path in ("/", "/api/exhibits"):
            answer = other.client.get(path)
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text
            assert "web.fault" in answer.text
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/api/exhibits/ex_00000000000000000000000000", "exhibit.not-found", 404),
        ("/api/exhibits/..%2f..%2fetc", "web.not-found", 404),
        ("/api/no-such-thing", "web.not-found", 404),
    ],
)
def test_programs_are_told_in_json(face: Face, path: str, code: str, status: int) -> None:
    answer = face.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_people_are_told_in_a_page_of_their_language(face: Face) -> None:
    address = "/exhibits/ex_00000000000000000000000000"
    face.client.cookies.clear()  # of the language that a test before this one asked for
    chinese = face.client.get(address, headers={"Accept-Language": "zh-CN"})
    english = face.client.get(address, headers={"Accept-Language": "en-GB,en;q=0.8"})
    assert chinese.status_code == english.status_code == 404
    assert "没有这份证据" in chinese.text
    assert "There is no such exhibit" in english.text
    assert '<html lang="en">' in english.text


def test_the_language_one_asked_for_stays(face: Face) -> None:
    with serving_client(face) as client:
        asked = client.get("/help", params={"lang": "en"}, headers={"Accept-Language": "zh"})
        assert "What it proves" in asked.text
        assert "HttpOnly" in asked.headers["set-cookie"]
        assert "What it proves" in client.get("/help", headers={"Accept-Language": "zh"}).text


def serving_client(face: Face) -> Any:
    """A client with cookies of its own."""
    return type(face.client)(base_url=face.address)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-US,en;q=0.9", "en"),
        ("fr,en;q=0.3,zh;q=0.7", "zh"),
        ("", "zh"),
        ("fr", "zh"),
        ("en;q=0", "zh"),
        ("en;q=x", "zh"),
    ],
)
def test_the_browsers_wish_is_heard(header: str, language: str) -> None:
    assert accepted_language(header) == language


def test_originals_are_never_pages_of_ours(face: Face, walk: Any) -> None:
    hostile = b"<script>alert(document.domain)</script>"
    made = face.client.post("/api/exhibits", files={"file": ("x.html", hostile, "text/html")})
    exhibit = made.json()["exhibit"]
    answer = face.client.get(f"/exhibits/{exhibit}/papers/items/x.html")
    assert answer.content == hostile
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith(
        "attachment; filename*=UTF-8''x.html"
    )
    assert "sandbox" in answer.headers["content-security-policy"]
    drawn = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    for name, octets in (("x.png", hostile), ("x.svg", drawn), ("y.png", drawn)):
        disguised = face.client.post(
            "/api/exhibits", files={"file": (name, octets, "image/svg+xml")}
        )
        own = f"/exhibits/{disguised.json()['exhibit']}"
        assert face.client.get(f"{own}/preview").status_code == 422, name
        thumbnail = face.client.get(f"{own}/thumbnail")
        assert (thumbnail.status_code, thumbnail.content) == (303, b""), name
        paper = face.client.get(f"{own}/papers/items/{name}")
        assert paper.content == octets
        assert paper.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in paper.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name", ["../order.json", "order.json", "items/../order.json", "items", "x"]
)
def test_only_papers_can_be_taken(face: Face, certified: Certified, name: str) -> None:
    quoted = name.replace("/", "%2f")
    answer = face.client.get(f"/exhibits/{certified.exhibit}/papers/{quoted}")
    assert answer.status_code in {404, 422}


def test_the_map_of_the_site_names_no_exhibit(face: Face, certified: Certified) -> None:
    xml = face.client.get("/sitemap.xml").text
    addresses = re.findall(r"<loc>([^<]+)</loc>", xml)
    assert f"{face.address}/verify" in addresses
    assert "exhibit" not in xml
    for address in addresses:
        assert face.client.get(address).status_code == 200
    assert "Disallow: /exhibits" in face.client.get("/robots.txt").text


def test_static_files_are_kept_for_ever_and_small(face: Face) -> None:
    import gzip

    html = face.client.get("/").text
    sheet = re.search(r'href="(/static/[0-9a-f]+/archive\.css)"', html)
    assert sheet is not None
    answer = face.client.get(sheet[1])
    assert "immutable" in answer.headers["cache-control"]
    assert len(gzip.compress(answer.content)) <= 12_000
    folder = Path(__file__).resolve().parents[2] / "src" / "guzheng" / "web" / "static"
    # All of them together, though no page has them all; the verifier's engine is apart.
    assert sum(len(gzip.compress(one.read_bytes())) for one in folder.glob("*.js")) <= 30_000
    stale = face.client.get("/static/0000/archive.css")
    assert stale.headers["cache-control"] == "no-cache"
    assert face.client.get("/static/0000/../pages.py").status_code == 404


OPEN = {"/checkpoint"}  # of the public ledger: any page may read it, and a cache keep it


def test_nothing_is_kept_or_read_elsewhere_but_what_is_public(
    face: Face, certified: Certified
) -> None:
    """Pages, papers and originals are asked for each time, and by no page of others."""
    own = f"/exhibits/{certified.exhibit}"
    papers = [f"{own}/papers/{one}" for one in ("manifest.json", "certificate.pdf")]
    original = f"{own}/papers/items/{certified.original.name}"
    served = [*PAGES, "/api/exhibits", "/api/time", "/healthz", own, original]
    for path in [*served, *papers, *OPEN]:
        answer = face.client.get(path, headers={"Origin": "https://evil.example"})
        assert path == "/no-such-page" or answer.status_code in {200, 303}, path
        assert ("no-store" in answer.headers["cache-control"]) is (path not in OPEN), path
        others = answer.headers.get("access-control-allow-origin")
        assert others == ("*" if path in OPEN else None), path


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", "url=http%3A%2F%2Fexample.com&url="),  # the last counts
        ("?url=http%3A%2F%2Fexample.com", ""),  # no field of the form
        ("?url=http%3A%2F%2Fexample.com", "url="),
    ],
)
def test_a_field_counts_once_and_a_query_is_no_form(face: Face, query: str, body: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = face.client.post(f"/captures{query}", content=body, headers=kind)
    assert answer.status_code == 422
    assert "web.no-address" in answer.text


def test_the_ledger_is_read_as_c2sp_says(face: Face, certified: Certified) -> None:
    note = face.client.get("/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert "immutable" not in note.headers["cache-control"]
    size = int(note.text.split("\n")[1])
    width = f".p/{size % 256}" if size < 256 else ""
    tile = face.client.get(f"/tile/0/000{width}")
    assert tile.status_code == 200
    assert len(tile.content) == 32 * min(size, 256)
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    assert tile.headers["access-control-allow-origin"] == "*"
    entries = face.client.get(f"/tile/entries/000{width}")
    assert entries.status_code == 200
    assert face.client.head("/checkpoint").status_code == 200


@pytest.mark.parametrize(
    "path", ["0/1", "64/000", "0/000.p/0", "0/000.p/256", "0/x000", "../keys", "0/999", "x/000"]
)
def test_what_is_no_tile_is_not_found(face: Face, certified: Certified, path: str) -> None:
    assert face.client.get(f"/tile/{path.replace('..', '%2e%2e')}").status_code == 404


def test_the_ledger_page_says_that_nobody_witnesses(face: Face, certified: Certified) -> None:
    page = face.client.get("/ledger", params={"lang": "zh"}).text
    assert "没有独立见证人" in page
    assert face.client.get("/checkpoint").text.split("\n")[0] in page


@pytest.mark.oracle("openssl")
def test_openssl_asks_our_authority_and_believes_it(face: Face, tmp_path: Path) -> None:
    document, query, reply, roots = (tmp_path / one for one in ("d", "q", "r", "roots.pem"))
    document.write_bytes(b"asked by openssl")
    subprocess.run(
        ["openssl", "ts", "-query", "-data", document, "-sha256", "-cert", "-out", query],
        check=True,
        capture_output=True,
    )
    answer = face.client.post(
        "/tsa",
        content=query.read_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
    )
    assert answer.headers["content-type"] == "application/timestamp-reply"
    reply.write_bytes(answer.content)
    roots.write_bytes(face.client.get("/roots.pem").content)
    checked = subprocess.run(
        ["openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", roots],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Verification: OK" in checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"x", "text/plain", 415),
        (b"x" * 70_000, "application/timestamp-query", 413),
    ],
)
def test_what_is_no_query_is_refused(
    face: Face, body: bytes, media_type: str, status: int
) -> None:
    answer = face.client.post("/tsa", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status


def test_time_tells_its_source(face: Face) -> None:
    told = face.client.get("/api/time").json()
    assert set(told) == {
        "code",
        "now",
        "profile",
        "source",
        "standing",
        "offset_ms",
        "uncertainty_ms",
        "synced_at",
        "verified",
    }
    assert told["verified"] is False
    assert "时钟未经核验" in face.client.get("/", params={"lang": "zh"}).text
