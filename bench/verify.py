"""`guzheng-verify` from start to verdict for a 100 MB package, against hashing it; prints JSON.

Goal: at most 1.5 times the time to hash it, plus 0.3 s. The program is started anew each time,
as a judge does.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from guzheng.app import Platform
from guzheng.config import Config

SIZE = 100_000_000
ROUNDS = 5


def hashed(path: Path) -> float:
    began, hasher = time.perf_counter(), hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(4 << 20):
            hasher.update(block)
    return time.perf_counter() - began


def verified(path: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "guzheng.verifier", "--json", str(path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        platform = Platform(Config(data=Path(folder) / "data"))
        exhibit = platform.deposit("film.bin", [os.urandom(SIZE)])
        platform.walk(exhibit, lambda _step, _detail: None)
        package = Path(folder) / "package.zip"
        platform.write_package([exhibit], package)
        pairs = [(hashed(package), verified(package)) for _ in range(ROUNDS)]
    hashing = statistics.median(one for one, _ in pairs)
    verifying = statistics.median(two for _, two in pairs)
    figures = {
        "figure": "guzheng-verify, 100 MB package, start to verdict",
        "hash_seconds": round(hashing, 3),
        "verify_seconds": round(verifying, 3),
        "allowed_seconds": round(1.5 * hashing + 0.3, 3),
        "ratio": round(verifying / (1.5 * hashing + 0.3), 2),
        "goal": "at most 1",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
