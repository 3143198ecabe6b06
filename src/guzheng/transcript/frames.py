"""frames.json: which frames a page had, and where the layout of each is put into the page's.

docs/spec/capture.md §5.4 is the form. It was made by a program that had just talked to a
hostile page: what is not in its form is refused.
"""

from dataclasses import dataclass

from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.proof.fields import Fields

SCHEMA = "guzheng.frames/1"
LAYOUTS = "layout-"
_MOST = 1000
_WHERE = "transcript.trace-malformed"
_ITEMS = ("dom", "text", "layout")


@dataclass(frozen=True, slots=True)
class Framed:
    """A frame with a layout of its own. `within`: of the frame in whose layout its element
    stands, 0 for the page's; `owner`: that element."""

    number: int
    within: int
    owner: int
    layout: str


def parse(octets: bytes) -> tuple[Framed, ...]:
    """Only those that a trace can enter: with a layout, and an element that holds them."""
    fields = Fields(canonical.parse_object(octets), "frames")
    fields.one_of("schema", (SCHEMA,))
    listed = fields.items("frames", most=_MOST)
    fields.end()
    roots = {0: 0}  # of each frame, the one in whose layout its boxes stand
    found = []
    for number, value in enumerate(listed, 1):
        one = Fields(value, "frames.frame")
        parent = one.count("parent")
        if one.count("number") != number or parent not in roots:
            raise Malformed(_WHERE, "frames by number, parents first", str(number))
        one.text("frame", longest=100)
        one.text("url", longest=8000)
        has_own_process = one.one_of("process", ("own", "of-parent")) == "own"
        roots[number] = number if has_own_process else roots[parent]
        owner = one.count("owner") if one.has("owner") else 0
        names = {kind: one.text_or_none(kind, longest=40) for kind in _ITEMS}
        one.text_or_none("why")
        one.end()
        layout = names["layout"]
        if layout is None or not owner:
            continue
        if layout != f"{LAYOUTS}{number:03d}.json":
            raise Malformed(_WHERE, f"{LAYOUTS}{number:03d}.json", layout)
        found.append(Framed(number, roots[parent], owner, layout))
    return tuple(found)
