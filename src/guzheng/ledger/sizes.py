"""The sizes that witnesses are known to have seen: a hint in a file, and nothing more.

It saves a round trip, and says who is still awaited. A wrong one is put right by the witness
itself (HTTP 409); a lost or damaged one is begun anew. Nothing that is signed or published
depends on it.
"""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from guzheng.proof import canonical
from guzheng.proof.errors import ProofError


class Sizes:
    """By the witness's name in the policy; shared by threads."""

    def __init__(self, path: Path | None) -> None:
        """Without a path they are forgotten with the program."""
        self._path = path
        self._lock = threading.Lock()
        self._saved = _read(path)
        self._known = dict(self._saved)

    def read(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._known)

    def learn(self, witness: str, size: int) -> None:
        with self._lock:
            self._known[witness] = size

    def save(self) -> None:
        """If anything is new. In one step, and without waiting for the disk: a power cut or a
        full disk loses the hint and nothing else, and somebody waits for the checkpoint."""
        with self._lock:
            if self._path is None or self._known == self._saved:
                return
            beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            with suppress(OSError):
                beside.write_bytes(canonical.encode(dict(self._known)))
                beside.replace(self._path)
                self._saved = dict(self._known)


def _read(path: Path | None) -> dict[str, int]:
    if path is None:
        return {}
    try:
        value = canonical.parse_object(path.read_bytes())
    except (OSError, ProofError):
        return {}
    return {
        name: size
        for name, size in value.items()
        if isinstance(size, int) and not isinstance(size, bool) and size >= 0
    }
