"""Which leaves a table surely does not have, without asking its index.

Nearly everything that is appended is new, and to learn that from an index of digests costs a
row of each of its runs. A program that appends much remembers three bits for each entry, at
places that the leaf says: who misses one is new. So this saves questions and answers none;
of those it knows nothing about it says «maybe», and a wrong «maybe», one in a thousand, costs
a question.

What was there before the program began is read beside the work, once enough was asked to be
worth it. Nothing of it is on the disk: it is as old as the program, and whenever it cannot be
sure that it has seen every entry, everything is asked for.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence

from guzheng.refusals import Problem

_WORTH = 8_192  # leaves asked for, and a share of what is there, before it is read: as many
_SHARE = 1024  # cost the index what reading all of them costs
_READ = 4096  # leaves at a time
_LEAST, _GROWS, _MOST = 1 << 20, 8, 1 << 26  # entries in a part: 4 MiB, 32 MiB, 256 MiB
_BITS = 5  # 32 for an entry
_BIT = tuple(1 << one for one in range(8))


class _Part:
    """A set of bits for so many entries."""

    def __init__(self, room: int) -> None:
        self.room = room  # for how many more
        size = 1 << (room - 1).bit_length() + _BITS - 3
        self._bits, self._mask = bytearray(size), size - 1

    def add(self, leaves: Iterable[bytes]) -> None:
        bits, mask, bit = self._bits, self._mask, _BIT
        for leaf in leaves:
            at = hash(leaf)  # keyed for this process: nobody outside can make leaves collide
            bits[at >> 3 & mask] |= bit[at & 7]
            bits[at >> 20 & mask] |= bit[at >> 17 & 7]
            bits[at >> 34 & mask] |= bit[at >> 31 & 7]

    def maybe(self, leaves: Iterable[bytes]) -> list[bytes]:
        bits, mask = self._bits, self._mask
        return [
            leaf
            for leaf in leaves
            if bits[(at := hash(leaf)) >> 3 & mask] >> (at & 7) & 1
            and bits[at >> 20 & mask] >> (at >> 17 & 7) & 1
            and bits[at >> 34 & mask] >> (at >> 31 & 7) & 1
        ]


class Seen:
    """What was seen of one table. Its owner sees to it that one thread at a time is here."""

    def __init__(self, read: Callable[[int, int], list[bytes]]) -> None:
        self._read = read
        self._changing = threading.Lock()  # between the owner's thread and that which reads
        self._parts: list[_Part] = []
        self._from = self._to = 0  # every entry in [from, to) was added, if any is
        self._before: _Part | None = None  # what was below `from`, once it is read
        self._remembers = False
        self._asked = 0

    def forget(self) -> None:
        """The table is another one, or entries of it were not seen."""
        with self._changing:
            self._parts, self._before = [], None
            self._from = self._to = self._asked = 0
            self._remembers = False

    def add(self, start: int, leaves: Sequence[bytes], end: int) -> None:
        """The entries from `start` to `end`: fewer leaves than that, where some are alike."""
        if not self._remembers:
            return
        if start != self._to:
            self.forget()
            return
        if not self._parts or self._parts[-1].room < len(leaves):
            room = min(_MOST, _LEAST * _GROWS ** len(self._parts))
            self._parts.append(_Part(max(room, len(leaves))))
        self._parts[-1].add(leaves)
        self._parts[-1].room -= len(leaves)
        self._to = end

    def to_ask(self, leaves: Sequence[bytes], indexed: int, size: int) -> Sequence[bytes]:
        """Those which the index must be asked for. It has so many entries, the table `size`,
        all of which were added while anything was."""
        if not self._remembers:
            self._asked += len(leaves)
            if self._asked > max(_WORTH, size // _SHARE) and size <= _MOST:
                self._begin(size)
        if not indexed:
            return ()
        if self._before is None:
            return leaves
        found = dict.fromkeys(
            one for part in (self._before, *self._parts) for one in part.maybe(leaves)
        )
        return list(found)

    def _begin(self, size: int) -> None:
        with self._changing:
            self._remembers = True
            self._from = self._to = size
            self._before = None if size else _Part(1)
        if size:
            threading.Thread(target=self._make, args=(size,), name="seen", daemon=True).start()

    def _make(self, end: int) -> None:
        """Read what was there before; whoever forgot meanwhile has no use for it."""
        made = _Part(end)
        with contextlib.suppress(Problem):  # said to whoever asks the table itself
            for start in range(0, end, _READ):
                leaves = self._read(start, min(end, start + _READ))
                if len(leaves) != min(end, start + _READ) - start:
                    return  # a table with a gap is always asked
                made.add(leaves)
            with self._changing:
                if self._remembers and self._from == end:
                    self._before = made
