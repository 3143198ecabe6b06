"""The page that leads from a place on the screenshot to the wire, without a script."""

import base64
import re
from collections.abc import Callable

import pytest

from guzheng.app import Platform
from guzheng.proof import canonical
from tests.faces.conftest import Face

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "https://a.example/<script>alert(1)</script>"


def node(number: int, name: str, box: list[int], resource: int) -> dict[str, object]:
    order = number
    return {"node": number, "name": name, "box": box, "order": order, "resource": resource}


def trace(exhibit: str) -> bytes:
    archive = {
        "file": "archive/data.warc.gz", "offset": 7, "length": 9, "status": 200,
        "digest": "sha256:" + "0" * 64,
    }  # fmt: skip
    step = {"url": HOSTILE, "request": 1, "outcome": "recorded", "archive": archive,
            "connection": 3, "stream": 1}  # fmt: skip
    connection = {
        "number": 3, "host": "a.example", "port": 443, "peer": "192.0.2.1",
        "answers": ["192.0.2.1"], "resolvers": [], "protocol": "TLS 1.3", "cipher": "c",
        "signed_by": "s", "chain": ["sha256:" + "1" * 64],
    }  # fmt: skip
    return canonical.encode(
        {
            "schema": "guzheng.trace/1",
            "exhibit": exhibit,
            "page": {"url": "https://a.example/", "width": 100, "height": 17000},
            "nodes": [
                {
                    "node": 1,
                    "name": "BODY",
                    "box": [0, 0, 100, 17000],
                    "order": 0,
                    "resource": 1,
                },
                {
                    "node": 2,
                    "name": "IMG",
                    "box": [10, 16010, 20, 20],
                    "order": 1,
                    "resource": 0,
                },
            ],
            "resources": [
                {"url": HOSTILE, "steps": [step]},
                {"url": "https://a.example/", "steps": []},
            ],
            "connections": [connection],
        }
    )


@pytest.fixture(scope="module")
def traced(platform: Platform) -> str:
    exhibit = platform.road.order_capture("https://a.example/").exhibit
    folder = f"exhibits/{exhibit}/"
    platform.blobs.put(folder + "items/trace.json", [trace(exhibit)])
    platform.blobs.put(folder + "items/screenshot-000.png", [PNG])
    platform.blobs.put(folder + "items/screenshot-001.png", [b"no picture"])
    return exhibit


def test_a_click_tells_what_lies_there(face: Face, traced: str) -> None:
    asked = {"top": "16000", "at.x": "15", "at.y": "12", "lang": "en"}
    page = face.client.get(f"/exhibits/{traced}/trace", params=asked)
    assert page.status_code == 200
    assert page.text.index("<code>IMG</code>") < page.text.index("<code>BODY</code>")
    for shown in (
        "192.0.2.1",
        "TLS 1.3",
        "1" * 64,
        "9 octets from octet 7",
        "nothing was sent",
    ):
        assert shown in page.text
    assert "<script>alert" not in page.text
    assert 'type="image"' in page.text


def test_a_second_picture_begins_where_the_first_ends(face: Face, traced: str) -> None:
    """Pictures of a wide page are less high than those of a usual one."""
    page = face.client.get(f"/exhibits/{traced}/trace").text
    assert re.findall(r'name="top" value="(\d+)"', page) == ["0", "1"]


def test_what_nobody_confirmed_is_not_traced(face: Face, platform: Platform) -> None:
    made = face.client.post("/api/exhibits", json={"url": "https://a.example/"}).json()
    exhibit = made["exhibit"]
    platform.blobs.put(f"exhibits/{exhibit}/items/trace.json", [trace(exhibit)])
    assert face.client.get(f"/exhibits/{exhibit}/trace").status_code == 409


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_list_is_an_equal_way(face: Face, traced: str, language: str) -> None:
    page = face.client.get(f"/exhibits/{traced}/trace", params={"lang": language})
    assert page.text.count(f"/exhibits/{traced}/trace?resource=") == 2
    chosen = face.client.get(f"/exhibits/{traced}/trace?resource=0&lang={language}")
    assert "192.0.2.1" in chosen.text


@pytest.mark.parametrize("query", ["at.x=-1&at.y=2", "at.x=9e9&at.y=2", "resource=x", "top=x"])
def test_what_is_no_place_finds_nothing(face: Face, traced: str, query: str) -> None:
    page = face.client.get(f"/exhibits/{traced}/trace?{query}")
    assert page.status_code == 200
    assert "192.0.2.1" not in page.text


def test_pictures_are_pictures(face: Face, traced: str) -> None:
    shown = face.client.get(f"/exhibits/{traced}/trace/0.png")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    assert shown.content == PNG
    for number in (1, 7):
        assert face.client.get(f"/exhibits/{traced}/trace/{number}.png").status_code >= 400


def test_a_deposited_file_of_that_name_is_no_trace(
    face: Face, walk: Callable[[str], str]
) -> None:
    answer = face.client.post(
        "/api/exhibits",
        data={"name_subject": "a", "name_scene": "b", "name_day": "20261121"},
        files={"file": ("trace.json", trace("ex"), "application/json")},
    )
    exhibit = answer.json()["exhibit"]
    walk(exhibit)
    assert face.client.get(f"/exhibits/{exhibit}/trace").status_code >= 400
    assert f"{exhibit}/trace" not in face.client.get(f"/exhibits/{exhibit}").text
