"""Counters of many processes: the sums outlive each of them."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guzheng.store.counts import SIZE, Counts

NAMES = ("granted", "refused")
PROGRAM = """
import sys
from pathlib import Path
from guzheng.store.counts import Counts
counts = Counts(Path(sys.argv[1]), ("granted", "refused"))
counts.add("granted", 5)
sys.stdout.write("counted\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_threads_and_processes_are_summed(tmp_path: Path) -> None:
    counts = Counts(tmp_path, NAMES)

    def count() -> None:
        for _ in range(1000):
            counts.add("granted")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"counted\n"
        assert counts.totals() == {"granted": 4005, "refused": 0}
        other.kill()  # nothing of what it counted is lost
    assert counts.totals()["granted"] == 4005
    counts.close()


def test_who_comes_next_goes_on(tmp_path: Path) -> None:
    for total in (1, 2, 3):
        counts = Counts(tmp_path, NAMES)
        counts.add("refused")
        assert counts.totals()["refused"] == total
        counts.close()
    assert [one.name for one in tmp_path.iterdir()] == ["000.counts"]


def test_a_name_more_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    before = Counts(tmp_path, NAMES)
    before.add("granted", 7)
    before.close()
    after = Counts(tmp_path, (*NAMES, "late"))
    assert after.totals() == {"granted": 7, "refused": 0, "late": 0}
    after.close()


@pytest.mark.parametrize("octets", [b"", b"x", bytes(SIZE // 2)])
def test_a_file_that_is_cut_is_begun_again(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "000.counts").write_bytes(octets)
    counts = Counts(tmp_path, ("a", "b"))
    counts.add("b")
    assert counts.totals()["b"] == 1
    counts.close()


def test_there_is_room_for_so_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        Counts(tmp_path, [str(one) for one in range(SIZE)])
