"""What a page says of an exhibit, read from its papers: steps, files, interval, state.

Nothing here is a second truth: a step is done when its paper is there. What is not in a
paper is not shown as known; a time without a source is left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal, cast

from guzheng import words
from guzheng.proof import timestamp
from guzheng.prove.selection import LONGEST_TITLE
from guzheng.web.ports import EntryView, ExhibitView, PaperView, Platform
from guzheng.web.spelling import moment_of

Progress = Literal["done", "now", "waiting", "stopped", "skipped"]

# The step and the paper that shows it was done, in the order of the road (formats.md).
_PAPER_OF_STEP = (
    ("received", "order.json"),
    ("captured", "capture.json"),
    ("manifested", "manifest.json"),
    ("fixed", "seal.tsa"),
    ("logged", "entry.tlog-proof"),
    ("certified", "certificate.pdf"),
)
TERMINAL = frozenset({"certified", "refused"})
_PREVIEW_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
PREVIEW_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    progress: Progress
    at: datetime | None = None
    remark: str = ""
    remark_facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ItemReading:
    """One original with the token over it, as far as its papers are there."""

    name: str
    paper: str
    token: str | None
    size: int | None
    sha256: str
    sm3: str
    media_type: str
    role: str


@dataclass(frozen=True, slots=True)
class Interval:
    """Not before → not after, each end with its source; an end may be missing."""

    not_before: datetime | None
    not_before_source: str
    not_after: datetime | None
    accuracy_milliseconds: int | None
    authority: str
    clock_not_verified: bool = False  # the authority says so itself
    moments: tuple[tuple[str, datetime], ...] = ()  # of a capture: name, stamped when

    @property
    def length(self) -> timedelta | None:
        if self.not_before is None or self.not_after is None:
            return None
        return self.not_after - self.not_before


def fact(facts: Mapping[str, object] | None, *names: str) -> object:
    """A value inside the certificate's facts, or None; their shape is never taken on trust."""
    value: object = facts
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(name)
    return value


def text_fact(facts: Mapping[str, object] | None, *names: str) -> str:
    value = fact(facts, *names)
    return value if isinstance(value, str) else ""


def title_of(view: ExhibitView) -> str:
    """The claimed name, else the first original's, else the address, else the id."""
    if view.claimed_name:
        return view.claimed_name
    if view.kind == "deposit" and (originals := _original_papers(view)):
        return originals[0].name.removeprefix("items/")
    return text_fact(view.facts, "capture", "requested_url") or view.exhibit


def title_of_several(platform: Platform, names: Sequence[str], language: words.Language) -> str:
    """What several exhibits are called together, where nobody named them: the first one's
    title, and how many more there are."""
    first = title_of(platform.exhibit(names[0])) if names else ""
    said = words.say("page.titles-more", language, first="{first}", more=len(names) - 1)
    room = LONGEST_TITLE - (len(said) - len("{first}") if len(names) > 1 else 0)
    cut = first if len(first) <= room else f"{first[: room - 1]}…"
    return said.replace("{first}", cut) if len(names) > 1 else cut


def steps_of(view: ExhibitView) -> tuple[Step, ...]:
    """Each step with its time; the first whose paper is missing is the one being walked."""
    names = {paper.name for paper in view.papers}
    steps = []
    attempted = is_attempt(view)  # its road goes on: the attempt is sealed like an exhibit
    stopped = view.ended or (view.state == "refused" and not attempted)
    pending: Progress = "stopped" if stopped else "now"
    for step, paper in _PAPER_OF_STEP:
        if step == "captured" and view.kind != "web":
            continue
        if step == "captured" and attempted:
            steps.append(Step(step, "stopped", _done(view, step).at, "walk.attempt", {}))
        elif step == "received" or paper in names:
            steps.append(_done(view, step))
        else:
            steps.append(_pending(view, step, pending))
            pending = "skipped" if stopped else "waiting"
    return tuple(steps)


