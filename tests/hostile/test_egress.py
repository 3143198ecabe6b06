"""The tunnel by itself: what it refuses and keeps without a browser in front of it."""

import asyncio
import contextlib
import errno
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from guzheng.capturer.egress import Egress
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.record import Vantage
from guzheng.capturer.tunnel.connection import Connection
from tests.hostile.tunnelling import Client, egress_for, in_namespace, running

_NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH}
_TUNNEL_UID = 65519  # of the range in which no account lives


def _run(folder: Path, request: bytes, allow: str = "") -> tuple[bytes, list[Connection]]:
    async def act() -> tuple[bytes, list[Connection]]:
        async with running(egress_for(folder, allow=allow)) as (egress, client):
            answer = await client.ask(request)
        return answer, egress.connections

    return asyncio.run(act())


def test_numeric_disguises_of_loopback_are_seen_through(tmp_path: Path) -> None:
    disguises = ("127.1", "0x7f000001", "2130706433", "017700000001", "localhost")

    async def act() -> list[Connection]:
        async with running(egress_for(tmp_path)) as (egress, client):
            for disguise in disguises:
                answer = await client.ask(client.connect(disguise))
                assert answer[2:4] == b"\x05\x02", disguise  # not allowed by ruleset
        return egress.connections

    found = asyncio.run(act())
    assert [one.host for one in found] == list(disguises)
    assert {one.outcome for one in found} == {"refused-address"}
    assert all("loopback" in one.because for one in found)


def test_ipv6_literals_too(tmp_path: Path) -> None:
    async def act() -> list[Connection]:
        async with running(egress_for(tmp_path)) as (egress, client):
            for literal in ("::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"):
                packed = ipaddress.IPv6Address(literal).packed
                answer = await client.ask(b"\x05\x01\x00\x04" + packed + b"\x00\x50")
                assert answer[2:4] == b"\x05\x02"
        return egress.connections

    assert [one.outcome for one in asyncio.run(act())] == ["refused-address"] * 3


def test_the_browsers_own_calls_are_denied_by_name(tmp_path: Path) -> None:
    _, (connection,) = _run(tmp_path, Client.connect("update.googleapis.com", 443))
    assert connection.outcome == "refused-browser-noise"
    assert connection.answers == ()


def test_other_users_are_turned_away(tmp_path: Path) -> None:
    async def act() -> Egress:
        async with running(egress_for(tmp_path, uid=os.getuid() + 1)) as (egress, client):
            with contextlib.suppress(ConnectionError):  # closed with our greeting unread
                assert await client.ask(client.connect("127.0.0.1")) == b""
        return egress

    egress = asyncio.run(act())
    assert egress.connections == []
    assert egress.strangers == 1


def test_only_connect_is_spoken(tmp_path: Path) -> None:
    for number, command in enumerate((2, 3)):  # BIND, UDP ASSOCIATE
        request = bytes((5, command, 0, 1, 127, 0, 0, 1, 0, 80))
        folder = tmp_path / str(number)
        folder.mkdir()
        answer, connections = _run(folder, request, allow="127.0.0.0/8")
        assert answer[2:4] == b"\x05\x07"
        assert connections == []


