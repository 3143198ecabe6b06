"""What the tests of station fix share: keys, requests, and readers that nobody here wrote."""

import asyncio
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from guzheng.fix import LocalAuthority, random_serials, signing_key_of, unverified
from guzheng.fix.profiles import OPERATOR, certificates_of
from guzheng.fix.signing import PrivateKey, SigningKey

NOON = datetime(2026, 11, 21, 12, 0, 0, 120_000, tzinfo=UTC)
FILE = "one photograph, 一张照片".encode()


class Answer(core.Sequence):  # type: ignore[misc]  # asn1crypto publishes no types
    """A TimeStampResp. asn1crypto's own forgets that a rejection has no token."""

    _fields = [  # noqa: RUF012 - a list is what asn1crypto wants
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


@dataclass(frozen=True)
class Issuer:
    """A root and the authority's certificate under it."""

    root: x509.Certificate
    tsa: x509.Certificate
    tsa_key: PrivateKey

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    @property
    def tsa_der(self) -> bytes:
        return self.tsa.public_bytes(Encoding.DER)

    def signing_key(self) -> SigningKey:
        return signing_key_of(self.tsa_key)

    def authority(
        self, *, at: datetime = NOON, accuracy: timedelta = timedelta(seconds=1)
    ) -> LocalAuthority:
        return LocalAuthority(
            self.signing_key(),
            self.tsa_der,
            clock=unverified(lambda: at, accuracy),
            serial=random_serials(os.urandom),
        )


def issuer(kind: str = "P-256") -> Issuer:
    key: PrivateKey
    if kind == "P-256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    certificates = certificates_of(
        ec.generate_private_key(ec.SECP256R1()),
        tsa=key.public_key(),
        signer=ec.generate_private_key(ec.SECP256R1()).public_key(),
        operator=OPERATOR,
        at=NOON,
        entropy=os.urandom,
    )
    return Issuer(certificates["root"], certificates["tsa"], key)


def openssl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def openssl_request(cwd: Path, *arguments: str, octets: bytes = FILE) -> bytes:
    (cwd / "file").write_bytes(octets)
    asked = openssl("ts", "-query", "-data", "file", *arguments, "-out", "file.tsq", cwd=cwd)
    assert asked.returncode == 0, asked.stderr
    return (cwd / "file.tsq").read_bytes()


def openssl_verdict(
    cwd: Path, response_der: bytes, by: Issuer, *extra: str, octets: bytes = FILE
) -> str:
    """«Verification: OK», or what openssl found. Judged at NOON, as our certificates are."""
    (cwd / "file").write_bytes(octets)
    (cwd / "file.tsa").write_bytes(response_der)
    (cwd / "roots.pem").write_bytes(by.root_pem)
    (cwd / "tsa.pem").write_bytes(by.tsa.public_bytes(Encoding.PEM))
    asked = ("ts", "-verify", "-data", "file", "-in", "file.tsa", "-CAfile", "roots.pem")
    when = str(int((NOON + timedelta(minutes=1)).timestamp()))
    found = openssl(*asked, "-attime", when, *extra, cwd=cwd)
    return found.stdout.strip() if found.returncode == 0 else found.stdout + found.stderr


def rfc3161_client_accepts(
    response_der: bytes, by: Issuer, octets: bytes = FILE, *, without_certificate: bool = False
) -> bool:
    builder = VerifierBuilder().add_root_certificate(by.root)
    if without_certificate:
        builder = builder.tsa_certificate(by.tsa)
    return builder.build().verify_message(decode_timestamp_response(response_der), octets)


def pyhanko_accepts(
    response_der: bytes, by: Issuer, hashes: Sequence[tuple[str, bytes]]
) -> bool:
    """Signature, attributes and path, as pyHanko judges them for signed PDFs."""
    signed = Answer.load(response_der)["time_stamp_token"]["content"]
    root = asn1_x509.Certificate.load(by.root.public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[root], moment=NOON + timedelta(minutes=1))
    found = asyncio.run(
        validate_tst_signed_data(signed, context, lambda name: dict(hashes)[name])
    )
    return bool(found["intact"] and found["valid"] and found["trust_problem_indic"] is None)
