"""Packages that outlive the request: ordered, made one after the other, kept for some days.

An order is a row before anything is made. A thread of this process makes what is ordered, under
a lease, so that one program works at a time; what a killed program left is begun again by the
next round. Memory stays small however large the package: octets go from papers to the disk.

The package is written below the data directory of the machine that makes it (`packages/`), and
handed out from the blob store, where every machine finds it (app/handing.py); what is older
than `KEPT` is removed, and can be ordered again: the same selection gives the same octets.

A share's package is made when it is first fetched, and kept by its content: who fetches it next
is given the same octets for the price of hashing the papers.
"""

import contextlib
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from guzheng import prove
from guzheng.app.casework import Casework
from guzheng.app.handing import KEPT, PREFIX, Handing
from guzheng.app.packaging import Packaging, plain_name
from guzheng.app.parts import Parts
from guzheng.app.volumes import MadeVolume, Precheck, WantedPackage
from guzheng.proof import canonical
from guzheng.proof.report import Outcome
from guzheng.prove import records, selection
from guzheng.prove.records import Event, Ordered, Packages, Verified
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store import ids
from guzheng.store.durable import reported
from guzheng.store.ids import LOCAL
from guzheng.store.lease import leased
from guzheng.words import SOURCE, Language, say

FOLDER, LEASE = "packages", "packages"


@dataclass(frozen=True, slots=True)
class PackageView:
    """An order as a page shows it. `written`, `size`: octets so far, and of all originals and
    papers; the verification after them takes its time too."""

    ordered: Ordered
    wanted: WantedPackage
    state: str
    made: tuple[MadeVolume, ...]
    problem: Problem | None
    written: int
    size: int
    verified_at: datetime | None
    old: bool

    @property
    def going(self) -> bool:
        return self.state in {"ordered", records.BEGAN}


class Shared(NamedTuple):
    """A package that is kept for whoever fetches it; the reader closes it. `digest`: of what
    it holds, the same for the same octets."""

    opened: BinaryIO
    name: str
    digest: str


