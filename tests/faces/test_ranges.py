"""A download goes on where the line was lost, with the very octets that were begun."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.app.sharing import WantedShare
from guzheng.app.volumes import WantedPackage
from guzheng.config import Config
from guzheng.prove import Chosen, Selection
from guzheng.web import create_app
from tests.faces.conftest import Face, serving

LARGE = os.urandom(3_000_000)
KINDS = ("package", "packages", "original", "later", "certificate", "ordered", "shared", "file")


@dataclass(frozen=True)
class Given:
    face: Face
    platform: Platform
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    platform = Platform(Config(tmp_path_factory.mktemp("ranges")))

    def walked(name: str, octets: bytes) -> str:
        exhibit = platform.deposit(name, [octets])
        platform.walk(exhibit, lambda _step, _detail: None)
        return exhibit

    large, other = walked("film.mp4", LARGE), walked("b.txt", b"another")
    with serving(create_app(platform)) as face:
        said = {
            "name": "c.bin",
            "size": len(LARGE),
            "sha256": hashlib.sha256(LARGE).hexdigest(),
        }
        later = face.client.post("/api/digests", json=said).json()["exhibit"]
        brought = face.client.post(
            f"/exhibits/{later}/original", files={"file": ("c.bin", LARGE)}
        )
        assert brought.status_code == 303
        wanted = WantedPackage(Selection((Chosen(large),)), "zip", ())
        package = platform.exports.order(wanted)
        platform.exports.finish()
        (made,) = platform.exports.view(package).made
        secret = platform.shares.make(WantedShare((large,))).secret
        addresses = {
            "package": f"/exhibits/{large}/package.zip",
            "packages": f"/packages.zip?exhibit={large}&exhibit={other}",
            "original": f"/exhibits/{large}/papers/items/film.mp4",
            "later": f"/exhibits/{later}/original/c.bin",
            "certificate": f"/exhibits/{large}/papers/certificate.pdf?view=inline",
            "ordered": f"/packages/{package}/files/{made.name}",
            "shared": f"/s/{secret}/package.zip",
            "file": f"/s/{secret}/1/items/film.mp4",
        }
        yield Given(face, platform, addresses)


@pytest.mark.parametrize("kind", KINDS)
def test_who_lost_the_line_goes_on(given: Given, kind: str, tmp_path: Path) -> None:
    client, address = given.face.client, given.addresses[kind]
    whole = client.get(address)
    assert whole.status_code == 200, whole.text
    assert whole.headers["accept-ranges"] == "bytes"
    tag = whole.headers["etag"]
    assert tag.startswith('"'), "a strong one"
    size = len(whole.content)
    cut = size * 9 // 10
    with client.stream("GET", address) as begun:
        first = b""
        for piece in begun.iter_bytes():
            first += piece
            if len(first) >= cut:
                break
    begun_octets = first[:cut]
    asked = {"Range": f"bytes={cut}-", "If-Range": tag}
    rest = client.get(address, headers=asked)
    assert rest.status_code == 206, rest.text
    assert rest.headers["content-range"] == f"bytes {cut}-{size - 1}/{size}"
    assert rest.headers["etag"] == tag
    for name in ("content-disposition", "content-security-policy", "cache-control"):
        assert rest.headers[name] == whole.headers[name]
    assert begun_octets + rest.content == whole.content
    file = tmp_path / "file"
    file.write_bytes(begun_octets)
    subprocess.run(
        ["curl", "-sSf", "-C", "-", "-o", str(file), given.face.address + address], check=True
    )
    assert file.read_bytes() == whole.content


def test_what_is_asked_for_is_what_is_given(given: Given) -> None:
    client, address = given.face.client, given.addresses["original"]
    tag, size = client.head(address).headers["etag"], len(LARGE)

    def asked(**headers: str) -> tuple[int, bytes]:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.get(address, headers=said)
        if answer.status_code == 416:
            assert answer.headers["content-range"] == f"bytes */{size}"
        return answer.status_code, answer.content

    assert asked(Range="bytes=0-0") == (206, LARGE[:1])
    assert asked(Range="bytes=-5") == (206, LARGE[-5:])
    assert asked(Range=f"bytes=-{size + 9}") == (206, LARGE)
    assert asked(Range=f"bytes=5-{size + 9}") == (206, LARGE[5:])
    assert asked(Range=f"bytes={size}-") == (416, b"")
    assert asked(Range="bytes=-0") == (416, b"")
    for whole in (
        "bytes=9-5",
        "bytes=-",
        "bytes=0-1,5-6",
        "octets=0-1",
        "bytes=+1-2",
        "bytes=x",
    ):
        assert asked(Range=whole) == (200, LARGE), whole
    for other in ('"other"', f"W/{tag}", "Sun, 22 Nov 2026 00:00:00 GMT"):
        assert asked(Range="bytes=5-", If_Range=other) == (200, LARGE), other
    head = client.head(address, headers={"Range": "bytes=5-"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))
    tags = {client.head(one).headers["etag"] for one in given.addresses.values()}
    assert len(tags) == len(KINDS) - 1, "of the same exhibits the same package, by link or not"


def test_each_part_that_is_taken_is_told(given: Given) -> None:
    """Else nearly all of an original could be taken with nobody told."""
    address = given.addresses["original"]
    exhibit = address.split("/")[2]
    before = len(given.platform.keeping.of(exhibit))
    given.face.client.get(address, headers={"Range": "bytes=1-"})
    assert len(given.platform.keeping.of(exhibit)) == before + 1
