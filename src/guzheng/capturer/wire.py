"""What stays of the wire: the transcript, packed, and the TLS key log, sealed with a key.

The order is the point: the index of the transcript, which names every octet by its digest, is
given to an authority to stamp before this program opens the browser's key log for the first
time. Both files are made by users whom we do not trust: only plain files of theirs are read,
and the octets must have the digests that were told while they passed.
Specification: docs/spec/transcript.md.
"""

import hashlib
import os
import stat
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.limits import KEY_LOG_OCTETS, ZIP_EPOCH
from guzheng.capturer.record import SealedKeys, Transcript
from guzheng.capturer.tunnel.connection import Connection, Flow
from guzheng.capturer.warc import Entropy
from guzheng.proof import canonical
from guzheng.proof.digest import Digest, sha256

SCHEMA = "guzheng.transcript/1"
TRANSCRIPT, KEYS, KEY = "transcript.zip", "tls-keys.enc", "tls-keys.key"
Stamp = Callable[[str, Digest], Awaitable[object]]
_PART = 256 * 1024
_MAGIC, _ROUNDS = b"Salted__", 10_000  # what `openssl enc -pbkdf2` writes and does by itself
_CIPHER = "openssl enc -aes-256-cbc -pbkdf2"


@dataclass(frozen=True, slots=True)
class Wire:
    """What the record says of both, and the names of the items."""

    transcript: Transcript
    keys: SealedKeys | None
    names: tuple[str, ...]


async def keep_wire(
    *,
    exhibit: str,
    connections: Sequence[Connection],
    folder: Path,
    key_log: Path,
    out: Path,
    uids: tuple[int, int],  # whose the folder's files are, and whose the key log
    stamp: Stamp,
    entropy: Entropy,
) -> Wire:
    """Only after browser and tunnel are gone. Writes into `out/items`; the key, beside it."""
    index = index_of(exhibit, connections)
    digest = sha256(index)
    await stamp("transcript", digest)
    items = out / "items"
    pack(items / TRANSCRIPT, folder, index, connections, uids[0])
    transcript = Transcript(
        index=digest,
        connections=len(connections),
        octets=sum(one.sent.octets + one.received.octets for one in connections),
    )
    keys = _seal_keys(key_log, out, uids[1], entropy)
    return Wire(transcript, keys, (TRANSCRIPT,) if keys is None else (TRANSCRIPT, KEYS))


def index_of(exhibit: str, connections: Sequence[Connection]) -> bytes:
    return canonical.encode(
        {
            "schema": SCHEMA,
            "exhibit": exhibit,
            "connections": [one.value() for one in connections],
        }
    )


def pack(
    out: Path, folder: Path, index: bytes, connections: Sequence[Connection], uid: int
) -> None:
    """Same octets in, same octets out. Each file is removed once it is in."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for connection in connections:
            if not is_kept(connection):
                continue
            for kind, flow in flows_of(connection):  # sorted
                name = f"{connection.name}.{kind}"
                _add(archive, name, folder / name, flow, uid)
                (folder / name).unlink()
        with archive.open(_entry("index.json", len(index)), "w") as member:
            member.write(index)


def is_kept(connection: Connection) -> bool:
    """Whether it has files: only what was connected can have brought anything."""
    return connection.outcome == "connected"


def flows_of(connection: Connection) -> tuple[tuple[str, Flow], ...]:
    return (
        ("received", connection.received),
        ("sent", connection.sent),
        ("times", connection.times),
    )


def _add(archive: zipfile.ZipFile, name: str, path: Path, flow: Flow, uid: int) -> None:
    hasher, size = hashlib.sha256(), 0
    with (
        closing(_open(path, uid)) as stream,
        archive.open(_entry(name, flow.octets), "w") as to,
    ):
        while part := stream.read(_PART):
            hasher.update(part)
            size += len(part)
            to.write(part)
    if (size, hasher.hexdigest()) != (flow.octets, flow.sha256):
        raise CaptureFailed(
            "capture.transcript-differs",
            expected=f"{name} as it passed: {flow.octets} octets, sha256 {flow.sha256}",
            found=f"{size} octets, sha256 {hasher.hexdigest()}",
            act="the operator: the disk, or somebody on this machine, changed it",
        )


def _entry(name: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, ZIP_EPOCH)
    entry.external_attr = 0o100644 << 16
    entry.create_system = 3  # Unix, on every system: the same octets everywhere
    entry.file_size = size  # tells whether it needs the long form
    return entry


def _open(path: Path, uid: int) -> BinaryIO:
    """A plain file of that user: not a link of his to a file of ours."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != uid:
        os.close(descriptor)
        raise CaptureFailed(
            "capture.transcript-differs",
            expected=f"{path.name}: a plain file of user {uid}",
            found=f"mode {found.st_mode:o}, user {found.st_uid}",
            act="the operator: somebody on this machine put another in its place",
        )
    return os.fdopen(descriptor, "rb")


def _seal_keys(key_log: Path, out: Path, uid: int, entropy: Entropy) -> SealedKeys | None:
    """Encrypt the browser's key log under a key of its own, which goes beside, not inside."""
    try:
        with closing(_open(key_log, uid)) as stream:
            clear = stream.read(KEY_LOG_OCTETS + 1)
    except FileNotFoundError:
        return None  # no TLS was spoken
    if not clear or len(clear) > KEY_LOG_OCTETS:
        return None
    password = entropy(32).hex().encode("ascii")
    sealed = seal(clear, password, entropy(8))
    (out / "items" / KEYS).write_bytes(sealed)
    descriptor = os.open(out / KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(password + b"\n")
    return SealedKeys(
        cipher=_CIPHER, octets=len(clear), clear=sha256(clear), sealed=sha256(sealed)
    )


def seal(clear: bytes, password: bytes, salt: bytes) -> bytes:
    """As `openssl enc -aes-256-cbc -pbkdf2` would, so that it opens it: openssl-enc(1)."""
    from cryptography.hazmat.primitives import hashes, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    material = hashlib.pbkdf2_hmac(hashes.SHA256.name, password, salt, _ROUNDS, 48)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(material[:32]), modes.CBC(material[32:])).encryptor()
    padded = padder.update(clear) + padder.finalize()
    return _MAGIC + salt + encryptor.update(padded) + encryptor.finalize()
