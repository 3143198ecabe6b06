"""The whole road for 1 MB deposits, per second, without and with certificate; prints JSON.

One process, one after the other and on two threads; every paper durable (fsync). The peer is
what the disk can do: the same number of files of 1 kB, each fsynced with its directory.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from guzheng import road
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.road import Step
from guzheng.store.directory import DirectoryBlobs

COUNT = int(os.environ.get("COUNT", "40"))
OCTETS = os.urandom(1_000_000)


def silent(_step: str, _detail: str) -> None:
    return


def one(platform: Platform, number: int, *, until: Step | None) -> None:
    exhibit = platform.deposit(f"photo-{number}.jpg", [OCTETS])
    while True:
        order = platform.road.order(exhibit)
        if road.next_step(order.kind, platform.road.papers(exhibit)) in {until, None}:
            return
        platform.road.advance(exhibit, silent)


def per_second(run: Callable[[int], None], threads: int) -> float:
    run(-1)  # the first pays for imports and the press
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(COUNT)))
    return COUNT / (time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        disk = DirectoryBlobs(Path(folder) / "disk")
        files = per_second(
            lambda number: disk.put(f"{time.perf_counter_ns()}/{number}", [OCTETS[:1000]]), 1
        )
        figures: dict[str, object] = {
            "figure": "whole road, 1 MB deposits per second",
            "durable_files_per_second": round(files, 1),
        }
        for threads in (1, 2):
            for name, until in (
                ("without_certificate", Step.CERTIFY),
                ("with_certificate", None),
            ):
                platform = Platform(Config(data=Path(folder) / f"{name}-{threads}"))
                rate = per_second(partial(one, platform, until=until), threads)
                figures[f"{name}_{threads}_threads"] = round(rate, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
