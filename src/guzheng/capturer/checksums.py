"""MD5 of files, computed once for the same octets: dpkg's lists know no other digest.

To compute MD5 of a browser costs twice as much as SHA-256, and a fifth of all that a capture of
a light page costs. So each file is read whole, every time, for its SHA-256; MD5 is a function
of the octets, and is not computed again for octets whose SHA-256 is remembered. Nothing else is
remembered, neither a path nor a time: of a file that was altered the SHA-256 is another.

What is remembered lies in one file. It is believed only if it is a plain file of our own user
that nobody else may write: whoever can write it could as well alter this program, or the lists.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.proof import canonical

_FORM = re.compile(r"[0-9a-f]{64}:[0-9a-f]{32}", re.ASCII)
_PART = 256 * 1024
_OCTETS = 256 * 1024
_MOST = 1000  # files; a package has 50
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Read:
    """What a file is, by its octets."""

    size: int
    sha256: bytes
    md5: str


@dataclass(slots=True)
class Checksums:
    """`place` None: nothing is remembered beyond this object. `keep` writes it down."""

    place: Path | None = None
    owner: int = -1
    _md5: dict[str, str] = field(default_factory=dict)
    _learned: bool = False

    def __post_init__(self) -> None:
        if self.place is not None:
            self._md5 = _remembered(self.place, self.owner)

    def of(self, path: Path) -> Read:
        """Raises OSError. The file is read whole, whatever is remembered."""
        with path.open("rb", buffering=0) as stream:
            size, sha256 = _hashed(stream)
            md5 = self._md5.get(sha256.hex())
            if md5 is None:
                stream.seek(0)
                hasher = hashlib.new("md5", usedforsecurity=False)
                size, sha256 = _hashed(stream, hasher)  # both of the same octets
                self._md5[sha256.hex()] = md5 = hasher.hexdigest()
                self._learned = True
        return Read(size, sha256, md5)

    def keep(self) -> None:
        """For the next capture; where it cannot be written nothing is lost but time."""
        if self.place is None or not self._learned:
            return
        lines = sorted(f"{sha256}:{md5}" for sha256, md5 in self._md5.items())
        with contextlib.suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix=self.place.name, dir=self.place.parent)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(canonical.encode(lines))
                Path(name).replace(self.place)
            finally:
                Path(name).unlink(missing_ok=True)


def _hashed(stream: io.FileIO, *also: "hashlib._Hash") -> tuple[int, bytes]:
    hasher, size, part = hashlib.sha256(), 0, memoryview(bytearray(_PART))  # one, used again
    while octets := stream.readinto(part):
        for one in (hasher, *also):
            one.update(part[:octets])
        size += octets
    return size, hasher.digest()


def _remembered(place: Path, owner: int) -> dict[str, str]:
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(stream.fileno())
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == owner
            if not ours or found.st_mode & _OTHERS_MAY_WRITE:
                return {}
            lines = json.loads(stream.read(_OCTETS))
    except (OSError, ValueError):
        return {}
    if not isinstance(lines, list) or len(lines) > _MOST:
        return {}
    fit = [one for one in lines if isinstance(one, str) and _FORM.fullmatch(one)]
    return {sha256: md5 for sha256, _, md5 in (one.partition(":") for one in fit)}
