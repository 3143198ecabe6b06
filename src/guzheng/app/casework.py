"""Cases of an account: opened, filled, held, closed; and what they hold looked up.

The rules are the station's (`cases`). What is added here is what only the whole platform knows:
whose an exhibit is (nobody puts another account's exhibit into his case), what it is called,
and what the captures cost. Who may do it was asked before, at the gate.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from guzheng import road
from guzheng.app.parts import Parts
from guzheng.app.views import facts_of
from guzheng.cases import (
    Case,
    Cases,
    Exhibited,
    Facts,
    Hand,
    Party,
    Stated,
    Tick,
    course,
    guide,
)
from guzheng.cases.damages import Sums, sums_of
from guzheng.cases.guide import Guide, SectionAnswered
from guzheng.intake import catalogue
from guzheng.proof import instant, package
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.blobs import find
from guzheng.store.ids import LOCAL
from guzheng.words import SOURCE, Language, say

_MOST_AT_ONCE = 500  # numbers in one question to a database
_MOST_OFFERED = 200  # cases that a list offers; older ones by name or number
MOST_CALLED = 100  # cases of one name whose exhibits a search finds


@dataclass(frozen=True, slots=True)
class Shown:
    """An exhibit of a case as pages and papers name it. `title`: its name, else its number;
    `purpose`: what was stated, else what the guide says that its answers prove (S1-078)."""

    place: int
    exhibit: str
    stated: Exhibited
    title: str
    kind: str
    state: str
    purpose: str
    picture: str = ""  # the file to show; empty where there is none


class Casework:
    """Every case of an installation; may be shared by threads."""

    def __init__(
        self,
        parts: Parts,
        account_of_exhibit: Callable[[str], str | None],
        public_url: str = "",
    ) -> None:
        self._parts = parts
        # Where anybody checks a certificate; empty while nobody said where we are reached.
        self.verify_address = f"{public_url.rstrip('/')}/verify" if public_url else ""
        self._rows = Cases(parts.accounts, catalogue.words_of)
        self._account_of_exhibit = account_of_exhibit

    def new_token(self) -> str:
        """A number for a case that a form is made for: sent twice, it opens one case."""
        return ids.new("ca", self._parts.now(), self._parts.entropy)

    # ---- changing --------------------------------------------------------------------

    def open(
        self, facts: Facts, *, account: str = LOCAL, person: str = "", token: str = ""
    ) -> Case:
        self._require_own(facts.cited, account)
        return self._rows.open(token or self.new_token(), account, facts, self._hand(person))

    def set(
        self,
        case: str,
        part: str,
        stated: Stated,
        *,
        subject: str = "",
        person: str = "",
        seen: int | None = None,
    ) -> str:
        """Enter something; gives under what. `seen`: the entry that the writer had read."""
        return self._rows.set(case, part, subject, stated, self._hand(person), seen=seen)

    def tick(self, case: str, name: str, item: str, tick: Tick, *, person: str = "") -> None:
        """An exhibit answers an item of a guide."""
        known = guide.guide_named(name)
        details = guide.require_details(known.require_item(item), tick.details or {})
        entered = Tick(known.label, tick.exhibit, tick.offset, tick.note, details)
        subject = guide.subject_of(known, item, tick.exhibit)
        self._rows.set(case, course.TICK, subject, entered, self._hand(person))

    def remove(self, case: str, part: str, subject: str = "", *, person: str = "") -> None:
        self._rows.remove(case, part, subject, self._hand(person))

    def restore(self, case: str, part: str, subject: str = "", *, person: str = "") -> None:
        self._rows.restore(case, part, subject, self._hand(person))

    def link(self, case: str, exhibits: Sequence[str], *, person: str = "") -> None:
        """Add exhibits of the same account, all or none."""
        if not exhibits:
            raise Refused("cases.nothing-chosen", expected="an exhibit", found="none")
        self._require_own(exhibits, self._rows.account_of(case))
        self._rows.link(case, exhibits, self._hand(person))

    def move(self, case: str, exhibit: str, place: int, *, person: str = "") -> None:
        self._rows.move(case, exhibit, place, self._hand(person))

    def _hand(self, person: str) -> Hand:
        return Hand(person, self._parts.now())

    def _require_own(self, exhibits: Collection[str], account: str) -> None:
        for one in exhibits:
            if self._account_of_exhibit(one) != account:
                raise Refused(
                    "exhibit.not-found",
                    expected="an exhibit of this account",
                    found=repr(one[:40]),
                    act="check the number",
                )

    # ---- looking ---------------------------------------------------------------------

    def account_of(self, case: str) -> str | None:
        """Whose it is; None when there is no such case."""
        try:
            return self._rows.account_of(case)
        except Refused:
            return None

    def case(self, case: str) -> Case:
        return self._rows.require(case)

    def page(
        self, limit: int, before: str | None = None, *, account: str = LOCAL
    ) -> tuple[Case, ...]:
        return self._rows.page(account, limit, before)

    def of_exhibit(self, exhibit: str, *, account: str = LOCAL) -> tuple[Case, ...]:
        return self._rows.of_exhibit(exhibit, account)

    def offered(self, account: str) -> tuple[tuple[str, Facts], ...]:
        """The newest cases of an account and their facts, for choosing from."""
        return self._rows.named(account, _MOST_OFFERED)

    def exhibits_in(self, cases: Collection[str]) -> frozenset[str]:
        return self._rows.exhibits_in(cases)

    def found_by(self, text: str, account: str) -> tuple[frozenset[str], bool]:
        """Exhibits of the cases that are called so, or have this number here or at a court;
        and whether more cases are called so than were looked into, the newest first."""
        text = text.strip()
        if ids.is_id(text):
            own = self.account_of(text) == account
            return self.exhibits_in([text] if own else []), False
        called = self._rows.called(account, catalogue.terms_of(text), MOST_CALLED + 1)
        among = called[:MOST_CALLED]
        return (self.exhibits_in(among) if among else frozenset()), len(called) > MOST_CALLED

    def held(self, exhibit: str) -> bool:
        """Whether a legal hold, of any case, forbids to remove anything of this exhibit."""
        return self._rows.held(exhibit)

    def hearing_of(self, exhibits: Collection[str], *, account: str = LOCAL) -> str:
        """The latest day of hearing of the open cases that these exhibits are in, or empty:
        until then a share of them should last."""
        days = [
            one.facts.hearing_on
            for each in exhibits
            for one in self._rows.of_exhibit(each, account)
            if one.closing is None
        ]
        return max(days, default="")

    def shown(self, case: Case, language: Language = SOURCE) -> tuple[Shown, ...]:
        """The exhibits of a case in their order."""
        said = guide.purposes(guide.guide_named("1688"), case, language)
        return tuple(
            one
            if one.purpose or one.exhibit not in said
            else replace(one, purpose="；".join(said[one.exhibit]))
            for one in self.named(case.exhibits)
        )

    def parties_said(self, case: Case, language: Language = SOURCE) -> tuple[str, ...]:
        """Each party in one line, as a list of evidence names it (S1-020, S1-021)."""
        return tuple(_party_line(one, language) for one in case.parties.values())

    def named(self, exhibits: Mapping[str, Exhibited]) -> tuple[Shown, ...]:
        names = list(exhibits)
        lines: dict[str, catalogue.Listed] = {}
        for at in range(0, len(names), _MOST_AT_ONCE):
            part = names[at : at + _MOST_AT_ONCE]
            lines |= catalogue.lines_of(self._parts.index.engine, part)
        return tuple(
            Shown(
                place,
                name,
                exhibits[name],
                (lines[name].claimed_name if name in lines else "") or name,
                lines[name].kind if name in lines else "",
                lines[name].state if name in lines else "",
                exhibits[name].purpose,
                lines[name].picture if name in lines else "",
            )
            for place, name in enumerate(names, 1)
        )

    def numbers_of(self, case: Case) -> dict[str, str]:
        """Exhibit → number of its certificate, of those that have one."""
        numbers = {}
        for name in case.exhibits:
            paper = road.folder_of(name) + package.CERTIFICATE_JSON
            facts = facts_of(find(self._parts.blobs, paper)) or {}
            if isinstance(number := facts.get("number"), str):
                numbers[name] = number
        return numbers

    def guide(self, case: Case, name: str = "1688") -> tuple[Guide, Sequence[SectionAnswered]]:
        known = guide.guide_named(name)
        return known, guide.answered(known, case)

    def sums(self, case: Case) -> Sums:
        return sums_of(case.damages.values())

    def units_of(self, case: Case) -> int:
        """Units of the quota that the captures among its exhibits cost (S2-026)."""
        return self._parts.commissions.charged_for(list(case.exhibits))

    def value(self, case: str) -> dict[str, object]:
        """A case as programs and papers are told it."""
        one = self._rows.require(case)
        known, sections = self.guide(one)
        sums = self.sums(one)
        return {
            "case": one.case,
            "opened_at": instant.encode(one.opened_at),
            "state": "closed" if one.closing else "open",
            "hold": one.hold is not None,
            "facts": one.facts.value(),
            "parties": [
                {**each.value(), "licence_check": each.licence_check}
                for each in one.parties.values()
            ],
            "exhibits": [
                {
                    **each.stated.value(),
                    "place": each.place,
                    "exhibit": each.exhibit,
                    "purpose": each.purpose,
                }
                for each in self.shown(one)
            ],
            "pairs": [each.value() for each in one.pairs.values()],
            "damages": {
                "lines": [each.value() for each in one.damages.values()],
                "buyer": str(sums.buyer),
                "rights": str(sums.rights),
                "total": str(sums.total),
            },
            "guide": {
                "name": known.label,
                "sections": [
                    {"code": each.section.code, "done": each.done, "of": each.of}
                    for each in sections
                ],
            },
        }


def _party_line(party: Party, language: Language) -> str:
    labelled = (("shop", party.shop), ("licence", party.licence), ("level", party.level))
    said = [f"{say(f'page.case.{name}', language)} {text}" for name, text in labelled if text]
    colon, left, right = ("：", "（", "）") if language == "zh" else (": ", " (", ")")
    between = "，" if language == "zh" else ", "
    line = f"{say(f'case.role.{party.role}', language)}{colon}{party.name or party.shop}"
    return line + (left + between.join(said) + right if said else "")
