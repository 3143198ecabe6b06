"""One control group for one job: memory, tasks and processor time, bounded by the kernel.

The capturer enters it before it starts anything, so whatever it starts is born inside; a page
that eats memory is ended by the kernel there and nowhere else. Both versions of the interface
are spoken (Documentation/admin-guide/cgroup-v1, -v2). Where no group can be made (no root, no
delegation, a read-only /sys), NoGroup says why, and resource limits of each process stand in.

Version 2 forbids processes beside groups that have limits: the group is then made beside ours,
in a parent that was delegated (systemd: `Delegate=yes` and `DelegateSubgroup=`). A parent gives
its groups what it is told to give (`cgroup.subtree_control`), and nobody but whom it was
delegated to tells it.
"""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")
_GIVEN = "+cpu +memory +pids"
_PERIOD = 100_000  # microseconds; the kernel's default
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Caps:
    """Of a whole job: the capturer, the browser, and all that they start."""

    memory_octets: int
    tasks: int  # threads count
    processors: int


class NoGroup(Exception):
    """This machine lets us make none; the text says why."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group under one name, with a folder for each controller (version 2: one for all)."""

    version: int
    folders: tuple[tuple[str, Path], ...]  # controller → folder
    homes: tuple[Path, ...]  # where we were, to return to

    @property
    def peak_octets(self) -> int:
        """The most memory it ever held; 0 where the kernel does not say."""
        folder = dict(self.folders)["memory"]
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        return _number(folder / name)

    @property
    def killed(self) -> int:
        """How many processes the kernel ended in it for want of memory."""
        folder = dict(self.folders)["memory"]
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return _counted(folder / name, "oom_kill")

    @property
    def held_octets(self) -> int:
        """What it holds that no file stands behind, and so cannot be thrown out."""
        names = {"total_rss", "total_shmem"} if self.version == 1 else {"anon", "shmem"}
        folder = dict(self.folders)["memory"]
        words = (line.partition(" ") for line in _text(folder / "memory.stat").splitlines())
        return sum(int(count) for word, _, count in words if word in names and count.isdigit())

    @property
    def refused(self) -> int:
        """How often it wanted more than it may hold, and the kernel had to find room for it."""
        folder = dict(self.folders)["memory"]
        if self.version == 1:
            return _number(folder / "memory.failcnt")
        return _counted(folder / "memory.events", "max")

    def close(self) -> None:
        """Leave, end whatever is still in it, and remove it. May be called twice."""
        for home in self.homes:
            with contextlib.suppress(OSError):
                (home / "cgroup.procs").write_text("0", "ascii")
        for _, folder in self.folders:
            _remove(folder)


def enter(name: str, caps: Caps, proc: Path = _PROC) -> Group:
    """Make a group and go into it. Raises NoGroup and leaves nothing behind.

    `proc` has `mounts` and `cgroup`: where the groups lie, and which is ours."""
    found = _controllers(proc)
    homes = {
        word: folder for word, folder in found.items() if word in {"memory", "pids", "cpu"}
    }
    if set(homes) == {"memory", "pids", "cpu"}:
        return _enter_first(name, homes, caps)
    if "" in found:
        return _enter_second(name, found[""], caps)
    raise NoGroup("no control groups are mounted")


def limit_ourselves(caps: Caps, *, own_user: bool) -> str:
    """What stands in for a group: a bound for each process. Gives it in words."""
    bound = caps.memory_octets
    said = f"each process at most {bound} octets of its own memory"
    _limit(resource.RLIMIT_DATA, bound)
    if own_user:  # else it would count every other program of this user
        _limit(resource.RLIMIT_NPROC, caps.tasks)
        said += f", the browser's user at most {caps.tasks} tasks"
    return said


def names(prefix: str) -> tuple[str, ...]:
    """Groups with that beginning, wherever one of ours could have been made."""
    found = set()
    for folder in _parents():
        with contextlib.suppress(OSError):
            found |= {one.name for one in folder.iterdir() if one.name.startswith(prefix)}
    return tuple(sorted(found))


