"""Guides (平台取证指引): what a case against a seller of a platform needs, and how far it is.

A guide is data (a TOML file beside this module, with its version and both languages), not code.
An item counts when it is for all cases, or for a kind that this case has; it is answered by an
exhibit, or by a comparison of its kind. What is shown is n of m, never a score.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from guzheng.cases.course import Case
from guzheng.cases.values import SHORT, Tick, amount_of, licence_check, require_text
from guzheng.refusals import Refused

NAMES: Final = ("1688",)
KINDS: Final = ("text", "money", "count", "moment", "uscc", "patent")
_PATENT = re.compile(r"(?:ZL|CN)?(\d{4}[12389]\d{7})\.?([0-9X])?", re.ASCII)
_PATENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that an item asks for besides the exhibit."""

    name: str
    kind: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GuideItem:
    code: str
    words: Mapping[str, str]
    when: frozenset[str] = frozenset()
    fields: tuple[Asked, ...] = ()
    pair: str = ""
    delay: tuple[str, ...] = ()

    def is_for(self, types: frozenset[str]) -> bool:
        return not self.when or bool(self.when & types)


@dataclass(frozen=True, slots=True)
class Section:
    code: str
    words: Mapping[str, str]
    purpose: Mapping[str, str]
    items: tuple[GuideItem, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    name: str
    version: int
    words: Mapping[str, str]
    sections: tuple[Section, ...]

    @property
    def label(self) -> str:
        return f"{self.name}/{self.version}"

    def require_item(self, code: str) -> GuideItem:
        for section in self.sections:
            for item in section.items:
                if item.code == code:
                    return item
        raise Refused("cases.choice-unknown", expected=f"an item of {self.label}", found=code)


@dataclass(frozen=True, slots=True)
class Answered:
    """An item as a case answers it: by ticks, by comparisons, or not yet."""

    item: GuideItem
    ticks: Mapping[str, Tick]
    pairs: tuple[str, ...]
    wanted: bool

    @property
    def done(self) -> bool:
        return bool(self.ticks or self.pairs)


@dataclass(frozen=True, slots=True)
class SectionAnswered:
    section: Section
    items: tuple[Answered, ...]

    @property
    def of(self) -> int:
        return sum(one.wanted for one in self.items)

    @property
    def done(self) -> int:
        return sum(one.wanted and one.done for one in self.items)


def subject_of(guide: Guide, item: str, exhibit: str) -> str:
    """Under what a tick is entered: an exhibit answers an item once."""
    return f"{guide.name}/{item}/{exhibit}"


def answered(guide: Guide, case: Case) -> tuple[SectionAnswered, ...]:
    """How far a case is by a guide."""
    return tuple(
        SectionAnswered(section, tuple(_answered(guide, one, case) for one in section.items))
        for section in guide.sections
    )


def _answered(guide: Guide, item: GuideItem, case: Case) -> Answered:
    prefix = subject_of(guide, item.code, "")
    ticks = {key: one for key, one in case.ticks.items() if key.startswith(prefix)}
    pairs = tuple(key for key, one in case.pairs.items() if item.pair and one.kind == item.pair)
    return Answered(item, ticks, pairs, item.is_for(case.facts.types) or bool(ticks or pairs))


def purposes(guide: Guide, case: Case, language: str) -> dict[str, tuple[str, ...]]:
    """What the guide says that each exhibit proves, by the sections that it answers (S1-078);
    exhibits that answer none are left out."""
    found: dict[str, list[str]] = {}
    for one in answered(guide, case):
        ticks = (tick for item in one.items for tick in item.ticks.values())
        for exhibit in dict.fromkeys(tick.exhibit for tick in ticks):
            found.setdefault(exhibit, []).append(one.section.purpose[language])
    return {exhibit: tuple(said) for exhibit, said in found.items()}


def require_details(item: GuideItem, details: Mapping[str, str]) -> dict[str, str]:
    """What was typed for an item, each by its kind; blank ones left out. A number that fails
    its check is entered all the same: `details_checks` says so."""
    found = {}
    for asked in item.fields:
        text = require_text(details.get(asked.name, "").strip(), asked.name, most=SHORT)
        if not text:
            continue
        if asked.kind == "money":
            text = str(amount_of(text))
        elif asked.kind == "moment" and _moment(text) is None:
            raise Refused("cases.day-refused", expected="YYYY-MM-DDTHH:MM", found=text[:40])
        elif asked.kind == "count" and not (text.isascii() and text.isdecimal()):
            raise Refused("cases.choice-unknown", expected="a whole number", found=text[:40])
        found[asked.name] = text
    return found


def details_checks(item: GuideItem, details: Mapping[str, str]) -> dict[str, str]:
    """Of each number with a check character: `passed`, or the code of what is wrong."""
    checks = {}
    for asked in item.fields:
        text = details.get(asked.name, "")
        if text and asked.kind == "uscc":
            checks[asked.name] = licence_check(text)
        elif text and asked.kind == "patent":
            checks[asked.name] = patent_check(text)
    return checks


def patent_check(text: str) -> str:
    """Form of a Chinese patent or application number since 2003, and its check character
    where one is given (ZC 0006-2003): weights 2 to 9, 2 to 5, modulo 11."""
    form = _PATENT.fullmatch(text.upper().replace(" ", ""))
    if form is None:
        return "cases.patent-malformed"
    if form[2] is None:
        return "cases.patent-without-check"
    total = sum(int(one) * by for one, by in zip(form[1], _PATENT_WEIGHTS, strict=True))
    return "passed" if "0123456789X"[total % 11] == form[2] else "cases.patent-check"


def delay_of(item: GuideItem, details: Mapping[str, str]) -> timedelta | None:
    """Between the two moments that the item names; None when one is missing."""
    if len(item.delay) != 2:
        return None
    began, ended = (_moment(details.get(one, "")) for one in item.delay)
    return None if began is None or ended is None else ended - began


def _moment(text: str) -> datetime | None:
    """As `datetime-local` gives it; both are by the clock of China, so no zone is needed."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - see above
    except ValueError:
        return None


@cache
def guide_named(name: str) -> Guide:
    """Raises Refused where there is none of this name."""
    if name not in NAMES:
        raise Refused("cases.choice-unknown", expected=" | ".join(NAMES), found=repr(name[:40]))
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return _guide(tomllib.loads(text))


def _guide(table: Mapping[str, Any]) -> Guide:
    return Guide(
        table["name"],
        table["version"],
        _words(table),
        tuple(
            Section(
                one["code"],
                _words(one),
                {"zh": one["purpose_zh"], "en": one["purpose_en"]},
                tuple(_item(each) for each in one["item"]),
            )
            for one in table["section"]
        ),
    )


def _item(table: Mapping[str, Any]) -> GuideItem:
    return GuideItem(
        table["code"],
        _words(table),
        frozenset(table.get("when", ())),
        tuple(Asked(one["name"], one["kind"], _words(one)) for one in table.get("fields", ())),
        table.get("pair", ""),
        tuple(table.get("delay", ())),
    )


def _words(table: Mapping[str, Any]) -> dict[str, str]:
    return {"zh": table["zh"], "en": table["en"]}
