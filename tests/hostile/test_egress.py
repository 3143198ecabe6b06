"""The proxy by itself: what it refuses without a browser in front of it."""

import asyncio
import contextlib
import ipaddress
import os
import time

from guzheng.capturer.egress import Connection, Egress

_HELLO = b"\x05\x01\x00"


def _egress(*, uid: int | None = None, octets: int = 1 << 20, allow: str = "") -> Egress:
    allowed = (ipaddress.ip_network(allow),) if allow else ()
    return Egress(
        allowed, octets, time.monotonic, os.getuid() if uid is None else uid, frozenset()
    )


async def _ask(egress: Egress, request: bytes, *, then: bytes = b"") -> bytes:
    port = await egress.open()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_HELLO + request)
        await writer.drain()
        answer = await reader.read(2)
        if answer and then:
            answer += await reader.readexactly(10)
            writer.write(then)
        answer += await reader.read()
        writer.close()
        return answer
    finally:
        await egress.close()


def _connect(host: str, port: int = 80) -> bytes:
    name = host.encode()
    return b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2, "big")


def _run(egress: Egress, request: bytes) -> tuple[bytes, list[Connection]]:
    return asyncio.run(_ask(egress, request)), egress.connections


def test_numeric_disguises_of_loopback_are_seen_through() -> None:
    for disguise in ("127.1", "0x7f000001", "2130706433", "017700000001", "localhost"):
        answer, (connection,) = _run(_egress(), _connect(disguise))
        assert answer[2:4] == b"\x05\x02", disguise  # not allowed by ruleset
        assert connection.outcome == "refused-address", disguise
        assert "loopback" in connection.because


def test_ipv6_literals_too() -> None:
    for literal in ("::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"):
        request = b"\x05\x01\x00\x04" + ipaddress.IPv6Address(literal).packed + b"\x00\x50"
        answer, (connection,) = _run(_egress(), request)
        assert answer[2:4] == b"\x05\x02"
        assert connection.outcome == "refused-address"


def test_the_browsers_own_calls_are_denied_by_name() -> None:
    _, (connection,) = _run(_egress(), _connect("update.googleapis.com", 443))
    assert connection.outcome == "refused-browser-noise"
    assert connection.answers == ()


def test_other_users_are_turned_away() -> None:
    egress = _egress(uid=os.getuid() + 1)
    with contextlib.suppress(ConnectionError):  # closed with our greeting unread
        answer, connections = _run(egress, _connect("127.0.0.1"))
        assert answer == b""
        assert connections == []
    assert egress.connections == []
    assert egress.strangers == 1


def test_only_connect_is_spoken() -> None:
    for command in (2, 3):  # BIND, UDP ASSOCIATE
        request = bytes((5, command, 0, 1, 127, 0, 0, 1, 0, 80))
        answer, connections = _run(_egress(allow="127.0.0.0/8"), request)
        assert answer[2:4] == b"\x05\x07"
        assert connections == []


def test_the_limit_of_octets_cuts_every_connection() -> None:
    async def act() -> Egress:
        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
            except ConnectionError:
                writer.close()

        server = await asyncio.start_server(pour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        egress = _egress(octets=1 << 20, allow="127.0.0.0/8")
        with contextlib.suppress(ConnectionError):
            await _ask(egress, _connect("127.0.0.1", port))
        server.close()
        return egress

    egress = asyncio.run(act())
    assert egress.octets_spent.is_set()
    assert egress.connections[0].received <= 1 << 20
    assert egress.connections[0].because == "the limit of octets"
