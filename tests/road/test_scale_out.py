"""Many machines, one installation: a web process and two workers on PostgreSQL and S3.

Each has a data directory of its own, as machines have, with a copy of the keys and nothing
else. One worker is killed without a word while it walks; what it walked is finished by others.
"""

import contextlib
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import engines, plain
from tests.ports import free_port
from tests.road.programs import answering, ran, running

pytestmark = engines.together


@pytest.fixture
def environment(s3: engines.S3, postgres: engines.Postgres, tmp_path: Path) -> dict[str, str]:
    keys = tmp_path / "s3.keys"
    keys.touch(mode=0o600)
    keys.write_text("\n".join(engines.KEYS))
    name = engines.fresh("installation")
    return {
        "GUZHENG_DATABASE_URL": postgres.database(name),
        "GUZHENG_S3_BUCKET": name,
        "GUZHENG_S3_ENDPOINT": s3.endpoint,
        "GUZHENG_S3_KEYS": str(keys),
    }


@pytest.mark.parametrize("deposits", [6, pytest.param(20, marks=pytest.mark.soak)])
def test_two_workers_and_a_web_process(
    tmp_path: Path, environment: dict[str, str], deposits: int
) -> None:
    machines = [tmp_path / name for name in ("web", "one", "two")]
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    web = ("serve", "--data", machines[0], "--port", port)
    with contextlib.ExitStack() as stack:
        serving = stack.enter_context(running(*web, **environment))
        answering(address, serving, seconds=engines.WAIT_SECONDS)  # it made the keys
        workers = []
        for other in machines[1:]:
            shutil.copytree(machines[0] / "keys", other / "keys")
            other.chmod(0o700)
            worker = running("worker", "--data", other, **environment)
            workers.append(stack.enter_context(worker))
        living, dying = workers

        def deposit(number: int) -> str:
            sent = plain.post(
                f"{address}/api/exhibits",
                files={"file": (f"{number}.txt", b"%d" % number, "text/plain")},
                timeout=60,
            )
            assert sent.status_code in (200, 201, 202), sent.text
            return str(sent.json()["exhibit"])

        with ThreadPoolExecutor(4) as hands:
            exhibits = list(hands.map(deposit, range(deposits // 2)))
            dying.send_signal(signal.SIGKILL)
            exhibits += hands.map(deposit, range(deposits // 2, deposits))
        deadline = time.monotonic() + 240
        waiting = set(exhibits)
        while waiting:
            assert time.monotonic() < deadline, waiting
            assert serving.poll() is None
            assert living.poll() is None
            for one in sorted(waiting):
                state = plain.get(f"{address}/api/exhibits/{one}", timeout=60).json()["state"]
                assert state != "refused", one
                if state == "certified":
                    waiting.discard(one)
            time.sleep(0.5)
        listed = plain.get(f"{address}/api/exhibits", timeout=60).json()["exhibits"]
        assert {one["exhibit"] for one in listed} == set(exhibits)
    status, out, err = ran("fsck", "--data", machines[1], "--json", **environment)
    assert status == 0, out + err
    assert not list(machines[1].glob("*.sqlite"))
    assert not (machines[1] / "blobs").exists()
    secret = engines.KEYS[1]
    for machine in machines:
        assert not any(
            secret.encode() in file.read_bytes()
            for file in machine.rglob("*")
            if file.is_file()
        )
