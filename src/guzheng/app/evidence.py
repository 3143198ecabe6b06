"""The evidence of an account, as its list shows it: narrowed, searched, page by page.

Lines come from the catalogue, which is derived; of an exhibit still on its way the papers say
how far it is. What is in a case is found by the name and the numbers of the case too, which
only the account's cases know. Previews are small pictures made once from an original:
derivatives for looking at, kept outside the evidence, and marked as that wherever shown."""

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from guzheng import road
from guzheng.app.casework import MOST_CALLED, Casework
from guzheng.app.parts import Parts
from guzheng.app.previews import Previews
from guzheng.intake import catalogue, originals, seeking
from guzheng.intake.catalogue import Listed
from guzheng.intake.originals import Due
from guzheng.intake.seeking import Searched
from guzheng.intake.sources import Sought
from guzheng.proof import package, timestamp
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.blobs import find
from guzheng.store.ids import LOCAL

MOST_AT_ONCE = 100  # exhibits that one package, or one selection, may have


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list. `due`: of a hash-only deposit whose original did not come yet."""

    exhibit: str
    kind: str
    title: str
    url: str
    state: str
    picture: str
    observed_at: datetime
    due: Due | None
    person: str


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows; `following`: what to go on before, if there may be older ones.
    `back_to`: when the search was ended before the page was full, how far back it came.
    `cases_cut`: more cases are called so than were looked into."""

    rows: tuple[Row, ...]
    following: str | None
    back_to: datetime | None = None
    cases_cut: bool = False


class Evidence:
    """What an account has; may be shared by threads."""

    def __init__(self, parts: Parts, walking: road.Road, cases: Casework) -> None:
        self._parts, self._road, self._cases = parts, walking, cases
        self._previews = Previews(parts.data / "derivatives")

    def search(
        self, sought: Sought, *, limit: int, before: str | None = None, account: str = LOCAL
    ) -> Found:
        """Newest first; `before`: the last one already seen."""
        found, cut = self._lines(sought, account, limit + 1, before)
        rows = tuple(self._row(one) for one in found.lines[:limit])
        if len(found.lines) > limit:
            return Found(rows, rows[-1].exhibit, cases_cut=cut)
        if found.back_to is None:
            return Found(rows, None, cases_cut=cut)
        return Found(rows, found.back_to, ids.made_at(found.back_to), cut)

    def names(self, sought: Sought, *, account: str = LOCAL) -> tuple[str, ...]:
        """Everything found, for choosing it at once; Refused when it is more than that."""
        found, cut = self._lines(sought, account, MOST_AT_ONCE + 1)
        if len(found.lines) > MOST_AT_ONCE:
            raise Refused(
                "web.too-many-exhibits",
                expected=f"≤ {MOST_AT_ONCE}",
                found=f"> {MOST_AT_ONCE}",
                act="narrow the search",
            )
        if found.back_to is not None:  # all that was found so far is not all
            raise Refused(
                "web.search-not-ended",
                expected="a search that comes to its end",
                found=f"{len(found.lines)} back to {ids.made_at(found.back_to):%Y-%m-%d}",
                act="narrow the search, or choose on each page of it",
            )
        if cut:
            raise Refused(
                "web.search-not-ended",
                expected="a search that comes to its end",
                found=f"the newest {MOST_CALLED} cases that are called so",
                act="search for the name or the number of one case",
            )
        return tuple(one.exhibit for one in found.lines)

    def _lines(
        self, sought: Sought, account: str, limit: int, before: str | None = None
    ) -> tuple[Searched, bool]:
        """Also: whether more cases are called so than were looked into."""
        engine, among = self._parts.index.engine, None
        if sought.case:
            own = self._cases.account_of(sought.case) == account
            among = self._cases.exhibits_in([sought.case] if own else [])
        found = seeking.search(
            engine, sought, account=account, limit=limit, before=before, among=among
        )
        named, cut = (
            self._cases.found_by(sought.words, account)
            if sought.words
            else (frozenset[str](), False)
        )
        if not named:
            return found, cut
        more = seeking.search(
            engine,
            replace(sought, words=""),
            account=account,
            limit=limit,
            before=before,
            among=named if among is None else named & among,
        )
        every = {one.exhibit: one for one in (*found.lines, *more.lines)}
        lines = tuple(every[name] for name in sorted(every, reverse=True))
        return seeking.ended(lines, found.back_to, limit), cut

    def makers(self, *, account: str = LOCAL) -> tuple[str, ...]:
        """The persons who made something for the account."""
        return catalogue.makers_of(self._parts.index.engine, account)

    def wanted(self, *, account: str = LOCAL) -> int:
        """How many hash-only deposits lack their original; `MOST_COUNTED` stands for more."""
        return catalogue.count_wanted(self._parts.index.engine, account)

    def due(self, exhibit: str) -> Due | None:
        """How the advice stands to bring the original; None once it came, or before a seal."""
        order = self._road.order(exhibit)
        if not originals.awaited(order, self._parts.blobs):
            return None
        return self._due(exhibit)

    def forget_preview(self, exhibit: str) -> None:
        """What it was made of was deleted."""
        self._previews.forget(exhibit)

    def open_preview(self, exhibit: str) -> BinaryIO:
        """A small JPEG of what it shows; made with the first question. Refused: none."""
        papers = self._road.papers(self._road.order(exhibit).exhibit)
        name = catalogue.picture_in(papers)
        if not name:
            raise Refused("web.no-preview", expected="a picture", found="none")
        place = road.folder_of(exhibit) + name
        return self._previews.open(exhibit, lambda: self._parts.blobs.open(place))

    def _row(self, line: Listed) -> Row:
        return Row(
            exhibit=line.exhibit,
            kind=line.kind,
            title=line.claimed_name or line.url or line.exhibit,
            url=line.url,
            state=self._state(line),
            picture=line.picture,
            observed_at=line.observed_at,
            due=self._due(line.exhibit) if line.original == catalogue.WANTED else None,
            person=line.person,
        )

    def _state(self, line: Listed) -> str:
        if line.state != catalogue.GOING:
            return line.state
        return road.state_of(line.kind, self._road.papers(line.exhibit))

    def _due(self, exhibit: str) -> Due | None:
        seal = find(self._parts.blobs, road.folder_of(exhibit) + package.SEAL)
        if seal is None:
            return None
        with contextlib.suppress(ProofError):  # a damaged one is fsck's to name
            sealed_at = timestamp.parse(seal).attested_at
            return originals.due_of(sealed_at, now=self._parts.now())
        return None
