"""What a person types into the forms of a case, read into the station's values.

Blank is empty, blanks at the ends go; what is of one line stays so. Whether it may be entered
is the station's to say. A name may come several times in these forms: boxes of one question.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from guzheng.cases import Damage, Exhibited, Facts, Pair, Party, Stated, Tick, Why, course
from guzheng.cases.values import amount_of
from guzheng.proof import identifiers
from guzheng.web import naming
from guzheng.web.uploads import Field, parts_of

_DETAIL: Final = "detail."
# A form that names every exhibit a case may have; and four texts of four thousand characters,
# of which a browser sends each as nine octets.
_MOST_FIELDS: Final = course.MOST[course.EXHIBIT] + 100
_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one form, in the order in which they came."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, request: Request) -> "Form":
        parts = parts_of(request, limit=_LIMIT, plain=_LIMIT, most=_MOST_FIELDS)
        return cls(tuple((one.name, one.text) for one in parts if isinstance(one, Field)))

    def text(self, name: str) -> str:
        return next((text.strip() for each, text in self.pairs if each == name), "")

    def lines(self, name: str) -> str:
        """A text of several lines, in one spelling of their ends."""
        return self.text(name).replace("\r\n", "\n").replace("\r", "\n")

    def all(self, name: str) -> tuple[str, ...]:
        found = (text.strip() for each, text in self.pairs if each == name)
        return tuple(dict.fromkeys(one for one in found if one))

    def number(self, name: str) -> int | None:
        text = self.text(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None

    def details(self) -> dict[str, str]:
        """What a guide asks of an item besides the exhibit."""
        return {
            each.removeprefix(_DETAIL): text.strip()
            for each, text in self.pairs
            if each.startswith(_DETAIL)
        }

    def kept(self) -> Mapping[str, object]:
        """To fill a form again that was refused: a text, or the texts of one name."""
        names = dict.fromkeys(each for each, _ in self.pairs)
        return {one: self.all(one) if len(self.all(one)) > 1 else self.text(one)
                for one in names}  # fmt: skip


def facts_of(form: Form) -> Facts:
    """The name may be put together from its three parts (主体_场景_日期)."""
    return Facts(
        name=form.text("name") or naming.claimed_name_of(dict(form.pairs)) or "",
        categories=form.all("category"),
        direct=form.all("direct"),
        indirect=form.all("indirect"),
        court=form.text("court"),
        court_number=form.text("court_number"),
        hearing_on=form.text("hearing_on"),
        platform_note=form.lines("platform_note"),
        platform_exhibits=form.all("platform_exhibit"),
        about=form.lines("about"),
    )


def party_of(form: Form) -> Party:
    return Party(
        role=form.text("role"),
        name=form.text("name"),
        shop=form.text("shop"),
        licence=identifiers.spelled(form.text("licence")),
        level=form.text("level"),
        note=form.lines("note"),
    )


def exhibited_of(form: Form) -> Exhibited:
    return Exhibited(
        purpose=form.lines("purpose"),
        authenticity=form.lines("authenticity"),
        legality=form.lines("legality"),
        relevance=form.lines("relevance"),
        submitter=form.text("submitter"),
    )


def damage_of(form: Form) -> Damage:
    return Damage(
        kind=form.text("kind"),
        label=form.text("label"),
        amount=str(amount_of(form.text("amount"))),
        exhibits=form.all("exhibit"),
        note=form.lines("note"),
    )


_CHOSEN: Final = frozenset({"infringing", "genuine", "exhibit", "platform_exhibit"})
_PLACES: Final = re.compile(r"[0-9\s,、;]*[0-9][0-9\s,、;]*")


def by_place(form: Form, places: Callable[[], Mapping[str, str]]) -> Form:
    """The form, with exhibits that were chosen by their places in the case (`3`, `1, 3、12`)
    by their numbers. `places`: asked for only where one was."""
    if not any(_placed(name, text) for name, text in form.pairs):
        return form
    known, pairs = places(), []
    for name, text in form.pairs:
        if found := _placed(name, text):
            pairs += [(name, known.get(one.lstrip("0"), one)) for one in found]
        else:
            pairs.append((name, text))
    return Form(tuple(pairs))


def _placed(name: str, text: str) -> list[str]:
    """The places that are named; none where it is anything else."""
    plain = unicodedata.normalize("NFKC", text) if name in _CHOSEN else ""
    return re.findall("[0-9]+", plain) if _PLACES.fullmatch(plain) else []


def pair_of(form: Form) -> Pair:
    return Pair(
        kind=form.text("kind"),
        infringing=form.text("infringing"),
        genuine=form.text("genuine"),
        note=form.lines("note"),
    )


def tick_of(form: Form) -> Tick:
    return Tick(
        exhibit=form.text("exhibit"),
        offset=form.text("offset"),
        note=form.lines("note"),
        details=form.details(),
    )


def why_of(form: Form) -> Why:
    return Why(form.lines("why"))


# The parts of a case that a form states as a whole: the address it is sent to, and how it is
# read. Others (a tick, a move) have ways of their own.
STATED: Final[Mapping[str, tuple[str, str]]] = {
    "facts": (course.FACTS, ""),
    "parties": (course.PARTY, "/parties"),
    "damages": (course.DAMAGE, "/damages"),
    "pairs": (course.PAIR, "/exhibits"),
    "hold": (course.HOLD, "/course"),
    "closing": (course.CLOSING, "/course"),
    "notes": (course.NOTE, "/course"),
}


def stated_of(part: str, form: Form) -> Stated:
    match part:
        case course.FACTS:
            return facts_of(form)
        case course.PARTY:
            return party_of(form)
        case course.DAMAGE:
            return damage_of(form)
        case course.PAIR:
            return pair_of(form)
        case course.EXHIBIT:
            return exhibited_of(form)
        case _:
            return why_of(form)