def remove(name: str) -> None:
    """End what is in it, under every controller, and remove it."""
    for folder in _parents():
        if (folder / name).is_dir():
            _remove(folder / name)


def _enter_first(name: str, homes: dict[str, Path], caps: Caps) -> Group:
    folders = tuple((word, homes[word] / name) for word in sorted(homes))
    group = Group(1, folders, tuple(homes[word] for word in sorted(homes)))
    wanted = {
        "memory": [("memory.limit_in_bytes", caps.memory_octets)],
        "pids": [("pids.max", caps.tasks)],
        "cpu": [
            ("cpu.cfs_period_us", _PERIOD),
            ("cpu.cfs_quota_us", caps.processors * _PERIOD),
        ],
    }
    with _or_nothing(group):
        for word, folder in folders:
            folder.mkdir()
            for file, value in wanted[word]:
                (folder / file).write_text(str(value), "ascii")
        for _, folder in folders:
            (folder / "cgroup.procs").write_text("0", "ascii")
    return group


def _enter_second(name: str, own: Path, caps: Caps) -> Group:
    why: list[str] = []
    for parent in (own, own.parent):
        if not (parent / "cgroup.procs").exists():  # above where they are mounted
            continue
        folder = parent / name
        group = Group(2, (("memory", folder),), (own,))
        try:
            with _or_nothing(group):
                # Refused as busy where processes are, unless they lie at the root of all.
                (parent / "cgroup.subtree_control").write_text(_GIVEN, "ascii")
                folder.mkdir()
                (folder / "memory.max").write_text(str(caps.memory_octets), "ascii")
                (folder / "pids.max").write_text(str(caps.tasks), "ascii")
                quota = f"{caps.processors * _PERIOD} {_PERIOD}"
                (folder / "cpu.max").write_text(quota, "ascii")
                (folder / "cgroup.procs").write_text("0", "ascii")
        except NoGroup as error:
            why.append(str(error))
        else:
            return group
    raise NoGroup("; ".join(why) or "no group of ours can be seen")


@contextlib.contextmanager
def _or_nothing(group: Group) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        group.close()
        raise NoGroup(f"{error.strerror}: {error.filename or 'a control group'}") from error


def _controllers(proc: Path = _PROC) -> dict[str, Path]:
    """Controller → our own folder under it; version 2 has the empty name."""
    mounts: dict[str, Path] = {}
    for line in _text(proc / "mounts").splitlines():
        columns = line.split()
        if len(columns) < 4 or not columns[2].startswith("cgroup"):
            continue
        listed = [""] if columns[2] == "cgroup2" else columns[3].split(",")
        for word in listed:
            mounts.setdefault(word, Path(columns[1]))
    found: dict[str, Path] = {}
    for line in _text(proc / "cgroup").splitlines():
        _, words, path = line.split(":", 2)
        for word in words.split(","):
            if word in mounts:
                folder = mounts[word] / path.lstrip("/")
                # In a container the path may be as the host sees it.
                found[word] = folder if folder.is_dir() else mounts[word]
    return found


def _parents() -> list[Path]:
    found = _controllers()
    own = [found[word] for word in ("", "memory", "pids", "cpu") if word in found]
    return list(dict.fromkeys([*own, *(one.parent for one in own if one.name)]))


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):
        for line in _text(folder / "cgroup.procs").split():
            if line.isdigit() and int(line) != os.getpid():
                with contextlib.suppress(OSError):
                    os.kill(int(line), signal.SIGKILL)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            signal.sigtimedwait([], 0.02)  # they are on their way out
        else:
            return


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    bound = most if hard == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(kind, (bound, hard))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _counted(path: Path, wanted: str) -> int:
    for line in _text(path).splitlines():
        word, _, count = line.partition(" ")
        if word == wanted and count.isdigit():
            return int(count)
    return 0


def _number(path: Path) -> int:
    said = _text(path).strip()
    return int(said) if said.isdigit() else 0
