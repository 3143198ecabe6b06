"""What a case is made of: facts, parties, exhibits with their purpose, damages, pairs, ticks.

Values as somebody stated them; nothing here is attested. Each can be written as JSON and read
again (`value`, `read`), and `require` says whether it may be entered: choices are from closed
lists, texts are visible and bounded, sums are whole cents. A licence number that fails its
check character is entered all the same and shown as failing: that a shop displays such a number
is itself a finding.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

from guzheng.proof import identifiers
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused

CATEGORIES: Final = (
    "false-advertising",
    "forged-certificate",
    "order-breach",
    "copyright",
    "trademark",
    "patent",
    "other",
)
DIRECT: Final = ("trademark-use", "patent-use", "design-use", "forged-qualification")
INDIRECT: Final = ("suggestive-wording", "altered-report")
ROLES: Final = ("target", "oem-factory", "logistics", "distributor", "platform", "other")
SUBMITTERS: Final = ("claimant", "respondent", "third-party")
BUYER, RIGHTS = "buyer", "rights"
DAMAGE_KINDS: Final = {
    "order-amount": BUYER,
    "overstock": BUYER,
    "breach-compensation": BUYER,
    "buyer-other": BUYER,
    "market-share": RIGHTS,
    "technology-leak": RIGHTS,
    "enforcement-cost": RIGHTS,
    "rights-other": RIGHTS,
}
PAIR_KINDS: Final = ("goods", "qualification", "inspection", "level", "drawing")
SHORT, LONG = 120, 4000
CENT: Final = Decimal("0.01")
MOST_MONEY: Final = Decimal("1000000000000.00")


def require_text(text: str, what: str, *, most: int = SHORT, lines: bool = False) -> str:
    """Visible and not too long; `lines`: it may have several."""
    shown = text.replace("\r\n", "\n").replace("\n", "") if lines else text
    hidden = any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for one in shown)
    if hidden or len(text) > most:
        raise Refused(
            "cases.text-refused",
            expected=f"{what}: at most {most} characters, none invisible",
            found=f"{len(text)} characters: {text[:40]!a}",
            act="shorten or retype it",
        )
    return text


def require_choice(word: str, among: Iterable[str], what: str) -> str:
    known = tuple(among)
    if word not in known:
        raise Refused(
            "cases.choice-unknown",
            expected=f"{what}: {' | '.join(known)}",
            found=repr(word[:60]),
            act="choose one of these",
        )
    return word


def amount_of(text: str) -> Decimal:
    """Money as it is typed: `¥12,345.6` or `12345.6 元` is 12345.60. Never negative, at most
    two places."""
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("¥").removesuffix("元")
    plain = plain.strip().replace(",", "")
    try:
        amount = Decimal(plain)
        exact = amount.is_finite() and amount == amount.quantize(CENT)
        fits = (
            exact
            and not amount.is_signed()
            and amount <= MOST_MONEY
            and "e" not in plain.lower()
        )
    except InvalidOperation:
        fits, amount = False, Decimal(0)
    if not fits:
        raise Refused(
            "cases.amount-refused",
            expected=f"an amount of 0.00 to {MOST_MONEY:,}, to the cent",
            found=repr(text[:40]),
            act="retype it",
        )
    return amount.quantize(CENT)


def day_of(text: str) -> str:
    """`YYYY-MM-DD` that is a day; empty stays empty."""
    try:
        fits = not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        fits = False
    if not fits:
        raise Refused("cases.day-refused", expected="YYYY-MM-DD", found=repr(text[:40]))
    return text


def licence_check(number: str) -> str:
    """passed, or the code of what is wrong with it; empty for none given."""
    if not number:
        return ""
    try:
        identifiers.require_uscc(number)
    except ProofError as error:
        return error.code
    return "passed"


class Stated:
    """Something of a case, as JSON: texts, and lists of texts; nothing else."""

    __slots__ = ()

    def value(self) -> dict[str, object]:
        mine: dict[str, object] = {}
        for one in fields(self):  # type: ignore[arg-type]  # every heir is a dataclass
            held = getattr(self, one.name)
            mine[one.name] = list(held) if isinstance(held, tuple) else held
        return mine

    @classmethod
    def read(cls, value: Mapping[str, object]) -> Self:
        """What an earlier or later version left out is empty."""
        held: dict[str, Any] = {}
        for one in fields(cls):  # type: ignore[arg-type]  # every heir is a dataclass
            found = value.get(one.name)
            if isinstance(found, list):
                held[one.name] = tuple(str(each) for each in found)
            elif isinstance(found, dict):
                held[one.name] = {str(key): str(text) for key, text in found.items()}
            elif found is not None:
                held[one.name] = found
        return cls(**held)

    def require(self) -> None:
        """Raises Refused when it may not be entered."""

    @property
    def cited(self) -> tuple[str, ...]:
        """The exhibits that it refers to."""
        return ()


@dataclass(frozen=True, slots=True)
class Facts(Stated):
    """What the dispute is about. `hearing_on`: a day in China; empty while none is set."""

    name: str = ""
    categories: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    indirect: tuple[str, ...] = ()
    court: str = ""
    court_number: str = ""
    hearing_on: str = ""
    platform_note: str = ""
    platform_exhibits: tuple[str, ...] = ()
    about: str = ""

    def require(self) -> None:
        if not self.name.strip():
            raise Refused(
                "cases.name-wanted", expected="a name", found="none", act="give the case a name"
            )
        require_text(self.name, "name")
        for word in self.categories:
            require_choice(word, CATEGORIES, "category")
        for word in self.direct:
            require_choice(word, DIRECT, "direct infringement")
        for word in self.indirect:
            require_choice(word, INDIRECT, "indirect infringement")
        require_text(self.court, "court")
        require_text(self.court_number, "number at the court")
        day_of(self.hearing_on)
        require_text(self.platform_note, "platform's liability", most=LONG, lines=True)
        require_text(self.about, "about", most=LONG, lines=True)

    @property
    def cited(self) -> tuple[str, ...]:
        return self.platform_exhibits

    @property
    def types(self) -> frozenset[str]:
        """Whatever brings items of a guide with it."""
        return frozenset((*self.categories, *self.direct, *self.indirect))


@dataclass(frozen=True, slots=True)
class Party(Stated):
    """Who is accused, or has to do with it; neutral: 目标主体, never «infringer»."""

    role: str = "target"
    name: str = ""
    shop: str = ""
    licence: str = ""
    level: str = ""
    note: str = ""

    def require(self) -> None:
        require_choice(self.role, ROLES, "role")
        if not (self.name.strip() or self.shop.strip() or self.licence):
            raise Refused(
                "cases.party-unnamed",
                expected="a name, a shop or the number of a licence",
                found="none of them",
                act="say who it is",
            )
        for text, what in ((self.name, "name"), (self.shop, "shop"), (self.level, "level")):
            require_text(text, what)
        require_text(self.licence, "licence", most=40)
        require_text(self.note, "note", most=LONG, lines=True)

    @property
    def licence_check(self) -> str:
        return licence_check(self.licence)


@dataclass(frozen=True, slots=True)
class Exhibited(Stated):
    """An exhibit in the case: what it is to prove, and what is said of the three properties."""

    purpose: str = ""
    authenticity: str = ""
    legality: str = ""
    relevance: str = ""
    submitter: str = "claimant"

    def require(self) -> None:
        for text, what in (
            (self.purpose, "purpose"),
            (self.authenticity, "authenticity"),
            (self.legality, "legality"),
            (self.relevance, "relevance"),
        ):
            require_text(text, what, most=LONG, lines=True)
        require_choice(self.submitter, SUBMITTERS, "submitter")


@dataclass(frozen=True, slots=True)
class Damage(Stated):
    """One line of the worksheet. `amount`: yuan, two places, as text."""

    kind: str = "order-amount"
    label: str = ""
    amount: str = "0.00"
    exhibits: tuple[str, ...] = ()
    note: str = ""

    def require(self) -> None:
        require_choice(self.kind, DAMAGE_KINDS, "kind of damage")
        require_text(self.label, "label")
        require_text(self.note, "note", most=LONG, lines=True)
        if str(amount_of(self.amount)) != self.amount:
            raise Refused("cases.amount-refused", expected="0.00", found=repr(self.amount[:40]))

    @property
    def cited(self) -> tuple[str, ...]:
        return self.exhibits

    @property
    def money(self) -> Decimal:
        return Decimal(self.amount)

    @property
    def part(self) -> str:
        return DAMAGE_KINDS.get(self.kind, RIGHTS)


@dataclass(frozen=True, slots=True)
class Pair(Stated):
    """What infringes, beside what is genuine; both are exhibits, so both are hashed."""

    kind: str = "goods"
    infringing: str = ""
    genuine: str = ""
    note: str = ""

    def require(self) -> None:
        require_choice(self.kind, PAIR_KINDS, "kind of comparison")
        require_text(self.note, "note", most=LONG, lines=True)
        if not self.infringing or self.infringing == self.genuine:
            raise Refused(
                "cases.pair-of-one",
                expected="two exhibits",
                found=self.infringing[:40] or "none",
                act="choose two that differ",
            )

    @property
    def cited(self) -> tuple[str, ...]:
        return (self.infringing, self.genuine)


@dataclass(frozen=True, slots=True)
class Tick(Stated):
    """An item of a guide that an exhibit answers. `guide`: which one, and its version.

    `offset`: where in a recording, h:mm:ss. `details`: what the guide asks of this item (number
    of an order, times of a complaint …)."""

    guide: str = ""
    exhibit: str = ""
    offset: str = ""
    note: str = ""
    details: Mapping[str, str] | None = None

    def require(self) -> None:
        require_text(self.note, "note", most=LONG, lines=True)
        seconds_of(self.offset)

    @property
    def cited(self) -> tuple[str, ...]:
        return (self.exhibit,)

    def value(self) -> dict[str, object]:
        return {
            "guide": self.guide,
            "exhibit": self.exhibit,
            "offset": self.offset,
            "note": self.note,
            "details": dict(self.details or {}),
        }


@dataclass(frozen=True, slots=True)
class Why(Stated):
    """A reason, or words: of a hold, a closing, a note."""

    text: str = ""

    def require(self) -> None:
        require_text(self.text, "text", most=LONG, lines=True)
        if not self.text.strip():
            raise Refused("cases.reason-wanted", expected="a few words", found="none")


@dataclass(frozen=True, slots=True)
class Sequence(Stated):
    """The exhibits in the order in which they are put forward."""

    exhibits: tuple[str, ...] = ()


def seconds_of(offset: str) -> int | None:
    """`1:02:03`, `02:03` or `3` as seconds; None for empty. Raises Refused."""
    if not offset:
        return None
    parts = offset.split(":")
    digits = all(one.isascii() and one.isdecimal() and len(one) <= 3 for one in parts)
    if not digits or len(parts) > 3 or any(int(one) > 59 for one in parts[1:]):
        raise Refused(
            "cases.offset-refused", expected="h:mm:ss, mm:ss or s", found=repr(offset[:20])
        )
    seconds = 0
    for one in parts:
        seconds = seconds * 60 + int(one)
    return seconds
