"""The shards of one ledger in a row: which there are, which is open, which comes next.

    shards/years                    the year the first shard began with: this ledger turns by
                                    the calendar; without it, until it is turned by hand
    shards/<name>/keys.json         its public keys: prepared, weeks before it is needed
    shards/<name>/last.checkpoint   the last checkpoint of the shard before: it has begun

These papers are the truth, and each is written once. A program that runs on while another one
turns learns it from them (`refresh`), at the latest when the closed table refuses an entry.
Closed shards are frozen on opening: nothing is signed under their keys, whatever a restored
database or memory says.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

from guzheng.ledger.gathering import Gathering
from guzheng.ledger.ledger import FIRST, Ledger, require_shard
from guzheng.ledger.sizes import Sizes
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint
from guzheng.proof.policy import NONE, LedgerPolicy
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import AlreadyKept, Blobs, find
from guzheng.store.lease import Place

FOLDER = "shards/"
YEARS, KEYS, LAST = "years", "keys.json", "last.checkpoint"
SCHEMA = "guzheng.shard/1"
Gather = Callable[[Ledger], Gathering]


class OpenShard(Protocol):
    """Opens a shard where it is kept; `make`: whether its keys may be made now."""

    def __call__(self, shard: str, origin: str, /, *, make: bool) -> Ledger: ...


class Numbered(NamedTuple):
    """The name of an entry: its shard, and its number in it."""

    shard: str
    number: int

    def __str__(self) -> str:
        """`7` in the first shard, `2027/7` in a later one."""
        return str(self.number) if self.shard == FIRST else f"{self.shard}/{self.number}"


@dataclass(slots=True)
class Shard:
    """One of the row, and who is asked to cosign it. `end`: its last checkpoint, if closed."""

    ledger: Ledger
    gathering: Gathering
    end: Checkpoint | None = field(default=None)

    @property
    def name(self) -> str:
        return self.ledger.shard


class Row:
    """Shared by threads: the row as it was read last is replaced, never changed."""

    def __init__(
        self, first: Ledger, papers: Blobs, open_shard: OpenShard, leases: Place
    ) -> None:
        self.papers, self.leases = papers, leases
        self._open_shard = open_shard
        self._gather: Gather = unwitnessed
        self._changing = threading.RLock()
        self._begun: tuple[Shard, ...] = (Shard(first, unwitnessed(first)),)
        self._next: Shard | None = None
        self.refresh()

    @property
    def begun(self) -> tuple[Shard, ...]:
        """Every shard with entries: the closed ones, and the open one last."""
        return self._begun

    @property
    def closed(self) -> tuple[Shard, ...]:
        return self._begun[:-1]

    @property
    def open(self) -> Shard:
        return self._begun[-1]

    @property
    def prepared(self) -> Shard | None:
        """The next shard, when this program can sign as it."""
        return self._next

    @property
    def all(self) -> tuple[Shard, ...]:
        return (*self._begun, self._next) if self._next else self._begun

    def find(self, name: str) -> Shard | None:
        return next((one for one in self.all if one.name == name), None)

    def require(self, name: str) -> Shard:
        """Raises Refused (`ledger.not-found`) for a name that no shard has."""
        shard = self.find(require_shard(name))
        if shard is None:
            names = ", ".join(one.name for one in self.all)
            raise Refused("ledger.not-found", expected=names, found=name)
        return shard

    def bind(self, gather: Gather) -> None:
        """From now on each shard asks these witnesses."""
        with self._changing:
            self._gather = gather
            for shard in self.all:
                shard.gathering = gather(shard.ledger)

    # -- the papers ------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the row again; raises what keeps this program from opening it."""
        with self._changing:
            kept = [one.removeprefix(FOLDER) for one in self.papers.names(FOLDER)]
            begun = [FIRST, *_named(kept, LAST)]
            shards = tuple(self.find(one) or self.opened(one) for one in begun)
            for shard, after in pairwise(shards):
                if shard.end is None:
                    note = self.papers.open(f"{FOLDER}{after.name}/{LAST}")
                    with note:
                        shard.end = shard.ledger.require_ours(note.read())
                shard.ledger.freeze(shard.end)
            self._begun = shards
            waiting = [one for one in _named(kept, KEYS) if one not in begun]
            self._next = None
            if waiting:  # on a machine without its keys nothing else suffers from that
                with contextlib.suppress(Problem):
                    self._next = self.find(waiting[0]) or self.opened(waiting[0])

    def waiting(self) -> str | None:
        """The name of the shard that was prepared, on this machine or another one."""
        kept = [one.removeprefix(FOLDER) for one in self.papers.names(FOLDER)]
        begun = set(_named(kept, LAST))
        return next((one for one in _named(kept, KEYS) if one not in begun), None)

    def opened(self, name: str, *, make: bool = False) -> Shard:
        """A shard with its keys, which are those that were said; or Unavailable."""
        ledger = self._open_shard(name, self.origin_of(name), make=make)
        said = find(self.papers, f"{FOLDER}{name}/{KEYS}")
        if said is not None and ledger.vkey not in _vkeys_in(said):
            raise Refused(
                "ledger.shard-key-of-another",
                expected=f"the key that {name} was prepared with",
                found=ledger.vkey,
                act=f"copy keys/shards/{name} from the machine that made them; these never"
                " signed",
            )
        return Shard(ledger, self._gather(ledger))

    def origin_of(self, name: str) -> str:
        first = self._begun[0].ledger.origin
        return first if name == FIRST else f"{first}/{name}"

    def say_keys(self, shard: Shard) -> None:
        value = {
            "schema": SCHEMA,
            "shard": shard.name,
            "origin": shard.ledger.origin,
            "previous": self.open.ledger.origin,
            "vkeys": [str(key) for key in shard.ledger.signer.keys],
        }
        with contextlib.suppress(AlreadyKept):  # compared when it is opened
            self.papers.put(f"{FOLDER}{shard.name}/{KEYS}", [canonical.encode(value)])

    def begin(self, shard: Shard, last: bytes) -> None:
        """This shard is the open one from now on; `last` ended the one before."""
        with contextlib.suppress(AlreadyKept):  # the same, with other cosignatures
            self.papers.put(f"{FOLDER}{shard.name}/{LAST}", [last])
        with self._changing:
            self._next = shard
            self.refresh()

    def extra(self) -> Iterator[str]:
        """Files beside the papers that are none of them."""
        for name in self.papers.names(FOLDER):
            shard, _, paper = name.removeprefix(FOLDER).rpartition("/")
            known = paper == YEARS if not shard else self.find(shard) and paper in (KEYS, LAST)
            if not known and shard != self.waiting():
                yield name

    # -- years -----------------------------------------------------------------------------

    def year(self) -> int | None:
        """The year of the open shard; None for a ledger that no calendar turns."""
        if self.open.name != FIRST:
            return int(self.open.name[:4])
        said = find(self.papers, FOLDER + YEARS)
        return int(said) if said is not None and said.strip().isdigit() else None

    def name_after(self, year: int) -> str:
        """What the next shard is called: a year, and a number where that year has one."""
        if self.open.name == FIRST or year > int(self.open.name[:4]):
            return f"{year:04d}"
        of, _, number = self.open.name.partition("-")
        return f"{of}-{int(number or 1) + 1}"


def begin_with_year(papers: Blobs, year: int) -> None:
    """For a ledger that is made now: it turns by the calendar."""
    with contextlib.suppress(AlreadyKept):
        papers.put(FOLDER + YEARS, [b"%04d\n" % year])


def unwitnessed(ledger: Ledger) -> Gathering:
    return Gathering(ledger, LedgerPolicy((ledger.vkey,), NONE), (), Sizes(None), seconds=0)


def _named(kept: Iterable[str], paper: str) -> list[str]:
    """The shards that have this paper, in the order of the row."""
    return sorted(_names(kept, paper), key=lambda name: [*map(int, name.split("-"))])


def _names(kept: Iterable[str], paper: str) -> Iterator[str]:
    for one in kept:
        name, _, rest = one.partition("/")
        if rest == paper and name != FIRST:
            yield require_shard(name)


def _vkeys_in(said: bytes) -> tuple[str, ...]:
    with contextlib.suppress(ProofError):
        vkeys = canonical.parse_object(said).get("vkeys")
        if isinstance(vkeys, list | tuple):
            return tuple(map(str, vkeys))
    return ()
