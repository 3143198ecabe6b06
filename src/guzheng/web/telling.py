"""How a refusal is told to a reader: no note that a program wrote for programs reaches a page.

`Refused` carries notes in English and identifiers (`at most 5,000 octets`, `professional`,
`none`), which suit a log and an API. A merchant reads words: a code's own (`expected.CODE`,
which may use the numbers of the note as {first} and {second}), else those of a known form of
note (`at most N octets`), else the note itself where it is not prose: a number, a date, what
the reader typed. Prose that has no words in his language is not told as if it were his: it
stands under «for technicians», marked as English, with the code to quote. So nothing is lost,
and nobody has to guess what `none` was."""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from guzheng import words
from guzheng.web.cures import cure_of

_COUNT = r"([0-9][0-9,]*)"
_UNITS = (
    "octets?|characters?|letters|files|documents|days|s|min|seconds|minutes|exhibits|digits"
    "|keys|pixels|commitments"
)
_UNIT = rf"(?: ({_UNITS}))?(?: more)?"
_FORMS: Final = (
    ("at-most", re.compile(rf"(?:≤|at most|up to) ?{_COUNT}{_UNIT}(?: in all)?")),
    ("at-least", re.compile(rf"(?:≥|at least) ?{_COUNT}{_UNIT}")),
    ("more-than", re.compile(rf"(?:>|more than) ?{_COUNT}{_UNIT}")),
    ("between", re.compile(rf"{_COUNT}(?: to |[–…-]| … ){_COUNT}{_UNIT}")),
    ("count", re.compile(rf"{_COUNT}{_UNIT}")),
)
_ONE_OF = {"octet": "octets", "character": "characters", "min": "minutes", "s": "seconds"}
_WORD = re.compile(r"[a-z][a-z -]{1,60}")
_NUMBERED = re.compile(r"none (?:numbered|named|with) ('.*'|\".*\")", re.DOTALL)
_QUOTED = re.compile(r"('[^']*'|\"[^\"]*\")", re.DOTALL)
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")
# What is the same in every language: addresses, identifiers of ours, kinds of files, forms.
_NEUTRAL = re.compile(
    r"https?://\S*|http\(s\)://|sha256:[0-9a-f]+|[a-z]{2}_[0-9A-Za-z…]*|GZ-[0-9A-ZX-]+"
    r"|\b[a-z]?[hms]{1,2}(?::[hms]{1,2})+\b|\b(?:YYYY|MM|DD|DDTHH|THH|YYYYMMDD)\b|\b[0-9-]+T[0-9:]+Z?"
    r"|\S{1,64}@[\w.-]+|\b(?:PDF|PNG|JPEG|WebP|ZIP|ISO|HTTP|URL|CSV|TXT|UTC|RFC|TB|GB|MB|KB|KiB|MiB"
    r"|GiB|kB|POST|GET|tsa|ms)\b"
)
_PROSE = re.compile(r"[A-Za-z]{2,}")
_LISTED = re.compile(r"[a-z][a-z-]*(?:[ ,]+[a-z][a-z-]*)*")
_EDITIONS = re.compile(r"([a-z]+): (.+)", re.DOTALL)
_OF_PERMISSIONS: Final = frozenset({"accounts.not-permitted", "accounts.beyond-own"})


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal in the reader's words, and what is kept for technicians."""

    expected: str = ""
    found: str = ""
    act: str = ""
    technical: tuple[str, ...] = ()
    cure: tuple[str, str] | None = None


NOTHING_TOLD: Final = Told()


def told_of(
    code: str,
    notes: Mapping[str, str],
    language: words.Language,
    *,
    names: Mapping[str, Mapping[str, str]],
    act: Callable[..., str],
) -> Told:
    """`notes`: expected and found as they were raised. `names`: identifiers in them that have
    names. `act`: who must act, when told whether the reader sees what was expected."""
    told: dict[str, str] = {}
    technical: list[str] = []
    for part, note in notes.items():
        told[part] = _told(code, part, _named(code, note, language, names), language)
        if note and not told[part]:
            technical.append(note)
    expected, found = told["expected"], told["found"]
    return Told(
        expected, found, act(sees_expected=bool(expected)), tuple(technical), cure_of(code)
    )


def _told(code: str, part: str, note: str, language: words.Language) -> str:
    if code == "accounts.not-in-edition" and (said := _EDITIONS.fullmatch(note)):
        function = words.say(f"page.edition.function-{said[1]}", language)
        editions = said[2].replace(", ", "、") if language == "zh" else said[2]
        return words.say("told.in-editions", language, function=function, editions=editions)
    if code == "cases.still-cited" and part == "found":  # on which pages of the case to look
        parts = [words.find_words(f"case.part.{one}", language) for one in note.split(", ")]
        return ("、" if language == "zh" else ", ").join(one for one in parts if one)
    numbers = _NUMBER.findall(note)
    facts = dict(zip(("first", "second"), numbers, strict=False))
    own = words.catalogue(language).get(f"{part}.{code}")
    if own is not None and words.blanks(own) <= facts.keys():
        return words.say(f"{part}.{code}", language, **facts)
    if note in {"''", '""'}:
        return words.say("told.word.empty", language)
    if language == "en" or not note:
        return note
    return in_words(note, language) or (note if is_neutral(note) else "")


def in_words(note: str, language: words.Language) -> str:
    """A note of a known form, in words; empty for any other."""
    for form, pattern in _FORMS:
        if found := pattern.fullmatch(note):
            *counts, unit = found.groups()
            kind = _ONE_OF.get(unit, unit)
            counted = words.say(f"told.unit.{kind}", language) if kind else ""
            facts = dict(zip(("first", "second"), counts, strict=False))
            return words.say(f"told.{form}", language, unit=counted, **facts)
    if found := _NUMBERED.fullmatch(note):
        return words.say("told.none-so", language, name=_unquoted(found[1]))
    if _QUOTED.fullmatch(note):
        return _unquoted(note) or words.say("told.word.empty", language)
    if _WORD.fullmatch(note):
        key = note.replace(" ", "-")
        return next(
            (said for place in ("told.word", "order.state", "role")
             if (said := words.find_words(f"{place}.{key}", language))),
            "",
        )  # fmt: skip
    return ""


def is_neutral(note: str) -> bool:
    """Whether a note is no prose: what is left without figures and quoted text has no word."""
    return not _PROSE.search(_NEUTRAL.sub(" ", _QUOTED.sub(" ", note)))


def _named(
    code: str, note: str, language: words.Language, names: Mapping[str, Mapping[str, str]]
) -> str:
    """The identifiers of a note by their names."""
    if code in _OF_PERMISSIONS and _LISTED.fullmatch(note):
        those = re.split(r"[ ,]+", note)
        said = [words.find_words(f"permission.{one}", language) for one in those]
        if all(said):
            return ("、" if language == "zh" else ", ").join(one or "" for one in said)
    if not names:
        return note
    each = re.compile("|".join(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in names))
    return each.sub(lambda one: names[one[0]].get(language, one[0]), note)


def _unquoted(text: str) -> str:
    """What stands in the quotes that `repr` wrote; invisible characters stay spelled out."""
    try:
        inner = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text[1:-1]
    return inner if isinstance(inner, str) and inner.isprintable() else text[1:-1]
