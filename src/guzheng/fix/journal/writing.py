"""One writer, one chain: a line is appended before its token is signed, and is on the disk
before the token leaves.

`append` costs microseconds and no disk; `commit` flushes all that was appended until then with
one fdatasync, and whoever comes meanwhile waits for the next one. So the more tokens are asked
for at once, the fewer flushes each costs, and a flush runs beside the signing of the next ones.

Which chain: the first that no living process holds (flock, which the kernel gives back when a
process is killed). It is taken at the first token, so that commands that issue none take none,
and never before a fork.

After a failed flush nobody knows what is on the disk, and trying again may report success for
what the kernel has already dropped: the chain is marked `abandoned`, its unfinished lines are
refused, and the next token opens another chain.
"""

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from guzheng.fix.journal import chain
from guzheng.refusals import Problem, Unavailable
from guzheng.store import durable

TURN_OCTETS = 64 * 1024 * 1024
_MAX_CHAINS = 1000
_LOCK, _ABANDONED = "lock", "abandoned"


class Group:
    """Lines that become durable together. Whoever appended one waits for its group."""

    __slots__ = ("add", "durable", "lines", "problem")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.add = self.lines.append
        self.durable = False
        self.problem: Problem | None = None

    @property
    def pending(self) -> bool:
        return not self.durable and self.problem is None


class Journal(Protocol):
    """Where an authority writes what it is about to sign."""

    def append(self, drafts: Sequence[tuple[bytes, str]], *, signer: str) -> Group:
        """A line for each: a TSTInfo, and for whom. One group holds them all."""
        ...

    def commit(self, group: Group) -> None:
        """Return when the group is durable, or raise `Unavailable`."""
        ...


class Unrecorded:
    """For an authority whose tokens nobody relies on: benches, and the tests of others."""

    def append(self, drafts: Sequence[tuple[bytes, str]], *, signer: str) -> Group:
        del drafts, signer
        group = Group()
        group.durable = True
        return group

    def commit(self, group: Group) -> None:
        """Nothing: no line of it is kept anywhere."""
        del group


class FileJournal:
    """The journal of this process. Threads may share it; processes may not."""

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime], turn_octets: int = TURN_OCTETS
    ) -> None:
        self.folder = folder
        self._now = now
        self._turn_octets = turn_octets
        self._appending = threading.Lock()  # guards the chain's state, for microseconds
        self._flushing = threading.Lock()  # held while the disk works
        self._group = Group()
        self._chain = ""
        self._lock_file = self._file = -1
        self._size = 0
        self._number = 0
        self._previous = chain.BEGINNING

    @property
    def name(self) -> str:
        """The chain this process holds; empty before its first token."""
        return self._chain

    def append(self, drafts: Sequence[tuple[bytes, str]], *, signer: str) -> Group:
        signed_by = signer.encode("ascii")
        with self._appending:
            if self._file < 0:
                self._open()
            line_of, digest_of, add = chain.token_line, chain.digest_of, self._group.add
            for tst_info_der, client in drafts:
                line = line_of(
                    self._number,
                    self._previous,
                    client.encode("ascii"),
                    signed_by,
                    tst_info_der,
                )
                self._previous = digest_of(line)
                self._number += 1
                add(line)
            return self._group

    def commit(self, group: Group) -> None:
        """Returns once the group's lines are on the disk; raises what kept them from it."""
        if group.pending:
            with self._flushing:
                if group.pending:  # else somebody's flush took it along
                    self._flush()
        if group.problem is not None:
            raise group.problem

    def close(self) -> None:
        """Flush, and give the chain back; the next token opens it again."""
        with self._flushing:
            with self._appending:
                unfinished = bool(self._group.lines)
            if unfinished:
                self._flush()
            with self._appending:
                self._release()

    # -- the disk --------------------------------------------------------------------------

    def _flush(self) -> None:
        with self._appending:
            group, self._group = self._group, Group()
            file, first_of_next = self._file, self._number
        octets = b"\n".join([*group.lines, b""])
        written = False
        try:
            with durable.reported(str(self.folder / self._chain)):
                durable.write_all(file, octets)
                written = True
                os.fdatasync(file)
        except (OSError, Unavailable) as error:
            self._fail(group, error, abandon=written)
            return
        self._size += len(octets)
        group.durable = True
        if self._size >= self._turn_octets:
            self._turn(first_of_next)

    def _fail(self, group: Group, error: Exception, *, abandon: bool) -> None:
        """Nothing of the group was promised to anybody, nor of the one begun meanwhile."""
        problem = _unwritable(self.folder, error)
        with self._appending:
            group.problem = self._group.problem = problem
            self._group = Group()
            if abandon:
                with contextlib.suppress(OSError, Unavailable):  # it may fail as the flush did
                    durable.create(self.folder / self._chain / _ABANDONED, b"a flush failed\n")
            self._release()

    def _turn(self, first_number: int) -> None:
        """Go on in another file. While that cannot be made, this one grows."""
        place = self.folder / self._chain
        with contextlib.suppress(OSError):
            file = _new_file(place / chain.file_name(first_number))
            os.close(self._file)
            self._file, self._size = file, 0

    def _open(self) -> None:
        try:
            with durable.reported(str(self.folder)):
                dropped = self._take()
        except (OSError, Unavailable) as error:
            self._release()
            raise _unwritable(self.folder, error) from error
        line = chain.opened_line(
            self._number,
            self._previous,
            chain=self._chain,
            at=self._now(),
            dropped_octets=dropped,
        )
        self._previous = chain.digest_of(line)
        self._number += 1
        self._group.add(line)

    def _take(self) -> int:
        """Hold the first chain that is free and sound; how much of a torn end was dropped."""
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.sync_directory(self.folder.parent)
        for number in range(_MAX_CHAINS):
            self._chain = f"{number:03d}"
            place = self.folder / self._chain
            if not place.is_dir():
                place.mkdir(mode=0o700, exist_ok=True)
                durable.sync_directory(self.folder)
            self._lock_file = os.open(
                place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._release()
                continue
            dropped = None if (place / _ABANDONED).exists() else self._continue(place)
            if dropped is not None:
                return dropped
            self._release()
        raise OSError(errno.EMFILE, "every chain is held or abandoned")

    def _continue(self, place: Path) -> int | None:
        """Stand behind the last line; None if this chain must not be written on."""
        self._number, self._previous = 0, chain.BEGINNING
        files = chain.files_of(self.folder, self._chain)
        for file in reversed(files):  # the newest may be empty: a crash when it was turned
            line = chain.last_line(file)
            if line is None:
                continue
            last = chain.parse(line)
            if last is None:  # damaged: `journal verify` names it, and nobody writes after it
                return None
            self._number, self._previous = last.number + 1, last.digest
            break
        if not files:
            self._file, self._size = _new_file(place / chain.file_name(0)), 0
            return 0
        torn = chain.torn_end(files[-1])
        self._file = os.open(files[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        if torn is None:
            return 0
        self._size -= torn.octets
        os.ftruncate(self._file, self._size)
        return torn.octets

    def _release(self) -> None:
        for descriptor in (self._file, self._lock_file):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._file = self._lock_file = -1


def _new_file(path: Path) -> int:
    """Its name is durable before its first line is written."""
    file = os.open(
        path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
    )
    durable.sync_directory(path.parent)
    return file


def _unwritable(folder: Path, error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    reason = error.strerror if isinstance(error, OSError) else None
    return Unavailable(
        "fix.journal-unwritable",
        expected="an issuance journal that can be written",
        found=f"{folder.name}: {reason or error}",
        act="the operator mends the journal's folder; no token is issued before",
    )
