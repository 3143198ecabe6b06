"""By what name a client stands in the issuance journal: docs/spec/journal.md, section 5.

The key of `keyed` names is made at first use, of random octets, and never leaves its file.
Whoever deletes it makes all lines anonymous that were written under it.
"""

import contextlib
import hmac
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from guzheng.refusals import Refused
from guzheng.store import durable

MODES: Final = ("keyed", "address", "none")
_KEY_FILE, _KEY_OCTETS = "client.key", 32


def client_names(
    mode: str, folder: Path, entropy: Callable[[int], bytes]
) -> Callable[[str], str]:
    """Address → what the journal says of it."""
    if mode == "none":
        return lambda _: ""
    if mode == "address":
        return lambda address: address
    key = _key(folder, entropy)

    @lru_cache(maxsize=4096)
    def keyed(address: str) -> str:
        return hmac.digest(key, address.encode("utf-8"), "sha256").hex()[:16]

    return keyed


def _key(folder: Path, entropy: Callable[[int], bytes]) -> bytes:
    path = folder / _KEY_FILE
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process that starts was first
            durable.create(path, entropy(_KEY_OCTETS))
    key = path.read_bytes()
    if len(key) != _KEY_OCTETS:
        raise Refused(
            "fix.keys-damaged",
            expected=f"{_KEY_OCTETS} octets",
            found=f"{len(key)}: {_KEY_FILE}",
            act=f"restore {path} from its copy, or delete it: older lines are anonymous then",
        )
    return key
