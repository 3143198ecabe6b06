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


def watch(process: "subprocess.Popen[bytes]", stopping: Callable[[], bool]) -> threading.Event:
    """Tell the capturer to stop once somebody wants that: it then writes down what it did.
    Set the event that is given when the capturer has ended."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            with contextlib.suppress(Unavailable):  # asked again in a moment
                if stopping():
                    process.terminate()
                    return

    threading.Thread(target=look, daemon=True, name="stopping").start()
    return over


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
