"""A job that eats memory is ended at its limit, at once, and for the true reason.

A control group at its limit ends nothing while there is a page of some file to throw out: the
browser then reads its own program from disk again and again, for a minute or two, until the
wall limit ends the capture and calls it slow. So the group is looked at while the page lives:
if nearly all it may hold is memory that no file stands behind, and the kernel had to refuse it
more since the last look, twice running, the browser is ended here. Where there is no group the
memory of the job's processes is added up, and their sum may not pass the limit either: what
stands in for a group bounds each process alone.

A thread of its own: the event loop of a job that is short of memory may not come round.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer.cgroup import Group

GROUP_SECONDS = 0.25
PROCESSES_SECONDS = 1.0  # each look reads all of /proc
NEARLY = 0.9  # of the limit; the rest is what the kernel itself holds for the job
_LOOKS = 2  # running: one alone may be a peak that has passed


@dataclass(slots=True)
class Hunger:
    """`watch` once, `close` when the job is dead. `found` says what was held when it ended."""

    limit: int
    group: Group | None
    found: str = ""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def watch(self, group: int, kill: Callable[[], None]) -> None:
        """`group`: of processes, the browser's. `kill` may be called from another thread."""
        self._thread = threading.Thread(target=self._look, args=(group, kill), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def _look(self, group: int, kill: Callable[[], None]) -> None:
        seconds = PROCESSES_SECONDS if self.group is None else GROUP_SECONDS
        starved, refused = 0, self._refused()
        while not self._over.wait(seconds):
            now = self._refused()
            held = "" if self.group is not None and now == refused else self._held(group)
            refused = now
            starved = starved + 1 if held else 0
            if starved == _LOOKS:
                self.found = held
                kill()
                return

    def _refused(self) -> int:
        return self.group.refused if self.group is not None else 0

    def _held(self, group: int) -> str:
        """In words, if it is too much; else empty."""
        if self.group is not None:
            octets = self.group.held_octets
            too_much = octets >= NEARLY * self.limit
            return f"{octets} octets held, and the kernel refused more" if too_much else ""
        sizes = sizes_of(group)
        octets = sum(sizes.values())
        return f"{octets} octets in {len(sizes)} processes" if octets > self.limit else ""


def sizes_of(group: int) -> Mapping[int, int]:
    """Octets that no file stands behind, of each process of a group: proc(5), RssAnon."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - looked at often: names are enough
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_bytes()
            if int(stat.rpartition(b")")[2].split(None, 3)[2]) != group:
                continue
            status = Path(f"/proc/{entry}/status").read_bytes()
        except OSError:  # it has just ended
            continue
        for line in status.splitlines():
            if line.startswith(b"RssAnon:"):
                found[int(entry)] = int(line.split()[1]) * 1024
    return found