def is_attempt(view: ExhibitView) -> bool:
    """Refused, and the attempt itself is evidence: it has a record, and will be certified."""
    refused = view.state == "refused" and not _is_ended_only(view)
    return refused and any(one.name == "capture.json" for one in view.papers)


def _is_ended_only(view: ExhibitView) -> bool:
    """Ended by the operator, and the page itself was captured."""
    return view.ended and (view.refusal or {}).get("code") == "road.ended"


def scope_of(view: ExhibitView) -> tuple[str, ...]:
    """What the capture got instead of the page, by code."""
    judged = fact(view.facts, "capture", "scope")
    listed = judged if isinstance(judged, list) else []
    return tuple(text_fact(one, "code") for one in listed if isinstance(one, Mapping))


def _done(view: ExhibitView, step: str) -> Step:
    facts = view.facts
    match step:
        case "received":
            return Step(step, "done", view.observed_at)
        case "captured":
            return Step(step, "done", moment_of(fact(facts, "capture", "observed_finished_at")))
        case "manifested":
            items = fact(facts, "items")
            count = str(len(items)) if isinstance(items, list) else ""
            return Step(step, "done", None, "walk.items" if count else "", {"count": count})
        case "fixed":
            authority = text_fact(facts, "seal", "authority")
            at = moment_of(fact(facts, "seal", "attested_at"))
            return Step(step, "done", at, "walk.by" if authority else "", {"who": authority})
        case "logged":
            index = fact(facts, "entry", "index")
            known = isinstance(index, int)
            if view.entry is not None and view.entry.witnesses:
                return _witnessed(view.entry)
            return Step(
                step, "done", None, "walk.entry" if known else "", {"index": str(index)}
            )
        case _:
            number = text_fact(facts, "number")
            return Step(step, "done", None, "walk.number" if number else "", {"number": number})


def _witnessed(entry: EntryView) -> Step:
    """Cosigned by the quorum: who, and since when enough of them had seen it."""
    who = tuple(one.name for one in entry.witnesses)
    facts = {"index": str(entry.index), "who": who}
    at = max(one.attested_at for one in entry.witnesses)
    return Step("logged", "done", at, "walk.witnessed", facts)


def _pending(view: ExhibitView, step: str, progress: Progress) -> Step:
    if step == "logged" and view.entry is not None:
        who = tuple(view.entry.awaited)
        facts = {"index": str(view.entry.index), "who": who}
        waits = f"walk.{view.entry.state}" + ("-awaits" if who else "")
        return Step(step, progress, None, waits, facts)
    if progress == "now" and view.progress:
        latest = view.progress[-1]
        facts = {"step": latest.get("step", ""), "detail": latest.get("detail", "")}
        return Step(step, progress, moment_of(latest.get("at")), "walk.progress", facts)
    return Step(step, progress)


def items_of(view: ExhibitView) -> tuple[ItemReading, ...]:
    """The originals: from the certificate's facts when it is there, else from the papers."""
    papers = {paper.name: paper for paper in view.papers}
    listed = fact(view.facts, "items")
    if isinstance(listed, list):
        known = [
            cast("Mapping[str, object]", one) for one in listed if isinstance(one, Mapping)
        ]
        return tuple(_item(one, papers) for one in known)
    return tuple(
        ItemReading(
            name, paper.name, _token_of(name, papers), paper.size, "", "", "", "original"
        )
        for paper in _original_papers(view)
        for name in (paper.name.removeprefix("items/"),)
    )


def _item(listed: Mapping[str, object], papers: Mapping[str, PaperView]) -> ItemReading:
    name = text_fact(listed, "name")
    digests = fact(listed, "digests")
    texts = (
        [one for one in digests if isinstance(one, str)] if isinstance(digests, list) else []
    )
    size = fact(listed, "size")
    return ItemReading(
        name=name,
        paper=f"items/{name}" if f"items/{name}" in papers else "",
        token=_token_of(name, papers),
        size=size if isinstance(size, int) else None,
        sha256=_digits(texts, "sha256:"),
        sm3=_digits(texts, "sm3:"),
        media_type=text_fact(listed, "media_type"),
        role=text_fact(listed, "role") or "original",
    )


