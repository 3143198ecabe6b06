"""Many small requests become few large ones: what arrives together is added together.

An endpoint awaits its own; threads take whatever has gathered meanwhile, bring all of it into
the ledger in one transaction and under one checkpoint, and wake everybody with one call into
each event loop. Three threads, so that one gathers and sequences while others wait for their
checkpoint and its witnesses. A request is answered only for what is durable; one that fails
fails alone unless the ledger itself is in trouble, which everybody who waits is then told.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from guzheng.ledger import Numbered
from guzheng.proof import canonical
from guzheng.refusals import Problem, Unavailable

MOST_TOGETHER: Final = 10_000  # commitments in one transaction
MOST_WAITING: Final = 200_000  # beyond these a request is sent away at once
WAIT_SECONDS: Final = 30.0
_THREADS: Final = 3
_IDLE_SECONDS: Final = 5.0


class Adder(Protocol):
    """What is needed of the platform."""

    def add_commitments(self, commitments: Sequence[bytes], /) -> list[Numbered]: ...

    def wait_for_checkpoint(self, entry: Numbered, seconds: float, /) -> bool: ...

    def wait_for_quorum(self, entry: Numbered, /) -> None: ...


Until = Literal["sequenced", "checkpointed", "cosigned"]


@dataclass(frozen=True, slots=True)
class Added:
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
        shard = self.entries[0].shard
        if any(one.shard != shard for one in self.entries):
            return canonical.encode(self.value())
        indexes = ",".join([str(one.number) for one in self.entries])
        return f'{{"indexes":[{indexes}],"shard":"{shard}","state":"{self.state}"}}'.encode()


def _place(shard: str) -> list[int]:
    """Its place in the row of shards."""
    return [int(one) for one in shard.split("-") if one.isdigit()]


@dataclass(slots=True)
class _Waiting:
    commitments: list[bytes]
    until: Until
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Added]"


_Told = list[tuple[_Waiting, Added | Problem]]


class Crowd:
    """Shared by every request of a process."""

    def __init__(self, adder: Adder) -> None:
        self._adder = adder
        self._came = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._count = 0
        self._threads = 0

    async def add(self, commitments: list[bytes], until: Until) -> Added:
        """As soon as they are durable; or under a signed checkpoint; or that is cosigned."""
        loop = asyncio.get_running_loop()
        one = _Waiting(commitments, until, loop, loop.create_future())
        with self._came:
            if self._count + len(commitments) > MOST_WAITING:
                raise Unavailable(
                    "ledger.crowded",
                    expected=f"fewer than {MOST_WAITING} commitments waiting",
                    found="more than the ledger takes in at once",
                    act="send it again in a moment",
                )
            self._waiting.append(one)
            self._count += len(commitments)
            if self._threads < _THREADS:
                self._threads += 1
                threading.Thread(target=self._work, name="crowd", daemon=True).start()
            self._came.notify()
        return await one.future

    def _work(self) -> None:
        while taken := self._take():
            self._bring_in(taken)

    def _take(self) -> list[_Waiting]:
        """What has gathered, up to one transaction; none when nobody came for a while."""
        with self._came:
            if not self._waiting and not self._came.wait_for(
                lambda: bool(self._waiting), _IDLE_SECONDS
            ):
                self._threads -= 1
                return []
            taken: list[_Waiting] = []
            size = 0
            for one in self._waiting:
                size += len(one.commitments)
                if taken and size > MOST_TOGETHER:
                    break
                taken.append(one)
            del self._waiting[: len(taken)]
            self._count -= sum(len(one.commitments) for one in taken)
            return taken

    def _bring_in(self, taken: list[_Waiting]) -> None:
        """Stage by stage: after each, those are told who wait for no more."""
        left, added = taken, dict[int, list[Numbered]]()

        def told(state: Until) -> list[_Waiting]:
            _tell([(one, Added(added[id(one)], state)) for one in left if one.until == state])
            return [one for one in left if one.until != state]

        try:
            flat = [each for one in taken for each in one.commitments]
            numbers = iter(self._adder.add_commitments(flat))
            added = {id(one): [next(numbers) for _ in one.commitments] for one in taken}
            left = told("sequenced")
            last = _last([entry for one in left for entry in added[id(one)]])
            if not all(self._adder.wait_for_checkpoint(one, WAIT_SECONDS) for one in last):
                _tell([(one, Added(added[id(one)], "sequenced")) for one in left])
                return
            left = told("checkpointed")
            if left:
                for one in last:
                    self._adder.wait_for_quorum(one)
                told("cosigned")
        except Problem as problem:
            _tell([(one, problem) for one in left])


def _last(entries: Sequence[Numbered]) -> list[Numbered]:
    """The greatest number in each shard: nearly always there is one."""
    last: dict[str, Numbered] = {}
    for one in entries:
        if one.shard not in last or one.number > last[one.shard].number:
            last[one.shard] = one
    return list(last.values())


def _tell(told: _Told) -> None:
    """One call into each loop, however many wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, _Told] = {}
    for one in told:
        by_loop.setdefault(one[0].loop, []).append(one)
    for loop, ours in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, ours)


def _resolve(told: _Told) -> None:
    for one, result in told:
        if one.future.done():
            continue  # who asked has gone
        if isinstance(result, Added):
            one.future.set_result(result)
        else:
            one.future.set_exception(result)
