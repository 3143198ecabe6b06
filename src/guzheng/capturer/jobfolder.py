"""The folder of one job outside the result: profile, home and scratch; gone afterwards."""

import os
import shutil
import tempfile
from pathlib import Path

from guzheng.capturer.leftovers import PREFIX, token_of

_PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 (mkdtemp makes it ours)
_SMALL_SHM = 512 * 1024 * 1024
_ANYBODY_MAY_PASS = 0o001
# The browser makes a socket in its folder, and ends at once if the path is too long for one.
_SOCKET_PATH = 107  # unix(7)
_TO_SOCKET = len("12345678/browser/org.chromium.Chromium.123456/SingletonSocket")


class JobFolder:
    """`browser` belongs to the browser's uid; everything else in `path` is ours."""

    def __init__(self, temporary: Path, uid: int) -> None:
        prefix = f"{PREFIX}{token_of(os.getpid())}-"  # so that a later job knows whose it was
        places = [place for place in (temporary, *_PLACES) if _is_open_to_all(place)]
        short = [place for place in places if _has_room_for_socket(place, prefix)]
        parent = next(iter((*short, *places)), temporary)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self.path.chmod(0o711)
        self.browser = self.path / "browser"
        self.profile = self.browser / "profile"
        self.scratch = self.path / "scratch"
        for folder in (self.browser, self.profile, self.scratch):
            folder.mkdir(0o700)
        if uid != os.getuid():
            for folder in (self.browser, self.profile):
                os.chown(folder, uid, uid)

    def remove_profile(self) -> None:
        """Some hundred files, which nobody reads once the browser is gone."""
        shutil.rmtree(self.profile, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _is_open_to_all(place: Path) -> bool:
    """The browser's uid must be able to pass through every folder above its own."""
    try:
        folders = (place.resolve(), *place.resolve().parents)
        return all(folder.stat().st_mode & _ANYBODY_MAY_PASS for folder in folders)
    except OSError:
        return False


def _has_room_for_socket(place: Path, prefix: str) -> bool:
    return len(os.fsencode(place / prefix)) + _TO_SOCKET <= _SOCKET_PATH


def has_small_shared_memory() -> bool:
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108 (only measured)
    except OSError:
        return True
    return room.f_frsize * room.f_bavail < _SMALL_SHM
