"""Hash and store a 1 GiB stream, against SHA-256 of the same stream alone, in one run.

Prints one JSON object. Storing is the whole of `keep_stream`: hashed in one thread, written in
another, fsync of file and directory. Goals: at least 0.6 of raw SHA-256, memory constant.
Rounds alternate. A first round that is not counted touches the disk's blocks; and the same
bytes written and fsynced without any hashing say what the disk alone allows.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from guzheng.store.directory import DirectoryBlobs
from guzheng.store.receive import keep_stream

GOAL = 0.6
CHUNK = 1 << 20


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mebibytes", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--place", type=Path, help="a directory on the disk to measure")
    chosen = arguments.parse_args()
    block = os.urandom(CHUNK)

    def chunks() -> Iterator[bytes]:
        for _ in range(chosen.mebibytes):
            yield block

    with tempfile.TemporaryDirectory(dir=chosen.place) as room:
        blobs = DirectoryBlobs(Path(room))
        rounds = []
        before = resident()
        for number in range(chosen.rounds + 1):
            raw = timed(lambda: hashed(chunks()))
            kept = timed(partial(keep_stream, blobs, f"kept-{number}", chunks()))
            blobs.remove(f"kept-{number}")
            plain = timed(partial(blobs.put, f"plain-{number}", chunks()))
            blobs.remove(f"plain-{number}")
            rounds.append((raw, kept, plain))
        grown = resident() - before
    raw, kept, plain = (min(column) for column in zip(*rounds[1:], strict=True))
    size = chosen.mebibytes * CHUNK / 1e6
    found = {
        "bench": "store",
        "mebibytes": chosen.mebibytes,
        "sha256_megabytes_per_second": round(size / raw),
        "kept_megabytes_per_second": round(size / kept),
        "stored_without_hashing_megabytes_per_second": round(size / plain),
        "ratio": round(raw / kept, 3),
        "ratio_to_what_disk_and_hash_allow": round(max(raw, plain) / kept, 3),
        "memory_grown_mebibytes": round(grown / 1024),
        "goal": GOAL,
        "met": raw / kept >= GOAL,
    }
    print(json.dumps(found, indent=2))
    return 0 if found["met"] else 1


def hashed(chunks: Iterator[bytes]) -> None:
    hasher = sha256()
    for chunk in chunks:
        hasher.update(chunk)


def resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
