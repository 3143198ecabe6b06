"""Many small requests become few large ones: what arrives together is added together.

An endpoint awaits its own, or is told. Three stages, each a thread that takes whatever has
gathered: into the ledger in one transaction, under one checkpoint, under one quorum; after
each, those who wait for no more are told with one call into each event loop. So nobody waits
for a thread, and a checkpoint has all that was sequenced while the one before was made. A
request is answered only for what is durable; when the ledger is in trouble, or has a fault of
ours, everybody who waits there is told.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, Literal, NamedTuple, Protocol

from guzheng.ledger import Numbered
from guzheng.proof import canonical
from guzheng.refusals import Unavailable

MOST_TOGETHER: Final = 10_000  # commitments in one transaction
MOST_WAITING: Final = 200_000  # beyond these a request is sent away at once
WAIT_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 5.0


class Adder(Protocol):
    """What is needed of the platform."""

    def add_commitments(self, commitments: Sequence[bytes], /) -> list[Numbered]: ...

    def wait_for_checkpoint(self, entry: Numbered, seconds: float, /) -> bool: ...

    def wait_for_quorum(self, entry: Numbered, /) -> None: ...


Until = Literal["sequenced", "checkpointed", "cosigned"]


class Added(NamedTuple):
    """The entries in the order they were given, and how far they have come."""

    entries: list[Numbered]
    state: Until

    def value(self) -> dict[str, object]:
        """For a program. `closed`: which of them an earlier shard holds, by position."""
        shard = max({one.shard for one in self.entries}, key=_place)
        value: dict[str, object] = {
            "indexes": [one.number for one in self.entries],
            "shard": shard,
            "state": self.state,
        }
        closed = {
            str(at): one.shard for at, one in enumerate(self.entries) if one.shard != shard
        }
        return value | ({"closed": closed} if closed else {})

    def encoded(self) -> bytes:
        """`value` as canonical JSON; all in one shard, as nearly always, without a detour."""
        if len(self.entries) == 1:
            shard, number = self.entries[0]
            return f'{{"indexes":[{number}],"shard":"{shard}","state":"{self.state}"}}'.encode()
        shards, numbers = zip(*self.entries, strict=True)
        shard = shards[0]
        if shards.count(shard) != len(shards):
            return canonical.encode(self.value())
        indexes = ",".join(map(str, numbers))
        return f'{{"indexes":[{indexes}],"shard":"{shard}","state":"{self.state}"}}'.encode()


def _place(shard: str) -> list[int]:
    """Its place in the row of shards."""
    return [int(one) for one in shard.split("-") if one.isdigit()]


@dataclass(slots=True)
class Waiting:
    """A request; `tell` is called once, in its loop."""

    commitments: list[bytes]
    until: Until
    loop: asyncio.AbstractEventLoop
    tell: Callable[[Added | Exception], None]
    entries: list[Numbered] = field(default_factory=list)  # once they are sequenced


_Told = list[tuple[Waiting, Added | Exception]]


class _Stage:
    """A thread that takes what has gathered; it ends when nobody came for a while."""

    def __init__(
        self,
        name: str,
        work: Callable[[list[Waiting]], None],
        tell: Callable[[_Told], None],
        most: int = MOST_WAITING,
    ) -> None:
        self._name, self._work, self._tell, self._most = name, work, tell, most
        self._came = threading.Condition()
        self._waiting: list[Waiting] = []
        self._runs = False

    def put(self, came: Iterable[Waiting]) -> None:
        with self._came:
            self._waiting += came
            if self._waiting and not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            self._came.notify()

    def _run(self) -> None:
        while taken := self._take():
            try:
                self._work(taken)
            except Exception as error:  # noqa: BLE001 - told to all who would wait for ever
                self._tell([(one, error) for one in taken])

    def _take(self) -> list[Waiting]:
        """What has gathered, up to one transaction; none when nobody came for a while."""
        with self._came:
            if not self._waiting and not self._came.wait_for(
                lambda: bool(self._waiting), _IDLE_SECONDS
            ):
                self._runs = False
                return []
            count = size = 0
            for one in self._waiting:
                size += len(one.commitments)
                if count and size > self._most:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
            return taken


class Crowd:
    """Shared by every request of a process."""

    def __init__(self, adder: Adder) -> None:
        self._adder = adder
        self._counting = threading.Lock()
        self._inside = 0  # commitments whose requests are not answered yet
        self._sequencing = _Stage("sequence", self._sequence, self._tell, MOST_TOGETHER)
        self._checkpointing = _Stage("checkpoint", self._checkpoint, self._tell)
        self._cosigning = _Stage("cosign", self._cosign, self._tell)

    async def add(self, commitments: list[bytes], until: Until) -> Added:
        """As soon as they are durable; or under a signed checkpoint; or that is cosigned."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Added] = loop.create_future()
        self.admit(len(commitments))
        self.put((Waiting(commitments, until, loop, partial(_settle, future)),))
        return await future

    def admit(self, count: int) -> None:
        """There is room for so many; they must be put in next."""
        with self._counting:
            if self._inside + count > MOST_WAITING:
                raise Unavailable(
                    "ledger.crowded",
                    expected=f"fewer than {MOST_WAITING} commitments waiting",
                    found="more than the ledger takes in at once",
                    act="send it again in a moment",
                )
            self._inside += count

    def put(self, came: Iterable[Waiting]) -> None:
        """Each is told, as `add` says; or what kept it."""
        self._sequencing.put(came)

    def _sequence(self, taken: list[Waiting]) -> None:
        if len(taken) == 1:
            taken[0].entries = self._adder.add_commitments(taken[0].commitments)
        else:
            every = [each for one in taken for each in one.commitments]
            numbers = iter(self._adder.add_commitments(every))
            for one in taken:
                one.entries = list(islice(numbers, len(one.commitments)))
        self._checkpointing.put(self._told(taken, "sequenced"))

    def _checkpoint(self, taken: list[Waiting]) -> None:
        last = _last(taken)
        if not all(self._adder.wait_for_checkpoint(one, WAIT_SECONDS) for one in last):
            self._tell([(one, Added(one.entries, "sequenced")) for one in taken])
            return
        self._cosigning.put(self._told(taken, "checkpointed"))

    def _cosign(self, taken: list[Waiting]) -> None:
        for one in _last(taken):
            self._adder.wait_for_quorum(one)
        self._told(taken, "cosigned")

    def _told(self, taken: list[Waiting], state: Until) -> list[Waiting]:
        """Tell those who wait for no more; gives the others."""
        self._tell([(one, Added(one.entries, state)) for one in taken if one.until == state])
        return [one for one in taken if one.until != state]

    def _tell(self, told: _Told) -> None:
        """One call into each loop, however many wait there."""
        with self._counting:
            self._inside -= sum(len(one.commitments) for one, _ in told)
        by_loop: dict[asyncio.AbstractEventLoop, _Told] = {}
        for one in told:
            by_loop.setdefault(one[0].loop, []).append(one)
        for loop, ours in by_loop.items():
            with contextlib.suppress(RuntimeError):  # it ended: nobody is waiting
                loop.call_soon_threadsafe(_resolve, ours)


def _last(taken: Sequence[Waiting]) -> list[Numbered]:
    """The greatest number in each shard: nearly always there is one."""
    last: dict[str, int] = {}
    for one in taken:
        if len(one.entries) == 1:
            shard, number = one.entries[0]
            if number > last.get(shard, -1):
                last[shard] = number
            continue
        shards, numbers = zip(*one.entries, strict=True)
        if shards.count(shards[0]) == len(shards):
            last[shards[0]] = max(last.get(shards[0], -1), max(numbers))
            continue
        for shard, number in one.entries:
            last[shard] = max(last.get(shard, -1), number)
    return [Numbered(*one) for one in last.items()]


def _resolve(told: _Told) -> None:
    for one, result in told:
        one.tell(result)


def _settle(future: "asyncio.Future[Added]", result: Added | Exception) -> None:
    if future.done():
        return  # who asked has gone
    if isinstance(result, Added):
        future.set_result(result)
    else:
        future.set_exception(result)
