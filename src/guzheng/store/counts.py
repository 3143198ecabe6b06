"""Counters that several processes keep at once and that outlive each of them.

One file of 64-bit numbers for each process that counts, mapped into memory: counting costs no
system call, and a process that is killed loses nothing. Whoever wants the sums reads all files.
A process takes the first file that nobody holds (flock), so that there are as many as processes
ever counted at once. A counter only grows; its place in the file is its place in `names`, so a
name may be added at the end and none may be taken away. They are figures for an operator, not
evidence: the file is not flushed, and one that is damaged or lost is begun again.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SIZE: Final = 4096
_MAX_FILES: Final = 1000
_WORD: Final = struct.Struct("=Q")


class Counts:
    """The counters of this process. Threads may share it."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        if len(names) * _WORD.size > SIZE:
            raise ValueError(f"at most {SIZE // _WORD.size} counters")
        self.names = tuple(names)
        self._folder = folder
        self._place = {name: at for at, name in enumerate(names)}
        self._adding = threading.Lock()
        self._file, self._memory = _taken(folder)
        self._words = memoryview(self._memory).cast("Q")

    def add(self, name: str, number: int = 1) -> None:
        place = self._place[name]
        with self._adding:
            self._words[place] += number

    def totals(self) -> dict[str, int]:
        """The sums over all processes, living or gone."""
        sums = dict.fromkeys(self.names, 0)
        for file in sorted(self._folder.glob("*.counts")):
            with contextlib.suppress(OSError):
                octets = file.read_bytes().ljust(SIZE, b"\0")
                for place, name in enumerate(self.names):
                    sums[name] += _WORD.unpack_from(octets, place * _WORD.size)[0]
        return sums

    def close(self) -> None:
        self._words.release()
        self._memory.close()
        os.close(self._file)


def _taken(folder: Path) -> tuple[int, mmap.mmap]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(_MAX_FILES):
        path = folder / f"{number:03d}.counts"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        # Its blocks are there before they are mapped: a full disk is an error here, and not
        # a signal when it is written to.
        os.posix_fallocate(file, 0, SIZE)
        return file, mmap.mmap(file, SIZE)
    raise OSError(f"more than {_MAX_FILES} processes count in {folder}")