def test_the_limit_of_octets_cuts_every_connection(tmp_path: Path) -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(bytes(65536))
                await writer.drain()
        except ConnectionError:
            writer.close()

    async def act() -> Egress:
        server = await asyncio.start_server(pour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running(egress_for(tmp_path, allow="127.0.0.0/8")) as (egress, client):
            with contextlib.suppress(ConnectionError):
                await client.ask(client.connect("127.0.0.1", port))
            assert egress.octets_spent.is_set()  # told before it was cut
            assert egress.spent_at <= time.monotonic()
        server.close()
        return egress

    egress = asyncio.run(act())
    (connection,) = egress.connections
    assert 0 < connection.received.octets <= 1 << 20
    assert connection.because == "the limit of octets"
    kept = tmp_path / "wire/c00001.received"
    assert kept.stat().st_size == connection.received.octets


def _killed(tmp_path: Path, number: signal.Signals) -> tuple[Egress, list[str]]:
    async def act() -> tuple[Egress, list[str]]:
        told: list[str] = []
        failed = asyncio.Event()
        egress = egress_for(tmp_path, fail=failed.set)
        with pytest.raises(CaptureFailed) as caught:
            async with running(egress), asyncio.timeout(60):
                process = egress.process
                assert process is not None
                os.kill(process, number)
                await failed.wait()
        told.append(caught.value.code)
        return egress, told

    return asyncio.run(act())


def test_its_death_is_told_and_is_a_failure(tmp_path: Path) -> None:
    egress, told = _killed(tmp_path, signal.SIGKILL)
    assert told == ["capture.tunnel-died"]
    assert egress.died
    assert egress.stopped


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="guzheng-test-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_it_is_an_unprivileged_user_that_nothing_can_raise(open_folder: Path) -> None:
    async def act() -> dict[str, str]:
        async with running(egress_for(open_folder, tunnel_uid=_TUNNEL_UID)) as (egress, _):
            return await asyncio.to_thread(_status_of, egress.process)

    status = asyncio.run(act())
    assert set(status["Uid"].split()) == {str(_TUNNEL_UID)}
    assert set(status["Gid"].split()) == {str(_TUNNEL_UID)}
    assert status["Groups"].strip() == ""
    assert status["NoNewPrivs"] == "1"
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities


def _status_of(process: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, time\n"
        "from pathlib import Path\n"
        "from tests.hostile.tunnelling import egress_for, running\n"
        "async def act():\n"
        "    async with running(egress_for(Path(sys.argv[1]))) as (egress, _):\n"
        "        print(egress.process, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(act())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        process = int(starter.stdout.readline())
        starter.kill()
    until = time.monotonic() + 60
    while _is_running(process):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_behind_the_door_there_is_no_other_way(tmp_path: Path) -> None:
    """Whatever a page breaks, the kernel has no route for it: not to us, not to anybody."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as ours:
        found = _tried_behind(tmp_path, ours.getsockname()[1])
    assert found == ["refused"] * 2 + ["unreachable"] * 4


def _tried_behind(tmp_path: Path, port: int) -> list[str]:
    async def act() -> list[str]:
        async with running(egress_for(tmp_path)) as (egress, _):
            if not egress.prefix:
                pytest.skip("this kernel gives no network namespace here")
            namespace = egress.prefix[1].removeprefix("--net=")
            return await asyncio.to_thread(in_namespace, namespace, partial(_tried, port))

    return asyncio.run(act())


def _tried(port: int) -> list[str]:
    """From inside: our own listener by two names, the world by TCP, UDP, IPv6, a resolver."""
    found = []
    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        (socket.AF_INET6, socket.SOCK_STREAM, ("::1", port)),
        (socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 53)),
        (socket.AF_INET, socket.SOCK_STREAM, ("10.0.0.1", 80)),
        (socket.AF_INET6, socket.SOCK_DGRAM, ("2001:4860:4860::8888", 53)),
    ):
        with socket.socket(family, kind) as probe:
            probe.settimeout(10)
            try:
                probe.connect(address)
            except ConnectionRefusedError:
                found.append("refused")
            except OSError as error:
                found.append("unreachable" if error.errno in _NO_WAY else str(error))
            else:
                found.append(f"connected to {address[0]}")
    return found


def _is_running(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


@asynccontextmanager
async def _answering(seen: list[str]) -> AsyncIterator[int]:
    """A server that keeps whence it was called."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername")[0])
        writer.write(await reader.read(5))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _proxying(asked: list[bytes], code: int = 0) -> AsyncIterator[int]:
    """A SOCKS5 proxy of somebody else's; what it was asked, after the greeting."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"\x05\x00")
        request = await reader.readexactly(10)
        asked.append(request)
        writer.write(bytes((5, code, 0, 3, 4)) + b"here" + b"\0\0")
        if code == 0:
            host = str(ipaddress.IPv4Address(request[4:8]))
            port = int.from_bytes(request[8:], "big")
            there_reader, there_writer = await asyncio.open_connection(host, port)
            there_writer.write(await reader.read(5))
            writer.write(await there_reader.read())
            there_writer.close()
        writer.close()

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def _ask_from(folder: Path, vantage: Vantage) -> tuple[Connection, bytes, list[str]]:
    async def act() -> tuple[Connection, bytes, list[str]]:
        seen: list[str] = []
        egress = egress_for(folder, allow="127.0.0.1/32", vantage=vantage)
        async with _answering(seen) as port, running(egress) as (_, client):
            answer = await client.ask(client.connect("127.0.0.1", port), then=b"hello")
        return egress.connections[0], answer[12:], seen

    return asyncio.run(act())


def test_it_leaves_from_the_address_that_was_ordered(tmp_path: Path) -> None:
    vantage = Vantage("elsewhere", "bind", "127.0.0.77")
    connection, answer, seen = _ask_from(tmp_path, vantage)
    assert (connection.outcome, answer, seen) == ("connected", b"hello", ["127.0.0.77"])


def test_a_further_proxy_is_given_the_checked_address_and_no_name(tmp_path: Path) -> None:
    async def act(code: int, folder: Path) -> tuple[Egress, bytes, list[bytes]]:
        asked: list[bytes] = []
        async with _answering([]) as port, _proxying(asked, code) as proxy:
            vantage = Vantage("far", "socks", f"127.0.0.1:{proxy}")
            egress = egress_for(folder, allow="127.0.0.1/32", vantage=vantage)
            async with running(egress) as (_, client):
                request = client.connect("127.0.0.1", port)
                then = b"" if code else b"hello"
                answer = await client.ask(request, then=then)
                assert (await client.ask(client.connect("127.0.0.2", port)))[3] == 2
        assert all(one[:4] == b"\x05\x01\x00\x01" for one in asked)
        return egress, answer, asked

    for name in ("granted", "refused"):
        (tmp_path / name).mkdir()
    egress, answer, asked = asyncio.run(act(0, tmp_path / "granted"))
    assert answer[12:] == b"hello"
    assert len(asked) == 1  # what may not be contacted is not asked of anybody
    assert [one.outcome for one in egress.connections] == ["connected", "refused-address"]
    assert (
        egress.connections[0].received.octets == 5
    )  # the proxy's own words are not the site's
    egress, _, _ = asyncio.run(act(5, tmp_path / "refused"))
    assert egress.connections[0].outcome == "not-connected"
    assert "code 5" in egress.connections[0].because
