"""What a capture got: the page that was asked for, or a wall in front of it.

The rules are data (scope.toml): named signs with weights, each of which was seen or was not.
There is no model and no guess; the record holds every sign with what was found, so that
anybody can judge again. A judgement refuses nothing: what was got is kept as it is, and it is
said what it is. A page that no rule knows is not called anything; that is no promise that it
is the page.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

from guzheng.capturer.journal import cut
from guzheng.capturer.record import Evidence, Judgement

_RULES = Path(__file__).with_name("scope.toml")
_FOUND = 120  # characters of what a sign found
_COVERED = 70  # percent of the view; less is a banner, and no wall
KINDS = frozenset(
    {
        "status", "header", "address", "led-to", "title", "heading", "short-text", "overlay",
        "element", "frame", "script", "password-field", "little-text", "nothing-visible",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sight:
    """The page as it stands before a person: what is visible, and where it came from.

    `elements`: selectors of the rules that match something visible. `covered`: how much of
    the view, in percent, what floats above the page covers; `overlay` is its text.
    """

    requested: str
    address: str
    status: int = 0
    title: str = ""
    text: str = ""
    headings: str = ""
    overlay: str = ""
    covered: int = 0
    passwords: int = 0
    pictures: int = 0
    elements: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that may be seen; the bounds and patterns that its kind asks for."""

    kind: str
    weight: int
    pattern: re.Pattern[str] | None = None
    selector: str = ""
    name: str = ""
    status: tuple[int, ...] = ()
    low: int = 0
    high: int = 0

    def find(self, sight: Sight) -> str | None:
        """What was found, or None."""
        if self.kind not in {"status"} and self.status and sight.status not in self.status:
            return None
        match self.kind:
            case "status":
                named = sight.status in self.status or (self.low and sight.status >= self.low)
                return str(sight.status) if named else None
            case "header":
                return self._in(sight.headers.get(self.name, ""), before=f"{self.name}: ")
            case "led-to":
                # Who asked for a login page got what he asked for.
                asked = self._in(sight.requested)
                return None if asked else self._in(sight.address)
            case "address" | "title":
                return self._in(sight.address if self.kind == "address" else sight.title)
            case "heading" | "short-text":
                short = self.kind == "heading" or len(sight.text) <= self.high
                seen = sight.headings if self.kind == "heading" else sight.text
                return self._in(seen) if short else None
            case "overlay":
                return self._in(sight.overlay) if sight.covered >= _COVERED else None
            case "element":
                return self.selector if self.selector in sight.elements else None
            case "frame" | "script":
                sources = sight.frames if self.kind == "frame" else sight.scripts
                return next((found for one in sources if (found := self._in(one))), None)
            case "password-field":
                many = sight.passwords >= self.low
                return str(sight.passwords) if many else None
            case "little-text":
                return str(len(sight.text)) if len(sight.text) <= self.high else None
            case _:
                nothing = not sight.text.strip() and not sight.pictures
                return "0" if nothing else None

    def _in(self, text: str, *, before: str = "") -> str | None:
        found = self.pattern.search(text) if self.pattern else None
        return None if found is None else before + (found[0] or text)


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    why: str
    least: int
    signs: tuple[Sign, ...]
    unless: tuple[str, ...]

    def judge(self, sight: Sight) -> Judgement | None:
        seen = [(sign, sign.find(sight)) for sign in self.signs]
        found = [(sign, one) for sign, one in seen if one is not None]
        # A page with little text and nothing else is a short page.
        if sum(sign.weight for sign, _ in found) < self.least:
            return None
        because = (Evidence(sign.kind, cut(one, _FOUND)) for sign, one in found)
        return Judgement(self.code, tuple(because))


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of this version, in the order in which they are asked."""
    read = tomllib.loads(_RULES.read_text("utf-8"))
    return tuple(_rule(one) for one in cast("list[dict[str, object]]", read["rule"]))


def selectors() -> tuple[str, ...]:
    return tuple(
        sign.selector for rule in rules() for sign in rule.signs if sign.kind == "element"
    )


def judge(sight: Sight) -> tuple[Judgement, ...]:
    """Every rule that holds, unless one before it says it better."""
    found: list[Judgement] = []
    for rule in rules():
        if any(one.code in rule.unless for one in found):
            continue
        judgement = rule.judge(sight)
        if judgement is not None:
            found.append(judgement)
    return tuple(found)


def _rule(read: dict[str, object]) -> Rule:
    signs = cast("list[dict[str, object]]", read["sign"])
    return Rule(
        code=str(read["code"]),
        why=str(read["why"]),
        least=cast(int, read["least"]),
        signs=tuple(map(_sign, signs)),
        unless=tuple(cast("list[str]", read.get("unless", []))),
    )


def _sign(read: dict[str, object]) -> Sign:
    known = {
        "kind", "weight", "pattern", "selector", "name", "status", "from", "least", "most",
        "short",
    }  # fmt: skip
    if read["kind"] not in KINDS or not set(read) <= known:
        raise ValueError(f"scope.toml: no such sign: {read}")
    pattern = read.get("pattern")
    return Sign(
        kind=str(read["kind"]),
        weight=cast(int, read["weight"]),
        pattern=re.compile(str(pattern), re.IGNORECASE | re.DOTALL) if pattern else None,
        selector=str(read.get("selector", "")),
        name=str(read.get("name", "")),
        status=tuple(cast("list[int]", read.get("status", []))),
        low=cast(int, read.get("from", read.get("least", 0))),
        high=cast(int, read.get("most", read.get("short", 0))),
    )
