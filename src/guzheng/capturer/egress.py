"""The capturer's hold on the tunnel: starts it, hears what passed, ends it, notices its death.

The tunnel is a program of its own under a user of its own (capturer/tunnel); it listens on
loopback, in the browser's network namespace where there is one. What it tells is heard here in
the order in which it happened, and before the browser learns of it. If it ends without having
said that all is told, the capture fails: a gap in the record is never silent.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.addresses import Network
from guzheng.capturer import namespace
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.grades import Grade
from guzheng.capturer.limits import STOP_SECONDS, TUNNEL_END_SECONDS, TUNNEL_START_SECONDS
from guzheng.capturer.ourselves import EXECUTABLE
from guzheng.capturer.record import Vantage
from guzheng.capturer.tunnel.connection import Connection
from guzheng.capturer.tunnel.order import TunnelOrder
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import Fields

_LINE_OCTETS = 1024 * 1024  # one event; a connection with every answer has a few thousand
_LAST_WORDS = 2000


@dataclass(slots=True)
class Egress:
    """Start with `open`, wait for `ready`, stop with `close`.

    `folder` is where the octets are kept: it is made here, belongs to the tunnel's user, and is
    the caller's to remove. `page_hosts` are never taken for the browser's own calls. `fail` is
    called once if the tunnel dies.
    """

    allowed: tuple[Network, ...]
    octets_allowed: int
    only_uid: int
    page_hosts: frozenset[str]
    folder: Path
    origin: float  # of the monotonic clock: all milliseconds count from there
    uid: int | None = None  # the tunnel's own user, where it can have one
    resolvers: tuple[str, ...] = ()
    vantage: Vantage | None = None
    fail: Callable[[], None] = lambda: None
    network: str = ""  # the kernel's name for the browser's own; empty: it is this machine's
    connections: list[Connection] = field(default_factory=list)
    octets: int = 0
    octets_spent: asyncio.Event = field(default_factory=asyncio.Event)
    spent_at: float = float("inf")
    strangers: int = 0  # connections of other users, turned away
    turned_away: int = 0  # connections beyond their limit, which have no number
    stopped: bool = False  # set by the visit: nothing more may be opened
    died: bool = False
    _fault: str = ""
    _words: bytes = b""
    _door: namespace.Door | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _done: bool = False
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _transport: asyncio.SubprocessTransport | None = None
    _handed: tuple[int, int | None] = (-1, None)

    async def open(self) -> int:
        """The port it will listen on; connections wait until it does."""
        self.folder.mkdir(mode=0o700)
        if self.uid is not None:
            os.chown(self.folder, self.uid, self.uid)
        self._door = door = namespace.open_door()
        self.network = door.network
        handed = [door.listener.fileno()] + ([] if door.table is None else [door.table])
        self._handed = (door.listener.fileno(), door.table)
        port = door.port
        # -I: neither the folder it is started in nor a variable decides what is imported.
        self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Ear(self), sys.executable, "-I", "-m", "guzheng.capturer.tunnel",
            pass_fds=handed, env={"LANG": "C.UTF-8"}, executable=EXECUTABLE,
        )  # fmt: skip
        door.hand_over()
        return port

    def begin(self) -> None:
        """Tell it what it may do; until then nobody is answered."""
        listener, table = self._handed
        order = TunnelOrder(
            listener=listener,
            folder=self.folder,
            origin_nanoseconds=int(self.origin * 1e9),
            octets=self.octets_allowed,
            only_uid=self.only_uid,
            allowed=self.allowed,
            page_hosts=self.page_hosts,
            resolvers=self.resolvers,
            bind=self._way("bind"),
            socks=self._way("socks"),
            table=table,
            uid=self.uid,
        )
        self._write(order.encode())

    def _way(self, means: str) -> str:
        chosen = self.vantage
        return (chosen.address or "") if chosen is not None and chosen.means == means else ""

    @property
    def process(self) -> int | None:
        return None if self._transport is None else self._transport.get_pid()

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before the browser's command, so that it runs behind the door."""
        return () if self._door is None else self._door.prefix

    async def ready(self) -> None:
        """Raises CaptureFailed if it does not come up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TUNNEL_START_SECONDS):
                await self._ready.wait()
        if self.died or not self._ready.is_set():
            raise self.failure

    async def close(self) -> None:
        """Ends it once all is told. Raises CaptureFailed if it died, or could not keep all."""
        transport, self._transport = self._transport, None
        if self._door is not None:
            self._door.close()
        if transport is None:
            return
        self.stopped = True
        try:
            self._write(b"close\n", transport)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TUNNEL_END_SECONDS):
                    await self._over.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                transport.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._gone.wait()
            transport.close()
        if not self._done or self._fault:
            raise self.failure

    def cut(self) -> None:
        """End every connection now, and open no more."""
        self.stopped = True
        self._write(b"cut\n")

    def judge(self, grade: Grade) -> None:
        """What the way out gives to the grade of the capture; once the visit is over."""
        door = self._door
        without = "" if door is not None and door.namespace is not None else (
            door.because if door is not None and door.because else "no network namespace"
        )  # fmt: skip
        grade.judge("grade.network-namespace", without)
        grade.judge("grade.transcript", "")
        grade.judge("grade.second-resolver", self._resolver_fault())

    def _resolver_fault(self) -> str:
        if not self.resolvers:
            return "no second resolver is set on this machine"
        if any(one.agreement == "unanswered" for one in self.connections):
            return "no second resolver answered for a name"
        return ""

    @property
    def failure(self) -> CaptureFailed:
        if self._fault:
            return CaptureFailed(
                "capture.not-written",
                expected="room and permission for the octets of the wire",
                found=self._fault,
                act="the operator",
            )
        words = self._words.decode("utf-8", "replace").strip().splitlines()
        return CaptureFailed(
            "capture.tunnel-died",
            expected="a way out that keeps what passes, until the browser is gone",
            found=words[-1][:300] if words else "it ended without a word",
            act="nobody; try again",
        )

    def _write(self, line: bytes, transport: asyncio.SubprocessTransport | None = None) -> None:
        transport = transport or self._transport
        pipe = None if transport is None else transport.get_pipe_transport(0)
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(line)

    def hear(self, line: bytes) -> None:
        """One event; what is not one is the end: somebody else speaks there."""
        try:
            (event, value), *more = canonical.parse_object(line).items()
            if more:
                raise ValueError("two events in one line")
            self._take(event, value)
        except (ProofError, ValueError):
            self._words = b"it said what no tunnel says"
            self.lost()

    def _take(self, event: str, value: object) -> None:
        match event:
            case "connection":
                connection = Connection.read(value)
                if connection.number == len(self.connections) + 1:
                    self.connections.append(connection)
                elif 0 < connection.number <= len(self.connections):
                    self.connections[connection.number - 1] = connection
                else:
                    raise ValueError("a connection out of order")
            case "spent":
                fields = Fields(value, "tunnel.spent")
                self.spent_at = self.origin + fields.count("at_milliseconds") / 1000
                self.octets = fields.count("octets")
                self.stopped = True
                self.octets_spent.set()
            case "strangers":
                self.strangers = value if isinstance(value, int) else self.strangers
            case "fault":
                self._fault = str(value)[:500]
                self.lost()
            case "ready":
                self._ready.set()
            case "done":
                fields = Fields(value, "tunnel.done")
                self.octets, self.strangers = fields.count("octets"), fields.count("strangers")
                self.turned_away = fields.count("turned_away")
                self._done = True
                self._over.set()
            case _:
                raise ValueError(f"no such event: {event[:40]}")

    def hear_words(self, octets: bytes) -> None:
        self._words = (self._words + octets)[-_LAST_WORDS:]

    def bury(self) -> None:
        """The kernel says that nothing of it runs any more."""
        self._gone.set()

    def lost(self) -> None:
        """It is gone, or cannot go on; a capture without it is none."""
        self._over.set()
        self._ready.set()
        if not self._done and not self.died:
            self.died = True
            self.stopped = True
            self.fail()


class _Ear(asyncio.SubprocessProtocol):
    """Hands on whole lines at once, without a task between: order is what it is for."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._left = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            self._egress.hear_words(data)
            return
        *lines, self._left = (self._left + data).split(b"\n")
        for line in lines:
            self._egress.hear(line)
        if len(self._left) > _LINE_OCTETS:
            self._egress.lost()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        if fd == 1:
            self._egress.lost()

    def process_exited(self) -> None:
        self._egress.bury()
