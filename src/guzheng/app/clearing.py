"""Deleting what nobody wanted: the items of captures that were given up, after some days.

A capture that was given up is in no package and is handed to nobody, but its pictures and its
archive lie in the store, and they are of other people's pages. A rule of the operator
(`given_up_days`) says how long. Deleted are the items, the key of its transcript and what was
derived of it; the papers and the entry in the ledger stay, and a tombstone says the rest.

Never touched: what was confirmed or is undecided, what a legal hold of any case speaks of, what
has not walked its road to the end. Items lie under their own exhibit's name, whatever their
octets are: the same octets of another exhibit are another blob and stay.

Order of writes, under the exhibit's lease: tombstone, who is told, what lies beside, items.
Each may run twice, and a program that dies is continued by the next round: it is then told
twice, rather than never.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from guzheng import road
from guzheng.app import comparing
from guzheng.app.auditing import Audit
from guzheng.app.custody import Keeping
from guzheng.app.parts import Parts
from guzheng.commission import rules
from guzheng.intake import wirekeys
from guzheng.keep.custody import DELETED
from guzheng.keep.deletion import GIVEN_UP, TOMBSTONE, Tombstone
from guzheng.proof import package
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Item, Manifest
from guzheng.refusals import Problem
from guzheng.road import Road
from guzheng.store.blobs import AlreadyKept, find, read
from guzheng.store.lease import leased

_EVERY = timedelta(days=1)
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Due:
    """A capture that was given up. `because`: why it is not deleted now, empty if it may be:
    `early`, `held`, `unfinished`, or `deleted`."""

    exhibit: str
    since: datetime
    due_at: datetime | None
    because: str


class Clearing:
    """May be shared by threads; each exhibit is cleared by one at a time."""

    def __init__(
        self,
        parts: Parts,
        walk: Road,
        keeping: Keeping,
        held: Callable[[str], bool],
        forget_preview: Callable[[str], None],
        days: int,
    ) -> None:
        self._parts, self._road, self._keeping = parts, walk, keeping
        self._held, self._forget_preview = held, forget_preview
        self._days = days
        self._audit = Audit(parts.data, parts.now)
        self._next: datetime | None = None

    # ---- deleting --------------------------------------------------------------------

    def round(self) -> None:
        """Once a day, what is due; nothing while no rule is set."""
        now = self._parts.now()
        if not self._days or (self._next is not None and now < self._next):
            return
        self._next = now + _EVERY
        self.clear()

    def clear(self, days: int | None = None) -> tuple[Tombstone, ...]:
        """Delete what is due; gives what was deleted now. Raises Unavailable."""
        found: list[Tombstone] = []
        for one in self.due(days):
            if one.because == "":
                found += self._clear(one, self._days if days is None else days)
            elif one.because == "deleted":  # by another machine: what lay on this one
                self._forget_here(one.exhibit)
        return tuple(found)

    def _clear(self, due: Due, days: int) -> Iterator[Tombstone]:
        exhibit, folder = due.exhibit, road.folder_of(due.exhibit)
        with leased(self._parts.leases, exhibit, wait=False) as mine:
            # Looked at again, now that nobody else walks or clears it.
            mine = mine and self._given_up_at(exhibit) == due.since
            if not mine or self._because(exhibit, due.due_at):
                return
            tombstone = self._tombstone(due, days)
            self._tell(tombstone)
            self._forget_beside(exhibit)
            for item in tombstone.items:
                self._parts.blobs.remove(folder + package.ITEMS + item.name)
        yield tombstone

    def _tombstone(self, due: Due, days: int) -> Tombstone:
        """The one that is there, or a new one: durable before anything goes."""
        name = road.folder_of(due.exhibit) + TOMBSTONE
        if (octets := find(self._parts.blobs, name)) is not None:
            return Tombstone.parse(octets)
        items = self._items(due.exhibit)
        now = self._parts.now()
        made = Tombstone(due.exhibit, GIVEN_UP, due.since, days, now, items)
        try:
            self._parts.blobs.put(name, [made.encode()])
        except AlreadyKept:
            return Tombstone.parse(read(self._parts.blobs, name))
        return made

    def _forget_beside(self, exhibit: str) -> None:
        """What opens the transcript, and what was derived from the items."""
        self._forget_here(exhibit)
        comparing.forget(self._parts, exhibit)

    def _forget_here(self, exhibit: str) -> None:
        wirekeys.forget(self._parts.data / "keys" / "captures", exhibit)
        self._forget_preview(exhibit)

    def _tell(self, tombstone: Tombstone) -> None:
        self._keeping.tell(DELETED, [tombstone.exhibit], said=tombstone.rule, account="")
        self._audit.tell(
            "exhibit.deleted",
            exhibit=tombstone.exhibit,
            rule=tombstone.rule,
            days=tombstone.days,
            items=len(tombstone.items),
            octets=tombstone.octets,
        )

    # ---- looking ---------------------------------------------------------------------

    def due(self, days: int | None = None) -> tuple[Due, ...]:
        """Every capture that was given up, the oldest decision first. Without a rule, none is
        ever due."""
        rule = self._days if days is None else days
        found = []
        for one, since in self._parts.commissions.all_given_up():
            at = since + timedelta(days=rule) if rule else None
            found.append(Due(one.exhibit, since, at, self._because(one.exhibit, at)))
        return tuple(sorted(found, key=lambda one: (one.since, one.exhibit)))

    def _because(self, exhibit: str, due_at: datetime | None) -> str:
        papers = self._road.papers(exhibit)
        has_items = any(one.startswith(package.ITEMS) for one in papers)
        if TOMBSTONE in papers and not has_items:
            return "deleted"
        if self._held(exhibit):
            return "held"
        if package.MANIFEST not in papers or road.next_step("web", papers) is not None:
            return "unfinished"
        # What was begun is ended: its tombstone says that it is gone.
        is_due = due_at is not None and self._parts.now() >= due_at
        return "" if is_due or TOMBSTONE in papers else "early"

    def tombstone(self, exhibit: str) -> Tombstone | None:
        """What was deleted of it, if that was so. A file that merely says so is not believed:
        the order must have been given up then, and the items be those of the manifest."""
        octets = find(self._parts.blobs, road.folder_of(exhibit) + TOMBSTONE)
        if octets is None:
            return None
        since = self._given_up_at(exhibit)
        try:
            found = Tombstone.parse(octets)
            items = self._items(exhibit)
        except (ProofError, Problem):
            return None
        if since is None or not found.speaks_of(exhibit, since, items):
            return None
        return found

    def gone(self, exhibit: str) -> frozenset[str]:
        """The members that may be missing of it, and the tombstone that may be there."""
        found = self.tombstone(exhibit)
        if found is None:
            return _NONE
        return frozenset({TOMBSTONE, *(package.ITEMS + one.name for one in found.items)})

    def _given_up_at(self, exhibit: str) -> datetime | None:
        one = self._parts.commissions.of_exhibit(exhibit)
        events = () if one is None else self._parts.commissions.events(one.commission)
        if rules.state_of(events) != rules.GIVEN_UP:
            return None
        return next(each.observed_at for each in events if each.kind == rules.GIVEN_UP)

    def _items(self, exhibit: str) -> tuple[Item, ...]:
        name = road.folder_of(exhibit) + package.MANIFEST
        return Manifest.parse(read(self._parts.blobs, name)).items
