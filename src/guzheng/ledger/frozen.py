"""Which leaves the closed shards surely do not have, without asking their tables.

A closed shard never changes, so what it has can be remembered once: a filter of Bloom's, some
ten to twenty bits for a leaf. What the filter does not know is in no closed shard; what it
knows may be in one, and is asked for there as ever. So it saves questions and answers none,
and a wrong «maybe» costs a question. It is made beside the work, from tables that were compared
with what was signed, by a program that goes on appending; until it is there, and whenever it
cannot be made, every table is asked.
"""

import contextlib
import threading
from collections.abc import Iterable, Sequence

from guzheng.ledger.row import Shard
from guzheng.refusals import Problem

PATIENCE = (
    8  # appends before it is worth the reading: a command that appends one is gone by then
)
MOST = 100_000_000  # leaves: 256 MiB. Of more, the tables are asked
_BITS, _PROBES = 10, 3
_READ = 4096  # leaves at a time


class Filter:
    """Says of a leaf that it was never added, or that it may have been."""

    def __init__(self, count: int) -> None:
        size = 1 << max(10, (count * _BITS).bit_length())
        self._bits, self._mask = bytearray(size >> 3), size - 1

    def add(self, leaves: Iterable[bytes]) -> None:
        bits, mask = self._bits, self._mask
        for leaf in leaves:
            at = hash(leaf)  # keyed for this process: nobody outside can make leaves collide
            step = at >> 32 | 1
            for _ in range(_PROBES):
                bits[(at & mask) >> 3] |= 1 << (at & 7)
                at += step

    def maybe(self, leaves: Iterable[bytes]) -> list[bytes]:
        bits, mask = self._bits, self._mask
        found: list[bytes] = []
        for leaf in leaves:
            at = hash(leaf)
            step = at >> 32 | 1
            for _ in range(_PROBES):
                if not bits[(at & mask) >> 3] >> (at & 7) & 1:
                    break
                at += step
            else:
                found.append(leaf)
        return found


class Frozen:
    """The filter over all closed shards of one ledger. Shared by threads."""

    def __init__(self) -> None:
        self._made: tuple[tuple[str, ...], Filter] | None = None
        self._making = threading.Lock()
        self._asked = 0

    def to_ask(self, closed: Sequence[Shard], leaves: list[bytes]) -> list[bytes]:
        """Those of which the closed shards' tables must be asked."""
        names = tuple(one.name for one in closed)
        made = self._made
        if made is not None and made[0] == names:
            return made[1].maybe(leaves)
        self._asked += 1
        if self._asked >= PATIENCE and self._making.acquire(blocking=False):
            self._asked = 0
            threading.Thread(
                target=self._make, args=(names, tuple(closed)), name="frozen", daemon=True
            ).start()
        return leaves

    def _make(self, names: tuple[str, ...], closed: Sequence[Shard]) -> None:
        try:
            with contextlib.suppress(Problem):  # said to whoever asks the table itself
                made = _filter_of(closed)
                self._made = (names, made) if made else None
        finally:
            self._making.release()


def _filter_of(closed: Sequence[Shard]) -> Filter | None:
    """None where there is too much, or a table that lacks an entry it should have."""
    ends = [one.end.size if one.end else 0 for one in closed]
    if sum(ends) > MOST:
        return None
    made = Filter(sum(ends))
    for shard, end in zip(closed, ends, strict=True):
        shard.ledger.require_trusted()
        for start in range(0, end, _READ):
            leaves = shard.ledger.entries.leaves(start, min(end, start + _READ))
            if len(leaves) != min(end, start + _READ) - start:
                return None
            made.add(leaves)
    return made