class Exports:
    """Every package that was ordered of an installation; may be shared by threads."""

    def __init__(self, packaging: Packaging, parts: Parts, verify_days: int) -> None:
        self.packaging = packaging
        self._parts = parts
        self._rows = Packages(parts.accounts)
        self._handing = Handing(parts.blobs)
        self._old = timedelta(days=verify_days)
        self._written: dict[str, int] = {}
        self._working = threading.Lock()
        self._more = threading.Event()

    # ---- asking ----------------------------------------------------------------------

    def check(self, wanted: WantedPackage) -> Precheck:
        return self.packaging.check(wanted)

    def last_verified(self, exhibits: Sequence[str]) -> dict[str, Verified]:
        """What was last found of each; none of those that were never filed."""
        return self._rows.last_verified(exhibits)

    def is_old(self, found: Verified | None) -> bool:
        """Whether it should be verified again before anybody relies on it (S1-102)."""
        return found is None or self._parts.now() - found.observed_at > self._old

    def new_token(self) -> str:
        """A number for the order that a form is made for: sent twice, it orders once."""
        return ids.new(PREFIX, self._parts.now(), self._parts.entropy)

    def order(
        self, wanted: WantedPackage, *, account: str = LOCAL, person: str = "", token: str = ""
    ) -> str:
        """Durable when this returns, and begun. Raises Refused for what cannot be packed."""
        self.check(wanted).require()
        name = ids.require_id(token, PREFIX) if token else self.new_token()
        known = self._rows.find(name)
        if known is not None and known.account != account:
            raise Refused("package.not-found", expected="pk_…", found=repr(name))
        now = self._parts.now()
        self._rows.add(Ordered(name, account, person, wanted.encode(), now))
        self.round()
        return name

    def account_of(self, package: str) -> str | None:
        found = self._rows.find(package)
        return found.account if found else None

    def view(self, package: str) -> PackageView:
        return self._view(self._rows.require(package))

    def page(
        self, account: str = LOCAL, most: int = 50, before: str | None = None
    ) -> tuple[PackageView, ...]:
        return tuple(self._view(one) for one in self._rows.page(account, most, before))

    def _view(self, ordered: Ordered) -> PackageView:
        last = ordered.last
        wanted = WantedPackage.parse(ordered.wanted)
        made = _made(ordered)
        at = next((one.observed_at for one in ordered.events if one.kind == records.MADE), None)
        problem = None
        if last is not None and last.kind == records.FAILED:
            problem = Refused(last.code, found=last.told)
        size = self._size(wanted) if last is None or last.kind == records.BEGAN else 0
        return PackageView(
            ordered,
            wanted,
            ordered.state,
            made,
            problem,
            self._written.get(ordered.package, 0),
            size,
            at,
            at is not None and self._parts.now() - at > self._old,
        )

    def _size(self, wanted: WantedPackage) -> int:
        try:
            return self.packaging.check(wanted).size
        except Problem:
            return 0  # the order will fail, and say why

    def open(self, package: str, name: str) -> BinaryIO:
        """One file of what was made."""
        view = self.view(package)
        if view.state == records.REMOVED:
            raise _removed(package)
        if name not in {one.name for one in view.made}:
            raise Refused("package.not-found", expected="a file of it", found=repr(name[:80]))
        found = self._handing.open(package, name)
        if found is None:
            raise _removed(package)
        return found

    def shared(self, exhibits: Sequence[str], pack: Callable[[Sequence[str]], Path]) -> Shared:
        """The package of these exhibits: the one that is there, else `pack`ed
        now, in a file of its own that is removed here. Whoever asks while it is being made is
        told to come again, so that many at once cost one making."""
        name, now = plain_name(exhibits), self._parts.now()
        digest = self.packaging.identity(exhibits, name).hex
        if (found := self._handing.find_shared(digest, now)) is not None:
            return Shared(found, name, digest)
        with leased(self._parts.leases, f"{FOLDER}-{digest[:32]}", wait=False) as mine:
            found = self._handing.find_shared(digest, now)
            if found is None and not mine:
                raise Unavailable(
                    "package.being-made",
                    expected="the package, made",
                    found="another visitor's request is making it",
                    act="try again in a moment",
                )
            if found is None:
                made = pack(exhibits)
                try:
                    found = self._handing.share(digest, made, now)
                finally:
                    shutil.rmtree(made.parent, ignore_errors=True)
        return Shared(found, name, digest)

    # ---- making ----------------------------------------------------------------------

    def round(self) -> None:
        """Begin what is ordered, if nobody does, and remove what is old. Returns at once."""
        self._more.set()
        if self._working.acquire(blocking=False):
            threading.Thread(target=self._work, daemon=True, name="packages").start()

    def finish(self) -> None:
        """Make everything that is ordered before this returns; for programs that end."""
        with leased(self._parts.leases, LEASE, wait=True):
            self._make_all()

    def _work(self) -> None:
        try:
            while self._more.is_set():
                self._more.clear()
                with (
                    contextlib.suppress(Problem),
                    leased(self._parts.leases, LEASE, wait=False) as held,
                ):
                    if held:
                        self._make_all()
        finally:
            self._working.release()

    def _make_all(self) -> None:
        self._remove_old()
        for one in self._rows.in_state(("ordered", records.BEGAN)):
            self._make(one)

    def _make(self, ordered: Ordered) -> None:
        name, now = ordered.package, self._parts.now
        place = self._place(name)
        shutil.rmtree(place, ignore_errors=True)  # of a program that was killed
        self._rows.note(name, Event(records.BEGAN, now()))
        wanted = WantedPackage.parse(ordered.wanted)
        exhibits = [one.exhibit for one in wanted.selection.entries]
        self._written[name] = 0

        def tell(octets: int) -> None:
            self._written[name] += octets

        try:
            with reported(str(place)):
                place.mkdir(mode=0o700, parents=True)
                made = self.packaging.write(wanted, place, tell, as_files=True)
            self._handing.keep(name, [place / one.name for one in made])
        except Refused as refused:  # what is Unavailable, the next round tries again
            if refused.code == "package.not-sound":
                found = Verified(Outcome.FAILED.value, now(), refused.code)
                self._rows.verified(exhibits, found)
            told = "; ".join(one for one in (refused.expected, refused.found) if one)
            self._rows.note(name, Event(records.FAILED, now(), refused.code, told[:1000]))
        else:
            unsure = any(one.unsure for one in made)
            outcome = Outcome.NOT_CHECKED if unsure else Outcome.PASSED
            self._rows.verified(exhibits, Verified(outcome.value, now()))
            told = canonical.encode({"made": [one.value() for one in made]}).decode()
            self._rows.note(name, Event(records.MADE, now(), told=told))
        finally:
            self._written.pop(name, None)
            shutil.rmtree(place, ignore_errors=True)

    def _remove_old(self) -> None:
        """First the octets, then the record of it: a death between the two removes twice."""
        now, living = self._parts.now(), set()
        for one in self._rows.in_state(("ordered", records.BEGAN, records.MADE)):
            last = one.last
            over = one.state == records.MADE and last and now - last.observed_at > KEPT
            if not over:
                living.add(one.package)
                continue
            self._handing.remove(one.package)
            shutil.rmtree(self._place(one.package), ignore_errors=True)  # of a program killed
            self._rows.note(one.package, Event(records.REMOVED, now))
        self._handing.remove_others(living)
        self._handing.remove_shared_before(now)

    def _place(self, package: str) -> Path:
        return self._parts.data / FOLDER / ids.require_id(package, PREFIX)


def _removed(package: str) -> Refused:
    return Refused(
        "package.removed",
        expected=f"a package made within {KEPT.days} days",
        found=package,
        act="order it again: the same selection gives the same octets",
    )


def _made(ordered: Ordered) -> tuple[MadeVolume, ...]:
    for event in ordered.events:
        if event.kind == records.MADE:
            value = canonical.parse_object(event.told.encode())["made"]
            listed = value if isinstance(value, list) else []
            return tuple(MadeVolume.read(one) for one in listed)
    return ()


def of_case(
    cases: Casework, case: str, after: int = 0, language: Language = SOURCE
) -> prove.Selection:
    """What a case says of its exhibits, in its order. Where a document has no room for all of
    it, it says so itself: what it leaves out is in the case.

    `after`: so many of them are in other packages, since one takes a hundred at most."""
    known = cases.case(case)
    entries = tuple(
        prove.Chosen(
            one.exhibit,
            _within(one.purpose, language),
            _within(one.stated.authenticity, language),
            _within(one.stated.legality, language),
            _within(one.stated.relevance, language),
        )
        for one in cases.shown(known, language)[after : after + selection.MOST]
    )
    between = "；" if language == "zh" else "; "
    return prove.Selection(
        entries,
        title=known.facts.name[: selection.LONGEST_TITLE],
        case_number=known.facts.court_number,
        parties=_within(between.join(cases.parties_said(known, language)), language),
    )


def _within(text: str, language: Language) -> str:
    """As much as a document has room for, with a mark where that is not all."""
    if len(text) <= selection.LONGEST:
        return text
    mark = say("page.package.cut", language)
    return text[: selection.LONGEST - len(mark)] + mark
