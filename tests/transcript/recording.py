"""Real conversations, recorded: a port that carries octets to a server and keeps them.

It writes the form of docs/spec/transcript.md by itself, so that what the tunnel writes and what
the tests read are two opinions of one document.
"""

import contextlib
import datetime
import hashlib
import ipaddress
import json
import socket
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

EXHIBIT = "ex_" + "0" * 26
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass
class Kept:
    """One connection that passed."""

    number: int
    port: int
    began: int
    ended: int = 0
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    times: list[str] = field(default_factory=list)

    def value(self, host: str) -> dict[str, object]:
        return {
            "number": self.number,
            "host": host,
            "port": self.port,
            "answers": ["127.0.0.1"],
            "resolvers": [{"resolver": "system", "answers": ["127.0.0.1"]}],
            "peer": "127.0.0.1",
            "outcome": "connected",
            "because": "",
            "began_milliseconds": self.began,
            "ended_milliseconds": self.ended,
            "sent": _flow(self.sent),
            "received": _flow(self.received),
            "times": _flow("".join(self.times).encode()),
        }


def _flow(octets: bytes | bytearray) -> dict[str, object]:
    return {"octets": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}


class Recorder:
    """Listens, carries to `port`, keeps; `pack` once everything has ended."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host, self.server_port = host, port
        self.kept: list[Kept] = []
        self._sockets: list[socket.socket] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _now(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server_port))
            self._sockets += [client, server]
            kept = Kept(len(self.kept) + 1, self.server_port, self._now())
            self.kept.append(kept)
            for direction, here, there in ((">", client, server), ("<", server, client)):
                thread = threading.Thread(
                    target=self._carry, args=(kept, direction, here, there), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _carry(
        self, kept: Kept, direction: str, here: socket.socket, there: socket.socket
    ) -> None:
        with contextlib.suppress(OSError):
            while octets := here.recv(65536):
                with self._lock:
                    (kept.sent if direction == ">" else kept.received).extend(octets)
                    kept.times.append(f"{self._now()} {direction} {len(octets)}\n")
                there.sendall(octets)
            there.shutdown(socket.SHUT_WR)

    def pack(self, folder: Path) -> Path:
        """The folder of an exhibit with items/transcript.zip."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads[1:]:
            thread.join(30)
        for each in self._sockets:
            each.close()
        for one in self.kept:
            one.ended = self._now()
        write(folder, self.kept, self.host)
        return folder


def write(folder: Path, kept: list[Kept], host: str = "127.0.0.1") -> None:
    index = {
        "schema": "guzheng.transcript/1",
        "exhibit": EXHIBIT,
        "connections": [one.value(host) for one in kept],
    }
    members = {"index.json": spelled(index)}
    for one in kept:
        members[f"c{one.number:05d}.sent"] = bytes(one.sent)
        members[f"c{one.number:05d}.received"] = bytes(one.received)
        members[f"c{one.number:05d}.times"] = "".join(one.times).encode()
    (folder / "items").mkdir(parents=True, exist_ok=True)
    pack(folder / "items/transcript.zip", members)


def spelled(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pack(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), members[name])


@dataclass(frozen=True)
class Site:
    """A key and its certificate for 127.0.0.1, in files."""

    chain: Path
    key: Path
    leaf: bytes


def make_site(folder: Path, kind: str) -> Site:
    key: Key
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    elif kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        curve = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}[kind]
        key = ec.generate_private_key(curve())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"site {kind}")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([address, x509.DNSName("localhost")])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC))
        .add_extension(names, critical=False)
        .sign(key, None if kind == "ed25519" else hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    site = Site(folder / f"{kind}.pem", folder / f"{kind}.key", leaf.public_bytes(DER))
    site.chain.write_bytes(leaf.public_bytes(PEM))
    private = serialization.PrivateFormat.PKCS8
    site.key.write_bytes(key.private_bytes(PEM, private, serialization.NoEncryption()))
    return site


def status_of(site: Site) -> bytes:
    """The answer of an OCSP responder about it, signed by itself: its own authority."""
    leaf = x509.load_der_x509_certificate(site.leaf)
    key = serialization.load_pem_private_key(site.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf, leaf, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, now, None, None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, leaf)
        .sign(key, hashes.SHA256())
        .public_bytes(DER)
    )