def _digits(texts: Sequence[str], prefix: str) -> str:
    return next((one.removeprefix(prefix) for one in texts if one.startswith(prefix)), "")


def _token_of(name: str, papers: Mapping[str, PaperView]) -> str | None:
    token = f"tokens/{name}.tsa"
    return token if token in papers else None


def _original_papers(view: ExhibitView) -> list[PaperView]:
    return [paper for paper in view.papers if paper.name.startswith("items/")]


def other_papers(view: ExhibitView) -> tuple[PaperView, ...]:
    """What is neither an original nor an item's token, in the order of the road."""
    order = {
        name: place
        for place, name in enumerate(
            (
                "certificate.pdf",
                "certificate.json",
                "manifest.json",
                "capture.json",
                "seal.tsa",
                "seal.sm2.tsa",
                "leaf",
                "entry.tlog-proof",
                "order.json",
                "refused.json",
            )
        )
    }
    others = [one for one in view.papers if not one.name.startswith(("items/", "tokens/"))]
    return tuple(sorted(others, key=lambda one: (order.get(one.name, len(order)), one.name)))


def words_of_paper(name: str) -> str:
    """Under which code of page.paper a paper is described; those that came later by kind."""
    folder, _, kind = name.partition("/")
    match folder, kind.rpartition(".")[2]:
        case "renewals", _:
            return "renewal"
        case "moments", suffix:
            return f"moment-{suffix}"
        case "anchors", "tsa" | "ots" | "json" | "tlog-proof" as suffix:
            return f"anchor-{suffix}"
        case _ if name.startswith("seal.") and name not in {"seal.tsa", "seal.sm2.tsa"}:
            return "seal-further"
        case _:
            return name.replace(".", "-")


def interval_of(view: ExhibitView) -> Interval | None:
    """Known once sealed; a lower end only when the facts name an independent one."""
    not_after = moment_of(fact(view.facts, "seal", "attested_at"))
    if not_after is None:
        return None
    accuracy = fact(view.facts, "seal", "accuracy_milliseconds")
    lower = fact(view.facts, "not_before")
    at = source = None
    if isinstance(lower, Mapping):
        stated = cast("Mapping[str, object]", lower)
        at = next((one for one in map(moment_of, stated.values()) if one is not None), None)
        source = text_fact(stated, "source")
    return Interval(
        not_before=at,
        not_before_source=source or "",
        not_after=not_after,
        accuracy_milliseconds=accuracy if isinstance(accuracy, int) else None,
        authority=text_fact(view.facts, "seal", "authority"),
        clock_not_verified=says_clock_not_verified(view.facts),
        moments=tuple(_moments_of(view.facts)),
    )


def _moments_of(facts: Mapping[str, object] | None) -> Iterator[tuple[str, datetime]]:
    """The stamps that were asked for while the capture was under way, in their order."""
    listed = fact(facts, "moments")
    for one in listed if isinstance(listed, list) else []:
        held = cast("Mapping[str, object]", one) if isinstance(one, Mapping) else None
        name, at = text_fact(held, "paper"), moment_of(fact(held, "attested_at"))
        if at is not None:
            yield name.removeprefix("moments/").removesuffix(".tsa"), at


def says_clock_not_verified(facts: Mapping[str, object] | None) -> bool:
    return text_fact(facts, "seal", "policy") == timestamp.CLOCK_NOT_VERIFIED


def find_preview(view: ExhibitView) -> PaperView | None:
    """A picture that shows the exhibit: the screenshot of a capture, or a deposited picture."""
    pictures = [
        paper
        for paper in _original_papers(view)
        if PurePosixPath(paper.name).suffix.lower() in _PREVIEW_SUFFIXES
        and paper.size <= PREVIEW_LIMIT
    ]
    shots = [paper for paper in pictures if "screenshot" in paper.name]
    return next(iter(shots or pictures), None)


def picture_type(head: bytes) -> str | None:
    """The type of a picture by its first octets, never by its name."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None
