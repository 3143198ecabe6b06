"""The comparison of two exhibits, derived when it is asked for and kept beside them.

It names the manifests of both, so that it cannot be taken for one of others; whoever has both
can derive it again. Kept under both their names; what is there already is not derived again.
"""

import contextlib

from guzheng import compare, road
from guzheng.app.ordering import Ordering
from guzheng.app.parts import Parts
from guzheng.keep.deletion import TOMBSTONE
from guzheng.proof import canonical, package
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import require_exhibit_name
from guzheng.refusals import Refused
from guzheng.road import Road
from guzheng.store.blobs import AlreadyKept, NotKept, find, read

FOLDER = "comparisons/"
_OF = "of-"  # begins what points to a report under the other exhibit


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
