"""The keys of a platform that has none yet: made once, all or nothing, never overwritten.

Three keys with their certificates, in `<keys>/authority/`:
  root    certifies the two others and nothing else; P-256; 20 years; its private key is needed
          only for the next ceremony and SHOULD be taken offline (move `root.key` away: nothing
          here asks for it again);
  tsa     signs timestamp tokens: RFC 3161 §2.3, sole critical timeStamping purpose; P-256 or
          RSA-3072; 5 years; the next ones are rotation.py's;
  signer  signs certificates in PDF: RFC 9336 document signing; P-256; 5 years.
How they are written and read is keyfolder.py's.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import keyfolder, profiles
from guzheng.fix.keyfolder import CERTIFICATE, KEY
from guzheng.fix.signing import KeyKind, PrivateKey, generate

FOLDER = "authority"
NEXT = "tsa"  # folder of the authority's further keys: rotation.py
_ROLES = ("root", "tsa", "signer")


@dataclass(frozen=True, slots=True)
class Keys:
    """What a running platform needs; the root's private key is not among it."""

    root_der: bytes
    tsa_der: bytes
    signer_der: bytes
    tsa_key: PrivateKey | None = field(repr=False)  # None: destroyed after a rotation
    signer_key: PrivateKey = field(repr=False)


def load_or_make(
    keys_dir: Path,
    *,
    operator: str = profiles.OPERATOR,
    tsa_kind: KeyKind = "p256",
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> Keys:
    """The keys in `keys_dir`, made there if there are none; `Refused` if not fit for use."""
    profiles.require_operator(operator)
    keyfolder.make_if_none(
        keys_dir / FOLDER,
        lambda: _made(tsa_kind, operator=operator, at=now(), entropy=entropy),
        entropy=entropy,
    )
    return load(keys_dir)


def load(keys_dir: Path) -> Keys:
    """The keys in `keys_dir`, each checked against its certificate, each certificate's path."""
    folder = keys_dir / FOLDER
    keyfolder.require_private(folder)
    certificates = {
        role: keyfolder.certificate_in(folder / f"{role}{CERTIFICATE}") for role in _ROLES
    }
    root = certificates["root"]
    for role in _ROLES:
        try:
            certificates[role].verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature):
            raise keyfolder.damaged(
                folder / f"{role}{CERTIFICATE}", "not issued by the root"
            ) from None
    root_key = folder / f"root{KEY}"
    if os.path.lexists(root_key):  # it may be offline
        keyfolder.private_key_in(root_key, root)
    return Keys(
        root_der=_der(root),
        tsa_der=_der(certificates["tsa"]),
        signer_der=_der(certificates["signer"]),
        tsa_key=_tsa_key_in(keys_dir, certificates["tsa"]),
        signer_key=keyfolder.private_key_in(folder / f"signer{KEY}", certificates["signer"]),
    )


def _tsa_key_in(keys_dir: Path, certificate: x509.Certificate) -> PrivateKey | None:
    """The first of the authority's keys; it may be destroyed when there is a next one."""
    path = keys_dir / FOLDER / f"tsa{KEY}"
    if not os.path.lexists(path) and any((keys_dir / NEXT).glob("[0-9]*")):
        return None
    return keyfolder.private_key_in(path, certificate)


def roots_pem(keys: Keys) -> bytes:
    """The root as PEM, what `openssl ts -verify -CAfile` takes."""
    return x509.load_der_x509_certificate(keys.root_der).public_bytes(Encoding.PEM)


def _made(
    tsa_kind: KeyKind, *, operator: str, at: datetime, entropy: Callable[[int], bytes]
) -> Mapping[str, bytes]:
    root_key, signer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    private_keys: dict[str, PrivateKey] = {
        "root": root_key,
        "tsa": generate(tsa_kind),
        "signer": signer_key,
    }
    certificates = profiles.certificates_of(
        root_key,
        tsa=private_keys["tsa"].public_key(),
        signer=signer_key.public_key(),
        operator=operator,
        at=at,
        entropy=entropy,
    )
    files: dict[str, bytes] = {}
    for role in _ROLES:
        files[f"{role}{KEY}"] = keyfolder.private_key_pem(private_keys[role])
        files[f"{role}{CERTIFICATE}"] = certificates[role].public_bytes(Encoding.PEM)
    return files


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
