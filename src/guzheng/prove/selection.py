"""What is to be packed for a court: exhibits in an order, each with what it is to prove.

Whoever submits says these things; none of them is evidence, and each is printed as his
statement. Every text is bounded, so that a document has an end. A case gives one of these; so
does a form in which exhibits were ticked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import cast

from guzheng.proof import canonical
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import EXHIBIT_FORM
from guzheng.refusals import Refused

MOST = 100  # exhibits of one package
LONGEST = 1000  # characters of one statement
LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True)
class Chosen:
    """One exhibit, and what is said of it: 证明目的, and the three properties (三性)."""

    exhibit: str
    purpose: str = ""
    authenticity: str = ""
    legality: str = ""
    relevance: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The package's own words. `relation`: what the submitter says of his relation to the
    operator of the platform (在线诉讼规则 17)."""

    entries: tuple[Chosen, ...]
    title: str = ""
    case_number: str = ""
    cause: str = ""
    submitter: str = ""
    parties: str = ""
    relation: str = ""

    def value(self) -> dict[str, object]:
        texts = {name: getattr(self, name) for name in _TEXTS}
        return {**texts, "entries": [_value(one) for one in self.entries]}


_TEXTS = tuple(one.name for one in fields(Selection) if one.name != "entries")
_SAYS = tuple(one.name for one in fields(Chosen))


def _value(one: Chosen) -> dict[str, object]:
    return {name: getattr(one, name) for name in _SAYS}


def encode(selection: Selection) -> bytes:
    return canonical.encode(selection.value())


def parse(octets: bytes) -> Selection:
    """What `encode` gave. Raises ProofError."""
    return of_value(canonical.parse(octets))


def of_value(value: object) -> Selection:
    given = Fields(value, "selection")
    entries = []
    for listed in given.items("entries", most=MOST):
        said = Fields(listed, "selection.entries")
        entries.append(Chosen(*(said.text(name, longest=LONGEST) for name in _SAYS)))
        said.end()
    texts = {name: given.text(name, longest=LONGEST) for name in _TEXTS}
    given.end()
    return Selection(tuple(entries), **texts)


def require_selection(selection: Selection) -> Selection:
    """The same, if it can be printed. Raises Refused with the field that is too long."""
    names = [one.exhibit for one in selection.entries]
    if not 1 <= len(names) <= MOST or len(set(names)) != len(names):
        raise Refused(
            "package.selection-refused",
            expected=f"1 to {MOST} exhibits, each once",
            found=f"{len(names)}, {len(set(names))} of them different",
            act="choose the exhibits again",
        )
    for name in names:
        if not EXHIBIT_FORM.fullmatch(name):
            raise Refused("exhibit.not-found", expected="ex_…", found=repr(name[:40]))
    for field, text in _texts_of(selection):
        longest = LONGEST_TITLE if field == "title" else LONGEST
        if len(text) > longest:
            raise Refused(
                "package.selection-refused",
                expected=f"{field}: at most {longest} characters",
                found=str(len(text)),
                act="shorten it",
            )
    return selection


def _texts_of(selection: Selection) -> list[tuple[str, str]]:
    own = cast("Mapping[str, str]", {name: getattr(selection, name) for name in _TEXTS})
    said = [(name, getattr(one, name)) for one in selection.entries for name in _SAYS]
    return [*own.items(), *said]
