"""The password of a capture's TLS key log: kept apart from the exhibit, for who may open it.

With it the transcript of a capture can be read by anybody (docs/spec/transcript.md §5), cookies
and all. So it is no item, goes into no package unless asked for, and lies where the platform's
keys lie: `keys/captures/<exhibit>.key`, mode 0600. It is durable before the capture is kept;
that of a run which came to nothing is replaced by the next one's.
"""

import os
import re
from pathlib import Path

from guzheng.proof.errors import Malformed, require
from guzheng.proof.manifest import require_exhibit_name
from guzheng.store.durable import replace

KEY = "tls-keys.key"  # as the capturer names it
_FORM = re.compile(rb"[0-9a-f]{64}\n")


def keep(done: Path, keys: Path, exhibit: str) -> bool:
    """From a finished run to its place. False if the capture has none."""
    try:
        descriptor = os.open(done / KEY, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as stream:
        password = stream.read(100)
    fits = bool(_FORM.fullmatch(password))
    require(fits, Malformed, "paper.malformed", f"{KEY}: 64 hexadecimal digits", "another")
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(keys / f"{require_exhibit_name(exhibit)}.key", password)
    return True


def forget(keys: Path, exhibit: str) -> None:
    """Fine if there is none."""
    (keys / f"{require_exhibit_name(exhibit)}.key").unlink(missing_ok=True)


def find(keys: Path, exhibit: str) -> bytes | None:
    """The password, without its line feed."""
    try:
        return (keys / f"{require_exhibit_name(exhibit)}.key").read_bytes().rstrip(b"\n")
    except FileNotFoundError:
        return None
