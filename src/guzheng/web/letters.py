"""A letter of warning (警告函) from a case: whom, what was found, how it can be checked.

A draft for a person to finish: it cites the certificates by number and the address where
anybody checks them, claims no more than that these papers exist, threatens nothing, and is sent
by nobody but its reader. A legal notice (S1-009) stands under it.
"""

from dataclasses import dataclass

from guzheng import words
from guzheng.cases import Case
from guzheng.web.ports import Platform
from guzheng.web.spelling import BEIJING


@dataclass(frozen=True, slots=True)
class Letter:
    """`lines`: paragraph by paragraph; an empty one parts them."""

    title: str
    lines: tuple[str, ...]
    certified: int


def letter_of(platform: Platform, known: Case, language: words.Language) -> Letter:
    def say(code: str, **facts: object) -> str:
        return words.say(f"page.letter.{code}", language, **facts)

    targets = [one for one in known.parties.values() if one.role == "target"]
    names = "、" if language == "zh" else ", "
    whom = names.join(one.name or one.shop for one in targets) or say("whom-blank")
    types = [
        words.say(f"case.{group}.{one}", language)
        for group, chosen in (
            ("category", known.facts.categories),
            ("direct", known.facts.direct),
            ("indirect", known.facts.indirect),
        )
        for one in chosen
    ]
    genuine = {one.genuine for one in known.pairs.values()}  # ours, and no conduct of theirs
    shown = [one for one in platform.cases.shown(known) if one.exhibit not in genuine]
    numbers = platform.cases.numbers_of(known)
    cited = [
        say("exhibit", place=one.place, title=one.title, number=numbers[one.exhibit])
        for one in shown
        if one.exhibit in numbers
    ]
    day = platform.now().astimezone(BEIJING).strftime("%Y-%m-%d")
    lines = (
        say("to", whom=whom),
        "",
        say("found", types=names.join(types) or say("types-blank")),
        "",
        say("exhibits") if cited else say("no-exhibits"),
        *cited,
        "",
        say("check", address=platform.cases.verify_address or say("address-blank")),
        "",
        say("ask"),
        "",
        say("reserve"),
        "",
        say("sign", day=day),
        "",
        say("legal"),
    )
    return Letter(say("title"), lines, len(cited))
