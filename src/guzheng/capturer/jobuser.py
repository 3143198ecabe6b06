"""Whose the browser is: an unprivileged uid of its own for each job, if we are root.

Chromium's sandbox refuses to run as root, and a browser that was broken out of must find itself
a stranger on this machine. The uid is taken from the range that systemd keeps for users made on
the fly, and must belong to no account and no running program. Without root the browser runs as
ourselves, and the record says so.
"""

import pwd
from pathlib import Path

FIRST_UID, LAST_UID = 61184, 65519  # systemd.io/UIDS-GIDS: «dynamic service users»


def uid_for_job(*, own_uid: int, seed: int) -> int:
    """Our own uid unless we are root. `seed` spreads concurrent jobs over the range."""
    if own_uid != 0 or not _is_mapped(LAST_UID):
        return own_uid
    taken = _uids_running()
    span = LAST_UID - FIRST_UID + 1
    for offset in range(span):
        uid = FIRST_UID + (seed + offset) % span
        if uid not in taken and not _has_account(uid):
            return uid
    raise OSError("no free uid for the browser")


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


def members_of(group: int) -> list[int]:
    """Ids of the living processes of a group (a zombie holds nothing and waits for init)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text("utf-8", "replace")
            except OSError:
                continue
            state, _, its_group = stat.rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in {"Z", "X"}:
                found.append(int(entry.name))
    return found
