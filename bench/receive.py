"""Hash and store 1 GiB against SHA-256 alone, in one run; prints JSON.

Goal: at least 0.6 of hashlib's rate, memory constant. `GIB` changes the size.
"""

import hashlib
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from guzheng.store.directory import DirectoryBlobs
from guzheng.store.receive import keep_stream

SIZE = int(float(os.environ.get("GIB", "1")) * 2**30)
BLOCK = os.urandom(1 << 20)
ROUNDS = 3


def blocks() -> Iterator[bytes]:
    for _ in range(SIZE // len(BLOCK)):
        yield BLOCK


def raw() -> float:
    began, hasher = time.perf_counter(), hashlib.sha256()
    for block in blocks():
        hasher.update(block)
    return time.perf_counter() - began


def kept(blobs: DirectoryBlobs) -> float:
    began = time.perf_counter()
    keep_stream(blobs, "item", blocks())
    seconds = time.perf_counter() - began
    blobs.remove("item")
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        blobs = DirectoryBlobs(Path(folder) / "blobs")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pairs = [(raw(), kept(blobs)) for _ in range(ROUNDS)]
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ratio = statistics.median(one / two for one, two in pairs)
    figures = {
        "figure": "hash + store against SHA-256 alone",
        "octets": SIZE,
        "sha256_mb_per_second": round(SIZE / 1e6 / statistics.median(one for one, _ in pairs)),
        "hash_and_store_mb_per_second": round(
            SIZE / 1e6 / statistics.median(two for _, two in pairs)
        ),
        "ratio": round(ratio, 2),
        "goal": 0.6,
        "memory_growth_mib": round((after - before) / 1024, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
