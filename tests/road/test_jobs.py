"""The queue: what DBOS leaves open is closed, one process runs it, its loss loses nothing."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.jobs import LEASE, Jobs, Patience, Turn, Work
from guzheng.refusals import Refused, Unavailable
from guzheng.store.lease import leased
from guzheng.worker import work_until_idle
from tests.road.deaths import silent
from tests.road.programs import ended, lines, ran, running, started, stopped
from tests.road.test_fsck import places
from tests.world import Authority, authority

PROMPTLY = 30  # seconds; half of what the silent authority would have let it wait


def deposited(data: Path, count: int) -> list[str]:
    platform = Platform(Config(data))
    return [platform.deposit(f"{number}.txt", [b"%d" % number]) for number in range(count)]


def require_all(data: Path, exhibits: list[str]) -> None:
    """Each is finished, each is in the ledger once, and every byte is right."""
    platform = Platform(Config(data))
    assert {platform.exhibit(one).state for one in exhibits} == {"certified"}
    assert platform.index.unfinished() == ()
    entries = platform.ledger.entries
    named = [entries.exhibit_of(number) for number in range(entries.size())]
    assert sorted(map(str, named)) == sorted(exhibits)
    assert places(platform) == []


def test_what_dbos_leaves_open_is_closed(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))
    exhibit = platform.deposit("a.txt", [b"words"])
    assert work_until_idle(platform) == ((exhibit,), ())
    file = tmp_path / "jobs.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    rows = connection.execute(
        "SELECT workflow_uuid, status, application_version, executor_id, serialization"
        " FROM workflow_status"
    ).fetchall()
    everything = "\n".join(connection.iterdump())
    connection.close()
    assert rows == [(f"{exhibit}-0", "SUCCESS", "1", "embedded", "portable_json")]
    assert f'"{exhibit}"' in everything, "the argument, in JSON"
    assert "pickle" not in everything
    assert "gASV" not in everything, "base64 of a pickle"


def test_one_process_runs_the_queue(tmp_path: Path) -> None:
    data = tmp_path / "data"
    deposited(data, 1)
    with leased(data / "leases", LEASE, wait=False) as held:
        assert held
        status, _, err = ran("worker", "--until-idle", "--data", data)
    assert status == 1
    assert "[jobs.already-running]" in err
    assert ran("worker", "--until-idle", "--data", data)[0] == 0


def test_a_worker_stops_when_it_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    exhibits = deposited(data, 1)
    with running("worker", "--data", data) as worker:
        platform = Platform(Config(data))
        deadline = time.monotonic() + 60
        while platform.index.unfinished() and time.monotonic() < deadline:
            time.sleep(0.1)
        status, seconds = stopped(worker)
    assert status == 0
    assert seconds < PROMPTLY
    require_all(data, exhibits)


def test_killed_among_many_and_started_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    exhibits = deposited(data, 12)
    platform = Platform(Config(data))
    for remaining in (9, 5):  # killed twice, in the middle of its work
        with running("worker", "--data", data) as worker:
            deadline = time.monotonic() + 120
            while len(platform.index.unfinished()) > remaining and time.monotonic() < deadline:
                time.sleep(0.02)
            worker.kill()
            worker.communicate()
        assert 0 < len(platform.index.unfinished()) <= remaining
    status, out, err = ran("worker", "--until-idle", "--json", "--data", data)
    assert status == 0, err
    assert {one["state"] for one in lines(out)} == {"certified"}
    require_all(data, exhibits)


@pytest.mark.parametrize("how", ["gone", "damaged", "emptied"])
def test_losing_the_queue_loses_nothing(tmp_path: Path, how: str) -> None:
    platform = Platform(Config(tmp_path))
    first = platform.deposit("first.txt", [b"x"])
    work_until_idle(platform)
    second = platform.deposit("second.txt", [b"x"])
    for name in ("jobs.sqlite-wal", "jobs.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    file = tmp_path / "jobs.sqlite"
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if how == "emptied" else b"nothing" * 1000)
    again = Platform(Config(tmp_path))
    assert work_until_idle(again) == ((second,), ())
    require_all(tmp_path, [first, second])


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Authority]:
    with authority(tmp_path) as one:
        yield one


def test_an_authority_that_is_away(tmp_path: Path, outside: Authority) -> None:
    data, settings = tmp_path / "data", outside.environment()
    file = tmp_path / "a.txt"
    file.write_bytes(b"words")
    outside.mood = "refuses"
    status, out, err = ran("deposit", "--json", "--data", data, file, **settings)
    assert status == 75
    assert "[fix.authority-declined]" in err
    (line,) = lines(out)
    assert line["state"] == "manifested"
    assert line["missing"] == [
        "seal.tsa",
        "leaf",
        "entry.tlog-proof",
        "certificate.json",
        "certificate.pdf",
    ]
    before = outside.asked
    status, out, err = ran("worker", "--until-idle", "--json", "--data", data, **settings)
    assert status == 75
    assert "[fix.authority-declined]" in err
    assert [one["state"] for one in lines(out)] == ["manifested"]
    assert outside.asked > before + 1, "tried more than once"
    outside.mood = "well"
    status, out, _ = ran("worker", "--until-idle", "--json", "--data", data, **settings)
    assert status == 0
    assert [one["state"] for one in lines(out)] == ["certified"]


def test_a_worker_that_waits_for_an_answer_still_stops(
    tmp_path: Path, outside: Authority
) -> None:
    data = tmp_path / "data"
    exhibits = deposited(data, 1)
    outside.mood, outside.delay_seconds = "slow", 60
    settings = outside.environment() | {"GUZHENG_TIMESTAMP_SECONDS": "60"}
    with running("worker", "--data", data, **settings) as worker:
        deadline = time.monotonic() + 60
        while outside.asked == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        status, seconds = stopped(worker)
    assert status == 0
    assert seconds < PROMPTLY
    outside.released.set()
    outside.mood = "well"
    assert ran("worker", "--until-idle", "--data", data, **settings)[0] == 0
    assert Platform(Config(data)).exhibit(exhibits[0]).state == "certified"


def test_deposits_at_once_from_many_programs(tmp_path: Path) -> None:
    """Four programs and a worker on one data directory: none waits for ever, none is lost."""
    data = tmp_path / "data"
    Platform(Config(data))
    for number in range(8):
        (tmp_path / f"{number}.txt").write_bytes(b"%d" % number)
    with running("worker", "--data", data) as worker:
        programs = [
            started(
                "deposit",
                "--json",
                "--data",
                data,
                *(tmp_path / f"{2 * number + one}.txt" for one in range(2)),
            )
            for number in range(4)
        ]
        exhibits = []
        for program in programs:
            status, out, err = ended(program)
            assert status == 0, err
            assert {one["state"] for one in lines(out)} == {"certified"}
            exhibits += [str(one["exhibit"]) for one in lines(out)]
        assert stopped(worker)[0] == 0
    assert len(set(exhibits)) == 8
    require_all(data, exhibits)


def test_patience_is_about_as_long_as_it_is_asked_to_be() -> None:
    for seconds in (1, 3, 30, 300):
        patience = Patience.of(seconds)
        waited = sum(
            patience.first_seconds * patience.growth**number
            for number in range(patience.attempts - 1)
        )
        assert seconds / 2 <= waited <= seconds + 1, seconds


def test_enqueueing_never_fails_an_intake(tmp_path: Path) -> None:
    """The queue's file may be full or gone: what came in is durable, and the sweep finds it."""

    tried: list[str] = []

    class Full:
        def add(self, exhibit: str, turn: Turn) -> None:
            tried.append(exhibit)
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))

    work = Work(lambda _exhibit: False, lambda: ())
    jobs = Jobs(tmp_path / "j", tmp_path / "l", work, at_once=1, patience=Patience(1))
    jobs.enqueue("ex_1")  # no queue here
    object.__setattr__(jobs, "_queue", Full())
    jobs.enqueue("ex_2")
    assert tried == ["ex_2"]


def test_a_second_queue_in_the_same_process_is_refused(tmp_path: Path) -> None:
    one, two = Platform(Config(tmp_path)), Platform(Config(tmp_path))
    with one.jobs.running():
        with pytest.raises(Refused, match=r"jobs\.already-running"), two.jobs.running():
            raise AssertionError("two queues")
        exhibit = two.deposit("a.txt", [b"words"])  # no queue of its own: it just comes in
        assert two.walk(exhibit, silent) == "certified"
    assert issubclass(Unavailable, Exception)
