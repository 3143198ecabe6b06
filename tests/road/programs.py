"""The real program in processes of its own, for what depends on the process itself."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests import plain

PROGRAM = Path(sys.executable).with_name("guzheng")


def started(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("GUZHENG_")
    }
    return subprocess.Popen(
        [str(PROGRAM), *(str(one) for one in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # so that all of it can be ended, and nobody keeps its pipes
        # Nobody outside is asked for the time, and nobody signs in, unless a test says so.
        env=clean
        | {"GUZHENG_CLOCK_PROFILE": "evaluation", "GUZHENG_ACCOUNTS": "off"}
        | environment,
    )


def ended(process: "subprocess.Popen[str]", seconds: float = 120) -> tuple[int, str, str]:
    """Its status, what it printed, what it complained of; never a traceback."""
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in out + err, err
    return process.returncode, out, err


def ran(*arguments: object, **environment: str) -> tuple[int, str, str]:
    return ended(started(*arguments, **environment))


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


@contextlib.contextmanager
def running(*arguments: object, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    process = started(*arguments, **environment)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(ValueError):  # its pipes were read to their end already
            process.communicate()


def answering(address: str, process: "subprocess.Popen[str]", seconds: float = 60) -> None:
    """Wait until it answers; fails when it ends instead."""
    deadline = time.monotonic() + seconds
    with plain.client(timeout=30) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(process.communicate())
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{address}/checkpoint").status_code in (200, 404):
                    return
            time.sleep(0.1)
    raise AssertionError("it never answered")


def stopped(
    process: "subprocess.Popen[str]", number: int = signal.SIGTERM
) -> tuple[int, float]:
    """Its status, and how long it took to stop."""
    began = time.monotonic()
    process.send_signal(number)
    status, _, _ = ended(process, 60)
    return status, time.monotonic() - began
