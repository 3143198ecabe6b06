"""The tunnel itself: who asks, whether it may be, whither, and what passed.

Promises: each name is resolved once and stays with that answer; every answer must be an address
that may be contacted, or the name is refused; the connection goes to the address that was
checked. What passes is not decrypted, not altered, and kept before it is handed on. Every
connection is told with answers, peer, octets and, if refused, the reason, and it is told before
the browser is answered. Only processes of the browser's uid are answered, where the kernel says
whose a connection is.
"""

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from guzheng.addresses import find_refusal, is_own, resolver_address
from guzheng.capturer.limits import CONNECT_SECONDS, COPY_OCTETS, MAX_CONNECTIONS
from guzheng.capturer.tunnel import control, socks
from guzheng.capturer.tunnel.connection import Connection
from guzheng.capturer.tunnel.noise import BROWSER_NOISE
from guzheng.capturer.tunnel.order import TunnelOrder
from guzheng.capturer.tunnel.peers import is_of_uid
from guzheng.capturer.tunnel.resolving import Names, NotResolved
from guzheng.capturer.tunnel.tape import RECEIVED, SENT, Full, Room, Tape

_END_SECONDS = 2  # for connections that were cut to write down what they had
Tell = Callable[[str, object], None]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Denied(Exception):
    def __init__(self, outcome: str, because: str, reply: int) -> None:
        self.outcome, self.because, self.reply = outcome, because, reply
        super().__init__(outcome)


