"""Uploads that are broken off and taken up again: tus 1.0.0, bad networks, a killed server."""

import base64
import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from guzheng.app import Platform
from guzheng.app.parts import open_parts
from guzheng.app.uploading import Uploading
from guzheng.app.waiting import waiting_in
from guzheng.config import Config
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.web import create_app
from tests import plain
from tests.faces.conftest import Face, serving
from tests.ports import free_port

TUS = {"Tus-Resumable": "1.0.0"}
WAIT_SECONDS = 60


def octets(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def metadata(**said: str) -> str:
    return ",".join(
        f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in said.items()
    )


def begin(client: httpx.Client, size: int, **said: str) -> str:
    answer = client.post(
        "/api/uploads",
        headers={
            **TUS,
            "Upload-Length": str(size),
            "Upload-Metadata": metadata(**{"filename": "录像.mp4", **said}),
        },
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["upload-expires"].endswith("GMT")
    return answer.headers["location"]


def send(
    client: httpx.Client, address: str, offset: int, body: bytes, **headers: str
) -> httpx.Response:
    return client.patch(
        address,
        content=body,
        headers={
            **TUS,
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            **headers,
        },
    )


def offset_of(client: httpx.Client, address: str) -> int:
    answer = client.head(address, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Face, Platform]]:
    platform = Platform(Config(tmp_path_factory.mktemp("resuming"), uploads_open=5))
    with serving(create_app(platform)) as face:
        yield face, platform


def test_what_the_server_can_do(own: tuple[Face, Platform]) -> None:
    answer = own[0].client.options("/api/uploads")
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    said = answer.headers["tus-extension"].split(",")
    assert {"creation", "termination", "checksum", "expiration"} == set(said)
    assert "sha1" in answer.headers["tus-checksum-algorithm"]
    assert int(answer.headers["tus-max-size"]) == own[1].config.largest_upload


def test_piece_by_piece_to_a_deposit(own: tuple[Face, Platform]) -> None:
    face, platform = own
    file = octets(3 * 1024 * 1024)
    address = begin(
        face.client,
        len(file),
        claimed_name="一段录像",
        filetype="video/mp4",
        sha256=hashlib.sha256(file).hexdigest(),
    )
    at, exhibit = 0, ""
    for size in (1, 70_000, 1024 * 1024, len(file)):
        answer = send(face.client, address, at, file[at : at + size])
        at = min(at + size, len(file))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(at))
        if at < len(file):
            assert offset_of(face.client, address) == at
            (part,) = face.client.get(address).json()["parts"]
            said = {"offset": 0, "size": at, "sha256": hashlib.sha256(file[:at]).hexdigest()}
            assert part == said, "one part, which grows"
        exhibit = answer.headers.get("guzheng-exhibit", "")
    assert face.client.head(address, headers=TUS).headers["guzheng-exhibit"] == exhibit
    again = send(face.client, address, at, b"")
    assert again.headers["guzheng-exhibit"] == exhibit, "asked twice, deposited once"
    order = platform.road.order(exhibit)
    assert (order.claimed_name, order.items[0].media_type) == ("一段录像", "video/mp4")
    assert order.items[0].digests[0].hex == hashlib.sha256(file).hexdigest()
    platform.walk(exhibit, lambda _step, _detail: None)
    assert face.client.get(f"/exhibits/{exhibit}/papers/items/录像.mp4").content == file
    assert list(platform.blobs.names("uploads/")) == [], "the parts are gone"
    assert platform.fsck(lambda _: None) == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Upload-Length": ""}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Length": str(30 * 2**30)}, 413),
        ({"Upload-Metadata": ""}, 422),
        ({"Upload-Metadata": "filename ???"}, 400),
        ({"Upload-Metadata": metadata(filename="../x")}, 422),
        ({"Upload-Metadata": metadata(filename="x", sha256="1")}, 400),
        ({"Upload-Metadata": metadata(filename="x", original_of="ex_nothing")}, 404),
    ],
)
def test_what_is_no_upload(
    own: tuple[Face, Platform], change: dict[str, str], status: int
) -> None:
    usual = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(filename="x")}
    answer = own[0].client.post("/api/uploads", headers={**usual, **change})
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]
    assert answer.headers["tus-version"] == "1.0.0"


