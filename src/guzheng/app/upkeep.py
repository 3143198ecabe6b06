"""What the operator asks for: make the index again from the papers, and look at every byte.

Neither may stop at the first damaged thing it meets: rebuild takes what is sound and says what
is not, fsck names all of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from guzheng import keep, prove, road
from guzheng.app import comparing, handing, originals
from guzheng.app.parts import INDEX, Parts
from guzheng.fix.clock import record
from guzheng.intake import Order, Walked
from guzheng.intake.originals import FOLDER as ORIGINALS
from guzheng.intake.uploads import FOLDER as UPLOADS
from guzheng.keep import Fault, selfcheck
from guzheng.ledger import fsck as ledger_fsck
from guzheng.ledger import rebuild_from_tiles
from guzheng.ledger.chained import chain_findings
from guzheng.ledger.row import FOLDER
from guzheng.proof import package
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import ATTEMPT, Manifest, leaf_of
from guzheng.proof.policy import Trust
from guzheng.proof.report import Outcome
from guzheng.refusals import Refused
from guzheng.road import Road
from guzheng.store.blobs import find
from guzheng.store.records import find_damage


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many exhibits are in the index now, and those that could not be read."""

    count: int
    damaged: tuple[Fault, ...]


def set_aside_damaged(data: Path, at: datetime) -> list[Path]:
    """Move away what SQLite cannot read, so that it can be made again; it stays as a trace."""
    moved = []
    for name in (INDEX, *(one.name for one in sorted(data.glob("ledger*.sqlite")))):
        if not find_damage(data / name):
            continue
        for suffix in ("", "-wal", "-shm"):
            file = data / (name + suffix)
            if file.exists():
                aside = data / f"{name}.damaged-{at:%Y%m%dT%H%M%SZ}{suffix}"
                file.rename(aside)
                moved.append(aside)
    return moved


def rebuild(parts: Parts, walk: Road) -> Rebuilt:
    """Make index and ledger table again from the papers."""
    before = parts.index.names() | set(parts.index.unfinished())
    for shard in parts.shards.row.all:
        rebuild_from_tiles(shard.ledger)
    parts.papers.row.reenter()
    parts.checks.reenter()
    found: list[Walked] = []
    damaged: list[Fault] = []
    seen: set[str] = set()
    for exhibit in walk.exhibits():
        if find(parts.blobs, road.folder_of(exhibit) + road.ORDER) is None:
            continue  # an intake that was never acknowledged
        seen.add(exhibit)
        try:
            found.append(_walked(parts, walk, exhibit))
        except (Refused, ProofError) as error:
            place = road.folder_of(exhibit)
            damaged.append(Fault(place, error.code, error.expected, error.found))
    parts.index.rebuild(found, before - seen)
    for exhibit in originals.kept_exhibits(parts):
        parts.index.keep_original(exhibit)
    return Rebuilt(len(found), tuple(damaged))


def _walked(parts: Parts, walk: Road, exhibit: str) -> Walked:
    order = walk.order(exhibit)
    finished = road.next_step(order.kind, walk.papers(exhibit)) is None
    listing = walk.listing(order)
    folder = road.folder_of(exhibit)
    papers = [find(parts.blobs, folder + one) for one in (package.MANIFEST, package.SEAL)]
    leaf, (manifest_json, seal) = find(parts.blobs, folder + package.LEAF), papers
    # Gives the entry its exhibit back; it keeps its number. A ledger does not forget: a leaf
    # that does not fit its papers must not get into it.
    if leaf is not None and manifest_json is not None and seal is not None:
        if leaf != leaf_of(manifest_json, seal):
            raise Refused("leaf.differs", expected="the leaf of these papers", found=folder)
        parts.shards.append(leaf, exhibit)
    return Walked(order, listing, finished)


