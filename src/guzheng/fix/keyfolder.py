"""Folders of private keys: written all or nothing, and read only when nobody else could.

A folder of keys appears at once under its name, or not at all: it is written beside that name,
made durable, renamed. Folders are 0700 and files 0600 from their first moment; whatever is
wider, foreign, missing, damaged or of another key is `Refused`, never mended or replaced, since
new keys in the place of old ones would orphan every seal. Private keys are never shown.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from guzheng.fix.signing import PrivateKey
from guzheng.refusals import Refused, Unavailable

KEY, CERTIFICATE = ".key", ".pem"
_HALF_MADE = ".authority-"  # prefix of what is not finished; its keys were never used
_MAX_OCTETS = 64 * 1024


def make_if_none(
    folder: Path,
    files: Callable[[], Mapping[str, bytes]],
    *,
    entropy: Callable[[int], bytes],
) -> None:
    """`folder` with these files, unless it is there; `Unavailable` if it cannot be written."""
    keys_dir = folder.parent
    try:
        if not keys_dir.exists():
            keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(keys_dir.parent)
        require_private(keys_dir)
        with alone_in(keys_dir):
            for half_made in keys_dir.glob(f"{_HALF_MADE}*"):
                shutil.rmtree(half_made)
            if not os.path.lexists(folder):
                _make(folder, files(), entropy(8).hex())
    except OSError as error:  # a full or read-only disk; nothing was made, nothing is half made
        raise Unavailable(
            "fix.keys-unwritable",
            expected="a folder that can be written",
            found=error.strerror or type(error).__name__,
            act=f"make room in or give write access to {keys_dir}",
        ) from error


def _make(folder: Path, files: Mapping[str, bytes], chance: str) -> None:
    half_made = folder.with_name(f"{_HALF_MADE}{chance}")
    half_made.mkdir(mode=0o700)
    for name, octets in files.items():
        _write(half_made / name, octets)
    sync(half_made)  # 1. every octet and every name is on the disk
    half_made.rename(folder)  # 2. all of it appears at once
    sync(folder.parent)  # 3. and stays


def remove(folder: Path) -> None:
    """A folder whose files were taken over elsewhere."""
    shutil.rmtree(folder)
    sync(folder.parent)


def private_key_pem(private_key: PrivateKey) -> bytes:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, octets: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as file:
        os.fchmod(opened, 0o600)  # whatever the umask
        file.write(octets)
        file.flush()
        os.fsync(opened)


def sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """One ceremony at a time, however many processes start; the kernel ends it with us."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def require_private(path: Path) -> None:
    """Ours, a plain file or folder, and nobody else may even look."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise refused(
            "fix.keys-missing", path, "every key and certificate of the ceremony", "nothing"
        ) from None
    is_folder = stat.S_ISDIR(found.st_mode)
    is_plain = is_folder or stat.S_ISREG(found.st_mode)
    if not is_plain or found.st_uid != os.geteuid():
        raise refused(
            "fix.keys-foreign",
            path,
            f"a plain file or folder of user {os.geteuid()}",
            f"one of user {found.st_uid}" if is_plain else "a link or device",
        )
    expected = 0o700 if is_folder else 0o600
    if stat.S_IMODE(found.st_mode) & ~expected:
        raise refused(
            "fix.keys-open", path, f"mode {expected:04o}", f"{stat.S_IMODE(found.st_mode):04o}"
        )


def octets_in(path: Path) -> bytes:
    """Of a file that only its owner can read and that is no link. Raises Refused."""
    require_private(path)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(opened, "rb") as file:
            return file.read(_MAX_OCTETS)
    except OSError as error:
        raise damaged(path, error.strerror or "unreadable") from None


def certificate_in(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(octets_in(path))
    except ValueError:
        raise damaged(path, "no certificate in PEM") from None


def private_key_in(path: Path, certificate: x509.Certificate) -> PrivateKey:
    """The key that the certificate is about, EC or RSA, of PEM. Raises Refused."""
    try:
        private_key = load_pem_private_key(octets_in(path), password=None)
    except (ValueError, TypeError):  # the reason could quote the key: it is not passed on
        raise damaged(path, "no private key in PEM") from None
    if not isinstance(private_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise damaged(path, "a key that is neither EC nor RSA")
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private_key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(
        *form
    ):
        raise damaged(path, "a key other than its certificate's")
    return private_key


def missing(name: str) -> Refused:
    return Refused(
        "fix.keys-missing",
        expected="every key and certificate of the ceremony",
        found=f"nothing: {name}",
        act="restore it from its copy; it is never made anew",
    )


def damaged(path: Path, found: str) -> Refused:
    return refused("fix.keys-damaged", path, "what the ceremony wrote", found)


def refused(code: str, path: Path, expected: str, found: str, act: str = "") -> Refused:
    return Refused(
        code,
        expected=expected,
        found=f"{found}: {path.name}",
        act=act or f"set {path} right or restore it from its copy; it is never made anew",
    )
