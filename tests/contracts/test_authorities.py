"""One contract, every timestamp authority: ours in process, ours over HTTP, and OpenSSL's.

OpenSSL's stands for all the authorities we did not write: `openssl ts -reply` behind a loopback
server, with keys that `openssl req` made.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509

from guzheng.fix import (
    HttpAuthority,
    TimestampAuthority,
    load_or_make,
    local_authority,
    roots_pem,
    stamp,
)
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import Refuted
from guzheng.refusals import Refused, Unavailable

REPLY = "application/timestamp-reply"
FILE = "一张照片".encode()


@dataclass(frozen=True)
class Offered:
    """An authority, and the roots its tokens are to be checked with."""

    authority: TimestampAuthority
    roots_pem: bytes

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        return tuple(x509.load_pem_x509_certificates(self.roots_pem))


# ------------------------------------------------------------------------------ loopback server


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()


def answering(
    octets: Callable[[bytes], bytes], *, status: int = 200, kind: str = REPLY
) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def answer(door: BaseHTTPRequestHandler, asked: bytes) -> None:
        body = octets(asked)
        door.send_response(status)
        door.send_header("Content-Type", kind)
        door.send_header("Content-Length", str(len(body)))
        door.end_headers()
        door.wfile.write(body)

    return answer


# -------------------------------------------------------------------------- the implementations


@contextmanager
def ours(tmp_path: Path) -> Iterator[Offered]:
    keys = load_or_make(tmp_path / "keys", now=lambda: datetime.now(UTC), entropy=os.urandom)
    authority = local_authority(keys, now=lambda: datetime.now(UTC), entropy=os.urandom)
    yield Offered(authority, roots_pem(keys))


@contextmanager
def ours_over_http(tmp_path: Path) -> Iterator[Offered]:
    with ours(tmp_path) as here, serving(answering(here.authority.respond)) as url:
        yield Offered(HttpAuthority(url, timeout_seconds=20), here.roots_pem)


OPENSSL_CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = somebody else
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[tsa]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = critical, timeStamping
[tsa_reply]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@contextmanager
def openssl_over_http(tmp_path: Path) -> Iterator[Offered]:
    (tmp_path / "openssl.cnf").write_text(OPENSSL_CONFIGURATION)
    turn = threading.Lock()  # its serials are a file

    def run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    made = ("-config", "openssl.cnf", "-newkey", "rsa:3072", "-nodes")
    run(
        *("req", "-x509", *made, "-extensions", "root", "-subj", "/CN=somebody else's root"),
        *("-days", "30", "-keyout", "root.key", "-out", "root.pem"),
    )
    run("req", *made, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=somebody else")
    run(
        *("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key"),
        *("-CAcreateserial", "-days", "30", "-extfile", "openssl.cnf", "-extensions", "tsa"),
        *("-out", "tsa.pem"),
    )

    def reply(asked: bytes) -> bytes:
        with turn:
            (tmp_path / "asked.tsq").write_bytes(asked)
            run(
                *("ts", "-reply", "-config", "openssl.cnf", "-section", "tsa_reply"),
                *("-queryfile", "asked.tsq", "-out", "answer.tsr"),
            )
            return (tmp_path / "answer.tsr").read_bytes()

    with serving(answering(reply)) as url:
        yield Offered(
            HttpAuthority(url, timeout_seconds=20), (tmp_path / "root.pem").read_bytes()
        )


IMPLEMENTATIONS = {"local": ours, "http": ours_over_http, "openssl": openssl_over_http}


@pytest.fixture(
    scope="module",
    params=[
        "local",
        "http",
        pytest.param("openssl", marks=pytest.mark.oracle("openssl")),
    ],
)
def offered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Offered]:
    with IMPLEMENTATIONS[str(request.param)](tmp_path_factory.mktemp("tsa")) as one:
        yield one


# ------------------------------------------------------------------------------- the contract


def test_it_has_a_name(offered: Offered) -> None:
    assert offered.authority.name
    assert "://" not in offered.authority.name


def test_its_answer_stands_over_the_digest_now_and_for_this_question(offered: Offered) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    octets = stamp(offered.authority, sha256(FILE), nonce=2**64 - 1, roots=offered.roots)
    token = timestamp.parse(octets)
    assert token.accuracy is not None
    assert before <= token.attested_at <= datetime.now(UTC) + token.accuracy


@pytest.mark.oracle("openssl")
def test_openssl_accepts_its_answer(offered: Offered, tmp_path: Path) -> None:
    octets = stamp(offered.authority, sha256(FILE), nonce=5, roots=offered.roots)
    (tmp_path / "file").write_bytes(FILE)
    (tmp_path / "file.tsa").write_bytes(octets)
    (tmp_path / "roots.pem").write_bytes(offered.roots_pem)
    command = "ts -verify -data file -in file.tsa -CAfile roots.pem"
    found = subprocess.run(
        ["openssl", *command.split()], cwd=tmp_path, check=False, capture_output=True
    )
    assert found.stdout == b"Verification: OK\n", found.stderr


def test_the_same_question_twice_gives_two_serials(offered: Offered) -> None:
    asked = timestamp.encode_request(sha256(FILE), 9)
    serials = {timestamp.parse(offered.authority.respond(asked)).serial for _ in range(3)}
    assert len(serials) == 3


def test_many_at_once_get_each_their_own_answer(offered: Offered) -> None:
    found: dict[int, bytes] = {}

    def ask(number: int) -> None:
        digest = sha256(bytes([number]))
        octets = stamp(offered.authority, digest, nonce=number, roots=offered.roots)
        found[number] = timestamp.parse(octets).imprint

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: sha256(bytes([number])).value for number in range(8)}


def test_the_certificate_comes_only_when_it_is_asked_for(offered: Offered) -> None:
    for wanted in (True, False):
        asked = timestamp.encode_request(sha256(FILE), 3, cert_req=wanted)
        token = timestamp.parse(offered.authority.respond(asked))
        assert bool(token.signed.certificates) == wanted


@pytest.mark.parametrize("asked", [b"", b"\x30\x03\x02\x01\x01", b"GET / HTTP/1.1"])
def test_a_wrong_question_is_answered_with_a_rejection(offered: Offered, asked: bytes) -> None:
    with pytest.raises(Refuted) as refusal:
        timestamp.parse(offered.authority.respond(asked))
    assert refusal.value.code == "timestamp.not-granted"


def test_an_unknown_policy_is_answered_with_a_rejection(offered: Offered) -> None:
    asked = timestamp.encode_request(
        sha256(FILE), 3, policy_der=bytes.fromhex("06052a03040506")
    )
    with pytest.raises(Refuted) as refusal:
        timestamp.parse(offered.authority.respond(asked))
    assert refusal.value.code == "timestamp.not-granted"


# ------------------------------------------------------------------ what goes wrong out there


def drip(door: BaseHTTPRequestHandler, asked: bytes) -> None:
    door.send_response(200)
    door.send_header("Content-Type", REPLY)
    door.end_headers()
    try:
        for _ in range(200):
            door.wfile.write(b"\x30")
            door.wfile.flush()
            threading.Event().wait(0.05)
    except ConnectionError:
        pass


def silent(door: BaseHTTPRequestHandler, _: bytes) -> None:
    threading.Event().wait(1.0)
    door.close_connection = True


def cut(door: BaseHTTPRequestHandler, _: bytes) -> None:
    door.send_response(200)
    door.send_header("Content-Type", REPLY)
    door.send_header("Content-Length", "1000")
    door.end_headers()
    door.wfile.write(b"\x30")


def elsewhere(door: BaseHTTPRequestHandler, _: bytes) -> None:
    door.send_response(302)
    door.send_header("Location", "http://127.0.0.1:9/other")
    door.send_header("Content-Length", "0")
    door.end_headers()


def gibberish(door: BaseHTTPRequestHandler, _: bytes) -> None:
    door.wfile.write(b"\x00\xff not HTTP\r\n\r\n")
    door.close_connection = True


def nothing(_: bytes) -> bytes:
    return b""


OUT_THERE: dict[str, tuple[Callable[[BaseHTTPRequestHandler, bytes], None], str, str]] = {
    "500": (answering(nothing, status=500), "fix.authority-declined", "HTTP 500"),
    "429": (answering(nothing, status=429), "fix.authority-declined", "HTTP 429"),
    "404": (answering(nothing, status=404), "fix.authority-declined", "HTTP 404"),
    "redirect": (elsewhere, "fix.authority-declined", "to http://127.0.0.1:9/other"),
    "a web page": (
        answering(lambda _: b"<html>", kind="text/html; charset=utf-8"),
        "fix.authority-not-rfc3161",
        "text/html",
    ),
    "endless": (answering(lambda _: bytes(200_000)), "fix.authority-not-rfc3161", "more"),
    "one octet at a time": (drip, "fix.authority-unreachable", "none"),
    "silence": (silent, "fix.authority-unreachable", "none"),
    "cut short": (cut, "fix.authority-unreachable", ""),
    "not HTTP": (gibberish, "fix.authority-unreachable", ""),
}


@pytest.mark.parametrize("case", OUT_THERE)
def test_what_goes_wrong_out_there_is_unavailable(case: str) -> None:
    answer, code, found = OUT_THERE[case]
    with serving(answer) as url, pytest.raises(Unavailable) as problem:
        HttpAuthority(url, timeout_seconds=0.5).respond(b"asked")
    assert problem.value.code == code
    assert found in problem.value.found
    assert problem.value.expected
    assert problem.value.act


def test_nobody_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "http://no-such-host.invalid/"):
        with pytest.raises(Unavailable) as problem:
            HttpAuthority(url, timeout_seconds=5).respond(b"asked")
        assert problem.value.code == "fix.authority-unreachable"


@pytest.mark.parametrize(
    "url",
    ["", "tsa.example", "ftp://tsa.example/", "http://", "file:///etc/passwd", "http://[::"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        HttpAuthority(url, timeout_seconds=5)
    assert refusal.value.code == "fix.authority-url"


def test_the_question_is_sent_as_rfc_3161_says_and_a_password_is_not_shown() -> None:
    heard: list[tuple[str, str, bytes]] = []

    def answer(door: BaseHTTPRequestHandler, asked: bytes) -> None:
        heard.append((door.headers["Content-Type"], door.headers["Authorization"], asked))
        answering(lambda _: b"\x30\x00", kind=f"{REPLY.upper()}; x=y")(door, asked)

    with serving(answer) as url:
        authority = HttpAuthority(url.replace("//", "//me:s3cret@"), timeout_seconds=5)
        assert authority.respond(b"asked") == b"\x30\x00"
    assert heard == [("application/timestamp-query", "Basic bWU6czNjcmV0", b"asked")]
    assert "s3cret" not in repr(authority)
    assert authority.name == "127.0.0.1"