@dataclass(slots=True)
class Tunnel:
    """`serve` until `close`; `tell` gets every event at once, in order."""

    order: TunnelOrder
    room: Room
    elapsed: Callable[[], int]  # milliseconds since the start of the capture
    tell: Tell
    connections: list[Connection] = field(default_factory=list)
    strangers: int = 0
    turned_away: int = 0  # of the browser's: more than a page can need
    stopped: bool = False  # nothing more may be opened
    fault: asyncio.Event = field(default_factory=asyncio.Event)  # nothing can be kept any more
    names: Names = field(init=False)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _hearing: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self.names = Names(self.order.resolvers)

    async def open(self) -> None:
        listener = socket.socket(fileno=self.order.listener)
        listener.setblocking(False)  # noqa: FBT003 (the standard library's own)
        self._server = await asyncio.start_server(
            self._serve, sock=listener, limit=COPY_OCTETS, backlog=256
        )
        self.tell("ready", 1)

    async def close(self) -> None:
        """Afterwards everything has been told."""
        self.cut()
        if self._server is not None:
            self._server.close()
        if self._serving:
            await asyncio.wait(tuple(self._serving), timeout=_END_SECONDS)
        for task in tuple(self._serving):
            task.cancel()
        if self._serving:
            await asyncio.wait(tuple(self._serving), timeout=_END_SECONDS)
        await self.names.settle()
        for connection in self.connections:
            said = self.names.said(_name_of(connection))
            if said != connection.resolvers:
                connection.resolvers = said
                self._tell_of(connection)
        for left in (*self._hearing, *self.names.tasks()):
            left.cancel()
        done = {
            "octets": self.room.passed,
            "strangers": self.strangers,
            "turned_away": self.turned_away,
        }
        self.tell("done", done)

    def cut(self) -> None:
        """End every connection now."""
        self.stopped = True
        for writer in tuple(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        connection: Connection | None = None
        try:
            peer, ours = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
            if not is_of_uid(peer[:2], ours[:2], self.order.only_uid, self.order.table):
                self.strangers += 1
                self.tell("strangers", self.strangers)
                return
            host, port = await socks.read_request(reader, writer)
            if (host, port) == (control.HOST, control.PORT) and not self._page_was_asked:
                await control.serve(reader, writer)
                return
            if len(self.connections) >= MAX_CONNECTIONS:
                self.turned_away += 1
                return
            connection = Connection(len(self.connections) + 1, host, port, self.elapsed())
            self.connections.append(connection)
            self._tell_of(connection)
            await self._carry(connection, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side went away: what had passed stands in the log
        finally:
            if connection is not None:
                connection.ended_milliseconds = self.elapsed()
                connection.resolvers = self.names.said(_name_of(connection))
                self._tell_of(connection)
            self._writers.discard(writer)
            writer.close()

    @property
    def _page_was_asked(self) -> bool:
        hosts = self.order.page_hosts
        return any(_name_of(one) in hosts for one in self.connections)

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
            self._tell_of(connection)  # before the browser knows: whoever asks finds the reason
            writer.write(socks.reply(denied.reply))
            await writer.drain()
            return
        self._writers.add(there_writer)
        tape = self._tape(connection)
        try:
            if tape is None:
                return
            connection.outcome = "connected"
            self._tell_of(connection)
            writer.write(socks.reply(socks.GRANTED))
            ends = await asyncio.gather(
                self._copy(tape, SENT, reader, there_writer),
                self._copy(tape, RECEIVED, there_reader, writer),
                return_exceptions=True,
            )
            for end in ends:
                self._judge(connection, end)
            if ends[1] is not None:  # a broken connection must not seem a finished one
                _reset(writer)
        finally:
            self._writers.discard(there_writer)
            there_writer.close()
            if tape is not None:
                self._close(tape)

    def _tape(self, connection: Connection) -> Tape | None:
        try:
            return Tape(self.order.folder, connection, self.room, self.elapsed)
        except OSError as error:
            self._cannot_keep(error)
            return None

    def _close(self, tape: Tape) -> None:
        try:
            tape.close()
        except OSError as error:
            self._cannot_keep(error)

    def _judge(self, connection: Connection, end: BaseException | None) -> None:
        if isinstance(end, Full):
            connection.because = end.because

    def _cannot_keep(self, error: OSError) -> None:
        """What cannot be kept may not pass."""
        if not self.fault.is_set():
            self.fault.set()
            self.tell(
                "fault", f"{error.strerror}: {error.filename or 'a file of the transcript'}"
            )
        self.cut()

    async def _connect(self, connection: Connection) -> Streams:
        if self.stopped:
            raise _Denied("refused-limit", "nothing more is opened", socks.NOT_ALLOWED)
        host = _name_of(connection)
        if host in BROWSER_NOISE and host not in self.order.page_hosts:
            raise _Denied("refused-browser-noise", "the browser's own call", socks.NOT_ALLOWED)
        connection.answers = await self._resolve(host)
        self._hear_others(connection, host)
        for answer in connection.answers:
            reason = find_refusal(ipaddress.ip_address(answer), self.order.allowed, is_own)
            if reason:
                words = f"{answer}: {reason}"
                raise _Denied("refused-address", words, socks.NOT_ALLOWED)
        return await self._connect_to_any(connection)

    async def _connect_to_any(self, connection: Connection) -> Streams:
        denied = _Denied("not-resolved", "no address", socks.NO_HOST)
        for answer in connection.answers:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    streams = await self._open(answer, connection.port)
            except TimeoutError:
                denied = _Denied("timed-out", f"{answer}: no answer", socks.TIMED_OUT)
            except (OSError, asyncio.IncompleteReadError) as error:
                denied = _Denied("not-connected", f"{answer}: {_reason(error)}", socks.REFUSED)
            else:
                connection.peer = answer
                return streams
        raise denied

    async def _open(self, address: str, port: int) -> Streams:
        """To the address that was checked, by the way that was ordered."""
        if not self.order.socks:
            here = (self.order.bind, 0) if self.order.bind else None
            return await asyncio.open_connection(
                address, port, limit=COPY_OCTETS, local_addr=here
            )
        proxy, proxy_port = resolver_address(self.order.socks)
        streams = await asyncio.open_connection(str(proxy), proxy_port, limit=COPY_OCTETS)
        try:
            await socks.ask_further(*streams, address, port)
        except BaseException:
            _reset(streams[1])
            raise
        return streams

    def _hear_others(self, connection: Connection, host: str) -> None:
        """Tell of the other resolvers as soon as all have answered; nobody waits for it."""

        async def hear() -> None:
            await self.names.settle(host)
            connection.resolvers = self.names.said(host)
            self._tell_of(connection)

        if self.names.is_asked_elsewhere(host):
            task = asyncio.create_task(hear())
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _resolve(self, host: str) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        try:
            return await self.names.look_up(host)
        except NotResolved as error:
            raise _Denied("not-resolved", str(error), socks.NO_HOST) from error

    async def _copy(
        self,
        tape: Tape,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while octets := await reader.read(COPY_OCTETS):
            self._keep(tape, direction, octets)
            writer.write(octets)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    def _keep(self, tape: Tape, direction: str, octets: bytes) -> None:
        try:
            tape.take(direction, octets)
        except Full as full:
            if not self.stopped:
                spent = {
                    "at_milliseconds": self.elapsed(),
                    "octets": self.room.passed,
                    "because": full.because,
                }
                self.tell("spent", spent)  # before the cut: nothing cut may seem whole
            self.cut()
            raise
        except OSError as error:
            self._cannot_keep(error)
            raise

    def _tell_of(self, connection: Connection) -> None:
        self.tell("connection", connection.value())


def _reason(error: OSError | EOFError) -> str:
    """The kernel's words for it: asyncio's own show a Python tuple, to a judge."""
    if isinstance(error, EOFError):
        return "the proxy hung up"
    if isinstance(error, socks.NotSpoken) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _name_of(connection: Connection) -> str:
    return connection.host.lower().rstrip(".")


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, not FIN: a body without announced length would seem whole (RFC 9112 §8)."""
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
