"""The transcript of a capture: what the server saw, octet by octet, and nothing besides.

One capture over TLS of a page that also tries every other way out; many facts are read from it.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from guzheng.capturer.record import CaptureRecord, SealedKeys, Transcript
from guzheng.proof import canonical
from guzheng.proof.digest import sha256
from tests.hostile.capturing import EXHIBIT, Captured, capture
from tests.hostile.certificates import make_site
from tests.hostile.packets import rebuild
from tests.hostile.site import Answer, Log, Traps, serving
from tests.hostile.wiretap import Taken, deaf, relayed

pytestmark = pytest.mark.browser

_GOODBYE = 24  # a server's close_notify in TLS 1.3, said when the browser had hung up
_ESCAPES = """<!doctype html><title>escapes</title><img src="/item/1.png"><script>
const peer = new RTCPeerConnection({iceServers: [
  {urls: 'stun:127.0.0.1:%(port)d'},
  {urls: 'turn:127.0.0.1:%(port)d', username: 'a', credential: 'b'}
]});
peer.createDataChannel('out');
peer.createOffer().then(offer => peer.setLocalDescription(offer));
fetch('/api/json').then(() => fetch('/item/2.png'));
try { new WebTransport('https://127.0.0.1:%(port)d/') } catch (e) {}
</script><link rel="dns-prefetch" href="//leaks.invalid">
<link rel="preconnect" href="//leaks.invalid">
"""


class _Escapes(Traps):
    page: Answer

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if self.path == "/escapes":
            status, more, body = self.page
            headers = {"content-type": "text/html", **more}
        super().send(status, headers, body)


@dataclass(frozen=True)
class Seen:
    """A finished capture, and what the world outside knows of it."""

    captured: Captured
    taken: list[Taken]
    datagrams: list[bytes]
    port: int

    @property
    def record(self) -> CaptureRecord:
        return self.captured.record

    @property
    def items(self) -> Path:
        return self.captured.out / "items"

    @property
    def transcript(self) -> Transcript:
        assert self.record.transcript is not None
        return self.record.transcript

    @property
    def keys(self) -> SealedKeys:
        assert self.record.tls_keys is not None
        return self.record.tls_keys

    def members(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.items / "transcript.zip") as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def index(self) -> dict[str, object]:
        return canonical.parse_object(self.members()["index.json"])


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("wire")
    site = make_site(folder)
    datagrams: list[bytes] = []
    with deaf(datagrams) as udp:
        _Escapes.page = (
            200,
            {"alt-svc": f'h3=":{udp}"; ma=3600'},
            (_ESCAPES % {"port": udp}).encode(),
        )
        handler = partial(_Escapes, log=Log())
        with (
            serving(handler, tls=site.context) as address,
            relayed(int(address.rpartition(":")[2])) as relay,
        ):
            url = f"https://127.0.0.1:{relay.port}/escapes"
            captured = capture(folder, url, trust_spki=[site.spki])
            assert captured.exit_status == 0, captured.failure
            yield Seen(captured, relay.taken, datagrams, relay.port)


def test_every_octet_is_as_the_server_saw_it(seen: Seen) -> None:
    members = seen.members()
    kept = [
        (members[f"c{one.number:05d}.sent"], members[f"c{one.number:05d}.received"])
        for one in seen.record.connections
        if one.outcome == "connected"
    ]
    assert kept
    assert sum(len(received) for _, received in kept) > 2000
    truth = [(bytes(one.sent), bytes(one.received)) for one in seen.taken]
    assert sorted(sent for sent, _ in kept) == sorted(sent for sent, _ in truth)
    received = dict(truth)
    for sent, answered in kept:
        left = received[sent].removeprefix(answered)
        assert left in {b"", received[sent][-_GOODBYE:]}, "only what came after the end"


def test_the_index_commits_to_all_of_it_in_its_one_form(seen: Seen) -> None:
    members, index = seen.members(), seen.index()
    assert sha256(members["index.json"]) == seen.transcript.index
    assert index["schema"] == "guzheng.transcript/1"
    assert index["exhibit"] == EXHIBIT
    assert list(members) == sorted(members)
    connections = index["connections"]
    assert isinstance(connections, list)
    assert len(connections) == len(seen.record.connections) == seen.transcript.connections
    total = 0
    for one, told in zip(connections, seen.record.connections, strict=True):
        assert (one["number"], one["host"], one["outcome"]) == (
            told.number,
            told.host,
            told.outcome,
        )
        for kind in ("sent", "received", "times"):
            octets = members.get(f"c{told.number:05d}.{kind}", b"")
            assert one[kind] == {
                "octets": len(octets),
                "sha256": hashlib.sha256(octets).hexdigest(),
            }
            total += len(octets) * (kind != "times")
        passed = {">": 0, "<": 0}
        for line in members.get(f"c{told.number:05d}.times", b"").decode("ascii").splitlines():
            at, direction, octets_passed = line.split(" ")
            assert told.began_milliseconds <= int(at) <= (told.ended_milliseconds or 0)
            passed[direction] += int(octets_passed)
        assert passed == {">": told.sent, "<": told.received}
    assert total == seen.transcript.octets
    with zipfile.ZipFile(seen.items / "transcript.zip") as archive:
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)


def _open_keys(seen: Seen, folder: Path) -> Path:
    """By openssl, as anybody would who has the password."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    clear = folder / "keys.log"
    subprocess.run(
        [
            "openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2",
            "-pass", f"file:{seen.captured.out / 'tls-keys.key'}",
            "-in", str(seen.items / "tls-keys.enc"), "-out", str(clear),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return clear


def test_the_keys_are_sealed_and_open_with_their_password_alone(
    seen: Seen, tmp_path: Path
) -> None:
    sealed = (seen.items / "tls-keys.enc").read_bytes()
    assert sha256(sealed) == seen.keys.sealed
    assert b"CLIENT" not in sealed
    password = seen.captured.out / "tls-keys.key"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    clear = _open_keys(seen, tmp_path).read_bytes()
    assert sha256(clear) == seen.keys.clear
    assert len(clear) == seen.keys.octets
    assert b"CLIENT_HANDSHAKE_TRAFFIC_SECRET " in clear
    assert "tls-keys.key" not in {one.name for one in seen.record.artefacts}
    assert {"transcript.zip", "tls-keys.enc"} <= {one.name for one in seen.record.artefacts}


def test_the_index_is_offered_for_a_stamp_before_the_keys_are_read(seen: Seen) -> None:
    moments = {one.name: one.digest for one in seen.record.moments}
    assert moments["transcript"] == seen.transcript.index


def test_nothing_leaves_beside_the_tunnel(seen: Seen) -> None:
    assert seen.datagrams == []
    assert all(one.port == seen.port for one in seen.record.connections if one.peer)


def test_the_grade_says_whether_the_kernel_keeps_it_so(seen: Seen) -> None:
    alone = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    assert ("grade.network-namespace" in seen.record.missing) == bool(alone.returncode)
    assert "grade.transcript" not in seen.record.missing
    assert "grade.second-resolver" in seen.record.missing


def test_nothing_of_the_tunnel_stays(seen: Seen) -> None:
    found = [line for line in _commands() if "guzheng.capturer.tunnel" in line]
    started = {one.split()[1] for one in found}
    assert str(os.getpid()) not in started


def _commands() -> list[str]:
    """Parent and command line of every program that runs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8")
                stat_ = (entry / "stat").read_text("utf-8", "replace")
            except (OSError, UnicodeDecodeError):
                continue
            found.append(f"{entry.name} {stat_.rpartition(')')[2].split()[1]} {line}")
    return found


@pytest.mark.oracle
def test_tshark_decrypts_what_was_kept(seen: Seen, tmp_path: Path) -> None:
    """A reader that nobody here wrote, on packets rebuilt from the transcript."""
    if shutil.which("tshark") is None:
        pytest.skip("no tshark here: apt-get install tshark")
    keys, packets = _open_keys(seen, tmp_path), tmp_path / "rebuilt.pcap"
    assert rebuild(seen.items / "transcript.zip", packets)
    done = subprocess.run(
        [
            "tshark", "-r", str(packets), "-o", f"tls.keylog_file:{keys}",
            "-d", f"tcp.port=={seen.port},tls",
            "-Y", "http.response", "-T", "fields", "-e", "http.response.code",
            "-e", "http.response_for.uri",
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    found = sorted((int(code), uri.rpartition(str(seen.port))[2]) for code, uri in lines)
    recorded = sorted(
        (one.status, one.url.rpartition(str(seen.port))[2])
        for one in seen.record.requests
        if one.status is not None
    )
    assert found == recorded
    assert (200, "/escapes") in found
