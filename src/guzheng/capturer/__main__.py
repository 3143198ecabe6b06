"""`python -m guzheng.capturer ORDER.json OUT/`: exit 0 captured, 1 failed, 2 usage.

Progress goes to standard output, one JSON object per line: `{"detail":…,"step":…}`. This is the
only module of the program that owns a clock and reads the environment. A fault of ours is
written to OUT/failure.json like any other failure, never shown as a traceback.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType

from guzheng.capturer.act import Act
from guzheng.capturer.clock import Clock
from guzheng.capturer.environment import PRELOADING, Surroundings
from guzheng.capturer.failures import CaptureFailed, not_written
from guzheng.capturer.limits import MAX_ORDER_OCTETS
from guzheng.capturer.moments import Desk
from guzheng.capturer.order import CaptureOrder
from guzheng.capturer.waiting import NO_ORDER, Called, waited
from guzheng.proof import canonical

_USAGE = "usage: python -m guzheng.capturer ORDER.json OUT/"
_FILE_OCTETS = 4 * 1024 * 1024 * 1024  # no file of the job may grow beyond; the disk is shared
# What is larger goes back to the system when it is freed: mallopt(3). Otherwise the largest
# artefact is held until the end, a hole in the heap.
_MMAP_THRESHOLD, _RETURNED_OCTETS = -3, 512 * 1024
_GRACE_SECONDS = 20  # after the wall limit: for writing down; then the program is ended


def run() -> int:
    if len(sys.argv) == 3 and sys.argv[1] == "--wait":
        return _wait(Path(sys.argv[2]))
    if len(sys.argv) != 3:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    order_path, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        out.mkdir(parents=True, exist_ok=True)
        with order_path.open("rb") as stream:
            octets = stream.read(MAX_ORDER_OCTETS)
    except OSError as error:
        sys.stderr.write(f"{_USAGE}\n{error.filename}: {error.strerror}\n")
        return 2
    sys.excepthook = lambda kind, value, trace: _write_fault(out, kind, value, trace)
    try:
        order = CaptureOrder.parse(octets)
    except CaptureFailed as failure:
        _write_failure(out, failure)
        return 1
    _limit_ourselves()
    act = _act(order, out, _tell)
    try:
        return 0 if asyncio.run(_perform(act)) else 1
    except OSError as error:  # not even the failure could be written as it should be
        _write_failure(out, not_written(error))
        return 1


def _act(order: CaptureOrder, out: Path, tell: Callable[[str, str], None]) -> Act:
    return Act(
        order=order,
        out=out,
        surroundings=_surroundings(),
        clock=Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic),
        entropy=secrets.token_bytes,
        tell=tell,
        desk=Desk(_say, sys.stdin.fileno()),
    )


def _wait(preset: Path) -> int:
    """`--wait PRESET.json`: see waiting. The preset is an order whose page is never opened."""
    try:
        order = CaptureOrder.parse(preset.read_bytes())
        _limit_ourselves()
        return asyncio.run(_wait_and_perform(order))
    except (OSError, CaptureFailed) as error:
        sys.stderr.write(f"{error}\n")
        return NO_ORDER
    except asyncio.CancelledError:  # told to stop; what was prepared is gone
        return NO_ORDER


async def _wait_and_perform(order: CaptureOrder) -> int:
    preset = _act(order, Path(), lambda *_: None)
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _cancel, task)
    act = await waited(preset, _called, sys.stdin.fileno())
    if act is None:
        return NO_ORDER
    try:
        return 0 if await _perform(act) else 1
    except OSError as error:
        _write_failure(act.out, not_written(error))
        return 1


def _cancel(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        task.cancel()


def _called(by: Called) -> Act | None:
    by.out.mkdir(parents=True, exist_ok=True)
    sys.excepthook = lambda kind, value, trace: _write_fault(by.out, kind, value, trace)
    try:
        return _act(CaptureOrder.parse(by.order.read_bytes()), by.out, _tell)
    except CaptureFailed as failure:
        _write_failure(by.out, failure)
        return None


async def _perform(act: Act) -> bool:
    seconds = act.order.limits.wall_seconds + _GRACE_SECONDS
    watchdog = threading.Timer(seconds, _end, (act,))
    watchdog.daemon = True
    watchdog.start()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(act.perform())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    return await task


def _end(act: Act) -> None:
    """In the watchdog's thread: the event loop hangs, or writing does."""
    try:
        act.abandon()
    finally:
        os._exit(1)


def _tell(step: str, detail: str) -> None:
    _say({"step": step, "detail": detail})


def _say(line: Mapping[str, str]) -> None:
    try:
        sys.stdout.buffer.write(canonical.encode(dict(line)) + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        return  # nobody listens any more; the record has every step


def _surroundings() -> Surroundings:
    return Surroundings(
        own_uid=os.getuid(),
        process=os.getpid(),
        temporary=Path(tempfile.gettempdir()),
        path=os.environ.get("PATH", os.defpath),
        proxy_variables=tuple(
            sorted(name for name in os.environ if name.lower().endswith("_proxy"))
        ),
        preload_variables=tuple(name for name in PRELOADING if os.environ.get(name)),
        software=f"guzheng-capturer {metadata.version('guzheng')}",
    )


def _limit_ourselves() -> None:
    """Inherited by the browser: no core dumps of page memory, no file without bound."""
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _RETURNED_OCTETS)
    # It warns when a program that it stops has just ended by itself, which is no fault.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    limit = _FILE_OCTETS if hard == resource.RLIM_INFINITY else min(hard, _FILE_OCTETS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead


def _write_failure(out: Path, failure: CaptureFailed) -> None:
    try:
        (out / "failure.json").write_bytes(canonical.encode(failure.value()))
    except OSError as error:
        sys.stderr.write(f"{failure.code}: {failure.found}; {error.strerror}\n")


def _write_fault(
    out: Path, kind: type[BaseException], value: BaseException, trace: TracebackType | None
) -> None:
    """A fault of ours: say where, for the developer, and nothing for the page's author."""
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    _write_failure(
        out,
        CaptureFailed(
            "capture.fault",
            expected="a capturer without faults",
            found=f"{kind.__name__} at {place}: {str(value)[:300]}",
            act="the developers: report it with this text",
        ),
    )


if __name__ == "__main__":
    # All is written and nothing runs any more: somebody waits for our end, and to take an
    # interpreter apart takes time.
    os._exit(run())
