"""Cosignatures per second of a witness, and entries per second of a mirror, as programs.

Prints one JSON object. The witness answers over HTTP with keep-alive, one client, each answer
after its record is on the disk; beside it, in the same run, the signature and the proof alone
in memory. The mirror copies a log from a server on this machine: every entry hashed, every tile
proved, bundles and tiles durable before it signs. Both with what they hold in memory.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from guzheng.proof import tree
from tests.mirror.sites import Site, entries_of
from tests.witness.logs import Log, leaves

NAME = ("--name", "bench.example/w")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--checkpoints", type=int, default=300)
    arguments.add_argument("--entries", type=int, default=100_000)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "witness": witness(Path(folder) / "w", chosen.checkpoints),
            "mirror": mirror(Path(folder) / "m", chosen.entries),
        }
    print(json.dumps(found | {"load": os.getloadavg()[0]}, indent=1))
    return 0


def witness(data: Path, count: int) -> dict[str, float]:
    log = Log(leaves(count + 1))
    requests = [log.request(at, at + 1) for at in range(count)]
    program = [sys.executable, "-m", "guzheng.witness"]
    where = ("--data", str(data), *NAME)
    subprocess.run([*program, "add-log", *where, str(log.key)], check=True, capture_output=True)
    took: list[float] = []
    with serving([*program, "serve", *where, "--port", "0"]) as (port, process):
        peer = http.client.HTTPConnection("127.0.0.1", port)
        for request in requests:
            began = time.perf_counter()
            peer.request("POST", "/add-checkpoint", request)
            answer = peer.getresponse()
            answer.read()
            took.append(time.perf_counter() - began)
            assert answer.status == 200
        memory = resident(process.pid)
    return {
        "per_second": round(count / sum(took), 1),
        "p50_ms": round(statistics.median(took) * 1000, 2),
        "p99_ms": round(sorted(took)[int(count * 0.99)] * 1000, 2),
        "judged_per_second": round(judged(log, count), 1),
        "resident_mb": memory,
    }


def judged(log: Log, count: int) -> float:
    """The log's signature and the consistency proof, and nothing else."""
    notes = [log.note(at + 1) for at in range(count)]
    proofs = [log.proof(at, at + 1) for at in range(count)]
    roots = [log.root(at) for at in range(count + 1)]
    began = time.perf_counter()
    for at in range(count):
        notes[at].require_signed([log.key])
        tree.require_consistent(at, roots[at], at + 1, roots[at + 1], proofs[at])
    return count / (time.perf_counter() - began)


def mirror(data: Path, count: int) -> dict[str, float]:
    site = Site(entries_of(count)).show(count)
    with site.served() as url:
        command = [sys.executable, "-m", "guzheng.mirror", "--log", url, "--once"]
        command += ["--vkey", str(site.signer.key), "--data", str(data), *NAME]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took = time.perf_counter() - began
    return {"entries_per_second": round(count / took), "seconds": round(took, 2)}


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        address = next(line for line in process.stderr if "http://" in line).split()[-1]
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield int(address.rstrip("/").rsplit(":", 1)[1]), process
    finally:
        process.terminate()
        process.wait()


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
