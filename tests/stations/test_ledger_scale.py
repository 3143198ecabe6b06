"""No fork is ever signed, whatever the database says: old backups, standbys, two at once.

Real clusters of PostgreSQL, which are copied, killed and promoted, and a real S3. Every
signature is written down when it is made; at the end all of them must lie on one history.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from guzheng.ledger import Ledger, rebuild_from_tiles
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.s3 import Bucket
from tests import engines
from tests.stations.ledgers import append, leaf
from tests.stations.scaled import ledger_on, require_one_history, signed_ever

pytestmark = engines.together
DATABASE = "ledger"


@pytest.fixture
def bucket(s3: engines.S3) -> Bucket:
    return s3.bucket(engines.fresh("ledger"))


@pytest.fixture
def room() -> Iterator[Path]:
    with engines.postgres_room() as room:
        yield room


@pytest.fixture
def primary(room: Path) -> Iterator[engines.Postgres]:
    server = engines.Postgres.make(room / "primary").start()
    server.database(DATABASE)
    yield server
    server.stop()


@pytest.fixture
def url(postgres: engines.Postgres) -> str:
    """A database on the server that all tests share, which nobody kills."""
    return postgres.database(engines.fresh("ledger"))


@contextlib.contextmanager
def in_its_place(
    server: engines.Postgres, other: engines.Postgres
) -> Iterator[engines.Postgres]:
    """Another server answers at the same address from now on."""
    server.stop()
    other.port = server.port
    other.start()
    try:
        yield other
    finally:
        other.stop()


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refusal:
        act()
    return refusal.value.code


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + engines.WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_database_from_an_older_backup_signs_nothing(
    primary: engines.Postgres, bucket: Bucket, room: Path, tmp_path: Path
) -> None:
    living = ledger_on(primary.url(DATABASE), bucket, tmp_path)
    append(living, range(300))
    living.integrate()
    backup = primary.copy(room / "backup")
    append(living, range(300, 700))
    assert living.integrate().size == 700
    before = living.checkpoint()
    with in_its_place(primary, backup):
        started = ledger_on(primary.url(DATABASE), bucket, tmp_path)
        for ledger in (started, living):  # `living` has seen the right one, and must look again
            assert refused(partial(append, ledger, [9000])) == "ledger.table-behind"
            assert refused(ledger.integrate) == "ledger.table-behind"
        assert started.entries.size() == 300
        assert started.checkpoint() == before == started.read("checkpoint")
        # The way back: docs/operate/restore-a-database.md
        assert rebuild_from_tiles(started) == 700
        assert append(started, [650, 9000]) == [650, 700]
        assert living.integrate().size == 701
        require_one_history(started, tmp_path)


@pytest.fixture
def split(
    primary: engines.Postgres, bucket: Bucket, room: Path, tmp_path: Path
) -> Iterator[tuple[engines.Postgres, Ledger]]:
    """A standby that was cut off when 10 entries were signed, and was promoted; the primary,
    and the ledger that goes on living on it, know nothing of that."""
    living = ledger_on(primary.url(DATABASE), bucket, tmp_path)
    append(living, range(10))
    living.integrate()
    standby = primary.copy(room / "standby", standby=True).start()
    try:
        until(lambda: standby.run("SELECT max(idx) FROM entry", database=DATABASE) == [(9,)])
        standby.run("ALTER SYSTEM SET primary_conninfo = ''", database="postgres")
        standby.run("SELECT pg_reload_conf()", database="postgres")
        received = "SELECT count(*) FROM pg_stat_wal_receiver"
        until(lambda: standby.run(received, database="postgres") == [(0,)])
        standby.run("SELECT pg_promote()", database="postgres")
        until(
            lambda: standby.run("SELECT pg_is_in_recovery()", database="postgres") == [(False,)]
        )
        yield standby, living
    finally:
        standby.stop()


def test_a_standby_that_lagged_signs_nothing(
    split: tuple[engines.Postgres, Ledger],
    primary: engines.Postgres,
    bucket: Bucket,
    tmp_path: Path,
) -> None:
    promoted, living = split
    append(living, range(10, 300))
    assert living.integrate().size == 300
    promoted.stop(signal.SIGINT)
    with in_its_place(primary, promoted):
        assert promoted.run("SELECT count(*) FROM entry", database=DATABASE) == [(10,)]
        assert refused(lambda: append(living, [5000])) == "ledger.table-behind"
        # A program without that guard gives out numbers that are taken.
        foreign = ledger_on(primary.url(DATABASE), bucket, tmp_path)
        foreign.entries.append([(leaf(one), f"ex_{one}") for one in range(5000, 5400)])
        assert refused(foreign.integrate) == "ledger.damaged-root"
        assert foreign.signed() == living.signed()
        assert refused(lambda: rebuild_from_tiles(foreign)) == "ledger.table-differs"
        # The way back: docs/operate/restore-a-database.md
        promoted.run("DROP TABLE entry_exhibit, entry", database=DATABASE)
        again = ledger_on(primary.url(DATABASE), bucket, tmp_path)
        assert rebuild_from_tiles(again) == 300
        assert append(again, [5000, 299]) == [300, 299]
        assert again.integrate().size == 301
        require_one_history(again, tmp_path)


def test_of_two_servers_that_both_live_one_goes_on(
    split: tuple[engines.Postgres, Ledger], bucket: Bucket, tmp_path: Path
) -> None:
    """Split in two: each has its own table and its own lease, and both integrate at once."""
    promoted, living = split
    other = ledger_on(promoted.url(DATABASE), bucket, tmp_path)
    append(living, range(10, 40))
    append(other, range(1000, 1050))
    begin = threading.Barrier(2)
    outcomes: dict[int, int | str] = {}

    def integrate(ledger: Ledger) -> None:
        begin.wait()
        for _ in range(5):
            try:
                outcomes[id(ledger)] = ledger.integrate().size
            except Problem as problem:
                outcomes[id(ledger)] = problem.code

    threads = [threading.Thread(target=integrate, args=(one,)) for one in (living, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [one for one in outcomes.values() if isinstance(one, int)]
    assert len(sizes) == 1, outcomes
    assert set(outcomes.values()) - set(sizes) <= {
        "ledger.damaged-root",
        "ledger.table-behind",
        "store.already-kept",  # their tiles of one name differ
    }
    winner = living if sizes == [40] else other
    assert rebuild_from_tiles(winner) == sizes[0]  # clears away what the other had prepared
    require_one_history(winner, tmp_path)


def test_two_integrators_without_a_lease(url: str, bucket: Bucket, tmp_path: Path) -> None:
    """Leases of their own keep nobody out; one history comes of it all the same."""
    ledgers = [ledger_on(url, bucket, tmp_path, tmp_path / f"leases-{one}") for one in range(3)]
    codes: set[str] = set()

    def work(who: int) -> None:
        for number in range(6):
            append(ledgers[who], range(who * 100 + number * 9, who * 100 + number * 9 + 9))
            try:
                ledgers[who].integrate()
            except Unavailable as problem:
                codes.add(problem.code)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes <= {"ledger.signed-meanwhile"}
    assert ledgers[0].integrate().size == 3 * 54
    require_one_history(ledgers[1], tmp_path)


def test_a_second_integrator_waits_and_finds_the_work_done(
    url: str, bucket: Bucket, tmp_path: Path
) -> None:
    one, other = (ledger_on(url, bucket, tmp_path) for _ in range(2))
    append(one, range(300))
    sizes: list[int] = []

    def integrated(ledger: Ledger) -> None:
        sizes.append(ledger.integrate().size)

    threads = [
        threading.Thread(target=integrated, args=(ledger,))
        for ledger in (one, other, one, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [300] * 4
    assert len(signed_ever(tmp_path)) == 1
    require_one_history(other, tmp_path)


def test_death_at_every_step(
    postgres: engines.Postgres, s3: engines.S3, tmp_path: Path
) -> None:
    """kill -9 of the integrator before, between and after its writes; then anybody goes on."""
    name = engines.fresh("deaths")
    program = [sys.executable, "-m", "tests.stations.scaled_deaths"]
    done = subprocess.run(
        [*program, str(tmp_path), postgres.url(""), s3.endpoint, name],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    moments = done.stdout.split("\n")
    assert "died before intending" in moments
    assert "died after publishing" in moments
    assert moments[-2:] == ["lived", ""]
