"""`guzheng-witness` as others run it: a process that can be killed and started again."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

SECONDS = 60.0


@dataclass
class WitnessProgram:
    """One witness; `line` is what a policy says of it."""

    name: str
    home: Path
    vkey: str = ""
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.vkey} {self.url}\n"

    def ran(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "guzheng.witness", *arguments, "--data", str(self.home)],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        return done.stdout

    def prepare(self, *, ml_dsa: bool) -> None:
        """Its key is made at its first start, before it watches any log."""
        self.start("--name", f"{self.name}.example/w1", *(["--ml-dsa"] if ml_dsa else []))
        self.kill()
        self.vkey = self.ran("show").splitlines()[-1 if ml_dsa else 0].split()[2]

    def watch(self, vkeys: Sequence[str]) -> None:
        for one in vkeys:
            self.ran("add-log", one)

    def start(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "guzheng.witness", "serve", "--data", str(self.home)),
                *("--port", str(self.port), *arguments),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the witness ended"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            time.sleep(0.05)
        raise AssertionError("the witness never listened")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(SECONDS)
            self.process = None


@contextlib.contextmanager
def running(
    folder: Path, names: Sequence[str], vkeys: Sequence[str]
) -> Iterator[list[WitnessProgram]]:
    """Witnesses that watch the log of these keys; the first one with ML-DSA-44."""
    programs = [WitnessProgram(name, folder / name) for name in names]
    try:
        for number, one in enumerate(programs):
            one.prepare(ml_dsa=number == 0)
            one.watch(vkeys)
            one.start()
        yield programs
    finally:
        for one in programs:
            one.kill()
