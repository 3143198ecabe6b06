"""The authority that goes on while its key is changed: whichever of its keys signs now.

It asks which generation has begun (rotation.py); a folder that appeared meanwhile is seen
within a second, so that no restart and no lost request belongs to a rotation. A key that was
put there and cannot be used is told to whoever asks, by `Problem`; no older key signs in its
place.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from guzheng.fix.authority import Answer, LocalAuthority
from guzheng.fix.journal import OWN
from guzheng.fix.rotation import FOLDER, Generation, generations, signing_at

_GLANCE = timedelta(seconds=1)  # how long a key that was put there may go unseen
_NO_TIME = timedelta()


class RotatingAuthority:
    """Our own authority, whichever of its keys signs now. Threads may share it."""

    def __init__(
        self,
        keys_dir: Path,
        make: Callable[[Generation], LocalAuthority],
        now: Callable[[], datetime],
    ) -> None:
        self._keys_dir = keys_dir
        self._folder = str(keys_dir / FOLDER)
        self._make = make
        self._now = now
        self._lock = threading.Lock()
        self._seen = (-1, -1)
        self._known: tuple[Generation, ...] = ()
        self._made: dict[int, LocalAuthority] = {}
        self._asked: tuple[datetime, LocalAuthority] | None = None
        # At the start whatever is wrong with the keys is told at once.
        self._first = self.current()

    @property
    def name(self) -> str:
        return self.current().name

    @property
    def signer(self) -> str:
        return self.current().signer

    @property
    def not_after(self) -> datetime:
        return self.current().not_after

    def respond(self, request_der: bytes, client: str = OWN) -> bytes:
        return self.current().respond(request_der, client)

    def issue(self, request_der: bytes, client: str) -> Answer:
        return self.current().issue(request_der, client)

    def issue_all(self, asked: Sequence[tuple[bytes, str]]) -> list[Answer]:
        return self.current().issue_all(asked)

    def commit(self, answer: Answer) -> None:
        self._first.commit(answer)  # all generations have one journal, whatever became of them

    def current(self) -> LocalAuthority:
        """The authority under the key that signs at this moment."""
        now, asked = self._now(), self._asked
        if asked and _NO_TIME < now - asked[0] < _GLANCE:  # not for each token of a second
            return asked[1]
        if self._changed_at() != self._seen:
            self._look()
        generation = signing_at(self._known, now)
        authority = self._made.get(generation.number)
        if authority is None:
            with self._lock:
                authority = self._made[generation.number] = self._make(generation)
        if generation is signing_at(self._known, now + _GLANCE):  # else to the moment
            self._asked = now, authority
        return authority

    def _look(self) -> None:
        with self._lock:
            seen = self._changed_at()
            self._known = generations(self._keys_dir)
            self._seen = seen

    def _changed_at(self) -> tuple[int, int]:
        """When the folder was changed; and how many it holds, since ticks may be long."""
        try:
            found = os.stat(self._folder)  # noqa: PTH116 - for each token: half the price
        except FileNotFoundError:
            return 0, 0
        return found.st_mtime_ns, found.st_nlink
