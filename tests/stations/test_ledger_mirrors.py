"""A mirror in the policy is pushed to: it cosigns what it holds, and its word counts."""

import contextlib
import http.server
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guzheng.ledger import Gathering, Ledger, Sizes
from guzheng.ledger.mirrors import HttpMirror
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.policy import parse_ledger_policy, require_quorum
from guzheng.refusals import Unavailable
from tests.ports import free_port
from tests.proof.keys import key_of
from tests.stations.ledgers import append, open_ledger, require_all_well
from tests.world import now

SECONDS = 60.0


@dataclass
class MirrorProgram:
    """`guzheng-mirror` of somebody else; the log it could pull from is nowhere."""

    home: Path
    vkey: str  # of the log
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    own: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        said = self.home.with_name("mirror.log")
        with said.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "guzheng.mirror", "--log", "http://127.0.0.1:9/"),
                    *("--vkey", self.vkey, "--data", str(self.home), "--port", str(self.port)),
                    *("--name", "mirror.example/m1", "--interval", "3600", "--lang", "en"),
                ],
                stderr=log,
            )
        deadline = time.monotonic() + SECONDS
        while "mirror.unreachable" not in said.read_text():  # after the round: it serves
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        keys = [line for line in said.read_text().splitlines() if "mirror.key" in line]
        self.own = keys[0].split()[-1]

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def kept(self, name: str) -> list[Path]:
        return sorted((self.home / "log").glob(name))

    def size(self) -> int:
        with urllib.request.urlopen(f"{self.url}/checkpoint", timeout=SECONDS) as answer:
            return Checkpoint.parse(Note.parse(answer.read()).text).size

    def checked(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "guzheng.mirror", "--log", "http://127.0.0.1:9/"),
                *("--vkey", self.vkey, "--data", str(self.home), "--check", "--lang", "en"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert ran.returncode == 0, ran.stderr


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "ledger")


@pytest.fixture
def mirror(tmp_path: Path, ledger: Ledger) -> Iterator[MirrorProgram]:
    program = MirrorProgram(tmp_path / "mirror", ledger.vkey)
    program.start()
    yield program
    with contextlib.suppress(ProcessLookupError):
        program.kill()


def bound(ledger: Ledger, url: str, own: str, place: Path) -> Gathering:
    text = f"log {ledger.vkey}\nwitness copy {own} {url}\nquorum copy\n"
    demanded = parse_ledger_policy(text.encode())
    asked = [HttpMirror(one, ledger, timeout_seconds=30, now=now) for one in demanded.witnesses]
    return Gathering(ledger, demanded, asked, Sizes(place / "sizes.json"), seconds=SECONDS)


def test_a_mirror_makes_a_quorum_when_it_has_every_entry(
    tmp_path: Path, ledger: Ledger, mirror: MirrorProgram
) -> None:
    gathering = bound(ledger, mirror.url, mirror.own, tmp_path)
    for size in (1, 255, 256, 300, 1100):
        (*_, index) = append(ledger, range(size))
        note = gathering.cosign(index)
        named = require_quorum(gathering.policy, Note.parse(note))
        assert [one.witness.name for one in named] == ["copy"]
        assert mirror.size() == size
    for tile in (tmp_path / "ledger").rglob("tile/entries/*"):
        if tile.is_file():
            assert mirror.kept(f"tile/entries/{tile.name}")[0].read_bytes() == tile.read_bytes()
    require_all_well(ledger)
    mirror.checked()


def test_killed_in_the_middle_of_an_upload_it_is_sent_the_rest(
    tmp_path: Path, ledger: Ledger, mirror: MirrorProgram
) -> None:
    (*_, index) = append(ledger, range(12_000))  # two requests
    gathering = bound(ledger, mirror.url, mirror.own, tmp_path)
    failed: list[object] = []

    def cosign() -> None:
        try:
            gathering.cosign(index)
        except Unavailable as problem:
            failed.append(problem)

    pushing = threading.Thread(target=cosign)
    pushing.start()
    deadline = time.monotonic() + SECONDS
    while not mirror.kept("tile/entries/00[5-9]"):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    mirror.kill()
    pushing.join()
    assert failed
    assert not mirror.kept("checkpoint")
    kept = {path: path.stat().st_mtime_ns for path in mirror.kept("tile/entries/0*")}
    mirror.start()
    gathering.cosign(index)
    assert mirror.size() == 12_000
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # none was sent for nothing
    mirror.checked()


Told = Callable[[bytes], tuple[int, str, bytes]]


@contextlib.contextmanager
def lying(told: Told) -> Iterator[tuple[str, list[bytes]]]:
    """A mirror that takes every checkpoint, and answers an upload so."""
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, answer = 200, "text/plain", b""
            if self.path == "/add-entries":
                bodies.append(body)
                status, kind, answer = told(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


INFO = "text/x.tlog.mirror-info"


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/plain", b""),  # no signature
        (202, INFO, b"600\n0\n\n"),  # no progress
        (202, INFO, b"600\n601\n\n"),
        (409, INFO, b"600\n601\n\n"),
        (409, INFO, b"300\n0\n\n"),  # another size
        (409, INFO, b"600\n0\n"),
        (409, INFO, b"600\n00\n\n"),
        (409, INFO, b"600\n0\nA\n"),
        (409, "text/plain", b"600\n0\n\n"),
        (422, "text/plain", b"no"),
        (500, "text/plain", b"no"),
    ],
)
def test_a_mirror_that_lies_is_not_counted_and_ends(
    tmp_path: Path, ledger: Ledger, answer: tuple[int, str, bytes]
) -> None:
    (*_, index) = append(ledger, range(600))
    own = str(key_of("mirror.example/m1", 7, 4).key)
    with lying(lambda _body: answer) as (url, bodies):
        gathering = bound(ledger, url, own, tmp_path)
        with pytest.raises(Unavailable):
            gathering.cosign(index)
    assert len(bodies) < 100
    assert ledger.read("checkpoint") is None
