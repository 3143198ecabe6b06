"""Servers whose TLS is broken, one way each, under an authority that the browser trusts: else
«nobody vouches» would hide every other cause."""

import datetime
import ipaddress
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Broken:
    """`error` is what the browser calls it."""

    name: str
    error: str
    context: ssl.SSLContext


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """A root, and leaves under it that are broken in one way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = _key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trap Root")])
        self.root = (
            self._builder(self._name, self._key, -9, 300)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def root_der(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.DER)

    def sites(self) -> list[Broken]:
        date, name = "ERR_CERT_DATE_INVALID", "ERR_CERT_COMMON_NAME_INVALID"
        # Chromium reads no SHA-1 any more: to it such a certificate is malformed.
        weak, old = "ERR_CERT_INVALID", "ERR_SSL_VERSION_OR_CIPHER_MISMATCH"
        itself = "ERR_CERT_AUTHORITY_INVALID"
        return [
            Broken("sound", "", self._context("sound")),
            Broken("expired", date, self._context("expired", until=-1)),
            Broken("wrong-host", name, self._context("wrong-host", address="127.0.0.9")),
            Broken("self-signed", itself, self._context("self-signed", own=True)),
            Broken("sha1", weak, self._by_sha1()),
            Broken("tls-1.0", old, self._old(self._context("tls-1.0"))),
        ]

    def _builder(
        self, name: x509.Name, key: rsa.RSAPrivateKey, since: int, until: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW + since * _DAY)
            .not_valid_after(_NOW + until * _DAY)
        )

    def _context(
        self,
        name: str,
        *,
        until: int = 90,
        address: str = "127.0.0.1",
        own: bool = False,
    ) -> ssl.SSLContext:
        key = _key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key, -8, until)
        if own:
            builder = x509.CertificateBuilder(
                subject, subject, key.public_key(), x509.random_serial_number(),
                _NOW - _DAY, _NOW + 90 * _DAY,
            )  # fmt: skip
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        leaf = builder.add_extension(names, critical=False).sign(
            key if own else self._key, hashes.SHA256()
        )
        return self._serving(name, _pem(key) + leaf.public_bytes(_PEM))

    def _by_sha1(self) -> ssl.SSLContext:
        """By openssl: cryptography signs nothing with SHA-1 any more."""
        folder, key = self._folder, _key()
        (folder / "root.pem").write_bytes(_pem(self._key) + self.root.public_bytes(_PEM))
        (folder / "sha1.key").write_bytes(_pem(key))
        (folder / "sha1.cnf").write_text("subjectAltName=IP:127.0.0.1\n")
        ask = ["openssl", "req", "-new", "-key", "sha1.key", "-subj", "/CN=sha1"]
        asked = subprocess.run(ask, cwd=folder, capture_output=True, check=True)
        sign = ["openssl", "x509", "-req", "-sha1", "-days", "90", "-extfile", "sha1.cnf"]
        signed = subprocess.run(
            [*sign, "-CA", "root.pem", "-CAkey", "root.pem", "-set_serial", "77"],
            cwd=folder, capture_output=True, check=True, input=asked.stdout,
        )  # fmt: skip
        return self._serving("sha1", _pem(key) + signed.stdout)

    def _serving(self, name: str, chain_pem: bytes) -> ssl.SSLContext:
        chain = self._folder / f"{name}.pem"
        chain.write_bytes(chain_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(chain)
        return context

    @staticmethod
    def _old(context: ssl.SSLContext) -> ssl.SSLContext:
        context.options &= ~ssl.OP_NO_TLSv1
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1
        return context