def fsck(
    parts: Parts,
    walk: Road,
    trust: Trust,
    tell: Callable[[str], None],
    gone: Callable[[str], frozenset[str]],
) -> list[Fault]:
    """Every damaged, missing or extra byte, by name; empty when all is well. `gone`: of an
    exhibit, the names that a rule deleted."""
    faults = [
        Fault(name, "store.table-damaged", "the SQLite file as it was written", damage)
        for name in (INDEX, *(one.ledger.table for one in parts.shards.row.all))
        if (damage := find_damage(parts.data / name))
    ]
    altered = set(parts.index.altered())
    faults += [
        Fault(INDEX, "keep.index-altered", "the line as it was written", one)
        for one in sorted(altered)
    ]
    indexed, unfinished = parts.index.names(), set(parts.index.unfinished())
    found: set[str] = set()
    for exhibit in walk.exhibits():
        tell(exhibit)
        found.add(exhibit)
        faults += _scrubbed(
            parts,
            walk,
            trust,
            exhibit,
            # What the index no longer waits for must be complete, or a paper was lost since.
            finished=exhibit in indexed - unfinished,
            indexed=exhibit in indexed | altered,
            gone=gone(exhibit),
        )
    faults += [
        Fault(road.folder_of(one), "keep.exhibit-lost", "its papers", "a line in the index")
        for one in sorted(indexed - found - altered)
    ]
    faults += [
        Fault(one.name, one.code, one.expected, one.found)
        for shard in parts.shards.row.all
        for one in ledger_fsck(shard.ledger)
    ]
    faults += [
        Fault(f"{FOLDER}{one.subject}", one.code, one.expected, one.found)
        for one in chain_findings(parts.shards.row)
        if one.outcome is Outcome.FAILED
    ]
    faults += [
        Fault(one, "keep.extra", "a paper of a shard", "a file")
        for one in parts.shards.row.extra()
    ]
    faults += parts.papers.row.faults()
    faults += parts.checks.faults()
    faults += originals.faults(parts, walk)
    faults += comparing.faults(parts)
    faults += [Fault(one, "keep.extra", "nothing", "a file") for one in _foreign(parts)]
    return faults


_OURS = (
    "ledger/",
    ORIGINALS,
    UPLOADS,
    FOLDER,
    package.ANCHORS,
    record.FOLDER,
    selfcheck.FOLDER,
    prove.DISPUTES,
    comparing.FOLDER,
    handing.FOLDER,
)


def scrub_finished(
    parts: Parts, walk: Road, trust: Trust, exhibit: str, gone: frozenset[str]
) -> list[Fault]:
    """Every damaged, missing or extra byte of one exhibit whose road is at its end."""
    return _scrubbed(parts, walk, trust, exhibit, finished=True, indexed=True, gone=gone)


def _foreign(parts: Parts) -> Iterator[str]:
    """Files in no folder of ours."""
    ours = (*_OURS, *(shard.ledger.folder for shard in parts.shards.row.all))
    for name in parts.blobs.names():
        in_exhibit = name.startswith(package.EXHIBITS) and name.count("/") > 1
        if not in_exhibit and not name.startswith(ours):
            yield name


def _scrubbed(
    parts: Parts,
    walk: Road,
    trust: Trust,
    exhibit: str,
    *,
    finished: bool,
    indexed: bool,
    gone: frozenset[str],
) -> list[Fault]:
    folder = road.folder_of(exhibit)
    listed = parts.index.listing_of(exhibit) or {}
    try:
        order = walk.order(exhibit)
        papers = walk.papers(exhibit)
        # A refused exhibit is no evidence, but must not change; an attempt is judged like any.
        judged = not road.is_over(papers)
    except Refused as refusal:
        if road.ORDER not in walk.papers(exhibit):
            names = sorted(folder + one for one in walk.papers(exhibit))
            return [Fault(one, "keep.no-order", folder + road.ORDER, "none") for one in names]
        return [Fault(folder + road.ORDER, refusal.code, refusal.expected, refusal.found)]
    faults = []
    if not indexed:
        faults.append(
            Fault(folder, "keep.not-indexed", "a line in the index", "none: run rebuild")
        )
    faults += keep.scrub_exhibit(
        parts.blobs,
        folder,
        # What lacks its items by a rule is held to its listing, byte for byte, and not judged.
        trust if judged and not gone else None,
        listed=listed,
        beside=road.BESIDE,
        finished=finished,
        gone=gone,
    )
    return faults or _order_differs(parts, order, folder)


def _order_differs(parts: Parts, order: Order, folder: str) -> list[Fault]:
    """The manifest repeats what was ordered; the order is the one that nothing else signs."""
    manifest_json = find(parts.blobs, folder + package.MANIFEST)
    if manifest_json is None:
        return []
    manifest = Manifest.parse(manifest_json)
    kind = "web" if manifest.kind == ATTEMPT else manifest.kind
    said = (manifest.exhibit, kind, manifest.claimed_name, manifest.salt)
    ordered = (order.exhibit, order.kind, order.claimed_name, order.salt)
    names = [(one.name, one.size) for one in order.items]
    if said != ordered or (
        order.kind != "web" and names != [(one.name, one.size) for one in manifest.items]
    ):
        return [Fault(folder + road.ORDER, "keep.order-differs", "what the manifest says", "")]
    return []
