"""The first page sends files over a line that breaks: paused, offline, after a reload."""

import contextlib
import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from tests.faces.browser import Browser
from tests.faces.conftest import Face, serving

pytestmark = pytest.mark.browser
WAIT_SECONDS = 60


class Line:
    """A line to a server that breaks after so many octets upwards, or carries nothing."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.most = 1 << 60
        self.broken = 0
        self.up = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._door.accept()[0]
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            if not self.up:
                return
            with socket.create_connection(self._to) as far:
                back = threading.Thread(target=self._back, args=(far, near), daemon=True)
                back.start()
                carried = 0
                while octets := near.recv(65536):
                    carried += len(octets)
                    if carried > self.most or not self.up:
                        self.broken += 1
                        break
                    far.sendall(octets)
                for one in (near, far):
                    one.shutdown(socket.SHUT_RDWR)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := far.recv(65536):
                near.sendall(octets)
            near.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._door.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Face, Platform]]:
    platform = Platform(Config(tmp_path_factory.mktemp("uploading")))
    with serving(create_app(platform)) as face:
        yield face, platform


@pytest.fixture
def line(own: tuple[Face, Platform]) -> Iterator[Line]:
    made = Line(int(own[0].address.rpartition(":")[2]))
    yield made
    made.close()


def file_of(folder: Path, size: int) -> Path:
    file = folder / "录像.mp4"
    file.write_bytes(random.Random(size).randbytes(size))
    return file


def newest_digest(platform: Platform) -> str:
    return platform.road.order(platform.exhibits(1)[0].exhibit).items[0].digests[0].hex


def test_a_line_that_breaks_again_and_again(
    own: tuple[Face, Platform], line: Line, browser: Browser, tmp_path: Path
) -> None:
    file = file_of(tmp_path, 5_000_000)
    page = browser.page()
    page.open(f"http://127.0.0.1:{line.port}/")
    line.most = 1_500_000
    page.choose("#files", file)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("location.pathname.startsWith('/exhibits/ex_')")
    assert line.broken >= 2
    assert newest_digest(own[1]) == hashlib.sha256(file.read_bytes()).hexdigest()
    page.close()


def test_paused_and_offline_and_taken_up_after_a_reload(
    own: tuple[Face, Platform], line: Line, browser: Browser, tmp_path: Path
) -> None:
    face, platform = own
    file = file_of(tmp_path, 20_000_000)
    page = browser.page()
    page.size(390, 844, phone=True)
    page.open(f"http://127.0.0.1:{line.port}/")
    before = platform.index.count()
    page.run(
        "new MutationObserver(() => { const row = document.querySelector('.sending li');"
        " const bar = row?.querySelector('progress');"
        " if (bar && bar.value > 0.5 && !window.paused)"
        " { window.paused = true; row.querySelector('[data-pause]').click(); } })"
        ".observe(document.querySelector('[data-sending]'),"
        " {subtree: true, childList: true, characterData: true})"
    )
    page.choose("#files", file)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("document.querySelector('.sending .said')?.textContent === '已暂停'")
    assert page.text("[data-pause]") == "继续"
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    line.up = False
    page.run("document.querySelector('[data-pause]').click()")
    page.wait_for("document.querySelector('.sending .said').textContent.startsWith('网络中断')")
    line.up = True
    (there,) = face.client.get("/api/uploads").json()["uploads"]
    assert 0 < there["offset"] < there["size"]
    page.call("Page.setInterceptFileChooserDialog", enabled=False)
    page.run("window.onbeforeunload = null")
    page.close()

    page = browser.page()
    page.open(f"{face.address}/")
    page.wait_for("!document.querySelector('[data-broken]').hidden")
    assert "再次选择同一个文件" in page.text("[data-broken]")
    (there,) = face.client.get("/api/uploads").json()["uploads"]
    page.choose("#files", file)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("location.pathname.startsWith('/exhibits/ex_')")
    assert face.client.get(there["address"]).json()["exhibit"], "it was that upload"
    assert platform.index.count() == before + 1
    assert newest_digest(platform) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert page.complaints == []
    page.close()


def test_another_file_of_the_same_name_is_another_upload(
    own: tuple[Face, Platform], browser: Browser, tmp_path: Path
) -> None:
    face, platform = own
    page = browser.page()
    file = file_of(tmp_path, 100_000)
    answer = face.client.post(
        "/api/uploads",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "100000",
            "Upload-Metadata": "filename 5b2V5YOPLm1wNA==",
        },
    )
    address = answer.headers["location"]
    face.client.patch(
        address,
        content=b"\0" * 1000,
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
    )
    page.open(f"{face.address}/")
    page.wait_for("!document.querySelector('[data-broken]').hidden")
    page.choose("#files", file)
    page.run("document.querySelector('[data-deposit]').click()")
    page.wait_for("location.pathname.startsWith('/exhibits/ex_')")
    assert newest_digest(platform) == hashlib.sha256(file.read_bytes()).hexdigest()
    page.open(f"{face.address}/")
    page.wait_for("!document.querySelector('[data-broken]').hidden")
    page.run("document.querySelector('[data-broken] button').click()")
    page.wait_for("document.querySelector('[data-broken]').hidden")
    assert face.client.get("/api/uploads").json()["uploads"] == []
    page.close()
