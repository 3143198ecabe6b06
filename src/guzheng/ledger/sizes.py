"""The sizes that witnesses are known to have seen: a hint in a file, and nothing more.

It saves a round trip, and says who is still awaited. A wrong one is put right by the witness
itself (HTTP 409); a lost or damaged one is begun anew. Nothing that is signed or published
depends on it.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable
from guzheng.store import durable


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
        """Durably, if anything is new; a full disk loses the hint and nothing else."""
        with self._lock:
            if self._path is None or self._known == self._saved:
                return
            with suppress(Unavailable, OSError):
                durable.replace(self._path, canonical.encode(dict(self._known)))
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
