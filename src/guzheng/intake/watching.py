"""A capture while it is under way: stopped when somebody cancels it, and looked at.

The capturer leaves a small picture in its room now and then; it is for looking at, comes from
a hostile page like all the rest, and is no evidence.
"""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from guzheng.refusals import Unavailable

PICTURE = "preview.jpg"
PICTURE_OCTETS = 512 * 1024
_LOOK_SECONDS = 0.5


class Watch:
    """Tells the capturer to stop once somebody wants that: it then writes down what it did.

    Not before it has said its first word: sooner it would end without one, and be taken for
    one that died. Say `over` when it has ended."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", stopping: Callable[[], bool]
    ) -> None:
        self._process, self._stopping = process, stopping
        self._heard, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._look, daemon=True, name="stopping").start()

    def heard(self) -> None:
        self._heard.set()

    def over(self) -> None:
        self._over.set()
        self._heard.set()

    def _look(self) -> None:
        self._heard.wait()
        while not self._over.wait(_LOOK_SECONDS):
            with contextlib.suppress(Unavailable):  # asked again in a moment
                if self._stopping():
                    self._process.terminate()
                    return


def find_live_picture(workshop: Path, exhibit: str) -> bytes | None:
    """What the capturer last saw, small; None when there is nothing to be seen (yet)."""
    for picture in sorted((workshop / exhibit).glob(f"run-*/out/{PICTURE}")):
        try:
            descriptor = os.open(picture, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(PICTURE_OCTETS)
    return None
