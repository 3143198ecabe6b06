"""Real handshakes of OpenSSL, opened with the key log: every suite, and every way in."""

import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from guzheng.proof.digest import sha256
from guzheng.proof.errors import Malformed
from guzheng.transcript import telling
from guzheng.transcript.container import Transcript, open_source
from guzheng.transcript.keylog import KeyLog
from guzheng.transcript.tls import messages
from guzheng.transcript.wire import Opened, open_all
from tests.transcript.recording import Recorder, make_site, status_of
from tests.transcript.servers import PAGE, s_server, tls_server

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sites")
    for kind in ("rsa", "p256", "p384", "ed25519"):
        make_site(folder, kind)
    return folder


def opened(folder: Path, key_log: Path) -> list[Opened]:
    source = open_source(folder, None)
    stream = source.find("items/transcript.zip")
    assert stream is not None
    try:
        return open_all(Transcript.open(stream), KeyLog.parse(key_log.read_bytes()))
    finally:
        source.close()


def client_context(key_log: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.keylog_filename = str(key_log)
    return context


def ask(stream: ssl.SSLSocket, *paths: str, method: str = "GET") -> None:
    for path in paths:
        stream.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while b"0\r\n\r\n" not in (part := stream.recv(65536)) and len(part) == 65536:
            pass


def said_by_client(recorder: Recorder, *options: str) -> bytes:
    """Ask for a page by OpenSSL, through the recorder; what came."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{recorder.port}", "-ign_eof", *options],
        input=b"GET /any HTTP/1.0\r\n\r\n",
        capture_output=True,
        timeout=60,
        check=False,
    ).stdout


def drain(stream: ssl.SSLSocket) -> None:
    while stream.recv(65536):
        pass


CASES = [
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256", "p256", "ecdsa_secp256r1_sha256"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "rsa", "rsa_pss_rsae_sha256"),
    ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "ed25519", "ed25519"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "p384", "ecdsa_secp384r1_sha384"),
    ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "p256", "ecdsa_secp256r1_sha256"),
    ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "rsa", "rsa_p"),
    ("TLSv1.2", "ECDHE-RSA-CHACHA20-POLY1305", "rsa", "rsa_p"),
    ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", "p256", "ecdsa_secp256r1_sha256"),
]


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_the_status_that_a_site_staples_is_told(
    tmp_path: Path, sites: Path, version: str
) -> None:
    """Whether the certificate was said to be revoked at that time: asked for, and kept."""
    site, key_log = make_site(sites, "p256"), tmp_path / "keys.log"
    status = status_of(site)
    (tmp_path / "status.der").write_bytes(status)
    with s_server(site, version, "-status_file", str(tmp_path / "status.der")) as port:
        recorder = Recorder(port)
        said_by_client(recorder, "-status", "-keylogfile", str(key_log))
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert one.faults == []
    assert one.session is not None
    assert one.session.ocsp == status
    told = telling._connection(one)
    assert told["ocsp"] == {"octets": len(status), "digest": str(sha256(status))}
    assert "timestamps" not in told


def test_certificate_timestamps_are_told_as_they_came() -> None:
    """RFC 8446 §4.4.2: with the certificate; a broken staple spoils no handshake."""
    scts = b"\x18\x04\x00\x03abc"

    def message(extensions: bytes) -> bytes:
        entry = b"\x00\x00\x04leaf" + len(extensions).to_bytes(2, "big") + extensions
        body = b"\x00" + len(entry).to_bytes(3, "big") + entry
        return bytes((messages.CERTIFICATE,)) + len(body).to_bytes(3, "big") + body

    whole = b"\x00\x12" + len(scts).to_bytes(2, "big") + scts
    assert messages.stapled(message(whole)) == (b"", scts)
    assert messages.stapled(message(b"")) == (b"", b"")
    for broken in (
        whole[:-1],
        b"\x00\x05\x00\x02\x01\x00",
        b"\x00\x05\x00\x04\x02\x00\x00\x00",
    ):
        with pytest.raises(Malformed):
            messages.stapled(message(broken))


@pytest.mark.parametrize(("version", "cipher", "kind", "scheme"), CASES)
def test_a_conversation_is_opened(
    tmp_path: Path, sites: Path, version: str, cipher: str, kind: str, scheme: str
) -> None:
    key_log = tmp_path / "keys.log"
    modern = version == "TLSv1.3"
    options = ["-tls1_3" if modern else "-tls1_2"]
    options += ["-ciphersuites" if modern else "-cipher", cipher]
    site = make_site(sites, kind)
    with s_server(site, *options) as port:
        recorder = Recorder(port)
        said = said_by_client(recorder, "-keylogfile", str(key_log))
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert one.faults == []
    assert one.session is not None
    assert one.session.finished == (True, True)
    assert one.session.version == version.replace("v", " ")
    assert one.session.certificates == (site.leaf,)
    assert one.session.scheme.startswith(scheme)
    (exchange,) = one.exchanges
    assert (exchange.method, exchange.status, exchange.whole) == ("GET", 200, True)
    assert bytes(exchange.body) in said
    assert len(exchange.body) > 500


def test_every_way_of_ending_a_body(tmp_path: Path, sites: Path) -> None:
    key_log = tmp_path / "keys.log"
    with tls_server(make_site(sites, "p256")) as port:
        recorder = Recorder(port)
        raw = socket.create_connection(("127.0.0.1", recorder.port))
        with client_context(key_log).wrap_socket(raw) as stream:
            whole = ""
            for line in ("GET /page", "HEAD /page", "GET /chunked", "GET /empty", "GET /same",
                         "GET /hint", "GET /close"):  # fmt: skip
                whole += f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            stream.sendall(whole.encode())
            drain(stream)
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert one.faults == []
    found = [(each.method, each.status, len(each.body), each.whole) for each in one.exchanges]
    assert found == [
        ("GET", 200, len(PAGE), True),
        ("HEAD", 200, 0, True),
        ("GET", 200, 2703, True),
        ("GET", 204, 0, True),
        ("GET", 304, 0, True),
        ("GET", 200, 2, True),
        ("GET", 200, 13, True),
    ]
    assert one.exchanges[5].informed == [103]
    assert one.exchanges[0].url == "https://127.0.0.1/page"


def test_a_retry_of_the_hello(tmp_path: Path, sites: Path) -> None:
    key_log = tmp_path / "keys.log"
    with s_server(make_site(sites, "p256"), "-groups", "P-384") as port:
        recorder = Recorder(port)
        said_by_client(recorder, "-groups", "X25519:P-384", "-keylogfile", str(key_log))
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert one.faults == []
    assert one.session is not None
    assert one.session.retried
    assert one.session.scheme
    assert [each.status for each in one.exchanges] == [200]


@pytest.mark.parametrize("option", ["-tls1_3", "-tls1_2"])
def test_a_resumed_connection_names_the_one_that_was_signed(
    tmp_path: Path, sites: Path, option: str
) -> None:
    key_log, session = tmp_path / "keys.log", tmp_path / "session"
    with s_server(make_site(sites, "rsa"), option) as port:
        recorder = Recorder(port)
        for way in ("-sess_out", "-sess_in"):
            said_by_client(recorder, way, str(session), "-keylogfile", str(key_log))
        recorder.pack(tmp_path)
    first, second = opened(tmp_path, key_log)
    assert first.faults == second.faults == []
    assert first.session is not None
    assert second.session is not None
    assert first.session.certificates
    assert second.session.certificates == ()
    assert second.resumed_of == 1
    assert [each.status for each in second.exchanges] == [200]


def test_keys_that_change_meanwhile(tmp_path: Path, sites: Path) -> None:
    key_log = tmp_path / "keys.log"
    with tls_server(make_site(sites, "p256")) as port:
        recorder = Recorder(port)
        client = subprocess.Popen(
            ["openssl", "s_client", "-crlf", "-connect", f"127.0.0.1:{recorder.port}",
             "-keylogfile", str(key_log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        for words, awaited in (
            (b"GET /hint HTTP/1.1\nHost: h\n\n", b"\r\n\r\nok"),
            (b"K\n", b"KEYUPDATE"),  # read together with more, it would swallow that
            (b"GET /empty HTTP/1.1\nHost: h\n\n", b"204 No Content"),
        ):
            client.stdin.write(words)
            client.stdin.flush()
            seen = b""
            while awaited not in seen:
                part = os.read(client.stdout.fileno(), 65536)
                assert part, seen
                seen += part
        client.stdin.write(b"Q\n")
        client.stdin.flush()
        client.communicate(timeout=30)
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert one.faults == []
    assert [each.status for each in one.exchanges] == [200, 204]


def test_without_the_key_nothing_is_opened_and_it_is_said(tmp_path: Path, sites: Path) -> None:
    key_log = tmp_path / "keys.log"
    key_log.write_bytes(b"# empty\n")
    with tls_server(make_site(sites, "p256")) as port:
        recorder = Recorder(port)
        raw = socket.create_connection(("127.0.0.1", recorder.port))
        with client_context(tmp_path / "others.log").wrap_socket(raw) as stream:
            stream.sendall(b"GET /close HTTP/1.1\r\nHost: h\r\n\r\n")
            drain(stream)
        recorder.pack(tmp_path)
    (one,) = opened(tmp_path, key_log)
    assert [error.code for _, error in one.faults] == ["transcript.no-key"]
    assert not one.is_opened
    assert one.exchanges == []
