"""Two checkpoints of one log that contradict each other are never both cosigned.

Whatever the log sends: here it forks, rolls back, races itself in threads and in two programs
at once, and the witness is killed and started again. What was handed out is collected; all of
it must lie on one history, which the checkpoint remembered last continues.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner.serving import Answer
from guzheng.proof.note import Checkpoint, Note
from guzheng.witness.memory import FILE, Memory, id_of
from guzheng.witness.witness import Witness
from tests.witness.conftest import NAME, Place
from tests.witness.logs import ORIGIN, Log, leaves, request
from tests.world import small_disk

SIZE = 24
BRANCHES = [Log(leaves(SIZE)), Log(leaves(SIZE, "a", 5)), Log(leaves(SIZE, "b", 11))]
DEADLINE = 60.0
WITNESS = (sys.executable, "-m", "guzheng.witness")
FIRST = ("--name", NAME, "--lang", "en")
Handed = set[tuple[int, bytes]]


def require_one_history(handed: Handed, remembered: tuple[int, bytes] | None) -> None:
    """All of them on one branch, and none beyond what is remembered."""
    assert any(
        all(branch.root(size) == root for size, root in handed) for branch in BRANCHES
    ), handed
    if handed:
        assert remembered is not None
        assert max(size for size, _ in handed) <= remembered[0]
        assert any(
            branch.root(remembered[0]) == remembered[1]
            and all(branch.root(size) == root for size, root in handed)
            for branch in BRANCHES
        )


def remembered(witness: Witness) -> tuple[int, bytes] | None:
    seen = witness.memory.find_latest(id_of(ORIGIN))
    return (seen.size, seen.root) if seen else None


steps = st.tuples(
    st.integers(0, 2), st.integers(0, SIZE), st.integers(0, SIZE), st.booleans(), st.booleans()
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=25))
def test_in_whatever_order_a_log_lies(
    tmp_path_factory: pytest.TempPathFactory, taken: list[tuple[int, int, int, bool, bool]]
) -> None:
    """`true`: it asks for the size that is remembered; `again`: the witness starts anew."""
    place = Place(tmp_path_factory.mktemp("w"))
    witness = place.open()
    witness.memory.add_log(BRANCHES[0].key)
    handed: Handed = set()
    for branch, one, other, true, again in taken:
        log, now = BRANCHES[branch], remembered(witness)
        old, new = sorted((one, other))
        old = min(now[0] if now else 0, new) if true else old
        answer = witness.add_checkpoint(log.request(old, new))
        if answer.status == 200:
            handed.add((new, log.root(new)))
        if again:
            witness.memory.close()
            witness = place.open()
    require_one_history(handed, remembered(witness))
    witness.memory.close()


def race(submit: Callable[[bytes], Answer], seed: int, handed: Handed) -> None:
    """One client, who believes in one branch at a time and goes on from what it is told."""
    dice, known = Random(seed), 0
    for _ in range(30):
        log = BRANCHES[dice.randrange(3)]
        new = min(SIZE, known + dice.randrange(0, 4))
        answer = submit(log.request(known, new))
        if answer.status == 200:
            handed.add((new, log.root(new)))
            known = new
        elif answer.status == 409:
            known = int(answer.body)


def test_eight_clients_and_two_witnesses_on_one_memory(place: Place) -> None:
    """Two programs on one file are an accident; not even that may fork."""
    one = place.open()
    one.memory.add_log(BRANCHES[0].key)
    two = place.open()
    handed: list[Handed] = [set() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = [
            pool.submit(race, (one, two)[at % 2].add_checkpoint, at, handed[at])
            for at in range(8)
        ]
    for each in done:
        each.result()
    together = set().union(*handed)
    assert len(together) > 5
    require_one_history(together, remembered(one))
    assert remembered(one) == remembered(two)
    one.memory.close()
    two.memory.close()


def test_requests_that_pass_each_other_between_check_and_record(place: Place) -> None:
    """The race that tlog-witness spells out: N+K is recorded while N is being judged."""
    witness = place.open()
    log = BRANCHES[0]
    witness.memory.add_log(log.key)
    assert witness.add_checkpoint(log.request(0, 4)).status == 200
    start, statuses = threading.Barrier(12), list[int]()

    def ask(new: int) -> None:
        body = log.request(4, new)
        start.wait(DEADLINE)
        statuses.append(witness.add_checkpoint(body).status)

    threads = [threading.Thread(target=ask, args=(5 + at,)) for at in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(DEADLINE)
    assert sorted(statuses) == [200] + [409] * 11
    witness.memory.close()


def test_killed_at_each_step(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.witness.dying", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lives = ran.stdout.splitlines()
    unheard = 0
    for life in lives:
        told, _, after = life.partition("|")
        size, _, answers = after.strip().partition(" ")
        handed = [one.split(":")[0] for one in told.split()[2:] if one.endswith(":200")]
        if handed:
            assert int(size) >= int(handed[-1]), life
        if size != "0":  # whatever anybody heard: the other side of the fork has no chance
            assert "200" not in answers.partition("]")[0], life
            assert answers.endswith("] 200"), life
            unheard += size not in handed
    assert len(lives) > 10
    assert unheard == 2, "twice it died after the commit and before the answer"


# -- the program itself ------------------------------------------------------------------------


class Program:
    """`python -m guzheng.witness serve`, on a port of its own."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*WITNESS, "serve", "--data", str(data), *FIRST, "--port", "0", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if "http://" in line:
                self.address = line.split()[-1]
                break
        else:
            raise AssertionError(f"the witness did not start: {self.said}")
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def submit(self, body: bytes) -> Answer:
        asked = urllib.request.Request(f"{self.address}add-checkpoint", body, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
                return Answer(answer.status, answer.read(), answer.headers["Content-Type"])
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), error.headers["Content-Type"])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        if self.process.stderr is not None:
            with contextlib.suppress(ValueError):
                self.process.stderr.close()
        return status


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "witness"


