"""The one door: whatever enters the ledger, and whatever is asked of it, comes through here.

An entry is named by its shard and its number. The same leaf has the same name for ever: closed
shards are asked before the open one gives a number (frozen.py saves most of these questions),
and what lies in a closed one beyond its last checkpoint is nothing. A shard that closes in the
middle of an append sends the append on to the next.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import cast

from guzheng.ledger import turning
from guzheng.ledger.frozen import Frozen
from guzheng.ledger.gathering import Gathering
from guzheng.ledger.ledger import Ledger
from guzheng.ledger.records import ShardClosed
from guzheng.ledger.row import Numbered, Row, Shard
from guzheng.proof.note import Checkpoint
from guzheng.refusals import Unavailable

_TURNS = 4  # in one append: a program that slept through New Year meets one or two
Leaf = tuple[bytes, str | None]  # and its exhibit, if it has one
# Numbered._make, in half its time: ten thousand are made at once.
_NUMBERED = cast(
    Callable[[tuple[str, int]], Numbered], functools.partial(tuple.__new__, Numbered)
)


class Shards:
    """One ledger, however many shards it has. Shared by threads."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self._frozen = Frozen()

    @property
    def open(self) -> Ledger:
        """The shard that gives numbers now."""
        return self.row.open.ledger

    @property
    def gathering(self) -> Gathering:
        return self.row.open.gathering

    # -- in --------------------------------------------------------------------------------

    def append(self, leaf: bytes, exhibit: str | None) -> Numbered:
        """The name of the entry, durable on return; the same leaf has the same name."""
        return self.append_all([(leaf, exhibit)])[0]

    def append_all(self, leaves: Iterable[Leaf]) -> list[Numbered]:
        """Many at once: all of them, or none."""
        wanted = list(leaves)
        for _ in range(_TURNS):
            shard = self.row.open
            known = self._in_closed(wanted)
            rest = [one for one in wanted if one[0] not in known] if known else wanted
            try:
                numbers = shard.ledger.append_all(rest) if rest else []
            except ShardClosed:
                self._go_on(shard)
                continue
            named = map(_NUMBERED, zip(repeat(shard.name), numbers, strict=False))
            if not known:
                return list(named)
            return [known.get(leaf) or next(named) for leaf, _ in wanted]
        raise Unavailable(
            "ledger.turning",
            expected="an open shard",
            found="one that is being closed",
            act="nothing to do: it is tried again",
        )

    def _in_closed(self, wanted: Sequence[Leaf]) -> dict[bytes, Numbered]:
        known: dict[bytes, Numbered] = {}
        closed = self.row.closed
        asked = self._frozen.to_ask(closed, [leaf for leaf, _ in wanted]) if closed else []
        for shard in closed if asked else ():
            end = shard.end.size if shard.end else 0
            found = shard.ledger.known(asked, end)
            exhibits = [
                (found[leaf], one) for leaf, one in wanted if one is not None and leaf in found
            ]
            if exhibits:
                shard.ledger.entries.name_exhibits(exhibits)
            known.update((leaf, Numbered(shard.name, at)) for leaf, at in found.items())
        return known

    def _go_on(self, closed: Shard) -> None:
        """Somebody closed the shard that was open: see who is next, and if need be end it."""
        self.row.refresh()
        if self.row.open.name == closed.name:
            turning.go_on(self.row)

    def integrate(self) -> Checkpoint:
        """Sign what the open shard has."""
        return self.open.integrate()

    # -- out -------------------------------------------------------------------------------

    def shard(self, name: str) -> Shard:
        """The shard of this name; Refused where there is none."""
        return self.row.require(name)

    def cosign(self, entry: Numbered) -> bytes:
        """A published checkpoint with the quorum over this entry; gathers it if need be."""
        return self.shard(entry.shard).gathering.cosign(entry.number)

    def prove(
        self, entry: Numbered, leaf: bytes | None = None, note: bytes | None = None
    ) -> bytes:
        """The `.tlog-proof` of an entry; see Ledger.prove."""
        return self.shard(entry.shard).ledger.prove(entry.number, leaf, note)

    def published(self) -> Checkpoint | None:
        """The newest checkpoint that everybody sees."""
        return self.open.published()

    def index_of(self, leaf: bytes) -> Numbered | None:
        """The name of a leaf's entry, if it has one."""
        for shard in self.row.begun:
            index = shard.ledger.entries.index_of(leaf)
            if index is not None and (shard.end is None or index < shard.end.size):
                return Numbered(shard.name, index)
        return None

    def exhibit_of(self, entry: Numbered) -> str | None:
        return self.shard(entry.shard).ledger.entries.exhibit_of(entry.number)

    def find_by_origin(self, origin: str) -> Shard | None:
        """The shard that a paper names."""
        return next((one for one in self.row.all if one.ledger.origin == origin), None)

    def signed_leaves(self, label: bytes) -> Iterator[bytes]:
        """Leaves of one kind that are under a signed checkpoint, in every shard."""
        for shard in self.row.begun:
            signed = shard.ledger.signed()
            size = signed.size if signed else 0
            for leaf, index in shard.ledger.entries.labelled(label).items():
                if index < size:
                    yield leaf
