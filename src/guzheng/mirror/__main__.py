"""`python -m guzheng.mirror` is `guzheng-mirror`: here are its clock and its dice."""

import secrets
import sys
import time
from datetime import UTC, datetime

from guzheng.mirror.main import run


def start() -> None:
    sys.exit(run(sys.argv[1:], lambda: datetime.now(UTC), time.monotonic, secrets.token_bytes))


if __name__ == "__main__":
    start()
