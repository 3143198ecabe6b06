"""What dead jobs left on this machine, found by name and removed before the next one begins.

Everything that outlives a killed capturer bears its token: folders, control groups. A token
says which process it was, so that nobody has to guess by age: process ids are used again, but
not with the same tick of birth. What belongs to another namespace of processes (a container
that shares /tmp) is left alone until it is a day old.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

from guzheng.capturer import cgroup

PREFIX = "guzheng-capture-"
_DAY_SECONDS = 86_400
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 (only searched)


def token_of(process: int) -> str:
    """`<namespace>-<process>-<birth in ticks since boot>`; raises OSError if it is gone.

    In base 36: it is part of the paths of sockets, which may not be long."""
    stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    birth = stat.rpartition(")")[2].split()[19]  # proc(5): field 22
    return f"{_namespace()}-{short(process)}-{short(int(birth))}"


def is_alive(token: str) -> bool:
    """Whether that process still runs; one of another namespace counts as alive."""
    namespace, _, rest = token.partition("-")
    process, _, birth = rest.partition("-")
    if namespace != _namespace() or not process.isalnum() or not process.isascii():
        return True
    try:
        return token_of(int(process, 36)) == f"{namespace}-{process}-{birth}"
    except (OSError, IndexError):
        return False


def sweep(places: Iterable[Path], *, now: float) -> tuple[str, ...]:
    """Remove what dead jobs left: their processes first, then folders and control groups.

    `now` is seconds since 1970, for what only age can judge. Gives the names."""
    removed = []
    for place in dict.fromkeys((*places, *_PLACES)):
        for folder in _folders(place):
            if not _is_left(folder, now):
                continue
            kill_naming(str(folder))
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    for name in cgroup.names(PREFIX):
        if not is_alive(_token_in(name)):
            cgroup.remove(name)
            removed.append(name)
    return tuple(removed)


def kill_naming(text: str) -> None:
    """SIGKILL to every program whose command line names it: a browser names its profile."""
    wanted = text.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)


def _folders(place: Path) -> list[Path]:
    """Only folders of our own, and never through a link: /tmp is everybody's."""
    try:
        with os.scandir(place) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(PREFIX)
                and entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ]
    except OSError:
        return []


def _is_left(folder: Path, now: float) -> bool:
    token = _token_in(folder.name)
    if token.startswith(f"{_namespace()}-"):
        return not is_alive(token)
    try:
        return now - folder.stat().st_mtime > _DAY_SECONDS
    except OSError:
        return False


def _token_in(name: str) -> str:
    return "-".join(name.removeprefix(PREFIX).split("-")[:3])


def _namespace() -> str:
    return short(int(str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")))


def short(number: int) -> str:
    """In base 36, as `int(_, 36)` reads it."""
    digits = ""
    while number:
        number, last = divmod(number, 36)
        digits = _DIGITS[last] + digits
    return digits or "0"
