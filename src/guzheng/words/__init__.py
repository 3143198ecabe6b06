"""The words: what every code means, in each language, and in one place.

Papers, errors and reports carry codes only; a code becomes a sentence here, at the last
moment, in the reader's language. So a certificate made today can be read in a language added
next year, and no sentence is ever parsed again by a program.

A catalogue is a TOML file beside this module, one per language, keyed by code: the table
``[intake]`` with the key ``empty-file`` holds the words of ``intake.empty-file``. Chinese is
the source; every other catalogue has exactly the same codes with exactly the same blanks
(``{found}``), which a test requires. A blank is a name between braces and nothing more: no
attribute, no index, no format, so that neither a word nor a fact can reach into an object.
A fact that is a tuple is several names, which each language sets apart in its own way.
There are no plurals: write sentences that need none («Files: {count}»).

A code without words, or a blank without a fact, is our bug and raises at once; for codes that
come from outside (a paper made by a later version) ask :func:`find_words`."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal, get_args

Language = Literal["zh", "en"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
SOURCE: Final[Language] = "zh"

_BETWEEN: Final[Mapping[Language, str]] = {"zh": "、", "en": ", "}
_NUMBERED = re.compile(r"([a-z]+)-([0-9]{3})(?:\.[a-z0-9]+)?")
_BLANK = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Unspoken(LookupError):
    """A code has no words, or the words have a blank that was given no fact."""


def say(code: str, language: Language = SOURCE, /, **facts: object) -> str:
    """The words of a code, its blanks filled with the facts; raises Unspoken."""
    words = catalogue(language).get(code)
    if words is None:
        raise Unspoken(f"no {language} words for the code {code!r}")
    return _filled(words, facts, code, language)


def find_words(code: str, language: Language = SOURCE, /, **facts: object) -> str | None:
    """As :func:`say`, for a code we may not know: None rather than an error."""
    return say(code, language, **facts) if code in catalogue(language) else None


def find_item_words(name: str, language: Language = SOURCE, /) -> str | None:
    """What an item of a capture is, by its name: docs/spec/capture.md §3. ``dom-007.html`` is
    the document of frame 7, in the words of ``page.item-of.dom``."""
    if known := find_words(f"page.item.{name.replace('.', '-')}", language):
        return known
    if numbered := _NUMBERED.fullmatch(name):
        kind, number = numbered.groups()
        return find_words(f"page.item-of.{kind}", language, number=int(number))
    return None


def find_language(tag: str) -> Language | None:
    """The language of ours that a tag asks for: ``zh-Hans-CN`` is ``zh``, ``fr`` is None."""
    primary = tag.strip().lower().partition("-")[0].partition("_")[0]
    return primary if primary in LANGUAGES else None


def blanks(words: str) -> frozenset[str]:
    """The names a sentence wants facts for."""
    return frozenset(_BLANK.findall(words))


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """Every code and its words in one language; read once, never changed."""
    text = files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flat(tomllib.loads(text), "")))


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            raise TypeError(f"words are text: {prefix}{key} is {type(value).__name__}")


def _filled(words: str, facts: Mapping[str, object], code: str, language: Language) -> str:
    def fact_of(blank: re.Match[str]) -> str:
        name = blank.group(1)
        if name not in facts:
            raise Unspoken(f"the words of {code!r} want the fact {name!r}")
        fact = facts[name]
        return _BETWEEN[language].join(map(str, fact)) if isinstance(fact, tuple) else str(fact)

    return _BLANK.sub(fact_of, words)
