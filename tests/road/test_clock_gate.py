"""The whole installation under a clock that is compared with others: drift, loss, restarts."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from guzheng import fix
from guzheng.app import Platform
from guzheng.app.metrics import TimestampMetrics
from guzheng.config import Config, load
from guzheng.fix.clock import record
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import read
from tests.ntp import NtpServer, ntp_server
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.stations.test_fix_authority import failure_of

ROOT = Path(__file__).resolve().parent.parent.parent
QUERY = timestamp.encode_request(sha256(b"words"), 7)


@pytest.fixture
def servers() -> Iterator[list[NtpServer]]:
    """Three: more than half, whatever the kernel and chrony of this machine say."""
    with ExitStack() as stack:
        yield [stack.enter_context(ntp_server()) for _ in range(3)]


def config(data: Path, servers: list[NtpServer], **settings: object) -> Config:
    given: dict[str, object] = {
        "clock_profile": "auto",
        "time_servers": tuple(one.address for one in servers),
        "clock_poll_seconds": 1,
    }
    return load(data, given | settings, environment={})


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def standings(platform: Platform) -> list[str]:
    names = platform.blobs.names(record.FOLDER)
    papers = [record.parse(read(platform.blobs, name)) for name in names]
    return [f"{one.standing.value} {one.code}".strip() for one in papers]


def measured_by(platform: Platform) -> dict[str, float]:
    """What Prometheus is told of the clock; standings that it has not are left out."""
    metrics = TimestampMetrics(platform.timestamping.counts, platform.parts)
    samples = [one for metric in metrics.collect() for one in metric.samples]
    return {
        f"{one.name} {one.labels.get('standing', '')}": one.value
        for one in samples
        if one.name.startswith("guzheng_clock") and (one.value or not one.labels)
    }


def drift(servers: list[NtpServer], seconds: float) -> None:
    for one in servers:
        one.offset_seconds = seconds


def test_drift_stops_the_timestamps_and_the_right_time_starts_them_again(
    tmp_path: Path, servers: list[NtpServer]
) -> None:
    platform = Platform(config(tmp_path / "data", servers))
    with platform.timekeeping():
        until(lambda: platform.clock().verified)
        exhibit = platform.deposit("a.txt", [b"words"])
        assert platform.walk(exhibit, silent) == "certified"
        seal = (platform.exhibit(exhibit).facts or {})["seal"]
        assert isinstance(seal, dict)
        assert seal["policy"] == fix.MEASURED_POLICY_OID
        assert 1 <= seal["accuracy_milliseconds"] <= 1000

        drift(servers, 5)
        until(lambda: platform.clock().standing == "stopped")
        answer = platform.parts.local.respond(QUERY)
        assert failure_of(answer).name == "TIME_NOT_AVAILABLE"
        late = platform.deposit("b.txt", [b"words"])
        with pytest.raises(
            Unavailable, match=r"authority-declined.*time_not_available: clock\."
        ):
            platform.walk(late, silent)
        problem = platform.clock().problem
        assert problem is not None
        assert problem.code == "clock.over-limit"

        told = measured_by(platform)
        assert told.pop("guzheng_clock_standing stopped") == 1.0
        assert told.pop("guzheng_clock_offset_seconds ") > 4
        assert not told

        drift(servers, 0)
        until(lambda: platform.clock().verified)
        told = measured_by(platform)
        assert told.pop("guzheng_clock_standing verified") == 1.0
        assert 0 < told.pop("guzheng_clock_bound_seconds ") <= 1
        assert abs(told.pop("guzheng_clock_offset_seconds ")) <= 1
        assert platform.walk(late, silent) == "certified"
    assert standings(platform) == ["verified", "stopped clock.over-limit", "verified"]
    assert platform.ledger.entries.size() == 5
    assert places(platform) == []


def test_what_was_recorded_outlives_every_table(
    tmp_path: Path, servers: list[NtpServer]
) -> None:
    data = tmp_path / "data"
    platform = Platform(config(data, servers))
    platform.walk(platform.deposit("a.txt", [b"words"]), silent)
    number = platform.ledger.entries.size()
    for file in data.glob("*.sqlite*"):
        file.unlink()
    again = Platform(config(data, servers))
    again.rebuild()
    assert again.ledger.entries.size() == number
    assert places(again) == []
    paper = data / "blobs" / record.name_of(1)
    octets = paper.read_bytes()
    paper.write_bytes(octets.replace(b'"verified"', b'"stopped"'))
    assert places(again) == [record.name_of(1)]
    paper.rename(data / "blobs" / record.name_of(2))
    assert places(again) == [record.name_of(2)]
    paper.write_bytes(b"{}")
    assert record.name_of(1) in places(again)


def test_a_loss_is_not_answered_by_asking_less(
    tmp_path: Path, servers: list[NtpServer]
) -> None:
    data = tmp_path / "data"
    assert fix_time(Platform(config(data, servers)))
    for one in servers:
        one.mood = "silent"
    (data / "clock" / "measured.json").unlink()  # as after a start of the machine
    lost = Platform(config(data, servers))
    assert failure_of(lost.parts.local.respond(QUERY)).name == "TIME_NOT_AVAILABLE"
    assert lost.clock().standing == "stopped"
    assert lost.clock().silent
    chosen = Platform(config(data, servers, clock_profile="evaluation"))
    token = timestamp.parse(chosen.parts.local.respond(QUERY))
    assert token.policy == fix.LOCAL_POLICY_OID
    assert standings(chosen) == ["verified", "stopped clock.no-source", "unverified"]
    assert places(chosen) == []


def fix_time(platform: Platform) -> bool:
    token = timestamp.parse(platform.parts.local.respond(QUERY))
    return token.policy == fix.MEASURED_POLICY_OID


def test_the_audit_says_what_is_wrong_with_the_clock(tmp_path: Path) -> None:
    with ntp_server(mood="silent") as mute:
        platform = Platform(config(tmp_path / "data", [mute], clock_profile="production"))
        if platform.clock().verified:
            pytest.skip("this machine's own clock is kept by somebody")
        for _ in range(2):
            answer = platform.timestamping.issue(QUERY, "test")
            assert failure_of(answer.response_der).name == "TIME_NOT_AVAILABLE"
    lines = (tmp_path / "data" / "audit.jsonl").read_text().splitlines()
    (told,) = (one for one in map(json.loads, lines) if one["event"] == "tsa.failing")
    assert (told["failure"], told["code"]) == ("time_not_available", "clock.no-source")


def test_production_without_any_source_issues_nothing(tmp_path: Path) -> None:
    with ntp_server(mood="silent") as mute:
        wanted = config(tmp_path / "data", [mute], clock_profile="production")
        platform = Platform(wanted)
        if platform.parts.gate.profile and platform.clock().verified:
            pytest.skip("this machine's own clock is kept by somebody")
        answer = platform.parts.local.respond(QUERY)
        assert failure_of(answer).name == "TIME_NOT_AVAILABLE"


def test_killed_at_any_moment_each_change_is_in_the_ledger_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.road.clock_deaths", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(deaths) >= 10, "three changes of three effects each, and before the first"
    for one in deaths:
        # The first life may have recorded some; the second lives the same again.
        told = one["standings"]
        assert all(a != b for a, b in itertools.pairwise(told)), one
        assert told[-3:] == ["verified", "stopped", "verified"], one
        assert one["entries"] == len(told), one
        assert one["faults"] == [], one


@pytest.mark.parametrize(
    "wrong",
    [
        {"clock_profile": "sometimes"},
        {"clock_limit_milliseconds": 0},
        {"clock_limit_milliseconds": 1001},
        {"clock_poll_seconds": 0},
        {"time_servers": ("ntp.example/x",)},
        {"time_servers": ("",)},
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(Refused, match=r"config\.value-refused"):
        load(tmp_path, wrong, environment={})


def test_an_installation_compares_its_clock_unless_told_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path, environment={}).clock_profile == "auto"
    assert Config(tmp_path).clock_profile == "evaluation"
    nobody = load(tmp_path, environment={"GUZHENG_TIME_SERVERS": ""})
    assert nobody.time_servers == ()
