"""A program that kills itself at every write of an integration on PostgreSQL and S3.

Run by test_ledger_scale as a program. For each moment one child grows a ledger of its own and
dies; another child, as another machine would, goes on and checks. Prints a line for each.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import psycopg

from guzheng.ledger import Ledger
from guzheng.ledger.lastsigned import CellLastSigned
from guzheng.store.records import drawer, open_database
from guzheng.store.s3 import Bucket, Cell, S3Blobs, open_bucket
from guzheng.store.server import ServerLeases
from tests import engines
from tests.stations.ledger_deaths import DyingBlobs, DyingLastSigned, WatchedSigner, in_a_child
from tests.stations.ledgers import append, leaf
from tests.stations.scaled import CELL, ledger_on, require_one_history


def begin(ledger: Ledger) -> None:
    append(ledger, range(3))
    ledger.integrate()


def grow(ledger: Ledger) -> None:
    append(ledger, range(3, 260))
    ledger.integrate()


def die_at(url: str, bucket: Bucket, place: Path, moment: int) -> None:
    count = 0

    def at(name: str) -> None:
        nonlocal count
        count += 1
        if count == moment:
            (place / "moment").write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    begin(ledger_on(url, bucket, place))
    engine = open_database(url)
    last_signed = CellLastSigned(Cell(bucket, CELL), ServerLeases(engine))
    grow(
        Ledger(
            drawer(engine, "ledger"),
            DyingBlobs(S3Blobs(bucket), at),
            WatchedSigner(place),
            DyingLastSigned(last_signed, at),
        )
    )


def look(url: str, bucket: Bucket, place: Path) -> None:
    ledger = ledger_on(url, bucket, place)
    grow(ledger)
    assert ledger.entries.leaves(0, 999) == [leaf(number) for number in range(260)]
    assert ledger.integrate().size == 260
    require_one_history(ledger, place)


def main(root: Path, server: str, endpoint: str, name: str) -> None:
    moment, died = 0, True
    while died:
        moment += 1
        place = root / str(moment)
        place.mkdir()
        with psycopg.connect(f"{server}postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}-{moment}"'.encode())
        opened = partial(
            open_bucket,
            f"{name}-{moment}",
            endpoint=endpoint,
            region=engines.REGION,
            keys=engines.KEYS,
        )
        url = f"{server}{name}-{moment}"
        # Opened in the children: what talks to a server does not outlive a fork.
        end = in_a_child(lambda: die_at(url, opened(), place, moment))  # noqa: B023 - at once
        died = os.WIFSIGNALED(end)
        assert died or os.WEXITSTATUS(end) == 0
        looked = in_a_child(lambda: look(url, opened(), place))  # noqa: B023 - at once
        assert looked == 0, moment
        print("died " + (place / "moment").read_text() if died else "lived", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