def test_checksums_and_wrong_offsets(own: tuple[Face, Platform]) -> None:
    client, platform = own[0].client, own[1]
    file = octets(100_000)
    address = begin(client, len(file))
    right = base64.b64encode(hashlib.sha256(file[:50_000]).digest()).decode()
    wrong = send(client, address, 0, file[1:50_001], **{"Upload-Checksum": f"sha256 {right}"})
    assert (wrong.status_code, wrong.json()["code"]) == (460, "upload.checksum-differs")
    assert offset_of(client, address) == 0
    for malformed in ("md5 AAAA", "sha256 AAAA", "sha256", "sha256 ???"):
        answer = send(client, address, 0, b"x", **{"Upload-Checksum": malformed})
        assert answer.status_code == 400, malformed
    good = send(client, address, 0, file[:50_000], **{"Upload-Checksum": f"sha256 {right}"})
    assert good.headers["upload-offset"] == "50000"
    sha1 = base64.b64encode(hashlib.sha1(file[50_000:60_000]).digest()).decode()  # noqa: S324
    good = send(
        client, address, 50_000, file[50_000:60_000], **{"Upload-Checksum": f"sha1 {sha1}"}
    )
    assert good.headers["upload-offset"] == "60000"
    assert send(client, address, 0, file).status_code in {409, 413}
    assert send(client, address, 59_999, b"x").status_code == 409
    assert send(client, address, 60_000, file).status_code == 413, "more than was announced"
    assert offset_of(client, address) == 60_000
    plain = client.patch(address, content=b"x", headers={**TUS, "Upload-Offset": "60000"})
    assert plain.status_code == 415
    over = client.post(address, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert over.status_code == 204
    assert client.head(address, headers=TUS).status_code == 404
    assert list(platform.blobs.names("uploads/")) == []


def test_a_file_that_changed_on_the_way(own: tuple[Face, Platform]) -> None:
    client, platform = own[0].client, own[1]
    before = platform.index.count()
    file = octets(10_000)
    address = begin(client, len(file), sha256=hashlib.sha256(b"another").hexdigest())
    answer = send(client, address, 0, file)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload.digest-differs")
    assert platform.index.count() == before
    assert client.get(address).json()["refused"] == "upload.digest-differs"
    address = begin(client, len(file))
    send(client, address, 0, file[:5000])
    (place,) = (platform.config.data / "blobs" / "uploads").glob("*/*")
    place.chmod(0o600)
    place.write_bytes(b"\0" * 5000)
    # Another process takes it up, and has nothing but the file to know it by.
    platform.uploads._waiting = waiting_in(platform.blobs, platform.parts.entropy)
    answer = send(client, address, 5000, file[5000:])
    assert (answer.status_code, answer.json()["code"]) == (422, "upload.part-damaged")
    assert platform.index.count() == before


def test_an_account_has_so_many_at_once(own: tuple[Face, Platform]) -> None:
    client = own[0].client
    for one in client.get("/api/uploads").json()["uploads"]:
        client.delete(one["address"], headers=TUS)
    addresses = [begin(client, 10) for _ in range(5)]
    listed = client.get("/api/uploads").json()["uploads"]
    assert [one["address"] for one in listed] == addresses[::-1]
    full = client.post(
        "/api/uploads",
        headers={**TUS, "Upload-Length": "1", "Upload-Metadata": metadata(filename="x")},
    )
    assert (full.status_code, full.json()["code"]) == (429, "upload.too-many")
    for one in addresses:
        assert client.delete(one, headers=TUS).status_code == 204
    assert client.get("/api/uploads").json()["uploads"] == []


def test_the_original_of_a_fingerprint(own: tuple[Face, Platform]) -> None:
    client, platform = own[0].client, own[1]
    file = octets(40_000)
    said = {"name": "a.mp4", "size": len(file), "sha256": hashlib.sha256(file).hexdigest()}
    exhibit = client.post("/api/digests", json=said).json()["exhibit"]
    wrong = client.post(
        "/api/uploads",
        headers={
            **TUS,
            "Upload-Length": "39999",
            "Upload-Metadata": metadata(filename="a.mp4", original_of=exhibit),
        },
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "intake.not-the-original")
    address = begin(client, len(file), original_of=exhibit)
    answer = send(client, address, 0, octets(40_000, seed=2))
    assert (answer.status_code, answer.json()["code"]) == (422, "intake.not-the-original")
    assert "不是原件" in answer.json()["title"]
    address = begin(client, len(file), original_of=exhibit)
    answer = send(client, address, 0, file)
    assert answer.headers["guzheng-exhibit"] == exhibit
    assert platform.originals.names(exhibit) == ("a.mp4",)


def test_a_line_that_breaks(own: tuple[Face, Platform]) -> None:
    """What came before the line broke stays; what a server still held is sent again."""
    face, platform = own
    file = octets(2_000_000)
    address = begin(face.client, len(file))
    host, _, port = face.address.removeprefix("http://").partition(":")
    at, breaks = 0, 0
    begun = time.monotonic()
    chance = random.Random(7)
    while at < len(file):
        assert time.monotonic() - begun < WAIT_SECONDS
        now = min(len(file) - at, chance.randrange(1, 400_000))
        with socket.create_connection((host, int(port))) as line:
            head = (
                f"PATCH {address} HTTP/1.1\r\nHost: {host}:{port}\r\nTus-Resumable: 1.0.0\r\n"
                "Content-Type: application/offset+octet-stream\r\nConnection: close\r\n"
                f"Upload-Offset: {at}\r\nContent-Length: {len(file) - at}\r\n\r\n"
            )
            line.sendall(head.encode() + file[at : at + now])
            if at + now < len(file):
                line.shutdown(socket.SHUT_WR)  # and is gone
                breaks += 1
            line.settimeout(WAIT_SECONDS)
            with contextlib.suppress(OSError):
                while line.recv(4096):
                    pass
        seen = offset_of(face.client, address)
        assert seen >= at, "what was there stays"
        at = seen
    assert breaks > 3
    exhibit = face.client.get(address).json()["exhibit"]
    assert platform.road.order(exhibit).items[0].digests[0].hex == (
        hashlib.sha256(file).hexdigest()
    )


def test_what_expires_is_cleared(tmp_path: Path) -> None:
    at = [instant.parse("2026-11-21T10:00:00.000Z")]
    config = Config(tmp_path / "data", upload_hours=2)
    platform = Platform(config, open_parts(config, now=lambda: at[0]))
    with serving(create_app(platform)) as face:
        address = begin(face.client, 10)
        send(face.client, address, 0, b"12345")
        at[0] += timedelta(hours=1.9)
        send(face.client, address, 5, b"6")
        at[0] += timedelta(hours=1.9)
        platform.uploads.round()
        assert offset_of(face.client, address) == 6, "each octet lets it live on"
        at[0] += timedelta(hours=2.1)
        assert face.client.head(address, headers=TUS).status_code == 410
        assert send(face.client, address, 6, b"7").status_code == 410
        assert list(platform.blobs.names("uploads/")) != []
        platform.uploads.round()
        assert list(platform.blobs.names("uploads/")) == []
        assert face.client.head(address, headers=TUS).status_code == 404


def test_a_disk_without_room(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    free = [1 << 40]
    platform.uploads = Uploading(
        platform.config,
        platform.parts,
        platform.road,
        platform.originals,
        lambda _exhibit: None,
        free=lambda: free[0],
    )
    with serving(create_app(platform)) as face:
        address = begin(face.client, 1000)
        send(face.client, address, 0, b"x" * 500)
        free[0] = 1 << 20
        full = send(face.client, address, 500, b"x" * 500)
        assert (full.status_code, full.json()["code"]) == (507, "upload.no-room")
        assert "磁盘" in full.json()["title"]
        more = face.client.post(
            "/api/uploads",
            headers={**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(filename="x")},
        )
        assert more.status_code == 507
        free[0] = 1 << 40
        assert send(face.client, address, 500, b"x" * 500).headers["guzheng-exhibit"]


def test_two_senders_at_once(own: tuple[Face, Platform]) -> None:
    client, platform = own[0].client, own[1]
    address = begin(client, 10)
    upload = address.rpartition("/")[2]
    with platform.uploads._alone(upload):
        assert send(client, address, 0, b"1").status_code == 423
        with pytest.raises(Refused, match=r"upload\.busy"):
            platform.uploads.stop(upload)
    platform.uploads.stop(upload)


SERVER = """
import sys
from pathlib import Path
import uvicorn
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.wire import Wire
app = create_app(Platform(Config(Path(sys.argv[1]))))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), http=Wire, log_level="critical")
"""


@contextlib.contextmanager
def server(data: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = subprocess.Popen([sys.executable, "-c", SERVER, str(data), str(port)])
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield program
    finally:
        program.kill()
        program.wait()


class Gone(Exception):
    """The sender sends no more."""


def test_killed_half_way(tmp_path: Path) -> None:
    """`kill -9` while octets come in, again when all are there: one deposit, the same hash."""
    data, port = tmp_path / "data", free_port()
    file, piece = octets(32 << 20), 256 << 10
    address = f"http://127.0.0.1:{port}"
    told = 0
    with server(data, port) as program, plain.client(base_url=address, timeout=60) as client:
        place = begin(client, len(file))

        def half() -> Iterator[bytes]:
            nonlocal told
            for at in range(0, len(file) // 2, piece):
                yield file[at : at + piece]
            for at in range(len(file) // 2, len(file) - piece, piece):
                if told := offset_of(client, place):
                    break
                yield file[at : at + piece]
                time.sleep(0.1)
            os.kill(program.pid, signal.SIGKILL)
            raise Gone

        with pytest.raises(Gone), plain.client(base_url=address) as sender:
            sender.patch(
                place,
                content=half(),
                headers={
                    **TUS,
                    "Content-Type": "application/offset+octet-stream",
                    "Content-Length": str(len(file)),
                    "Upload-Offset": "0",
                },
            )
    assert told, "what comes is counted while it comes"
    with server(data, port), plain.client(base_url=address, timeout=60) as client:
        at = offset_of(client, place)
        assert told <= at < len(file), "what was acknowledged is there"
        (part,) = client.get(place).json()["parts"]
        assert part["sha256"] == hashlib.sha256(file[:at]).hexdigest()
        exhibit = send(client, place, at, file[at:]).headers["guzheng-exhibit"]
        listed = client.get("/api/exhibits").json()["exhibits"]
        assert [one["exhibit"] for one in listed] == [exhibit]
    item = data / "blobs" / "exhibits" / exhibit / "items" / "录像.mp4"
    assert hashlib.sha256(item.read_bytes()).digest() == hashlib.sha256(file).digest()


@pytest.mark.parametrize(
    ("size", "kills"),
    [(24 << 20, 2), pytest.param(1 << 30, 20, marks=pytest.mark.soak)],
)
def test_killed_and_cut_off_at_any_moment(tmp_path: Path, size: int, kills: int) -> None:
    """The server is killed while octets come, the line breaks in between: each time it goes
    on where it was told, and there is one deposit, of these octets."""
    chance, block = random.Random(size), octets(1 << 20)
    data, port, place, exhibit = tmp_path / "data", free_port(), "", ""
    address, whole = f"http://127.0.0.1:{port}", hashlib.sha256(block * (size >> 20)).digest()
    counted = 0

    def sent(
        begins: int, until: int, program: subprocess.Popen[bytes] | None
    ) -> Iterator[bytes]:
        for at in range(begins, until, 1 << 16):
            yield (block[at % len(block) :] + block)[: min(1 << 16, until - at)]
        if until < size:
            if program is not None:
                os.kill(program.pid, signal.SIGKILL)
            raise Gone

    for _ in range(10 * kills):
        killing = kills > 0
        with server(data, port) as program, plain.client(base_url=address, timeout=60) as told:
            place = place or begin(told, size)
            for breaks in (True, False):
                counted, before = offset_of(told, place), counted
                assert counted >= before, "what was counted stays"
                until = counted + chance.randrange(1, max(2, (size - counted) // (kills + 1)))
                until = until if breaks or killing else size
                headers = {
                    **TUS,
                    "Content-Type": "application/offset+octet-stream",
                    "Content-Length": str(size - counted),
                    "Upload-Offset": str(counted),
                }
                body = sent(counted, until, None if breaks else program)
                with (
                    contextlib.suppress(Gone, httpx.HTTPError),
                    plain.client(base_url=address, timeout=60) as sender,
                ):
                    answer = sender.patch(place, content=body, headers=headers)
                    exhibit = answer.headers.get("guzheng-exhibit", "")
                if breaks:
                    free(told, place)
            if exhibit:
                listed = told.get("/api/exhibits").json()["exhibits"]
                assert [one["exhibit"] for one in listed] == [exhibit]
                break
        kills -= 1
    (item,) = (data / "blobs" / "exhibits" / exhibit / "items").iterdir()
    with item.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == whole


def free(client: httpx.Client, address: str) -> None:
    """Until the server noticed that the sender broke off: nothing is taken of nothing."""
    deadline = time.monotonic() + WAIT_SECONDS
    while send(client, address, offset_of(client, address), b"").status_code == 423:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_while_the_deposit_is_made(tmp_path: Path) -> None:
    """The promised name is taken up again, and what is whole is finished by the round."""
    platform = Platform(Config(tmp_path / "data"))
    file = octets(5000)

    class Killed(BaseException):
        pass

    def killed(_exhibit: str) -> None:
        raise Killed

    for moment in ("before the row", "before the deposit"):
        uploads = Uploading(
            platform.config, platform.parts, platform.road, platform.originals, killed
        )
        with serving(create_app(platform)) as face:
            place = begin(face.client, len(file))
        upload = place.rpartition("/")[2]
        rows = uploads._rows
        if moment == "before the row":
            rows.end = killed  # type: ignore[method-assign, assignment]
        else:
            rows.promise = killed  # type: ignore[method-assign, assignment]
        before = platform.index.count()
        with contextlib.suppress(Killed, TypeError):
            uploads.receive(upload, 0, [file])
        assert not platform.uploads.find(upload).ended
        platform.uploads.round()
        ended = platform.uploads.find(upload)
        assert ended.ended == "kept"
        assert platform.index.count() == before + 1, moment
        platform.uploads.round()
        assert platform.index.count() == before + 1
