"""Durable adds per second over HTTP, from the request to a signed checkpoint, with witnesses.

Prints one JSON object. `guzheng ledger front` takes commitments of 32 octets and answers when a
signed checkpoint over them is durable: table committed, tiles and bundles flushed, signature
remembered. Meanwhile three witness programs cosign at quorum, as fast as they are asked. wrk is
the load, on the same cores. Goals: 20,000 a second one by one, 150,000 in batches, half of the
answers within 100 ms. There is no peer to run beside it (Tessera needs Go modules that cannot
be had here), so the bare appending of the same commitments to the same table, without HTTP and
tiles, is measured in the same run, and the ratio to it is what can be compared elsewhere.

With --postgres the table is in a PostgreSQL of its own (tests/engines.py) instead of SQLite,
with as much memory as an operator would give it; with --database-url in one that is there.
`front_microseconds` is what the front's own processes took of the processor for each entry,
which other work on the machine changes least, and `server_microseconds` what PostgreSQL did.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from guzheng import config
from guzheng.app import Platform
from guzheng.ledger import Numbered
from guzheng.refusals import Problem
from tests import engines

SINGLE_GOAL, BATCHED_GOAL, MEDIAN_GOAL = 20_000, 150_000, 100.0
PROGRAMS = Path(sys.executable).parent
LUA = """
local octets = 32 * tonumber(os.getenv("BATCH"))
local random = io.open("/dev/urandom", "rb")
local head, count = random:read(16), 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Authorization"] = "Bearer bench"
request = function()
  count = count + 1
  local body
  if octets == 32 then body = head .. string.format("%016d", count)
  else body = random:read(octets) end
  return wrk.format(nil, "/api/ledger/entries", nil, body)
end
"""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=8)
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_argument("--place", type=Path, help="a directory on the disk to measure")
    arguments.add_argument("--database-url", default="")
    arguments.add_argument("--postgres", action="store_true")
    chosen = arguments.parse_args()
    if shutil.which("wrk") is None:
        print(json.dumps({"bench": "adds", "skipped": "wrk is missing: apt-get install wrk"}))
        return 0
    with tempfile.TemporaryDirectory(dir=chosen.place) as room, contextlib.ExitStack() as stack:
        place, programs = Path(room), dict[str, int]()
        if chosen.postgres:
            server = stack.enter_context(engines.postgres_running())
            programs["server"] = roomy(server)
            chosen.database_url = server.database("adds")
        data = configured(place, chosen.database_url, stack)
        platform = Platform(config.load(data))
        bare = bare_appends(platform)
        programs["front"], address = stack.enter_context(fronting(data, chosen.processes))
        quorums = stack.enter_context(cosigning(platform))
        single = {
            f"{connections} connections": load(
                place, programs, address, 1, connections, chosen.seconds
            )
            for connections in (64, 512, 1500)
        }
        batched = {
            f"{size} a request": load(place, programs, address, size, 8, chosen.seconds)
            for size in (1_000, 10_000)
        }
        entries = platform.ledger.entries.size()
    best_single = max(one["adds_per_second"] for one in single.values())
    best_batched = max(one["adds_per_second"] for one in batched.values())
    found = {
        "bench": "adds",
        "table": "PostgreSQL" if chosen.database_url else "SQLite",
        "processes": chosen.processes,
        "bare_appends_per_second": bare,
        "single": single,
        "batched": batched,
        "ratio_to_bare": {
            "single": round(best_single / bare, 3),
            "batched": round(best_batched / bare, 3),
        },
        "entries_in_the_end": entries,
        "quorum_milliseconds": middle(quorums),
        "goals": {"single": SINGLE_GOAL, "batched": BATCHED_GOAL, "median": MEDIAN_GOAL},
    }
    print(json.dumps(found, indent=2))
    return 0 if best_single >= SINGLE_GOAL and best_batched >= BATCHED_GOAL else 1


def roomy(server: engines.Postgres) -> int:
    """With memory for its pages, as an operator's server has; gives its process."""
    for setting in ("shared_buffers = '512MB'", "max_wal_size = '4GB'"):
        server.run(f"ALTER SYSTEM SET {setting}", database="postgres")
    server.stop(signal.SIGINT)
    server.start()
    return int((server.folder / "postmaster.pid").read_text().split()[0])


