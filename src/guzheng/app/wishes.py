"""What somebody wants captured, and orders as they stand: values, and the rules of a wish.

They are read and written by whoever orders, keeps and shows orders; the flow between them is
ordering.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from guzheng.commission import Batch, Commission, Event, rules, table
from guzheng.intake.rules import capture_options, stated, web_address
from guzheng.proof import instant
from guzheng.refusals import Refused


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants captured. `token`: the number the order is to have, so that asking
    twice orders once; `automatic`: confirmed as soon as it is captured."""

    url: str
    claimed_name: str = ""
    claimed_applicant: str = ""
    claimed_purpose: str = ""
    vantages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    automatic: bool = False
    token: str = ""
    account: str = rules.LOCAL
    person: str = ""  # who acts for that account


def wanted_again(one: Commission, *, token: str, person: str) -> Wanted:
    """What an order wanted, once more: for the same account, by whoever asks now."""
    return Wanted(
        one.url,
        one.claimed_name,
        one.claimed_applicant,
        one.claimed_purpose,
        (one.vantage,) if one.vantage else (),
        options=one.options,
        token=token,
        account=one.account,
        person=person,
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """What an order came from, besides somebody's wish."""

    retry_of: str = ""
    reason: str = ""
    batch: str = ""
    line: int = 0
    schedule: str = ""
    slot_at: str = ""


@dataclass(frozen=True, slots=True)
class CommissionView:
    """An order as it stands. `confirms_at`: when it is confirmed by itself; `gives_up_at`: when
    it is given up, since what was captured may not be what was asked for."""

    commission: Commission
    state: str
    events: tuple[Event, ...]
    exhibit_state: str
    confirms_at: datetime | None
    gives_up_at: datetime | None
    cancelling: bool

    @property
    def is_final(self) -> bool:
        return self.state in rules.FINAL

    @property
    def reason(self) -> Event | None:
        """The event that ended it, if it has ended."""
        return next((one for one in self.events if one.kind in rules.FINAL), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes: why what was captured may not be what was asked for."""
        said = next((one for one in self.events if one.kind == rules.CAPTURED), None)
        return tuple(said.found.split()) if said is not None else ()

    def value(self) -> dict[str, object]:
        """As programs are told it; what is empty is left out."""
        one, reason = self.commission, self.reason
        value: dict[str, object] = {
            "order": one.commission,
            "state": self.state,
            "exhibit": one.exhibit,
            "exhibit_state": self.exhibit_state,
            "url": one.url,
            "account": one.account,
            "ordered_at": instant.encode(one.ordered_at),
            "events": [
                {"kind": each.kind, "observed_at": instant.encode(each.observed_at)}
                for each in self.events
            ],
        }
        said = {
            "claimed_name": one.claimed_name,
            "vantage": one.vantage,
            "options": " ".join(one.options),
            "retry_of": one.retry_of,
            "reason": one.reason,
            "batch": one.batch,
            "schedule": one.schedule,
            "code": reason.code if reason else "",
            "warnings": " ".join(self.warnings),
            "confirms_at": instant.encode(self.confirms_at) if self.confirms_at else "",
            "gives_up_at": instant.encode(self.gives_up_at) if self.gives_up_at else "",
        }
        return value | {name: text for name, text in said.items() if text}


@dataclass(frozen=True, slots=True)
class BatchView:
    """A table as it was ordered: its orders, and the lines that were left out."""

    batch: Batch
    views: tuple[CommissionView, ...]
    left_out: tuple[table.BadRow, ...]


class BadTable(Refused):
    """A table with lines that cannot be taken; `lines` names each."""

    def __init__(self, lines: tuple[table.BadRow, ...]) -> None:
        super().__init__(
            "commission.lines-refused",
            expected="lines that can all be ordered",
            found=f"{len(lines)}",
            act="mend them, or have them left out",
        )
        self.lines = lines


def require_same(owner: str, account: str, number: str) -> None:
    """A number that somebody else has given already is refused as one that nobody has."""
    if owner != account:
        raise Refused(
            "commission.not-found",
            expected="a number that is yours",
            found=f"none numbered {number[:40]!r}",
            act="open the form anew",
        )


def judged(wanted: Wanted) -> Wanted:
    """By the rules that the road has too, before anything is entered. Raises Refused."""
    return replace(
        wanted,
        url=web_address(wanted.url),
        claimed_name=stated(wanted.claimed_name, "evidence name") or "",
        claimed_applicant=stated(wanted.claimed_applicant, "applicant") or "",
        claimed_purpose=stated(wanted.claimed_purpose, "purpose") or "",
        options=capture_options(wanted.options),
    )


def wanted_of(cells: Mapping[str, str]) -> Wanted:
    """Of the cells of a table's line."""
    return Wanted(
        cells[table.URL],
        cells.get(table.NAME, ""),
        cells.get(table.APPLICANT, ""),
        cells.get(table.PURPOSE, ""),
    )


def judge_cells(cells: Mapping[str, str]) -> None:
    """Raises Refused for a line that could not be ordered."""
    judged(wanted_of(cells))
