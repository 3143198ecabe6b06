"""Uploads over HTTP on this machine: as tus, and as a form; against SHA-256 and a bare server.

`PYTHONPATH=. .venv/bin/python bench/uploads.py` (SIZE, ROUNDS and BENCH_DIR from the
environment); prints JSON. The sender is curl, the receiver `guzheng serve` as it is installed;
the answer comes when every octet is durable, hashed and deposited. Beside it in the same run:
SHA-256 over memory, and servers that only receive and throw away (uvicorn, on which `serve`
runs, in the same settings; granian), which is the most that could be had. Goal: half of
SHA-256. Sender, hash and server share the cores, so processor time is given, too: of the server
and of the sender, in milliseconds for a megabyte; on two cores half of their sum is the least
that the wall can be. A deposit goes on after its answer (SM3, seal,
certificate): on a busy machine, where the figure is read late, some of that is in it.
"""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from tests.ports import free_port

SIZE: Final = int(os.environ.get("SIZE", "1000000000"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
PATIENCE_SECONDS: Final = 60.0
TICK: Final = os.sysconf("SC_CLK_TCK")
SERVE: Final = "from guzheng.cli import main; main()"
BARE: Final = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    start = {"type": "http.response.start", "status": 204, "headers": []}
    await send(start)
    await send({"type": "http.response.body", "body": b""})
"""
UVICORN: Final = """
import sys, uvicorn, bare
from guzheng.cli.allocating import keep_freed_memory
keep_freed_memory()
uvicorn.run(bare.app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@contextlib.contextmanager
def running(port: int, *command: str, room: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it answers; its children end with it."""
    given = {**os.environ, "GUZHENG_ACCOUNTS": "off", "GUZHENG_CAPTURES_WAITING": "0"}
    program = subprocess.Popen([sys.executable, *command], cwd=room, env=given)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=1),
            ):
                break
            time.sleep(0.1)
        yield program
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait()


def busy(root: int) -> float:
    """Seconds of processor time of a program and of those it started."""
    spent = 0.0
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(place.name) == root or int(fields[1]) == root:
                spent += (int(fields[11]) + int(fields[12])) / TICK
    return spent


def ended() -> float:
    """Seconds of processor time of the programs that ended: the senders."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def rest(root: int) -> None:
    """Until the server does nothing more: what follows a deposit (SM3, seal, certificate) is
    another figure."""
    before = -1.0
    while (now := busy(root)) - before > 0.02:
        before = now
        time.sleep(0.5)


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--header", "Expect:", *arguments],
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def tus(address: str, file: Path) -> None:
    said = {"Tus-Resumable": "1.0.0", "Upload-Metadata": "filename ZmlsbS5tcDQ="}
    size = str(file.stat().st_size)
    # Plain and unproxied: to read the roots of TLS first would be 40 ms of the figure.
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 - no TLS
        opened = client.post(f"{address}/api/uploads", headers={**said, "Upload-Length": size})
    place = opened.headers["location"]
    headers = ("Tus-Resumable: 1.0.0", "Upload-Offset: 0")
    told = curl(
        *("--request", "PATCH", "--upload-file", str(file), "--dump-header", "-"),
        *(part for one in headers for part in ("--header", one)),
        *("--header", "Content-Type: application/offset+octet-stream"),
        f"{address}{place}",
    )
    assert "guzheng-exhibit: ex_" in told.lower(), told


def form(address: str, file: Path) -> None:
    told = curl("--form", f"file=@{file};type=video/mp4", f"{address}/api/exhibits")
    assert "ex_" in told, told


def bare(address: str, file: Path) -> None:
    curl("--upload-file", str(file), f"{address}/x")


def measured(
    send: Callable[[str, Path], None], port: int, file: Path, program: subprocess.Popen[bytes]
) -> dict[str, object]:
    """Median of the rounds, after one that is not counted."""
    rest(program.pid)
    send(f"http://127.0.0.1:{port}", file)
    walls, spent, sent = [], [], []
    for _ in range(ROUNDS):
        rest(program.pid)
        before, sender, began = busy(program.pid), ended(), time.perf_counter()
        send(f"http://127.0.0.1:{port}", file)
        walls.append(time.perf_counter() - began)
        spent.append(busy(program.pid) - before)
        sent.append(ended() - sender)
    return {
        "mb_per_second": round(SIZE / 1e6 / statistics.median(walls)),
        "server_ms_per_mb": round(1e9 * statistics.median(spent) / SIZE, 2),
        "sender_ms_per_mb": round(1e9 * statistics.median(sent) / SIZE, 2),
    }


def hashed(file: Path) -> tuple[float, float]:
    """Megabytes a second of SHA-256 over memory, and a second of processor time."""
    octets = file.read_bytes()[: 256 << 20]
    began, spent = time.perf_counter(), time.process_time()
    hasher = hashlib.sha256()
    for at in range(0, len(octets), 1 << 20):
        hasher.update(memoryview(octets)[at : at + (1 << 20)])
    wall, spent = time.perf_counter() - began, time.process_time() - spent
    return len(octets) / 1e6 / wall, len(octets) / 1e6 / spent


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        room = Path(folder)
        file, port = room / "film.mp4", free_port()
        with file.open("wb") as stream:
            for at in range(0, SIZE, 1 << 20):
                stream.write(os.urandom(min(1 << 20, SIZE - at)))
        (room / "bare.py").write_text(BARE)
        raw = [hashed(file) for _ in range(ROUNDS)]
        found: dict[str, dict[str, object]] = {}
        with running(port, "-c", UVICORN, str(port), room=room) as program:
            found["bare_uvicorn"] = measured(bare, port, file, program)
        granian = (
            "-m",
            "granian",
            "--interface",
            "asgi",
            "--no-access-log",
            "--log-level",
            "error",
        )
        with running(port, *granian, "--port", str(port), "bare:app", room=room) as program:
            found["bare_granian"] = measured(bare, port, file, program)
        # Each in a folder that is gone before the next: of a virtual machine in whose memory
        # they lie, pages that its host has yet to give cost five times what writing them does.
        for name, send in (("tus", tus), ("form", form)):
            data = room / name
            serve = ("-c", SERVE, "serve", "--port", str(port), "--data", str(data))
            with running(port, *serve, room=room) as program:
                found[name] = measured(send, port, file, program)
            shutil.rmtree(data)
    whole = statistics.median(wall for wall, _ in raw)
    spent = 1000 / statistics.median(busy for _, busy in raw)
    rates = {name: int(str(one["mb_per_second"])) for name, one in found.items()}
    figures = {
        "figure": f"upload over HTTP, {SIZE:,} octets",
        "sha256_mb_per_second": round(whole),
        "sha256_ms_per_mb": round(spent, 2),
        **found,
        "ratio": {name: round(rate / whole, 2) for name, rate in rates.items()},
        "goal": "0.5 of SHA-256",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
