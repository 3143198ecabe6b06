"""The authority that goes on while its key is changed: whichever of its keys signs now.

It asks which generation has begun (rotation.py); a folder that appeared meanwhile is seen
within a second, so that no restart and no lost request belongs to a rotation. A key is opened
when it first signs: whoever only reads papers needs none, nor the device that has it. One that
cannot be used is told to whoever asks, by `Problem`; no older key signs in its place.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from guzheng.fix.authority import Answer, LocalAuthority, name_of
from guzheng.fix.journal import OWN, Journal
from guzheng.fix.rotation import Generation, signing_at

_GLANCE = timedelta(seconds=1)  # how long a key that was put there may go unseen
_NO_TIME = timedelta()


class RotatingAuthority:
    """Our own authority, whichever of its keys signs now. Threads may share it."""

    def __init__(
        self,
        folder: Path,
        known: Callable[[], tuple[Generation, ...]],
        make: Callable[[Generation], LocalAuthority],
        now: Callable[[], datetime],
        journal: Journal,
    ) -> None:
        """`folder`: where further generations appear; `known`: all that there are;
        `journal`: of all that `make` makes."""
        self._folder = str(folder)
        self._all = known
        self._make = make
        self._now = now
        self._journal = journal
        self._lock = threading.Lock()
        self._seen = (-1, -1)
        self._known: tuple[Generation, ...] = ()
        self._made: dict[int, LocalAuthority] = {}
        self._asked: tuple[datetime, LocalAuthority] | None = None
        self._look()  # whatever is wrong with the certificates is told at once

    @property
    def name(self) -> str:
        return name_of(self._generation().certificate)

    @property
    def signer(self) -> str:
        return self.current().signer

    @property
    def not_after(self) -> datetime:
        return self._generation().certificate.not_valid_after_utc

    def require_key(self) -> None:
        """That the key which signs now is here, and is its certificate's; else `Problem`."""
        self.current()

    def respond(self, request_der: bytes, client: str = OWN) -> bytes:
        return self.current().respond(request_der, client)

    def issue(self, request_der: bytes, client: str) -> Answer:
        return self.current().issue(request_der, client)

    def issue_all(self, asked: Sequence[tuple[bytes, str]]) -> list[Answer]:
        return self.current().issue_all(asked)

    def commit(self, answer: Answer) -> None:
        if answer.group is not None:
            self._journal.commit(answer.group)

    def current(self) -> LocalAuthority:
        """The authority under the key that signs at this moment."""
        now, asked = self._now(), self._asked
        if asked and _NO_TIME < now - asked[0] < _GLANCE:  # not for each token of a second
            return asked[1]
        generation = self._generation(now)
        authority = self._made.get(generation.number)
        if authority is None:
            with self._lock:
                authority = self._made[generation.number] = self._make(generation)
        if generation is signing_at(self._known, now + _GLANCE):  # else to the moment
            self._asked = now, authority
        return authority

    def _generation(self, at: datetime | None = None) -> Generation:
        if self._changed_at() != self._seen:
            self._look()
        return signing_at(self._known, at or self._now())

    def _look(self) -> None:
        with self._lock:
            seen = self._changed_at()
            self._known = self._all()
            self._seen = seen

    def _changed_at(self) -> tuple[int, int]:
        """When the folder was changed; and how many it holds, since ticks may be long."""
        try:
            found = os.stat(self._folder)  # noqa: PTH116 - for each token: half the price
        except FileNotFoundError:
            return 0, 0
        return found.st_mtime_ns, found.st_nlink