def configured(place: Path, database_url: str, stack: contextlib.ExitStack) -> Path:
    """A data directory whose policy demands two of three witness programs."""
    data = place / "data"
    data.mkdir(mode=0o700)
    key = hashlib.sha256(b"bench").hexdigest()
    lines = [f'ledger_keys = ["{key}"]', f'database_url = "{database_url}"']
    (data / "guzheng.toml").write_text("\n".join(lines) + "\n")
    vkey = Platform(config.load(data)).ledger.vkey
    policy = []
    for number in range(3):
        home, port = place / f"witness{number}", free_port()
        name = f"witness{number}.example"
        program = [str(PROGRAMS / "guzheng-witness")]
        added = [*program, "add-log", vkey, "--data", str(home), "--name", name]
        subprocess.run(added, check=True, capture_output=True)
        shown = subprocess.run(
            [*program, "show", "--data", str(home)], check=True, capture_output=True, text=True
        ).stdout
        own = re.search(rf"{re.escape(name)}\+\S+", shown)
        assert own, shown
        policy.append(f"witness w{number} {own[0]} http://127.0.0.1:{port}/")
        serving = [*program, "serve", "--data", str(home), "--port", str(port)]
        stack.enter_context(running(serving, f"http://127.0.0.1:{port}/"))
    policy += ["group them 2 w0 w1 w2", "quorum them"]
    (place / "policy").write_text("\n".join(policy) + "\n")
    lines.append(f'ledger_policy = "{place / "policy"}"')
    (data / "guzheng.toml").write_text("\n".join(lines) + "\n")
    return data


def bare_appends(platform: Platform, size: int = 10_000, rounds: int = 5) -> int:
    """The same commitments into the same table, nothing else: the best of some rounds."""
    best = float("inf")
    for number in range(rounds):
        made = [hashlib.sha256(b"bare %d %d" % (number, at)).digest() for at in range(size)]
        began = time.perf_counter()
        platform.add_commitments(made)
        best = min(best, time.perf_counter() - began)
    return round(size / best)


@contextlib.contextmanager
def fronting(data: Path, processes: int) -> Iterator[tuple[int, str]]:
    """Its process, and where it answers."""
    port = free_port()
    command = [str(PROGRAMS / "guzheng"), "ledger", "front", "--data", str(data)]
    command += ["--port", str(port), "--processes", str(processes)]
    address = f"http://127.0.0.1:{port}/"
    with running(command, address) as started:
        yield started.pid, address


@contextlib.contextmanager
def running(command: list[str], address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that answers at this address, and is ended."""
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(address)
                break
            assert started.poll() is None, command
            assert time.monotonic() < deadline, command
            time.sleep(0.1)
        yield started
    finally:
        started.terminate()
        started.wait(timeout=30)


@contextlib.contextmanager
def cosigning(platform: Platform) -> Iterator[list[float]]:
    """A worker that asks for the quorum over whatever was signed last, five times a second at
    most; its times in ms."""
    stopped, times = threading.Event(), list[float]()

    def ask() -> None:
        while not stopped.wait(0.2):
            signed = platform.ledger.signed()
            if signed is None:
                continue
            began = time.perf_counter()
            with contextlib.suppress(Problem):
                platform.wait_for_quorum(Numbered(platform.ledger.shard, signed.size - 1))
                times.append(1000 * (time.perf_counter() - began))

    worker = threading.Thread(target=ask)
    worker.start()
    try:
        yield times
    finally:
        stopped.set()
        worker.join()


def processor_seconds(program: int) -> float:
    """Of a process and all that it began, as the kernel counts them."""
    begun_by, ticks = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            number = int(stat.parent.name)
            begun_by[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours = {program}
    while found := {one for one, by in begun_by.items() if by in ours} - ours:
        ours |= found
    return sum(ticks.get(one, 0) for one in ours) / os.sysconf("SC_CLK_TCK")


def load(
    place: Path,
    programs: Mapping[str, int],
    address: str,
    size: int,
    connections: int,
    seconds: int,
) -> dict[str, float]:
    """What wrk counts; an answer other than 201 counts against it."""
    script = place / "add.lua"
    before = {name: processor_seconds(one) for name, one in programs.items()}
    script.write_text(LUA)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30", "--latency"]
    said = subprocess.run(
        [*command, "-s", str(script), address],
        env=os.environ | {"BATCH": str(size)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])
    wrong = re.findall(r"Non-2xx or 3xx responses: (\d+)", said)
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    times = {
        percent: round(float(value) * units[unit], 1)
        for percent, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)
    }
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    spent = {name: processor_seconds(one) - before[name] for name, one in programs.items()}
    return {
        "adds_per_second": round(rate * size),
        **{
            f"{name}_microseconds": round(1e6 * seconds / max(1, requests * size), 1)
            for name, seconds in spent.items()
        },
        "median_milliseconds": times["50"],
        "p99_milliseconds": times["99"],
        "refused": int(wrong[0]) if wrong else 0,
    }


def middle(times: list[float]) -> float:
    return round(sorted(times)[len(times) // 2], 1) if times else 0.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
