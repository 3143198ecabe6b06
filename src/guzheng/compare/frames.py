"""What the frames of a page say: the documents within its document, of its site and others.

Read from frames.json and the texts it names (docs/spec/capture.md §5.4), within bounds. Frames
are held against each other by their address; where that bears a number of its own for every
visit, as those of advertisements do, by their address without its query, in order. What is
left stands alone on its side. A frame whose text was not captured is named with its reason and
never counted as equal.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guzheng.proof import canonical
from guzheng.proof.fields import Fields

LIST = "frames.json"
LIST_OCTETS = 4 * 1024 * 1024
FRAMES = 200  # a capture lists 100 at most
_MISSING = "no text was captured of it"


@dataclass(frozen=True, slots=True)
class Frame:
    """`text` is None when it was not captured, or could not be read; `why` then says why."""

    url: str
    text: tuple[str, ...] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two frames that were held against each other."""

    one: Frame
    other: Frame

    @property
    def is_equal(self) -> bool:
        return self.one.text == self.other.text


@dataclass(frozen=True, slots=True)
class Paired:
    """Every frame of both sides, once."""

    pairs: tuple[Pair, ...]
    one: tuple[Frame, ...]
    other: tuple[Frame, ...]


def parse(octets: bytes, text_of: Callable[[str], tuple[str, ...] | None]) -> tuple[Frame, ...]:
    """What the list names. Raises ProofError if it is no such list."""
    fields = Fields(canonical.parse_object(octets), "frames")
    return tuple(_frame(one, text_of) for one in fields.items("frames", most=FRAMES))


def _frame(value: object, text_of: Callable[[str], tuple[str, ...] | None]) -> Frame:
    fields = Fields(value, "frames.frame")
    url = fields.text("url", longest=8192)
    name = fields.text_or_none("text", longest=100)
    why = fields.text_or_none("why") or ""
    text = text_of(name) if name is not None else None
    return Frame(url, text, "" if text is not None else why or _MISSING)


def pair(one: Sequence[Frame], other: Sequence[Frame]) -> Paired:
    """By address, then by address without query; among equal ones in their order."""
    same, one, other = _by(lambda frame: frame.url, one, other)
    alike, one, other = _by(lambda frame: frame.url.partition("?")[0], one, other)
    return Paired((*same, *alike), tuple(one), tuple(other))


def _by(
    key: Callable[[Frame], str], one: Sequence[Frame], other: Sequence[Frame]
) -> tuple[list[Pair], list[Frame], list[Frame]]:
    waiting = defaultdict[str, deque[Frame]](deque)
    for frame in other:
        waiting[key(frame)].append(frame)
    pairs: list[Pair] = []
    alone: list[Frame] = []
    for frame in one:
        if found := waiting[key(frame)]:
            pairs.append(Pair(frame, found.popleft()))
        else:
            alone.append(frame)
    return pairs, alone, [each for left in waiting.values() for each in left]
