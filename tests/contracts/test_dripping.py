"""Who is asked over HTTP, and answers an octet at a time, is waited for once, not for each.

Each of our questions goes to a real server that begins to answer and never comes to an end: in
the handshake, the status line, the head, in answers before the answer, or in the body."""

import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from guzheng import asking
from guzheng.accounts import calling
from guzheng.accounts.post import SmtpMail
from guzheng.accounts.realnames import Statement
from guzheng.accounts.registers import HttpRegister
from guzheng.fix import HttpAuthority
from guzheng.ledger import Place
from guzheng.ledger.anchors.asking import Asker
from guzheng.ledger.witnesses import HttpWitness
from guzheng.mirror.fetching import Unreachable, over_http
from guzheng.proof import policy
from guzheng.proof.note import VerifierKey
from guzheng.refusals import Unavailable
from tests.world import REPLY, _served, dripping

VECTORS = Path(__file__).parents[1] / "vectors/note"
PARTS = ["handshake", "status", "head", "interim", "body"]
GIVEN = 0.4
ENOUGH = 5.0  # seconds; whoever bounds each wait alone is held for as long as the test lasts


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[tuple[str, Path]]:
    """A server that speaks TLS, and the file of the only root that vouches for it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    root, both = folder / "root.pem", folder / "both.pem"
    root.write_bytes(made.public_bytes(Encoding.PEM))
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + root.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)

    class Door(BaseHTTPRequestHandler):
        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"over TLS")

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        yield url.replace("http:", "https:"), root


@contextlib.contextmanager
def slowly() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """A server of HTTP/1.1 that takes its time, and the places it was asked from."""
    places: list[tuple[str, int]] = []

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            places.append(self.client_address)
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            for octet in b"12345":
                time.sleep(0.05)
                self.wfile.write(bytes([octet]))

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url:
        yield url, places


def authority(url: str) -> None:
    HttpAuthority(url, timeout_seconds=GIVEN).respond(b"asked")


def witness(url: str) -> None:
    key = VerifierKey.parse((VECTORS / "remora-ed25519.vkey").read_text().strip())
    HttpWitness(policy.Witness("w", key, url), timeout_seconds=GIVEN).add_checkpoint(0, (), b"")


def log(url: str) -> None:
    Place(url, timeout_seconds=GIVEN).checkpoint()


def calendar(url: str) -> None:
    Asker("calendar", url, timeout_seconds=GIVEN).ask("POST", content=b"x")


def register(url: str) -> None:
    HttpRegister("某某核验", url, "key", GIVEN).compare(Statement("person", "张三", "1"))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("ask", [authority, witness, log, calendar, register])
def test_a_question_of_the_platform_ends(ask: Callable[[str], None], part: str) -> None:
    with dripping(part, REPLY) as url:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            ask(url)
        assert GIVEN / 2 < time.monotonic() - began < ENOUGH


@pytest.mark.parametrize("part", PARTS)
def test_a_call_to_a_webhook_or_a_provider_ends(part: str) -> None:
    with dripping(part) as url:
        parts = calling.parse_address(url)
        line = calling.looked_up(parts, (ip_network("127.0.0.0/8"),), calling.resolved)
        began = time.monotonic()
        assert calling.ask(line, "GET", {}, most_octets=100, seconds=GIVEN) == (0, b"")
        assert time.monotonic() - began < ENOUGH


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_letter_is_given_up(scheme: str) -> None:
    """To a server that never ends its greeting, or the handshake before it."""
    with dripping("greeting" if scheme == "smtp" else "handshake") as url:
        place = url.partition("://")[2]
        mail = SmtpMail(f"{scheme}://{place}", "no@guzheng.example", seconds=GIVEN)
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"accounts\.mail-failed"):
            mail.send("li@example.com", "words", "text")
        assert time.monotonic() - began < ENOUGH


def test_who_is_cut_off_has_said_nothing_in_clear(tmp_path: Path) -> None:
    with secured(tmp_path) as (url, root):
        context = ssl.create_default_context(cafile=str(root))
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(place, 20) as plain:
            line = context.wrap_socket(plain, server_hostname="127.0.0.1")
            with line:
                calling.cut_off(line)
                with pytest.raises(OSError):
                    line.sendall(b"a secret")
                assert line.version() is not None, "it still is TLS"


@pytest.mark.parametrize("part", PARTS[1:])
def test_a_log_that_drips_does_not_hold_its_mirror(part: str) -> None:
    """By a clock on which each look is a minute later: so patience ends at the sixth octet."""
    with dripping(part) as url, pytest.raises(Unreachable, match="not whole"):
        over_http(url, itertools.count(step=60).__next__)("checkpoint")


def test_who_answers_in_time_is_heard_whole_and_over_one_connection() -> None:
    """A body that comes in parts, each later than the last, within the time that is given."""
    with slowly() as (url, places):
        with asking.client(asking.trusting(secure=False), seconds=20) as client:
            assert [client.get(url).content for _ in range(2)] == [b"12345", b"12345"]
        assert len(set(places)) == 1


def test_who_is_asked_by_tls_is_vouched_for_by_a_root_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secured(tmp_path) as (url, root):
        with (
            asking.client(asking.trusting(secure=True), seconds=20) as client,
            pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            client.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(root))  # as an operator adds one
        with asking.client(asking.trusting(secure=True), seconds=20) as client:
            assert client.get(url).content == b"over TLS"
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                client.get(url.replace("127.0.0.1", "localhost"))


def test_nobody_is_followed_elsewhere() -> None:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    with _served(Door) as url, asking.client(asking.trusting(secure=False), seconds=20) as one:
        assert one.get(url).status_code == 302
