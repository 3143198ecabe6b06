"""A real platform behind a real server on a free port of this machine, and a real browser.

Exhibits are walked by the test itself, not by the queue, so that each state can be seen."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.pages import COOKIE as LANGUAGE
from guzheng.web.wire import Wire
from tests import plain
from tests.faces.browser import Browser, chromium


@dataclass(frozen=True)
class Face:
    """The address of a running face, and a client for it."""

    address: str
    client: httpx.Client


@contextlib.contextmanager
def serving(app: ASGIApp, listening: socket.socket | None = None) -> Iterator[Face]:
    """`listening`: a socket that is bound already, where the address must be known before."""
    listening = listening or socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http=Wire, log_level="critical", server_header=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with plain.client(base_url=address, timeout=60) as client:
            yield Face(address, client)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(Config(tmp_path_factory.mktemp("faces")))


@pytest.fixture(scope="session")
def face(platform: Platform) -> Iterator[Face]:
    with serving(create_app(platform, upload_limit=1024 * 1024)) as served:
        yield served


@pytest.fixture(autouse=True)
def _no_language_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The client is the session's: what one test chose would be the next one's language."""
    yield
    served = request.node.funcargs.get("face") if hasattr(request.node, "funcargs") else None
    if isinstance(served, Face):
        with contextlib.suppress(KeyError):
            served.client.cookies.delete(LANGUAGE)


@pytest.fixture(scope="session")
def walk(platform: Platform) -> Callable[[str], str]:
    """Walk an exhibit to the end of its road."""

    def to_the_end(exhibit: str) -> str:
        return platform.walk(exhibit, lambda _step, _detail: None)

    return to_the_end


@dataclass(frozen=True)
class Certified:
    """An exhibit at the end of its road, and what a person has taken away from it."""

    exhibit: str
    original: Path
    token: Path
    package: Path
    certificate: Path


@pytest.fixture(scope="session")
def certified(
    face: Face, walk: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Certified:
    folder = tmp_path_factory.mktemp("taken")
    original = folder / "合同 扫描件.txt"
    original.write_bytes(b"the words of a contract\n")
    answer = face.client.post(
        "/api/exhibits",
        data={
            "name_subject": "XX商家",
            "name_scene": "虚假宣传",
            "name_day": "20261121",
            "claimed_applicant": "杭州某某公司",
        },
        files={"file": (original.name, original.read_bytes(), "text/plain")},
    )
    assert answer.status_code == 201, answer.text
    exhibit = answer.json()["exhibit"]
    assert walk(exhibit) == "certified"

    def taken(address: str, name: str) -> Path:
        got = face.client.get(address)
        assert got.status_code == 200, got.text
        path = folder / name
        path.write_bytes(got.content)
        return path

    papers = f"/exhibits/{exhibit}/papers"
    return Certified(
        exhibit,
        original,
        taken(f"{papers}/tokens/{original.name}.tsa", f"{original.name}.tsa"),
        taken(f"/exhibits/{exhibit}/package.zip", "package.zip"),
        taken(f"{papers}/certificate.pdf", "certificate.pdf"),
    )


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    """The same Chromium for all tests of a worker; no tab outlives its test."""
    yield one_browser
    one_browser.close_pages()
