"""What readers make of WACZ 1.2.0 to the letter: why our archives keep one property of 1.1.1.

The draft wants the profile `wacz`. If one of these readers takes it one day, the test that says
otherwise fails, and docs/decisions/0024 is to be looked at again.
"""

import hashlib
import html
import io
import json
import shutil
import urllib.request
import zipfile
from functools import partial
from pathlib import Path

import pytest

from guzheng.capturer import wacz
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.warc import WarcWriter
from guzheng.proof import canonical, instant
from tests.hostile.capturing import capture
from tests.hostile.oracles import PLAYED, player, replaying, validate_wacz
from tests.hostile.site import Folder, Log, serving

URL, AT = "https://shop.example/", "2026-11-21T10:44:12.038Z"
SEEN = "<!doctype html><title>shop</title><h1>第 1 号商品</h1>"
DIGEST, DESCRIPTION = "datapackage-digest.json", "datapackage.json"


def ours(path: Path) -> Path:
    """A package as the capturer writes it."""
    one = Exchange(1, "GET", URL, "document", "f", "s", "r", instant.parse(AT))
    one.status, one.reason, one.mime, one.finished = 200, "OK", "text/html", True
    one.response_head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\r\n"
    one.body = SEEN.encode()
    one.close()
    stream = io.BytesIO()
    writer = WarcWriter(stream, lambda size: bytes(size), wacz.WARC_NAME)
    writer.begin(AT, "test", {})
    assert writer.write(one)
    warc = path.parent / wacz.WARC_NAME
    warc.write_bytes(stream.getvalue())
    page = wacz.PageEntry(URL, AT, "shop")
    wacz.write(path, warc=warc, index=writer.index, page=page, software="test")
    return path


def to_the_letter(package: Path, out: Path) -> Path:
    """The same with what 1.2.0 says of datapackage.json, and nothing that it does not name."""
    with zipfile.ZipFile(package) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    described = json.loads(members[DESCRIPTION])
    kept = ("home", "software", "created", "title", "resources")
    strict = {"profile": "wacz", **{name: described[name] for name in kept}}
    members[DESCRIPTION] = canonical.encode(strict)
    digest = hashlib.sha256(members[DESCRIPTION]).hexdigest()
    members[DIGEST] = canonical.encode({"path": DESCRIPTION, "hash": f"sha256:{digest}"})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return out


def both(folder: Path) -> tuple[Path, Path]:
    package = ours(folder / "ours.wacz")
    return package, to_the_letter(package, folder / "strict.wacz")


@pytest.mark.oracle("wacz")
def test_py_wacz_takes_ours_and_not_the_letter(tmp_path: Path) -> None:
    package, strict = both(tmp_path)
    assert "Validation succeeded" in validate_wacz(package)
    assert "Validation succeeded" not in validate_wacz(strict)


@pytest.mark.oracle("wb-manager")
def test_pywb_opens_both(tmp_path: Path) -> None:
    for package in both(tmp_path):
        folder = tmp_path / package.stem
        folder.mkdir()
        with replaying(package, folder) as collection:
            address = f"{collection}/mp_/{URL}"
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert "第 1 号商品" in html.unescape(answer.read().decode())


@pytest.mark.browser
@pytest.mark.parametrize("is_strict", [False, True])
def test_replayweb_page_plays_ours_and_not_the_letter(
    tmp_path: Path, *, is_strict: bool
) -> None:
    """In a real browser; our own capture of the player is the witness."""
    folder = tmp_path / "site"
    (folder / "replay").mkdir(parents=True)
    shutil.copy(player() / "ui.js", folder)
    shutil.copy(player() / "sw.js", folder / "replay")
    shutil.copy(both(tmp_path)[is_strict], folder / "page.wacz")
    (folder / "index.html").write_text(PLAYED % URL, "utf-8")
    with serving(partial(Folder, folder=folder, log=Log())) as address:
        seen = capture(tmp_path, f"{address}/index.html")
    assert seen.exit_status == 0, seen.said
    shown = "".join(one.read_text("utf-8-sig") for one in seen.out.glob("items/text*.txt"))
    assert ("第 1 号商品" in shown) is not is_strict, shown
    assert ("Unknown package profile: wacz" in shown) is is_strict, shown
