"""The comparison of two exhibits, derived when it is asked for and kept beside them.

It names the manifests of both, so that it cannot be taken for one of others; whoever has both
can derive it again. Kept under both their names; what is there already is not derived again.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from guzheng import compare, road
from guzheng.app.ordering import Ordering
from guzheng.app.parts import Parts
from guzheng.keep import Fault
from guzheng.keep.deletion import TOMBSTONE
from guzheng.proof import canonical, package
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import EXHIBIT_FORM, require_exhibit_name
from guzheng.refusals import Refused
from guzheng.road import Road
from guzheng.store.blobs import AlreadyKept, NotKept, find, read

FOLDER = "comparisons/"
_OF = "of-"  # begins what points to a report under the other exhibit
_EXHIBIT: Final = EXHIBIT_FORM.pattern
_NAME: Final = re.compile(
    rf"{FOLDER}({_EXHIBIT})/({_OF})?({_EXHIBIT})\.[1-9][0-9]*\.json", re.ASCII
)


def comparison(parts: Parts, walking: Road, ordering: Ordering, one: str, other: str) -> bytes:
    """The report as canonical JSON. Raises Refused when one is no captured page."""
    sides = [_side(parts, walking, each) for each in (one, other)]
    version = compare.SCHEMA.rpartition("/")[2]  # an older report compared less
    name = f"{FOLDER}{sides[0][0]}/{sides[1][0]}.{version}.json"
    if kept := find(parts.blobs, name):
        return kept
    # Found from either side without looking at the others; before the report, so that none is
    # ever kept that a deletion would not find.
    with contextlib.suppress(AlreadyKept):
        parts.blobs.put(other_side(name), [b"\n"])
    value = compare.compare(*(_read(parts, ordering, *each) for each in sides))
    octets = canonical.encode(value)
    try:
        parts.blobs.put(name, [octets])
    except AlreadyKept:  # another version derived more, or less: the first one stands
        return read(parts.blobs, name)
    return octets


def other_side(name: str) -> str:
    """Where the folder of the other exhibit names this report."""
    folder, one, other = name.split("/")
    exhibit, _, rest = other.partition(".")
    return f"{folder}/{exhibit}/{_OF}{one}.{rest}"


def forget(parts: Parts, exhibit: str) -> None:
    """Remove every comparison that this one is a side of, asking for its own folder alone."""
    for name in list(parts.blobs.names(f"{FOLDER}{exhibit}/")):
        last = name.rpartition("/")[2]
        if last.startswith(_OF):
            one, _, rest = last.removeprefix(_OF).partition(".")
            parts.blobs.remove(f"{FOLDER}{one}/{exhibit}.{rest}")
        else:
            parts.blobs.remove(other_side(name))
        parts.blobs.remove(name)


def faults(parts: Parts) -> Iterator[Fault]:
    """Reports that are none of the two that they are named after, and what is no report. One
    that points to a report may stand without it: killed in between, nothing else is there."""
    for name in parts.blobs.names(FOLDER):
        found = _NAME.fullmatch(name)
        if found is None:
            yield Fault(name, "keep.extra", "a comparison of two exhibits", "a file")
        elif not found[2]:
            yield from _wrong(name, read(parts.blobs, name), [found[1], found[3]])


def _wrong(name: str, octets: bytes, exhibits: list[str]) -> Iterator[Fault]:
    try:
        sides = canonical.parse_object(octets).get("sides")
    except ProofError as error:
        yield Fault(name, "keep.damaged", error.expected, error.found)
        return
    listed = sides if isinstance(sides, list) else []
    named = [one.get("exhibit") for one in listed if isinstance(one, dict)]
    if named != exhibits:
        yield Fault(name, "keep.damaged", " ".join(exhibits), "others")


def _side(parts: Parts, walking: Road, exhibit: str) -> tuple[str, bytes]:
    order = walking.order(exhibit)
    require_exhibit_name(order.exhibit)
    if TOMBSTONE in walking.papers(exhibit):
        raise Refused(
            "compare.deleted",
            expected="a capture whose files are kept",
            found=f"{exhibit}: deleted by a rule",
            act="compare others",
        )
    try:
        manifest = read(parts.blobs, road.folder_of(exhibit) + package.MANIFEST)
    except NotKept as error:
        raise Refused(
            "compare.no-capture",
            expected="a captured page with a manifest",
            found=exhibit,
            act="wait for it, or compare others",
        ) from error
    return order.exhibit, manifest


def _read(parts: Parts, ordering: Ordering, exhibit: str, manifest: bytes) -> compare.Side:
    view = ordering.of_exhibit(exhibit)
    return compare.read_side(
        parts.blobs,
        road.folder_of(exhibit),
        exhibit,
        sha256(manifest),
        view.commission.vantage if view else "",
    )
