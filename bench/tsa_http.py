"""Tokens per second over HTTP, against uts-server or what it is made of, and raw signing.

`guzheng tsa` on two processes, its journal flushed to the disk before each answer, and the peer
on the same keys, asked in turn by wrk on the same machine, so that what else it does falls on
both. Each round asks both; the ratio is the median of the rounds' own. Beside it stands what
one answer took of the processor on either side, which the load of others changes least.
`--journal tmpfs` tells what the disk costs. Needs wrk, cc and libcivetweb-dev (Debian).

The peer is `--uts-server PATH` (or UTS_SERVER), run at its best settings: connections kept,
tcp_nodelay, no log, the chain not sent; of its numbers of threads 16 is best here, though it
leaves all connections but 16 waiting (`--threads`). To build it from a checkout of
github.com/kakwa/uts-server with Debian's libcivetweb-dev and libssl-dev:

    cc -O2 -std=c99 -D_DEFAULT_SOURCE -D_XOPEN_SOURCE=700 -DOPENSSL_API_1_1 \\
       -DUTS_VERSION='"0"' -Iinc -o uts-server src/cmd/*.c src/lib/http.c src/lib/rfc3161.c \\
       src/lib/utils.c -lcivetweb -lssl -lcrypto -lpthread

(gcc 10 and later want its two global integers in inc/utils.h declared `extern`, and defined
once.) Without it the peer is bench/peer_tsa.c: civetweb and OpenSSL's TS_RESP, which uts-server
is made of, with neither log nor configuration nor locks. Neither keeps a journal.

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
UTS_CONFIGURATION = """
[ oids ]
tsa_policy1 = {policy}
[ main ]
listening_ports = 127.0.0.1:{port}
enable_keep_alive = yes
num_threads = {threads}
throttle = *=0
tcp_nodelay = 1
log_level = emerg
log_to_syslog = no
log_to_stdout = no
[ tsa ]
signer_cert = {keys}/tsa.pem
signer_key = {keys}/tsa.key
default_policy = tsa_policy1
digests = sha256
accuracy = secs:1
clock_precision_digits = 3
ordering = no
tsa_name = no
ess_cert_id_chain = no
"""
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
    arguments.add_argument("--threads", type=int, default=16, help="of the peer")
    arguments.add_argument(
        "--uts-server", type=Path, default=os.environ.get("UTS_SERVER"), help="its program"
    )
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
    peer = "uts-server" if chosen.uts_server else "peer_tsa.c"
    told = {"bench": "tsa_http", "peer": peer, "journal": chosen.journal, "keys": found}
    print(json.dumps(told, indent=2))
    return 0 if met else 1


def measured(
    folder: Path, kind: str, chosen: argparse.Namespace
) -> dict[str, dict[str, float]]:
    data = folder / "data"
    environment = {**os.environ, "GUZHENG_TSA_RATE": "0", "GUZHENG_CLOCK_PROFILE": "evaluation"}
    environment["GUZHENG_TSA_KEY"] = kind
    (folder / "question").write_bytes(
        timestamp.encode_request(sha256(b"a photograph"), 12345678)
    )
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(served(data, environment))
        require_answer(ours[0], folder / "question")  # its keys are made now
        keys = data / "keys" / "authority"
        port = free_port()
        command = peer_command(folder, keys, port, chosen)
        theirs = f"http://127.0.0.1:{port}/", stack.enter_context(started(command, environment))
        require_answer(theirs[0], folder / "question")
        runs = {}
        for connections in chosen.connections:
            for kept in (True, False):
                script = folder / "script.lua"
                text = SCRIPT.replace("QUESTION", str(folder / "question"))
                script.write_text(text + ("" if kept else CLOSED))
                name = f"{'kept' if kept else 'closed'} {connections}"
                runs[name] = compared(ours, theirs, script, connections, chosen)
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


def peer_command(folder: Path, keys: Path, port: int, chosen: argparse.Namespace) -> list[str]:
    if chosen.uts_server:
        configuration = folder / "uts-server.cnf"
        configuration.write_text(
            UTS_CONFIGURATION.format(
                policy=LOCAL_POLICY_OID, port=port, threads=chosen.threads, keys=keys.resolve()
            )
        )
        return [str(chosen.uts_server), "-c", str(configuration)]
    peer = str(folder / "peer")
    compiler = ("cc", "-O2", "-o", peer, str(HERE / "peer_tsa.c"))
    subprocess.run([*compiler, "-lcivetweb", "-lcrypto", "-lpthread"], check=True)
    given = (port, chosen.threads, keys / "tsa.key", keys / "tsa.pem", LOCAL_POLICY_OID)
    return [peer, *map(str, given)]


Server = tuple[str, int]  # its address and its process


def compared(
    ours: Server, peer: Server, script: Path, connections: int, chosen: argparse.Namespace
) -> dict[str, float]:
    rounds = [
        [asked(one, script, connections, chosen.seconds) for one in (ours, peer)]
        for _ in range(chosen.rounds)
    ]
    rates = [[rate for rate, _ in one] for one in rounds]
    best = [max(column) for column in zip(*rates, strict=True)]
    spent = [
        statistics.median(column)
        for column in zip(*([cpu for _, cpu in one] for one in rounds), strict=True)
    ]
    return {
        "guzheng_per_second": round(best[0]),
        "peer_per_second": round(best[1]),
        "ratio": round(statistics.median(one / two for one, two in rates), 2),
        "guzheng_cpu_microseconds": round(spent[0]),
        "peer_cpu_microseconds": round(spent[1]),
        "cpu_ratio": round(spent[1] / spent[0], 2),
    }


def asked(server: Server, script: Path, connections: int, seconds: int) -> tuple[float, float]:
    """Answers a second, as wrk measured, and microseconds of the processor for each. An answer
    other than 200 is a failure of the bench."""
    address, process = server
    before = cpu_seconds(process)
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), address],
        capture_output=True,
        text=True,
        check=True,
    )
    spent = cpu_seconds(process) - before
    assert "Non-2xx" not in run.stdout, run.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    answers = re.search(r"(\d+) requests in", run.stdout)
    assert rate and answers, run.stdout
    return float(rate[1]), spent / int(answers[1]) * 1e6


def cpu_seconds(process: int) -> float:
    """Of a process and its children, as the kernel counts it."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:  # it ended
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(one)) for one in children)


@contextlib.contextmanager
def served(data: Path, environment: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    program = str(Path(sys.executable).with_name("guzheng"))
    command = [program, "tsa", "--data", str(data), "--port", str(port), "--processes", "2"]
    with started(command, environment) as process:
        yield f"http://127.0.0.1:{port}/tsa", process


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process.pid
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
