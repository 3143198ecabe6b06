"""How much memory a capture holds that the kernel cannot take back: anonymous and shared pages
of its control group, looked at twenty times a second. The kernel's own peak counts the cache of
files too, which it gives to whoever needs the memory.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guzheng.capturer.leftovers import PREFIX

_PAUSE_SECONDS = 0.05
_PARTS = ({"rss", "shmem"}, {"anon", "shmem"})  # of version 1 and 2 of the interface


class Held:
    """`peak` is that of the job that held most, in octets; 0 where there are no groups."""

    peak = 0

    def look(self) -> None:
        for folder in _places():
            for group in folder.glob(f"{PREFIX}*/memory.stat"):
                try:
                    lines = group.read_text("ascii").splitlines()
                except OSError:
                    continue  # it has just ended
                found = {name: int(value) for name, _, value in _split(lines)}
                wanted = _PARTS["anon" in found]
                self.peak = max(self.peak, sum(found.get(one, 0) for one in wanted))


def _split(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    return (line.partition(" ") for line in lines)


def _places() -> list[Path]:
    places = []
    for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
        _, words, path = line.split(":", 2)
        if "memory" in words.split(",") or not words:
            root = Path("/sys/fs/cgroup") / ("memory" if words else "")
            own = root / path.lstrip("/")
            places += [own, own.parent] if own.is_dir() else [root]
    return places


@contextmanager
def watching() -> Iterator[Held]:
    held, over = Held(), threading.Event()

    def look() -> None:
        while not over.wait(_PAUSE_SECONDS):
            held.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
