"""Giving up what the tunnel does not need: before the first octet of the network is read.

It starts as the capturer's user, so that it runs where only that user may read the program, and
then becomes an unprivileged user of its own for good: no capability in any set, none to be
gained from a setuid program, no way back (capabilities(7), prctl(2)).
"""

import ctypes
import os
import resource
import signal

_SET_PARENT_DEATH_SIGNAL, _DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVILEGES = 1, 24, 38
_MOST_FILES = 16_384


def drop(uid: int | None) -> None:
    """For good. Raises OSError where the kernel does not let go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = ctypes.CDLL(None, use_errno=True).prctl
    if uid is not None:
        for capability in range(64):
            control(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)  # a kernel knows fewer
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if control(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    # Forgotten whenever the user changes, so it comes last; the closed pipe tells the rest.
    control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    os.umask(0o077)
