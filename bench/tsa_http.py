"""Tokens per second over HTTP, against the best peer that can be built and against raw signing.

`guzheng tsa` on two processes, its journal flushed to the disk before each answer, and
bench/peer_tsa.c (civetweb and OpenSSL's TS_RESP, which uts-server is made of, at their best
settings; no journal) on the same keys, asked in turn by wrk on the same machine, so that what
else it does falls on both. Each round asks both; the ratio is the median of the rounds' own.
`--journal tmpfs` tells what the disk costs. Needs wrk, cc and libcivetweb-dev (Debian).

Goal: 2 on P-256 with connections kept.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from guzheng.fix import LOCAL_POLICY_OID, signing_key_of
from guzheng.fix.signing import PrivateKey
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256

HERE = Path(__file__).resolve().parent
GOAL = 2.0
SCRIPT = """
local file = io.open("QUESTION", "rb")
wrk.body = file:read("*a")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/timestamp-query"
"""
CLOSED = 'wrk.headers["Connection"] = "close"\n'


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=3, help="for each run of wrk")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--connections", type=int, nargs="+", default=[64])
    arguments.add_argument("--keys", nargs="+", default=["p256", "rsa3072"])
    arguments.add_argument("--journal", choices=["disk", "tmpfs"], default="disk")
    chosen = arguments.parse_args()
    found: dict[str, object] = {}
    met = True
    place = "/dev/shm" if chosen.journal == "tmpfs" else None  # noqa: S108 - it is what is asked
    for kind in chosen.keys:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            runs = measured(Path(folder), kind, chosen)
        found[kind] = runs
        if kind == "p256" and chosen.journal == "disk":
            best = max(one["ratio"] for name, one in runs.items() if name.startswith("kept"))
            met = best >= GOAL
    print(json.dumps({"bench": "tsa_http", "journal": chosen.journal, "keys": found}, indent=2))
    return 0 if met else 1


def measured(
    folder: Path, kind: str, chosen: argparse.Namespace
) -> dict[str, dict[str, float]]:
    data = folder / "data"
    environment = {**os.environ, "GUZHENG_TSA_RATE": "0", "GUZHENG_CLOCK_PROFILE": "evaluation"}
    environment["GUZHENG_TSA_KEY"] = kind
    compiler = ("cc", "-O2", "-o", str(folder / "peer"), str(HERE / "peer_tsa.c"))
    subprocess.run([*compiler, "-lcivetweb", "-lcrypto", "-lpthread"], check=True)
    (folder / "question").write_bytes(
        timestamp.encode_request(sha256(b"a photograph"), 12345678)
    )
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(served(data, environment))
        require_answer(ours, folder / "question")  # its keys are made now
        keys = data / "keys" / "authority"
        peer_port = free_port()
        peer = [folder / "peer", str(peer_port), "16", keys / "tsa.key", keys / "tsa.pem"]
        stack.enter_context(started([*map(str, peer), LOCAL_POLICY_OID], environment))
        address = f"http://127.0.0.1:{peer_port}/"
        require_answer(address, folder / "question")
        runs = {}
        for connections in chosen.connections:
            for kept in (True, False):
                script = folder / "script.lua"
                text = SCRIPT.replace("QUESTION", str(folder / "question"))
                script.write_text(text + ("" if kept else CLOSED))
                name = f"{'kept' if kept else 'closed'} {connections}"
                runs[name] = compared(ours, address, script, connections, chosen)
    key = load_pem_private_key((keys_of(data)).read_bytes(), None) if data.exists() else None
    if isinstance(key, PrivateKey):
        sign = signing_key_of(key).sign
        count = 2000 if kind == "p256" else 100
        raw = max(rate_of(lambda: sign(bytes(138)), count) for _ in range(5))
        runs["raw signatures, one core"] = {"per_second": round(raw), "ratio": 0.0}
    return runs


def rate_of(one: Callable[[], object], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        one()
    return count / (time.perf_counter() - begun)


def keys_of(data: Path) -> Path:
    return data / "keys" / "authority" / "tsa.key"


def compared(
    ours: str, peer: str, script: Path, connections: int, chosen: argparse.Namespace
) -> dict[str, float]:
    rounds = [
        [asked(one, script, connections, chosen.seconds) for one in (ours, peer)]
        for _ in range(chosen.rounds)
    ]
    best = [max(column) for column in zip(*rounds, strict=True)]
    return {
        "guzheng_per_second": round(best[0]),
        "peer_per_second": round(best[1]),
        "ratio": round(statistics.median(one / two for one, two in rounds), 2),
    }


def asked(address: str, script: Path, connections: int, seconds: int) -> float:
    """Answers a second, as wrk measured. An answer other than 200 is a failure of the bench."""
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Non-2xx" not in run.stdout, run.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    assert rate, run.stdout
    return float(rate[1])


@contextlib.contextmanager
def served(data: Path, environment: dict[str, str]) -> Iterator[str]:
    port = free_port()
    program = str(Path(sys.executable).with_name("guzheng"))
    command = [program, "tsa", "--data", str(data), "--port", str(port), "--processes", "2"]
    with started(command, environment):
        yield f"http://127.0.0.1:{port}/tsa"


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def require_answer(address: str, question: Path) -> None:
    deadline = time.monotonic() + 90
    headers = {"Content-Type": "application/timestamp-query"}
    request = urllib.request.Request(address, question.read_bytes(), headers)  # noqa: S310
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                timestamp.parse(answer.read())
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
