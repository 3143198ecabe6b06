"""The keys of a platform that has none yet: made once, all or nothing, never overwritten.

Three keys (P-256) with their certificates, in `<keys>/authority/`:
  root    certifies the two others and nothing else; 20 years; its private key is needed only
          for the next ceremony and SHOULD be taken offline (move `root.key` away: nothing here
          asks for it again);
  tsa     signs timestamp tokens: RFC 3161 §2.3, sole critical timeStamping purpose; 5 years;
  signer  signs certificates in PDF: RFC 9336 document signing; 5 years.

They are written into a folder beside the final one, made durable, then renamed: a crash leaves
no keys or all of them. Folders are 0700 and files 0600 from their first moment; whatever is
wider, foreign, missing, damaged or of another key is `Refused`, never mended or replaced, since
new keys in the place of old ones would orphan every seal. Private keys are never shown.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from guzheng.fix import profiles
from guzheng.fix.signing import PrivateKey
from guzheng.refusals import Refused, Unavailable

FOLDER = "authority"
_HALF_MADE = ".authority-"  # prefix of a ceremony not finished; its keys were never used
_KEY, _CERTIFICATE = ".key", ".pem"
_ROLES = ("root", "tsa", "signer")
_MAX_OCTETS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """What a running platform needs; the root's private key is not among it."""

    root_der: bytes
    tsa_der: bytes
    signer_der: bytes
    tsa_key: PrivateKey = field(repr=False)
    signer_key: PrivateKey = field(repr=False)


def load_or_make(
    keys_dir: Path,
    *,
    operator: str = profiles.OPERATOR,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> Keys:
    """The keys in `keys_dir`, made there if there are none; `Refused` if not fit for use."""
    profiles.require_operator(operator)
    try:
        _make_if_none(keys_dir, operator=operator, now=now, entropy=entropy)
    except OSError as error:  # a full or read-only disk; nothing was made, nothing is half made
        raise Unavailable(
            "fix.keys-unwritable",
            expected="a folder that can be written",
            found=error.strerror or type(error).__name__,
            act=f"make room in or give write access to {keys_dir}",
        ) from error
    return load(keys_dir)


def load(keys_dir: Path) -> Keys:
    """The keys in `keys_dir`, each checked against its certificate, each certificate's path."""
    folder = keys_dir / FOLDER
    _require_private(folder)
    certificates = {role: _certificate_in(folder / f"{role}{_CERTIFICATE}") for role in _ROLES}
    root = certificates["root"]
    for role in _ROLES:
        try:
            certificates[role].verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature):
            raise _damaged(folder / f"{role}{_CERTIFICATE}", "not issued by the root") from None
    root_key = folder / f"root{_KEY}"
    if os.path.lexists(root_key):  # it may be offline
        _private_key_in(root_key, root)
    return Keys(
        root_der=_der(root),
        tsa_der=_der(certificates["tsa"]),
        signer_der=_der(certificates["signer"]),
        tsa_key=_private_key_in(folder / f"tsa{_KEY}", certificates["tsa"]),
        signer_key=_private_key_in(folder / f"signer{_KEY}", certificates["signer"]),
    )


def roots_pem(keys: Keys) -> bytes:
    """The root as PEM, what `openssl ts -verify -CAfile` takes."""
    return x509.load_der_x509_certificate(keys.root_der).public_bytes(Encoding.PEM)


def _make_if_none(
    keys_dir: Path,
    *,
    operator: str,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> None:
    if not keys_dir.exists():
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(keys_dir.parent)
    _require_private(keys_dir)
    with _alone_in(keys_dir):
        for half_made in keys_dir.glob(f"{_HALF_MADE}*"):
            shutil.rmtree(half_made)
        if not os.path.lexists(keys_dir / FOLDER):
            _make(keys_dir / FOLDER, operator=operator, at=now(), entropy=entropy)


def _make(
    folder: Path, *, operator: str, at: datetime, entropy: Callable[[int], bytes]
) -> None:
    private_keys = {role: ec.generate_private_key(ec.SECP256R1()) for role in _ROLES}
    certificates = profiles.certificates_of(
        private_keys["root"],
        tsa=private_keys["tsa"].public_key(),
        signer=private_keys["signer"].public_key(),
        operator=operator,
        at=at,
        entropy=entropy,
    )
    half_made = folder.with_name(f"{_HALF_MADE}{entropy(8).hex()}")
    half_made.mkdir(mode=0o700)
    for role in _ROLES:
        key_pem = private_keys[role].private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _write(half_made / f"{role}{_KEY}", key_pem)
        _write(
            half_made / f"{role}{_CERTIFICATE}", certificates[role].public_bytes(Encoding.PEM)
        )
    _sync(half_made)  # 1. every octet and every name is on the disk
    half_made.rename(folder)  # 2. all of it appears at once
    _sync(folder.parent)  # 3. and stays


def _write(path: Path, octets: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as file:
        os.fchmod(opened, 0o600)  # whatever the umask
        file.write(octets)
        file.flush()
        os.fsync(opened)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One ceremony at a time, however many processes start; the kernel ends it with us."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _require_private(path: Path) -> None:
    """Ours, a plain file or folder, and nobody else may even look."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise _refused(
            "fix.keys-missing", path, "every key and certificate of the ceremony", "nothing"
        ) from None
    is_folder = stat.S_ISDIR(found.st_mode)
    is_plain = is_folder or stat.S_ISREG(found.st_mode)
    if not is_plain or found.st_uid != os.geteuid():
        raise _refused(
            "fix.keys-foreign",
            path,
            f"a plain file or folder of user {os.geteuid()}",
            f"one of user {found.st_uid}" if is_plain else "a link or device",
        )
    expected = 0o700 if is_folder else 0o600
    if stat.S_IMODE(found.st_mode) & ~expected:
        raise _refused(
            "fix.keys-open", path, f"mode {expected:04o}", f"{stat.S_IMODE(found.st_mode):04o}"
        )


def _octets_in(path: Path) -> bytes:
    _require_private(path)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(opened, "rb") as file:
            return file.read(_MAX_OCTETS)
    except OSError as error:
        raise _damaged(path, error.strerror or "unreadable") from None


def _certificate_in(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_octets_in(path))
    except ValueError:
        raise _damaged(path, "no certificate in PEM") from None


def _private_key_in(path: Path, certificate: x509.Certificate) -> PrivateKey:
    try:
        private_key = load_pem_private_key(_octets_in(path), password=None)
    except (ValueError, TypeError):  # the reason could quote the key: it is not passed on
        raise _damaged(path, "no private key in PEM") from None
    if not isinstance(private_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _damaged(path, "a key that is neither EC nor RSA")
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private_key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(
        *form
    ):
        raise _damaged(path, "a key other than its certificate's")
    return private_key


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _damaged(path: Path, found: str) -> Refused:
    return _refused("fix.keys-damaged", path, "what the ceremony wrote", found)


def _refused(code: str, path: Path, expected: str, found: str) -> Refused:
    return Refused(
        code,
        expected=expected,
        found=f"{found}: {path.name}",
        act=f"set {path} right or restore it from its copy; it is never made anew",
    )
