"""What a full record costs, as ratios to the same browser that only looks; prints JSON.

Pages of the corpus (`python -m tests.corpus.gather`) over HTTP/2, looks and captures in turn,
as installed: a browser waits for each order, and the press is loaded. `settled`: from the
navigation to the page at rest, scrolled to its end; `certified`, `sealed`: from the order to a
certificate, to a court package that was verified. `first` is the same for the first order of a
program, which has nothing ready. `--hour` counts captures, two at once. Peers run once on the
heavy page; they are fetched from npm and PyPI first (`python -m tests.corpus.peers`), and which
of them could not be had is said.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.held import watching
from guzheng.app import Platform
from guzheng.capturer.record import CaptureRecord
from guzheng.config import Config
from guzheng.intake import end_captures
from guzheng.proof import canonical
from guzheng.store.blobs import read
from tests.capturer import reading
from tests.corpus import peers as others
from tests.corpus.gather import CORPUS, gather
from tests.corpus.served import Served, serving
from tests.hostile.capturing import programs_naming
from tools import frontend

ROUNDS = int(os.environ.get("ROUNDS", "3"))
CAPTURES = int(os.environ.get("CAPTURES", "12"))  # of `--hour`, of each page
HEAVY = "/heavy/index.html"
LIGHT = "/npm/startbootstrap-shop-item/dist/index.html"
PAGES = (
    HEAVY,
    "/pydoc/library/asyncio.html",
    "/npm/startbootstrap-agency/dist/index.html",
    LIGHT,
)
LOOPBACK = ("127.0.0.1/32", "::1/128")
READY_SECONDS = 60
Figures = dict[str, float]


def plain(served: Served, page: str) -> Figures:
    run = [sys.executable, "-m", "bench.plain_visit", served.h2 + page, served.spki]
    done = subprocess.run(run, capture_output=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


@contextmanager
def installed(served: Served) -> Iterator[Platform]:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(
            Config(
                Path(folder) / "data",
                allow_private=LOOPBACK,
                capture_trust_spki=(served.spki,),
                captures_waiting=1,
            )
        )
        try:
            yield platform
        finally:
            end_captures(platform.road.capturing)


def ordered(platform: Platform, served: Served, page: str, shown: set[str]) -> Figures:
    """One order, to the package. `shown`: what the server answered to a look at the page."""
    _await_waiting(platform)
    served.forget()
    with tempfile.TemporaryDirectory() as folder, watching() as held:
        began = time.monotonic()
        exhibit = platform.order_capture(served.h2 + page)
        state = platform.walk(exhibit, lambda _step, _detail: None)
        certified = time.monotonic() - began
        if state != "certified":
            raise SystemExit(f"{page}: {state}")
        platform.write_package([exhibit], Path(folder) / "package")
        sealed = time.monotonic() - began
    papers = f"exhibits/{exhibit}/"
    record = reading.read(read(platform.blobs, papers + "capture.json"))
    surroundings = canonical.parse_object(
        read(platform.blobs, papers + "items/environment.json")
    )
    limits = surroundings.get("limits")
    counted = limits.get("memory_peak_octets") if isinstance(limits, dict) else None
    at = {step.step: step.at_milliseconds for step in record.steps}
    named = {each.url.replace("wss:", "https:") for each in record.requests}
    return {
        "settled": at["page.at-rest"] - at["page.opening"],
        "captured": record.elapsed_milliseconds,
        "certified": round(certified * 1000),
        "sealed": round(sealed * 1000),
        "requests": len(record.requests),
        "named": _share(named, _addresses(served)),
        "reach": _share(_archived(record), shown) if shown else 1,
        "megabytes_held": round(held.peak / 1e6),
        "megabytes_with_cache": round(counted / 1e6) if isinstance(counted, int) else 0,
    }


def _addresses(served: Served) -> set[str]:
    return {each.url for each in served.seen()}


def _archived(record: CaptureRecord) -> set[str]:
    kept = {"recorded", "recorded-in-part", "recorded-without-body", "websocket"}
    return {
        each.url.replace("wss:", "https:") for each in record.requests if each.outcome in kept
    }


def _share(found: set[str], wanted: set[str]) -> float:
    return round(len(wanted & found) / len(wanted), 4)


def _await_waiting(platform: Platform) -> None:
    """Until the capturer that waits, if there is one, has nothing more to prepare."""
    preset, before = str(platform.config.data / "waiting"), -1
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        spent = sum(map(_ticks, programs_naming(preset)))
        if spent == before:
            return
        before = spent
        time.sleep(1)


def _ticks(process: int) -> int:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    columns = stat.rpartition(")")[2].split()
    return int(columns[11]) + int(columns[12])  # proc(5): utime, stime


def per_hour(served: Served, page: str) -> dict[str, object]:
    """By the queue of one worker, two at once, as installed."""
    with installed(served) as platform:
        ordered(platform, served, page, set())  # what a program loads once is not counted
        _await_waiting(platform)
        with platform.jobs.running():
            began, busy = time.monotonic(), _busy_seconds()
            orders = [platform.order_capture(served.h2 + page) for _ in range(CAPTURES)]
            while platform.index.unfinished():
                time.sleep(0.2)
            elapsed, busy = time.monotonic() - began, _busy_seconds() - busy
        states = {platform.exhibit(one).state for one in orders}
        if states != {"certified"}:
            raise SystemExit(f"{page}: {states}")
    return {
        "page": page,
        "captures": CAPTURES,
        "an_hour": round(3600 * CAPTURES / elapsed),
        "processor_seconds_each": round(busy / CAPTURES, 1),
        "processors": os.cpu_count(),
    }


def _busy_seconds() -> float:
    """Of all processors of this machine, whoever kept them busy."""
    columns = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]
    ticks = sum(map(int, columns[:3])) + sum(map(int, columns[5:8]))
    return ticks / os.sysconf("SC_CLK_TCK")


def peers(served: Served) -> Figures:
    """Seconds of the wall for the heavy page, once each; what cannot be had is left out."""
    for missing in others.fetch():
        sys.stderr.write(f"{missing}\n")
    url = served.http + HEAVY
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (
            ("chromium --screenshot", partial(_screenshot, url, folder)),
            ("single-file", partial(_single_file, url, folder)),
            ("brozzler+warcprox", partial(_brozzler, url, folder)),
        ):
            began = time.monotonic()
            try:
                run()
            except (OSError, subprocess.SubprocessError) as error:
                sys.stderr.write(f"{name}: {str(error)[:300]}\n")
                continue
            found[name] = round(time.monotonic() - began, 1)
    return found


def _screenshot(url: str, folder: str) -> None:
    _run("chromium", "--headless", "--no-sandbox", f"--screenshot={folder}/a.png", url)


def _single_file(url: str, folder: str) -> None:
    _run(
        str(others.PEERS / "node_modules/.bin/single-file"),
        "--browser-executable-path=/usr/bin/chromium",
        "--browser-arg=--no-sandbox",
        url,
        f"{folder}/a.html",
    )


def _brozzler(url: str, folder: str) -> None:
    bin_ = others.PEERS / "venv/bin"
    port = "18999"
    proxy = subprocess.Popen(
        [bin_ / "warcprox", "-p", port, "-d", folder, "-z", "-q"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(3)
        _run(
            str(bin_ / "brozzle-page"),
            "-e",
            str(shutil.which("chromium")),
            f"--proxy=127.0.0.1:{port}",
            "--skip-youtube-dl",
            "-q",
            url,
        )
    finally:
        proxy.terminate()
        proxy.wait(60)


def _run(*command: str) -> None:
    # Peers run as whoever measures; as root their Chromium knows no sandbox. Ours keeps it.
    bare = os.environ | {"BROZZLER_EXTRA_CHROME_ARGS": "--no-sandbox", "PATH": _path()}
    subprocess.run(command, check=True, capture_output=True, timeout=200, env=bare)


def _path() -> str:
    """With the Node that came from PyPI, on a machine that has no other."""
    try:
        return f"{os.environ['PATH']}:{Path(frontend.node()[0]).parent}"
    except frontend.NoNode:
        return os.environ["PATH"]


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(gather(CORPUS), Path(folder) / "server") as served,
    ):
        if "--hour" in sys.argv:
            for page in (LIGHT, HEAVY):
                print(json.dumps(per_hour(served, page)), flush=True)
            return
        with installed(served) as platform:
            first = ordered(platform, served, LIGHT, set())
            print(json.dumps({"figure": "first", "page": LIGHT, **first}), flush=True)
            for page in PAGES:
                print(json.dumps(_compared(platform, served, page)), flush=True)
        print(json.dumps({"figure": "peers, heavy page, seconds", **peers(served)}))


def _compared(platform: Platform, served: Served, page: str) -> dict[str, object]:
    runs: list[Figures] = []
    for _ in range(ROUNDS):
        _await_waiting(platform)
        served.forget()
        look = plain(served, page)
        mine = ordered(platform, served, page, _addresses(served))
        runs.append(mine | {f"plain_{name}": value for name, value in look.items()})
    middle = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    return {
        "page": page,
        "settled_ratio": _ratio(runs, "settled", "plain_settled"),
        "certified_ratio": _ratio(runs, "certified", "plain_wall"),
        "sealed_ratio": _ratio(runs, "sealed", "plain_wall"),
        **middle,
    }


def _ratio(runs: list[Figures], one: str, other: str) -> float:
    """Of pairs that ran next to each other."""
    return round(statistics.median(each[one] / each[other] for each in runs), 2)


if __name__ == "__main__":
    main()
