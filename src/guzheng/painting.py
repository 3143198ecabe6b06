"""Pictures of strangers, drawn by a program of their own (`guzheng.painter`), one each.

A decoder is where a hostile picture would get in; it is never run in a process that has keys,
tables or other people's documents. The next program is started as soon as one is taken, so that
who asks does not wait for an interpreter; nobody has one who never draws. So many are drawn at
a time; each ends in time, whatever it was given, and no more than `LARGEST` octets are taken
from it: what was taken over could talk for ever.
"""

import atexit
import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from guzheng.proof import canonical
from guzheng.proof.errors import Malformed

_log = logging.getLogger(__name__)
SECONDS: Final = 120.0  # of wall time; of processor time it has sixty
LARGEST: Final = 32 << 20  # octets of an answer; a drawn picture has a hundredth of that
AT_ONCE: Final = 2
_TURN_SECONDS: Final = 60.0


class NotDrawn(Exception):
    """The picture is none, is broken, too large, or took too long. The text says which."""


class CannotDraw(Exception):
    """Nothing is wrong with the picture: there is no Pillow here, or others are drawn."""

    def __init__(self, *, installed: bool) -> None:
        super().__init__("busy" if installed else "no Pillow")
        self.installed = installed


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a picture is drawn anew, as JPEG within a box. `head`: of a long one, the top;
    `upright`: turned as the camera was held."""

    formats: tuple[str, ...]
    pixels: int
    width: int
    height: int
    quality: int
    head: bool = False
    upright: bool = False


class Painters:
    """The programs of this process: those at work, and one that waits."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._room = threading.Semaphore(AT_ONCE)
        self._taking = threading.Lock()
        self._waiting: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._told = False

    def draw(self, octets: bytes, wanted: Wanted) -> bytes:
        """Raises NotDrawn, CannotDraw."""
        order = {
            "do": "draw",
            "formats": list(wanted.formats),
            "pixels": wanted.pixels,
            "width": wanted.width,
            "height": wanted.height,
            "quality": wanted.quality,
            "head": wanted.head,
            "upright": wanted.upright,
        }
        _, drawn = self._done(order, [octets])
        if not drawn.startswith(b"\xff\xd8\xff"):
            raise NotDrawn("no JPEG came back")
        return drawn

    def differing(self, one: bytes, other: bytes, formats: Sequence[str], pixels: int) -> int:
        """How many pixels of two pictures differ, within what both show."""
        order = {"do": "differ", "formats": list(formats), "pixels": pixels}
        said, _ = self._done(order, [one, other])
        count = said.get("differing")
        if not isinstance(count, int) or not 0 <= count <= pixels:
            raise NotDrawn("no number came back")
        return count

    def _done(
        self, order: dict[str, object], pictures: Sequence[bytes]
    ) -> tuple[dict[str, Any], bytes]:
        if importlib.util.find_spec("PIL") is None:
            raise CannotDraw(installed=False)
        if not self._room.acquire(timeout=_TURN_SECONDS):
            raise CannotDraw(installed=True)
        try:
            head = canonical.encode(order | {"sizes": [len(one) for one in pictures]})
            answer = self._asked(head + b"\n" + b"".join(pictures))
        finally:
            self._room.release()
        line, _, drawn = answer.partition(b"\n")
        try:
            said = canonical.parse_any(line)
        except Malformed as error:
            raise NotDrawn("it ended without an answer") from error
        members = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
        if "refused" in members or not members:
            raise NotDrawn(str(members.get("refused", "no answer"))[:80])
        if members.get("filtered") is False and not self._told:
            self._told = True
            _log.warning("this kernel filters no calls: pictures are decoded under limits only")
        return members, drawn

    def _asked(self, order: bytes) -> bytes:
        program = self._taken()
        late = threading.Event()

        def too_late() -> None:
            late.set()
            program.kill()  # ends whatever is waited for below

        ending = threading.Timer(self._seconds, too_late)
        ending.daemon = True
        ending.start()
        try:
            answer = _answered(program, order)
        finally:
            ending.cancel()
            _ended(program)
        if late.is_set():
            raise NotDrawn(f"not within {self._seconds:.0f} s")
        if len(answer) > LARGEST:
            raise NotDrawn(f"more than {LARGEST} octets came back")
        return answer

    def _taken(self) -> "subprocess.Popen[bytes]":
        """The one that waited; another waits from now on."""
        with self._taking:
            taken = self._waiting if self._owner == os.getpid() else None
            self._waiting, self._owner = _started(), os.getpid()
        if taken is not None and taken.poll() is None:
            return taken
        if taken is not None:
            _ended(taken)
        return _started()

    def close(self) -> None:
        """End the one that waits."""
        with self._taking:
            waiting, self._waiting = self._waiting, None
        if waiting is not None and self._owner == os.getpid():
            _ended(waiting)


def _started() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "guzheng.painter"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        close_fds=True,
    )


def _answered(program: "subprocess.Popen[bytes]", order: bytes) -> bytes:
    """What it says until it ends, or one octet more than it may. It reads all, then answers."""
    assert program.stdin is not None  # noqa: S101 - pipes, as `_started` has them
    assert program.stdout is not None  # noqa: S101
    with contextlib.suppress(OSError):  # it ended before it had read all
        program.stdin.write(order)
        program.stdin.close()
    return program.stdout.read(LARGEST + 1)


def _ended(program: "subprocess.Popen[bytes]") -> None:
    program.kill()
    for pipe in (program.stdin, program.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    program.wait()


SHARED: Final = Painters()
atexit.register(SHARED.close)
