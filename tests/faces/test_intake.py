"""Handing in: files and addresses, by form and by program, and all that is refused."""

import re
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from guzheng.app import Platform
from tests.faces.conftest import Face


def deposit(face: Face, *files: tuple[str, bytes], **claims: str) -> httpx.Response:
    """As the form without a script posts it: fields first, then every file."""
    return face.client.post(
        "/deposits",
        data=claims,
        files=[("file", (name, octets, "text/plain")) for name, octets in files],
        headers={"Accept": "text/html"},
    )


def test_one_file_leads_to_its_exhibit(face: Face, platform: Platform) -> None:
    answer = deposit(
        face, ("a.txt", b"one"), name_subject="甲", name_scene="乙", name_day="20261121"
    )
    assert answer.status_code == 303
    view = platform.exhibit(answer.headers["location"].rpartition("/")[2])
    assert view.claimed_name == "甲_乙_20261121"
    assert [one.name for one in view.papers] == ["items/a.txt"]
    assert view.state == "received"


def test_several_files_are_several_exhibits(face: Face, platform: Platform) -> None:
    answer = deposit(face, ("a.txt", b"one"), ("b.txt", b"two"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/exhibits")
    newest = platform.exhibits(2)
    assert {one.papers[0].name for one in newest} == {"items/a.txt", "items/b.txt"}


def test_a_refused_file_does_not_stop_the_next(face: Face, platform: Platform) -> None:
    answer = deposit(face, ("empty.txt", b""), ("good.txt", b"good"))
    assert answer.status_code == 422
    assert "intake.empty-file" in answer.text
    assert "empty.txt" in answer.text
    assert platform.exhibits(1)[0].papers[0].name == "items/good.txt"
    assert platform.exhibits(1)[0].exhibit in answer.text


BAD_NAMES = [
    "../../etc/passwd",
    "a/b.txt",
    "nul\x00.txt",
    "x" * 300 + ".txt",
    "invoice\u202efdp.exe",
    "line\nbreak",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_deceives_is_refused_and_said(face: Face, name: str) -> None:
    boundary = "frontier"
    escaped = name.replace("\n", "%0A")
    body = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{escaped}"\r\n\r\n'
        f"content\r\n--{boundary}--\r\n"
    )
    answer = face.client.post(
        "/api/exhibits",
        content=body.encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] in {"intake.name-refused", "web.malformed-form"}
    assert problem["act"]
    assert "\u202e" not in answer.text


def test_an_empty_form_says_what_is_missing(face: Face) -> None:
    answer = deposit(face, ("", b""))
    assert answer.status_code == 422
    assert "web.no-file" in answer.text


def test_too_large_is_refused_before_it_is_read(face: Face, platform: Platform) -> None:
    before = platform.exhibits(1)
    answer = face.client.post("/api/exhibits", files={"file": ("big", b"x" * 3 * 1024 * 1024)})
    assert answer.status_code == 413
    assert answer.json()["code"] == "web.upload-too-big"
    assert "1,048,576" in answer.json()["expected"].replace("2,097,152", "1,048,576")
    assert platform.exhibits(1) == before


def test_an_upload_that_breaks_off_leaves_nothing(face: Face, platform: Platform) -> None:
    before = {one.exhibit for one in platform.exhibits(100)}
    body = b'--f\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'
    head = (
        b"POST /api/exhibits HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n"
        b"Content-Type: multipart/form-data; boundary=f\r\n\r\n"
    )
    port = int(face.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(head + body)
    assert face.client.get("/healthz").status_code == 200
    assert {one.exhibit for one in platform.exhibits(100)} == before


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"name_subject": "甲"}, "name.three-parts"),
        ({"name_subject": "甲_丙", "name_scene": "乙"}, "name.three-parts"),
        ({"name_subject": "../甲", "name_scene": "乙"}, "name.three-parts"),
        ({"name_subject": "甲", "name_scene": "乙", "name_day": "20261331"}, "name.bad-day"),
        ({"name_subject": "甲", "name_scene": "乙", "name_day": "2026112"}, "name.bad-day"),
        ({"name_subject": "甲", "name_scene": "乙", "name_day": "2026-13-01"}, "name.bad-day"),
        ({"name_subject": "甲", "name_scene": "乙", "name_day": "1121-20-26"}, "name.bad-day"),
        ({"claimed_name": "a\u202eb"}, "name.invisible"),
        ({"claimed_name": "x" * 200}, "name.too-long"),
    ],
)
def test_names_of_evidence(face: Face, claims: dict[str, str], code: str) -> None:
    answer = deposit(face, ("a.txt", b"one"), **{"name_day": "20261121", **claims})
    assert answer.status_code == 422
    assert code in answer.text


