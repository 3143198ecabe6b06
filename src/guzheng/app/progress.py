"""What a walk tells while it goes on, kept for the page of the exhibit; lost when it ends.

Nobody relies on it: the record of a capture holds every step of it.
"""

import threading
from collections import deque
from collections.abc import Mapping

from guzheng.road import Tell

_TOLD = 50  # lines kept for a page


class Progress:
    """May be shared by threads."""

    def __init__(self) -> None:
        self._told: dict[str, deque[Mapping[str, str]]] = {}
        self._lock = threading.Lock()

    def tell_of(self, exhibit: str) -> Tell:
        """To whom a walk tells each step."""

        def tell(step: str, detail: str) -> None:
            with self._lock:
                lines = self._told.setdefault(exhibit, deque(maxlen=_TOLD))
                lines.append({"step": step, "detail": detail})

        return tell

    def of(self, exhibit: str) -> tuple[Mapping[str, str], ...]:
        with self._lock:
            return tuple(self._told.get(exhibit, ()))

    def forget(self, exhibit: str) -> None:
        with self._lock:
            self._told.pop(exhibit, None)
