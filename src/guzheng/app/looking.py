"""Exhibits as their papers show them at this moment: one, a list of them, a paper of one.

Every view is made of the papers when it is asked for; nothing is remembered that could differ
from them. Whether somebody may look is decided before.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from guzheng import road
from guzheng.app.evidence import Row
from guzheng.app.parts import Parts
from guzheng.app.progress import Progress
from guzheng.app.views import ExhibitView, PaperView, damaged_view, facts_of, refusal_of
from guzheng.app.witnessing import find_entry
from guzheng.intake import Line
from guzheng.proof import package
from guzheng.refusals import Refused
from guzheng.store.blobs import find


@dataclass(frozen=True, slots=True)
class Looking:
    """Of every exhibit of an installation."""

    parts: Parts
    walked: road.Road
    progress: Progress

    def exhibit(self, exhibit: str) -> ExhibitView:
        """Raises Refused for one that is not kept here, or whose papers are damaged."""
        order = self.walked.order(exhibit)
        names = self.walked.papers(exhibit)
        folder = road.folder_of(exhibit)

        def paper(name: str) -> bytes | None:  # what is not there is not asked for on the disk
            return find(self.parts.blobs, folder + name) if name in names else None

        return ExhibitView(
            exhibit=exhibit,
            kind=order.kind,
            claimed_name=order.claimed_name,
            observed_at=order.observed_at,
            state=road.state_of(order.kind, names),
            missing=road.missing_from(order.kind, names),
            papers=tuple(
                PaperView(one, self._size(folder + one)) for one in sorted(names - road.BESIDE)
            ),
            facts=facts_of(paper(package.CERTIFICATE_JSON)),
            refusal=refusal_of(paper(road.REFUSED) or paper(road.ENDED)),
            progress=self.progress.of(exhibit),
            url=order.url,
            account=order.account,
            person=order.person,
            ended=road.ENDED in names,
            entry=find_entry(
                self.parts.shards,
                {one: paper(one) for one in (package.LEAF, package.ENTRY)},
                names,
            ),
        )

    def exhibits(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> Sequence[ExhibitView]:
        """Newest first, of this account or of all. One whose papers were damaged is shown as
        that, and hides no other."""
        lines = self.parts.index.page(limit, before, account=account)
        return tuple(self._listed(line) for line in lines)

    def views_of(self, rows: Sequence[Row]) -> Sequence[ExhibitView]:
        """Lines of a list, as their papers show them at this moment."""
        lines = (Line(one.exhibit, one.kind, one.title, one.observed_at) for one in rows)
        return tuple(map(self._listed, lines))

    def _listed(self, line: Line) -> ExhibitView:
        try:
            return self.exhibit(line.exhibit)
        except Refused as refusal:
            return damaged_view(line, refusal)

    def _size(self, name: str) -> int:
        with self.parts.blobs.open(name) as stream:
            return stream.seek(0, os.SEEK_END)

    def open_picture(self, exhibit: str, name: str) -> BinaryIO:
        """A picture of an exhibit, for looking at it before that is decided."""
        if not name.endswith((".png", ".jpg", ".jpeg", ".webp")):
            raise Refused("exhibit.no-such-paper", expected="a picture", found=repr(name[:120]))
        return self.open(exhibit, name)

    def find_picture(self, exhibit: str) -> str | None:
        """The paper to look at first: what the page looked like when it was captured."""
        papers = self.walked.papers(exhibit)
        wanted = ("items/view.png", "items/screenshot.png", "items/screenshot-000.png")
        return next((one for one in wanted if one in papers), None)

    def open(self, exhibit: str, name: str) -> BinaryIO:
        """One paper or original; never what lies beside them, which is not evidence."""
        folder = road.folder_of(self.walked.order(exhibit).exhibit)
        if name not in self.walked.papers(exhibit) - road.BESIDE:
            raise Refused(
                "exhibit.no-such-paper",
                expected="a paper of this exhibit",
                found=repr(name[:120]),
            )
        return self.parts.blobs.open(folder + name)
