"""Capturers that were started ahead: each has a blank browser up, and waits for one order.

What is hidden is the start of a program and a browser, nothing else: every page gets a browser
that was never used. One that does not fit, or is gone, costs nothing but the start that was to
be hidden: the capture is then begun as if nobody had waited. docs/spec/capture.md §6.1.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.proof import canonical

_END_SECONDS = 15  # a browser dies within one; the machine may be busy


@dataclass(slots=True)
class Warm:
    """At most `most` of them. `folder` is for their order of which no page is opened."""

    folder: Path
    most: int
    _waiting: list[tuple[bytes, subprocess.Popen[bytes]]] = field(default_factory=list)
    _wanted: bytes | None = None
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, preset: bytes, order: Path, out: Path) -> subprocess.Popen[bytes] | None:
        """One that was started for just that, with its order given; None: start your own."""
        while (process := self._pop(preset)) is not None:
            line = canonical.encode({"order": str(order), "out": str(out)}) + b"\n"
            try:
                if process.stdin is None or process.poll() is not None:
                    raise BrokenPipeError
                process.stdin.write(line)
                process.stdin.flush()
            except OSError:
                end(process)
            else:
                return process
        return None

    def want(self, preset: bytes) -> None:
        """One for the next order, when there is time for it: `ready` says when."""
        self._wanted = preset

    def ready(self) -> None:
        """Start what is wanted. A browser that starts takes a processor for a second: whoever
        waits for a certificate comes first."""
        preset, self._wanted = self._wanted, None
        if preset is not None:
            self.fill(preset)

    def fill(self, preset: bytes) -> None:
        """Start one for the next order, unless enough are waiting or nobody will order."""
        with self._lock:
            fit = [one for one in self._waiting if one[0] == preset and one[1].poll() is None]
            unfit = [one for one in self._waiting if one not in fit]
            self._waiting = fit
            room = 0 if self._closed else self.most - len(fit)
            for _ in range(room):
                self._waiting.append((preset, self._start(preset)))
        for _, process in unfit:
            end(process)

    def close(self) -> None:
        """For good: a capture that ends later leaves no browser behind that nobody ends."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, []
        for _, process in waiting:
            end(process)

    def _pop(self, preset: bytes) -> subprocess.Popen[bytes] | None:
        with self._lock:
            for number, (wanted, _) in enumerate(self._waiting):
                if wanted == preset:
                    return self._waiting.pop(number)[1]
        return None

    def _start(self, preset: bytes) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        path = self.folder / "preset.json"
        path.write_bytes(preset)
        return subprocess.Popen(
            [sys.executable, "-m", "guzheng.capturer", "--wait", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Its pipe is closed: it clears up after itself; then it is ended whatever it does."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