@pytest.mark.parametrize("typed", ["20261121", "２０２６１１２１", "2026-11-21", "2026/11/21"])
def test_the_day_of_a_name_is_read_as_phones_write_it(
    face: Face, platform: Platform, typed: str
) -> None:
    answer = deposit(
        face, ("a.txt", typed.encode()), name_subject="甲", name_scene="乙", name_day=typed
    )
    view = platform.exhibit(answer.headers["location"].rpartition("/")[2])
    assert view.claimed_name == "甲_乙_20261121"


def test_a_free_name_replaces_the_three_parts(face: Face, platform: Platform) -> None:
    answer = deposit(face, ("a.txt", b"one"), name_day="20261121", claimed_name="我的 合同")
    view = platform.exhibit(answer.headers["location"].rpartition("/")[2])
    assert view.claimed_name == "我的 合同"


def test_what_was_filled_in_is_kept_when_refused(face: Face) -> None:
    answer = deposit(
        face, ("a", b""), name_subject='<甲">', name_scene="乙", name_day="20261121"
    )
    assert "&lt;甲&#34;&gt;" in answer.text
    assert '<甲">' not in answer.text


@pytest.mark.browser
def test_an_address_is_ordered(face: Face, platform: Platform) -> None:
    answer = face.client.post("/captures", data={"url": "https://example.org/"})
    assert answer.status_code == 303
    order = platform.ordering.view(answer.headers["location"].removeprefix("/orders/"))
    view = platform.exhibit(order.commission.exhibit)
    assert (view.kind, view.claimed_name) == ("web", "https://example.org/")
    assert order.state == "ordered"
    made = face.client.post("/api/exhibits", json={"url": "https://example.org/"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/exhibits/{made.json()['exhibit']}"


@pytest.mark.browser
@pytest.mark.parametrize(
    "url", ["", "ftp://example.org/", "javascript:alert(1)", "http://u:p@x/"]
)
def test_an_address_that_is_none_is_refused(face: Face, url: str) -> None:
    answer = face.client.post("/captures", data={"url": url})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'"x"', b'{"url": 1}', b'{"url": "x", "more": "y"}', b"\xff", b"[" * 5000],
)
def test_json_that_is_no_order(face: Face, body: bytes) -> None:
    answer = face.client.post(
        "/api/exhibits", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["code"] in {"web.malformed-json", "web.no-address"}


def test_another_body_is_refused(face: Face) -> None:
    answer = face.client.post("/api/exhibits", content=b"x", headers={"Content-Type": "text/x"})
    assert (answer.status_code, answer.json()["code"]) == (415, "web.not-a-form")


def test_an_exhibit_is_watched_to_its_end(face: Face, walk: Callable[[str], str]) -> None:
    exhibit = deposit(face, ("a.txt", b"watched")).headers["location"].rpartition("/")[2]
    first = face.client.get(f"/exhibits/{exhibit}").text
    assert "data-unfinished" in first
    assert '<noscript><meta http-equiv="refresh"' in first
    assert 'aria-current="step"' in first
    walk(exhibit)
    last = face.client.get(f"/exhibits/{exhibit}").text
    assert "data-unfinished" not in last
    assert "http-equiv" not in last
    for paper in ("certificate.pdf", "manifest.json", "seal.tsa", "entry.tlog-proof", "leaf"):
        assert f"/exhibits/{exhibit}/papers/{paper}" in last
    assert "openssl ts -verify -data a.txt -in a.txt.tsa -CAfile roots.pem" in last
    assert f"/exhibits/{exhibit}/package.zip" in last
    found: dict[str, Any] = face.client.get(f"/api/exhibits/{exhibit}").json()
    assert (found["state"], found["missing"]) == ("certified", [])
    assert re.fullmatch(r"GZ-\d{8}-\w{10}", found["certificate"]["number"])


def test_the_list_is_paged(face: Face) -> None:
    for name in ("older.txt", "newer.txt"):  # whichever tests ran before on this server
        face.client.post("/api/exhibits", files={"file": (name, b"words")})
    everything = face.client.get("/api/exhibits", params={"limit": 100}).json()["exhibits"]
    names = [one["exhibit"] for one in everything]
    assert names == sorted(names, reverse=True)
    older = face.client.get("/api/exhibits", params={"limit": 1, "before": names[0]}).json()
    assert older["exhibits"][0]["exhibit"] == names[1]
    assert face.client.get("/api/exhibits", params={"limit": 0}).status_code == 422
