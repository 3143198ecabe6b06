"""Shards of a ledger that many machines have: PostgreSQL and S3, two at once, kill -9."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guzheng.ledger import Numbered, turning
from guzheng.ledger.lastsigned import CellLastSigned
from guzheng.ledger.ledger import FIRST
from guzheng.ledger.records import ShardClosed
from guzheng.refusals import Problem, Unavailable
from guzheng.store.s3 import Cell
from tests import engines
from tests.stations.shards import enter, require_whole, scaled_shards

pytestmark = engines.together


def test_two_machines_turn_at_once_while_others_append(
    postgres: engines.Postgres, s3: engines.S3, tmp_path: Path
) -> None:
    url = postgres.database(engines.fresh("shards"))
    bucket = s3.bucket(engines.fresh("shards"))
    first = scaled_shards(tmp_path, url, bucket)
    named = enter(first, range(5))
    turning.prepare(first.row, 2027)
    problems: list[Problem] = []

    def turn() -> None:
        try:
            turning.turn(scaled_shards(tmp_path, url, bucket).row, 2027)
        except Problem as problem:
            problems.append(problem)

    def append(start: int) -> None:
        own = scaled_shards(tmp_path, url, bucket)
        for number in range(start, start + 5):
            named.update(enter(own, [number]))

    threads = [threading.Thread(target=turn) for _ in range(2)]
    threads += [threading.Thread(target=append, args=(one,)) for one in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The second to turn finds a shard that nobody used yet, or closes that one as well.
    assert [one.code for one in problems] in ([], ["ledger.shard-unused"])
    again = scaled_shards(tmp_path, url, bucket)
    assert enter(again, sorted(named)) == named
    assert named[0] == Numbered(FIRST, 0)
    again.integrate()
    require_whole(again, tmp_path, named)


def test_who_read_the_memory_before_it_was_closed_signs_no_more(s3: engines.S3) -> None:
    """Two integrators with databases of their own, after a failover: the lease is broken."""
    bucket = s3.bucket(engines.fresh("closing"))
    late, closer = (
        CellLastSigned(Cell(bucket, "last"), Path("/nonexistent")) for _ in range(2)
    )
    assert late.read() is None
    late.swap(None, b"note\n")
    assert late.read() == b"note\n"
    closer.close()
    closer.close()
    with pytest.raises(Unavailable):
        late.intend(b"another\n")
    assert late.read() == b"note\n"
    with pytest.raises(ShardClosed):
        late.intend(b"another\n")
    with pytest.raises(ShardClosed):
        late.swap(b"note\n", b"another\n")
    assert closer.is_closed()
    assert late.is_closed()


def test_death_at_every_fourth_effect(
    postgres: engines.Postgres, s3: engines.S3, tmp_path: Path
) -> None:
    name = engines.fresh("shard-deaths")
    run = [sys.executable, "-m", "tests.stations.shard_deaths", str(tmp_path), "scaled"]
    done = subprocess.run(
        [*run, postgres.url(""), s3.endpoint, name],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 10
