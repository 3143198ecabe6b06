"""The only way out: a SOCKS5 proxy (RFC 1928) on loopback that checks before it connects.

Promises: each name is resolved once per capture and stays with that answer; every answer must
be an address that may be contacted, or the name is refused; the connection goes to the address
that was checked. What passes is not decrypted and not altered. Every connection is logged with
answers, peer, octets and, if refused, the reason. Only processes of the browser's uid are
answered, where the kernel says whose a connection is.

The log entries are the seam for a transcript of each connection (design: forensic grade).
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer.addresses import Address, find_refusal, is_own
from guzheng.capturer.limits import (
    CONNECT_SECONDS,
    COPY_OCTETS,
    MAX_CONNECTIONS,
    RESOLVE_SECONDS,
)
from guzheng.capturer.order import Network

# Chromium's own calls home; they were seen in spite of the flags that turn them off.
BROWSER_NOISE = frozenset(
    {
        "accounts.google.com",
        "android.clients.google.com",
        "clients1.google.com",
        "clients2.google.com",
        "clientservices.googleapis.com",
        "content-autofill.googleapis.com",
        "edgedl.me.gvt1.com",
        "mtalk.google.com",
        "optimizationguide-pa.googleapis.com",
        "redirector.gvt1.com",
        "safebrowsing.googleapis.com",
        "safebrowsingohttpgateway.googleapis.com",
        "update.googleapis.com",
    }
)
# RFC 1928 §6
_GRANTED, _FAULT, _NOT_ALLOWED, _NO_HOST, _REFUSED, _TIMED_OUT = 0, 1, 2, 4, 5, 6


@dataclass(slots=True)
class Connection:
    """One request for a connection, as the egress saw it. `outcome` is a code."""

    number: int
    host: str
    port: int
    began_at: float
    answers: tuple[str, ...] = ()
    peer: str = ""
    outcome: str = "open"  # connected | refused-address | not-resolved | … (see spec)
    because: str = ""
    sent: int = 0
    received: int = 0
    ended_at: float | None = None


class _Denied(Exception):
    def __init__(self, outcome: str, because: str, reply: int) -> None:
        self.outcome, self.because, self.reply = outcome, because, reply
        super().__init__(outcome)


@dataclass(slots=True)
class Egress:
    """Start with `open`, stop with `close`. `page_hosts` are never taken for noise."""

    allowed: tuple[Network, ...]
    octets_allowed: int
    monotonic: Callable[[], float]
    only_uid: int
    page_hosts: frozenset[str]
    connections: list[Connection] = field(default_factory=list)
    octets: int = 0
    octets_spent: asyncio.Event = field(default_factory=asyncio.Event)
    spent_at: float = float("inf")
    strangers: int = 0  # connections of other users, turned away
    stopped: bool = False  # set by the visit: nothing more may be opened
    _answers: dict[str, asyncio.Task[tuple[str, ...]]] = field(default_factory=dict)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> int:
        """The port it listens on, on 127.0.0.1."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=COPY_OCTETS
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self.cut()
        for task in self._answers.values():
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._server.wait_closed()

    def cut(self) -> None:
        """End every connection now."""
        self.stopped = True
        for writer in tuple(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        connection: Connection | None = None
        try:
            if not _is_of_uid(writer, self.only_uid):
                self.strangers += 1
                return
            host, port = await _read_request(reader, writer)
            if len(self.connections) >= MAX_CONNECTIONS:
                return
            connection = Connection(len(self.connections) + 1, host, port, self.monotonic())
            self.connections.append(connection)
            await self._carry(connection, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side went away: what had passed stands in the log
        finally:
            if connection is not None:
                connection.ended_at = self.monotonic()
            self._writers.discard(writer)
            writer.close()

    async def _carry(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            there_reader, there_writer = await self._connect(connection)
        except _Denied as denied:
            connection.outcome, connection.because = denied.outcome, denied.because
            writer.write(_reply(denied.reply))
            await writer.drain()
            return
        self._writers.add(there_writer)
        try:
            connection.outcome = "connected"
            writer.write(_reply(_GRANTED))
            ends = await asyncio.gather(
                self._copy(connection, reader, there_writer, "sent"),
                self._copy(connection, there_reader, writer, "received"),
                return_exceptions=True,
            )
            if ends[1] is not None:  # a broken connection must not seem a finished one
                _reset(writer)
        finally:
            self._writers.discard(there_writer)
            there_writer.close()

    async def _connect(
        self, connection: Connection
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.stopped:
            raise _Denied("refused-limit", "nothing more is opened", _NOT_ALLOWED)
        host = connection.host.lower().rstrip(".")
        if host in BROWSER_NOISE and host not in self.page_hosts:
            raise _Denied("refused-browser-noise", "the browser's own call", _NOT_ALLOWED)
        connection.answers = await self._resolve(host)
        for answer in connection.answers:
            reason = find_refusal(ipaddress.ip_address(answer), self.allowed, is_own)
            if reason:
                raise _Denied("refused-address", f"{answer}: {reason}", _NOT_ALLOWED)
        return await self._connect_to_any(connection)

    async def _connect_to_any(
        self, connection: Connection
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        denied = _Denied("not-resolved", "no address", _NO_HOST)
        for answer in connection.answers:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    streams = await asyncio.open_connection(
                        answer, connection.port, limit=COPY_OCTETS
                    )
            except TimeoutError:
                denied = _Denied("timed-out", f"{answer}: no answer", _TIMED_OUT)
            except OSError as error:
                denied = _Denied("not-connected", f"{answer}: {error.strerror}", _REFUSED)
            else:
                connection.peer = answer
                return streams
        raise denied

    async def _resolve(self, host: str) -> tuple[str, ...]:
        """One resolution per name and capture: a second answer could be another one."""
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        if host not in self._answers:
            self._answers[host] = asyncio.create_task(_look_up(host))
        try:
            return await asyncio.shield(self._answers[host])
        except TimeoutError as error:
            raise _Denied("not-resolved", "the resolver did not answer", _NO_HOST) from error
        except (OSError, UnicodeError) as error:
            raise _Denied("not-resolved", str(error)[:200], _NO_HOST) from error

    async def _copy(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: str,
    ) -> None:
        while octets := await reader.read(COPY_OCTETS):
            self.octets += len(octets)
            if self.octets > self.octets_allowed:
                connection.because = "the limit of octets"
                self.spent_at = self.monotonic()
                self.octets_spent.set()
                self.cut()
                return
            if direction == "sent":
                connection.sent += len(octets)
            else:
                connection.received += len(octets)
            writer.write(octets)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _look_up(host: str) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


async def _read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int]:
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    if version != 5:
        raise OSError("not SOCKS5")
    writer.write(b"\x05\x00")
    version, command, _, kind = await reader.readexactly(4)
    if version != 5 or command != 1:  # CONNECT; UDP has no business here
        writer.write(_reply(7))
        raise OSError("not CONNECT")
    address: Address
    match kind:
        case 1:
            address = ipaddress.IPv4Address(await reader.readexactly(4))
            host = str(address)
        case 4:
            address = ipaddress.IPv6Address(await reader.readexactly(16))
            host = str(address)
        case 3:
            (size,) = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode("ascii", "replace")
        case _:
            raise OSError("no such kind of address")
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    return host, port


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, not FIN: a body without announced length would seem whole (RFC 9112 §8)."""
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _reply(code: int) -> bytes:
    return bytes((5, code, 0, 1)) + bytes(6)


def _is_of_uid(writer: asyncio.StreamWriter, uid: int) -> bool:
    """Whose the other end is, by the kernel's table of sockets; unknown counts as ours."""
    peer = writer.get_extra_info("peername")
    ours = writer.get_extra_info("sockname")
    try:
        table = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:
        return True
    wanted = (_row_name(peer), _row_name(ours))
    for row in table:
        columns = row.split()
        if (columns[1], columns[2]) == wanted:
            return int(columns[7]) == uid
    return True


def _row_name(address: tuple[str, int]) -> str:
    octets = ipaddress.IPv4Address(address[0]).packed
    return f"{int.from_bytes(octets, 'little'):08X}:{address[1]:04X}"
