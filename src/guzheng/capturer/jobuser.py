"""Whose the browser is: an unprivileged uid of its own for each job, if we are root.

Chromium's sandbox refuses to run as root, and a browser that was broken out of must find itself
a stranger on this machine. The uid is taken from the range that systemd keeps for users made on
the fly, and must belong to no account and no running program. Without root the browser runs as
ourselves, and the record says so.
"""

import os
import pwd
import signal
import socket
from pathlib import Path

FIRST_UID, LAST_UID = 61184, 65519  # systemd.io/UIDS-GIDS: «dynamic service users»
_held: list[socket.socket] = []


def uid_for_job(*, own_uid: int, seed: int) -> int:
    """Our own uid unless we are root. `seed` spreads concurrent jobs over the range.

    An even one: the odd one above it is free as well, and is the tunnel's of the same job.
    """
    if own_uid != 0 or not _is_mapped(LAST_UID):
        return own_uid
    taken = _uids_running()
    pairs = (LAST_UID - FIRST_UID + 1) // 2
    for offset in range(pairs):
        uid = FIRST_UID + 2 * ((seed + offset) % pairs)
        free = not any(one in taken or _has_account(one) for one in (uid, uid + 1))
        if free and _hold(uid):
            return uid
    raise OSError("no free uid for the browser")


def uid_of_tunnel(browser_uid: int, *, own_uid: int) -> int | None:
    """None where the browser has no user of its own either."""
    return None if browser_uid == own_uid else browser_uid + 1


def _hold(uid: int) -> bool:
    """Ours until this program ends: two that start at once must not choose the same one.

    An abstract name (unix(7)): the kernel forgets it with whoever had it."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0guzheng-capture-uid-{uid}")
    except OSError:
        held.close()
        return False
    _held.append(held)
    return True


def _is_mapped(uid: int) -> bool:
    """In a rootless container only some uids exist: user_namespaces(7)."""
    try:
        lines = Path("/proc/self/uid_map").read_text("ascii").splitlines()
    except OSError:
        return True
    ranges = [(int(inside), int(count)) for inside, _, count in map(str.split, lines)]
    return any(inside <= uid < inside + count for inside, count in ranges)


def _uids_running() -> set[int]:
    taken = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                taken.add(entry.stat().st_uid)
            except OSError:
                continue  # it has just ended
    return taken


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def kill_members(group: int, uid: int | None) -> int:
    """SIGKILL to what still lives of a group, and of a user if one is named; how many those of
    the group are (a zombie holds nothing and waits for init). One look at all of /proc."""
    left = 0
    with os.scandir("/proc") as entries:
        for entry in entries:
            if not entry.name.isdigit():
                continue
            try:
                if uid is not None and entry.stat().st_uid == uid:
                    os.kill(int(entry.name), signal.SIGKILL)
                told = Path(entry.path, "stat").read_bytes()
            except OSError:
                continue  # it has just ended
            state, _, its_group, _ = told.rpartition(b")")[2].split(None, 3)
            left += int(its_group) == group and state not in {b"Z", b"X"}
    return left
