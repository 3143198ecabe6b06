"""The SM2 root and the SM2 authority's key: made once, beside the others, which stay.

In `<keys>/sm2/`: `root.key`, `root.pem`, `tsa.key`, `tsa.pem`, as in ceremony.py and under the
same rules (keyfolder.py). They are made at the first start at which the system's OpenSSL does
SM2, which may be long after the platform's own first start. `root.key` may be taken offline.
"""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import keyfolder, profiles, sm2_certificates
from guzheng.fix.keyfolder import CERTIFICATE, KEY
from guzheng.fix.sm2 import Libcrypto, Sm2Key
from guzheng.proof import chain, sm2_x509
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused

FOLDER = "sm2"
_BEGIN, _END = b"-----BEGIN PRIVATE KEY-----\n", b"\n-----END PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True)
class Sm2Keys:
    """What a running platform needs; the root's private key is not among it."""

    root_der: bytes
    tsa_der: bytes
    tsa_key: Sm2Key = field(repr=False)


def load_or_make(
    keys_dir: Path,
    library: Libcrypto,
    *,
    operator: str = profiles.OPERATOR,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> Sm2Keys:
    """The SM2 keys in `keys_dir`, made there if there are none; `Refused` if unfit."""
    profiles.require_operator(operator)
    keyfolder.make_if_none(
        keys_dir / FOLDER,
        lambda: _made(library, operator=operator, at=now(), entropy=entropy),
        entropy=entropy,
    )
    return load(keys_dir, library)


def load(keys_dir: Path, library: Libcrypto) -> Sm2Keys:
    """Each key checked against its certificate, the authority's against the root."""
    folder = keys_dir / FOLDER
    keyfolder.require_private(folder)
    root, tsa = (
        keyfolder.certificate_in(folder / f"{role}{CERTIFICATE}") for role in ("root", "tsa")
    )
    require_issued(tsa, root, folder / f"tsa{CERTIFICATE}")
    if os.path.lexists(folder / f"root{KEY}"):  # it may be offline
        key_in(folder / f"root{KEY}", root, library)
    return Sm2Keys(
        root_der=root.public_bytes(Encoding.DER),
        tsa_der=tsa.public_bytes(Encoding.DER),
        tsa_key=key_in(folder / f"tsa{KEY}", tsa, library),
    )


def root_pem(keys: Sm2Keys) -> bytes:
    return _pem_of(keys.root_der)


def find_root_pem(keys_dir: Path) -> bytes:
    """The SM2 root where there is one, whatever this machine's OpenSSL does; else nothing."""
    path = keys_dir / FOLDER / f"root{CERTIFICATE}"
    if not os.path.lexists(path):
        return b""
    return keyfolder.certificate_in(path).public_bytes(Encoding.PEM)


def require_issued(tsa: x509.Certificate, root: x509.Certificate, path: Path) -> None:
    """By the SM2 root; `Refused` when it is another's."""
    try:
        chain.require_path(tsa, (), (root,), tsa.not_valid_before_utc)
    except ProofError as error:
        raise keyfolder.damaged(path, error.code) from None


def _made(
    library: Libcrypto, *, operator: str, at: datetime, entropy: Callable[[int], bytes]
) -> Mapping[str, bytes]:
    root_key, tsa_key = library.generate(), library.generate()
    root_der = sm2_certificates.root_of(root_key, operator=operator, at=at, entropy=entropy)
    tsa_der = sm2_certificates.tsa_of(
        root_key,
        x509.load_der_x509_certificate(root_der),
        tsa_key.public_key_der,
        operator=operator,
        at=at,
        entropy=entropy,
    )
    return {
        f"root{KEY}": key_pem(root_key),
        f"root{CERTIFICATE}": _pem_of(root_der),
        f"tsa{KEY}": key_pem(tsa_key),
        f"tsa{CERTIFICATE}": _pem_of(tsa_der),
    }


def _pem_of(certificate_der: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate_der).public_bytes(Encoding.PEM)


def key_pem(key: Sm2Key) -> bytes:
    """PKCS #8, as it lies on the disk."""
    text = base64.b64encode(key.pkcs8_der())
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return _BEGIN + b"\n".join(lines) + _END


def key_in(path: Path, certificate: x509.Certificate, library: Libcrypto) -> Sm2Key:
    """The key that the certificate is about. Raises Refused."""
    octets = keyfolder.octets_in(path)
    if not (octets.startswith(_BEGIN) and octets.endswith(_END)):
        raise keyfolder.damaged(path, "no private key in PEM")
    try:
        key = library.load(base64.b64decode(octets[len(_BEGIN) : -len(_END)]))
    except (binascii.Error, Refused):  # the reason could quote the key: it is not passed on
        raise keyfolder.damaged(path, "no SM2 private key in PEM") from None
    if key.public_key_der != sm2_x509.public_key_der_of(certificate):
        raise keyfolder.damaged(path, "a key other than its certificate's")
    return key
