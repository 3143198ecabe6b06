"""`guzheng ledger front`: the door for commitments as a program, and what its end leaves."""

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from guzheng.app import Platform
from guzheng.cli.apart import Apart
from guzheng.config import Config
from guzheng.proof import tree
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Problem
from tests import plain
from tests.cli.conftest import PROGRAM
from tests.ports import free_port

KEY = "front"
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "Content-Type": "application/octet-stream",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir(mode=0o700)
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    (place / "guzheng.toml").write_text(f'ledger_keys = ["{digest}"]\n')
    return place


@pytest.fixture
def front(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    command = [str(PROGRAM), "ledger", "front", "--data", str(data), "--port", str(port)]
    started = subprocess.Popen([*command, "--processes", "2"], start_new_session=True)
    address = f"http://127.0.0.1:{port}/api/ledger/entries"
    try:
        deadline = time.monotonic() + 120
        with plain.client() as client:
            while True:
                try:
                    assert client.get(address).status_code == 405
                    break
                except httpx.TransportError:
                    assert started.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        yield started, address
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def commitment(number: int) -> bytes:
    return hashlib.sha256(b"front %d" % number).digest()


def test_what_was_acknowledged_is_there_after_kill_9(
    data: Path, front: tuple[subprocess.Popen[bytes], str]
) -> None:
    started, address = front
    acknowledged: dict[int, int] = {}

    def add(number: int) -> None:
        until = ("sequenced", "checkpointed", "cosigned")[number % 3]
        try:
            answer = client.post(f"{address}?wait={until}", content=commitment(number))
        except httpx.TransportError:
            return  # killed meanwhile: nothing was promised
        assert answer.status_code == 201, answer.text
        assert answer.json()["state"] == until
        acknowledged[number] = answer.json()["indexes"][0]

    with (
        plain.client(headers=HEADERS, timeout=60) as client,
        ThreadPoolExecutor(8) as crowd,
    ):
        asked = [crowd.submit(add, number) for number in range(120)]
        while len(acknowledged) < 40:
            assert not any(one.done() and one.exception() for one in asked)
            time.sleep(0.01)
        os.killpg(started.pid, signal.SIGKILL)
        for one in asked:
            one.result()
    platform = Platform(Config(data))
    head = platform.ledger.integrate()
    assert len(set(acknowledged.values())) == len(acknowledged) >= 40
    for number, index in acknowledged.items():
        proof = TlogProof.parse(platform.ledger.prove(index))
        leaf = tree.leaf_hash(LEAF_LABEL + commitment(number))
        tree.require_included(leaf, index, head.size, proof.path, head.root)
    assert platform.fsck(lambda _: None) == []


def test_what_it_does_not_take(front: tuple[subprocess.Popen[bytes], str]) -> None:
    octets = b"x" * 32
    for query, headers, body, status in (
        ("", {}, octets, 403),
        ("", HEADERS, octets[1:], 422),
        ("", HEADERS, b"", 422),
        ("?wait=forever", HEADERS, octets, 422),
        ("", HEADERS, b"x" * (1 << 21), 413),
    ):
        answer = plain.post(front[1] + query, content=body, headers=headers, timeout=30)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


def begun_by(parent: int) -> list[int]:
    """The processes of ours that this one began, and did not only for its own book-keeping."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
            if int(fields[1]) == parent and fields[0] != "Z" and b"spawn_main" in command:
                found.append(int(stat.parent.name))
    return found


def test_whoever_makes_checkpoints_may_die(
    data: Path, front: tuple[subprocess.Popen[bytes], str]
) -> None:
    started, address = front
    died = set[int]()
    deadline = time.monotonic() + 120
    number = 0
    with plain.client(headers=HEADERS, timeout=60) as client:
        while len(died) < 3:
            assert time.monotonic() < deadline
            for one in [one for by in begun_by(started.pid) for one in begun_by(by)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
                died.add(one)
            for _ in range(20):
                number += 1
                answer = client.post(address, content=commitment(-number))
                assert (answer.status_code, answer.json()["state"]) == (201, "checkpointed")
    assert started.poll() is None
    members = begun_by(started.pid)
    started.terminate()
    assert started.wait(60) == 0
    while any(Path(f"/proc/{one}").exists() for by in members for one in (by, *begun_by(by))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    platform = Platform(Config(data))
    assert platform.ledger.entries.size() == number
    assert platform.fsck(lambda _: None) == []


def test_a_process_apart_makes_the_checkpoints(data: Path) -> None:
    with contextlib.closing(Apart(data)) as apart:
        deadline = time.monotonic() + 120
        number = 0
        while not apart.is_ready:
            assert time.monotonic() < deadline
            entry = apart.add_commitments([commitment(number)])[0]
            assert apart.wait_for_checkpoint(entry, 60)
            number += 1
        entries = apart.add_commitments([commitment(number + one) for one in range(500)])
        assert apart.wait_for_checkpoint(entries[-1], 60)
        signed = Platform(Config(data)).ledger.signed()
        assert signed is not None
        assert signed.size == number + 500
        memory = data / "keys/last-signed.checkpoint"
        kept = memory.read_bytes()
        memory.write_bytes(b"not a checkpoint")
        entry = apart.add_commitments([commitment(-1)])[0]
        with pytest.raises(Problem, match="ledger"):  # as if there were no other process
            apart.wait_for_checkpoint(entry, 60)
        memory.write_bytes(kept)
        assert apart.wait_for_checkpoint(entry, 60)
