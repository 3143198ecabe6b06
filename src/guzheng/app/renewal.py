"""What the operator asks about the years to come: what ages, and to renew it.

Puts the station together with the authority, the ledger and the settings. One run at a time, by
a lease: a second one waits, and then finds nothing to do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from guzheng import keep, road
from guzheng.app.parts import Parts
from guzheng.keep import Age, Fault
from guzheng.proof.policy import Trust
from guzheng.refusals import Refused
from guzheng.road import Road
from guzheng.store.lease import Place, leased

LEASE = "renewal"
_MONTH = timedelta(days=30.44)  # the mean; a plan for years needs no calendar


@dataclass(frozen=True, slots=True)
class Ages:
    """Every finished exhibit, the one that ages first before the others."""

    ages: tuple[Age, ...]
    at: datetime
    horizon: datetime
    damaged: tuple[Fault, ...]

    @property
    def due(self) -> tuple[Age, ...]:
        """What is to be renewed now."""
        return tuple(one for one in self.ages if self.at <= one.until <= self.horizon)

    @property
    def missed(self) -> tuple[Age, ...]:
        """What ended before it was renewed: no later stamp can join on to it."""
        return tuple(one for one in self.ages if one.until < self.at)


Gone = Callable[[str], frozenset[str]]


def ages_of(parts: Parts, walk: Road, judged: keep.Judged, months: int, gone: Gone) -> Ages:
    """What ages, and until when it is good. What a rule deleted (`gone`) is not asked about:
    nothing is left of it that a renewal could hold."""
    found: list[Age] = []
    damaged: list[Fault] = []
    for folder in _finished(walk, damaged):
        if gone(folder.exhibit):
            continue
        try:
            found.append(
                keep.age_of(parts.blobs, folder.exhibit, folder.place, folder.names, judged)
            )
        except Refused as refusal:
            damaged.append(_fault(folder.place, refusal))
    ages = sorted(found, key=lambda one: (one.until, one.exhibit))
    at = parts.now()
    return Ages(tuple(ages), at, at + months * _MONTH, tuple(damaged))


def renew(
    parts: Parts, walk: Road, judged: keep.Judged, months: int, leases: Place, gone: Gone
) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """Renew what ages within so many months; gives the exhibits, and what is damaged."""
    with leased(leases, LEASE, wait=True):
        ages = ages_of(parts, walk, judged, months, gone)
        due = [(age, _folder(walk, age.exhibit)) for age in ages.due]
        renewing = keep.Renewing(
            blobs=parts.blobs,
            judged=judged,
            respond=parts.authority.respond,
            log=lambda leaf: parts.shards.append(leaf, None),
            entropy=parts.entropy,
        )
        missed = [
            Fault(
                road.folder_of(one.exhibit),
                "keep.renewal-missed",
                f"renewed by {one.until:%Y-%m-%d}",
                f"{one.because}: {one.source}",
            )
            for one in ages.missed
        ]
        renewed = keep.renew(renewing, due, horizon=ages.horizon)
        return renewed, (*ages.damaged, *missed)


def judged_by(trust: Trust, hash_ends: tuple[str, ...]) -> keep.Judged:
    """Whom the platform believes, and the ends of hashes that its operator set."""
    return keep.Judged(trust.roots or (), keep.Sunsets(hashes=hash_ends_of(hash_ends)))


def hash_ends_of(settings: tuple[str, ...]) -> dict[str, datetime]:
    """`sha256=2040-12-31` → the last moment of that day."""
    ends = {}
    for one in settings:
        name, _, day = one.partition("=")
        try:
            if name not in ("sha256", "sha512"):
                raise ValueError(name)
            first = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise Refused(
                "config.value-refused",
                expected="hash_ends: such as sha256=2040-12-31",
                found=repr(one),
                act="mend the setting",
            ) from error
        ends[name] = first + timedelta(days=1) - timedelta(microseconds=1)
    return ends


def _finished(walk: Road, damaged: list[Fault]) -> Iterator[keep.Folder]:
    for exhibit in walk.exhibits():
        try:
            order = walk.order(exhibit)
        except Refused as refusal:
            if road.ORDER in walk.papers(exhibit):  # else it was never acknowledged
                damaged.append(_fault(road.folder_of(exhibit), refusal))
            continue
        if road.state_of(order.kind, walk.papers(exhibit)) == "certified":
            yield _folder(walk, exhibit)


def _folder(walk: Road, exhibit: str) -> keep.Folder:
    return keep.Folder(exhibit, road.folder_of(exhibit), walk.papers(exhibit) - road.BESIDE)


def _fault(place: str, refusal: Refused) -> Fault:
    return Fault(place, refusal.code, refusal.expected, refusal.found)
