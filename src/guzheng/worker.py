"""FACE: the worker, which takes the next exhibit that lacks a paper, and walks.

It holds no order of its own: the queue says whom, the road says what.
"""

import signal
import threading

from guzheng.app import Platform


def work_until_idle(platform: Platform) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Walk all that is unfinished; gives those that are done now, and those that are not."""
    with platform.jobs.running():
        platform.recover()
        before = platform.index.unfinished()
        left = platform.jobs.until_idle()
        platform.ordering.round()
        platform.repeating.round()
        platform.clearing.round()
        platform.anchoring.round()  # what is away now is asked again the next time
    return tuple(one for one in before if one not in left), left


def work_until_stopped(platform: Platform) -> None:
    """Walk until SIGINT or SIGTERM; a step under way is finished by the next start."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with platform.timekeeping(), platform.jobs.running():
        platform.recover()
        stopped.wait()
        platform.interrupt()