@contextlib.contextmanager
def running(data: Path, *arguments: str) -> Iterator[Program]:
    program = Program(data, *arguments)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.end(signal.SIGKILL)


def watch(data: Path, log: Log) -> None:
    command = [*WITNESS, "add-log", "--data", str(data), *FIRST, str(log.key)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_killed_at_any_moment_and_started_again(data: Path, seed: int) -> None:
    watch(data, BRANCHES[0])
    dice, handed = Random(seed), [set[tuple[int, bytes]]() for _ in range(3)]
    for life in range(3):
        with running(data) as program:
            clients = [
                threading.Thread(
                    target=_until_it_dies, args=(program, life * 8 + at, handed[at])
                )
                for at in range(3)
            ]
            for one in clients:
                one.start()
            before = len(set().union(*handed))
            deadline = time.monotonic() + DEADLINE
            while (
                len(set().union(*handed)) == before < SIZE // 2 and time.monotonic() < deadline
            ):
                time.sleep(0.002)
            time.sleep(dice.random() / 50)
            assert program.end(signal.SIGKILL) == -signal.SIGKILL
            for one in clients:
                one.join(DEADLINE)
    together = set().union(*handed)
    assert together
    memory = Memory(data / FILE, may_be_made=False)
    seen = memory.find_latest(id_of(ORIGIN))
    memory.close()
    assert seen is not None
    require_one_history(together, (seen.size, seen.root))
    shown = Checkpoint.parse(Note.parse(seen.note).text)
    assert (shown.size, shown.root) == (seen.size, seen.root)


def _until_it_dies(program: Program, seed: int, handed: Handed) -> None:
    with contextlib.suppress(OSError):
        race(program.submit, seed, handed)


def test_over_http_and_ended_in_order(data: Path) -> None:
    log = BRANCHES[0]
    watch(data, log)
    with running(data, "--prefix", "/w") as program:
        assert program.address.endswith("/w/")
        for old, new in ((0, 3), (3, 20)):
            assert program.submit(log.request(old, new)).status == 200
        answer = program.submit(log.request(3, 20))
        assert (answer.status, answer.body) == (409, b"20\n")
        assert answer.media_type == "text/x.tlog.size"
        assert program.submit(bytes(1 << 18) + b"1").status == 413
        monitor = f"{program.address}{id_of(ORIGIN)}/checkpoint"
        with urllib.request.urlopen(monitor, timeout=DEADLINE) as shown:
            assert Checkpoint.parse(Note.parse(shown.read()).text).size == 20
        assert program.end() == 0
    said = "".join(program.said)
    secret = (data / "witness.key").read_text().split("+", 4)[4].strip()  # it may have a +
    assert "Cosigned: log.example/1 at size 20" in said
    assert secret not in said
    assert (data / "witness.key").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_signs_nothing(tmp_path: Path) -> None:
    """Here the disk is a file system of one megabyte, filled to the last octet."""
    log = BRANCHES[0]
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        watch(disk / "data", log)
        with running(disk / "data") as program:
            assert program.submit(log.request(0, 3)).status == 200
            _fill(disk)
            refused = [
                program.submit(request(3, log.proof(3, new), _padded(log, new)))
                for new in (5, 8, 9)
            ]
            statuses = {one.status for one in refused}
            assert 503 in statuses, statuses
            assert not any("—".encode() in one.body for one in refused if one.status != 200)
            known = max(
                [3, *(n for n, a in zip((5, 8, 9), refused, strict=True) if a.status == 200)]
            )
            (disk / "ballast").unlink()
            assert program.submit(log.request(known, 20)).status == 200
            assert program.end() == 0


def _padded(log: Log, size: int) -> bytes:
    """With as many lines as a note may have, so that one record needs many pages."""
    note = log.note(size)
    return Note(note.text, note.signatures * 90).encode()


def _fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1024))
    assert os.statvfs(disk).f_bavail == 0
