"""Many at the same time on one data directory: nothing is lost, nothing is entered twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from guzheng.app import Platform
from guzheng.config import Config
from tests.road.deaths import silent
from tests.road.test_jobs import require_all


def test_eight_threads(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))

    def one(number: int) -> str:
        exhibit = platform.deposit(f"{number}.txt", [b"%d" % number])
        assert platform.walk(exhibit, silent) == "certified"
        return exhibit

    with ThreadPoolExecutor(8) as pool:
        require_all(tmp_path, list(pool.map(one, range(16))))


def test_eight_walkers_of_the_same_exhibits(tmp_path: Path) -> None:
    """Each on a platform of its own, as processes are; the lease lets one step at a time."""
    platform = Platform(Config(tmp_path))
    exhibits = [platform.deposit(f"{number}.txt", [b"x"]) for number in range(3)]

    def walked(number: int) -> set[str]:
        own = Platform(Config(tmp_path))
        return {own.walk(exhibits[(number + one) % 3], silent) for one in range(3)}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(walked, range(8))) == {"certified"}
    require_all(tmp_path, exhibits)


def test_recovering_while_others_come_in(tmp_path: Path) -> None:
    """A worker that starts must not clear away what is just being received."""
    platform = Platform(Config(tmp_path))

    def received(number: int) -> str:
        return platform.deposit(f"{number}.bin", iter([bytes(200_000)] * 5))

    def recovered(_number: int) -> int:
        return Platform(Config(tmp_path)).recover()

    with ThreadPoolExecutor(6) as pool:
        coming = [pool.submit(received, number) for number in range(12)]
        clearing = [pool.submit(recovered, number) for number in range(12)]
        exhibits = [one.result() for one in coming]
        assert {one.result() for one in clearing} == {0}
    for exhibit in exhibits:
        assert platform.walk(exhibit, silent) == "certified"
    require_all(tmp_path, exhibits)
