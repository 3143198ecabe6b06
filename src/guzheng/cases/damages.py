"""The worksheet of damages (损害数额依据): sums per part, to the cent, and as a table.

Sums are of what was entered and of nothing else; no amount is estimated here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from guzheng.cases.values import BUYER, RIGHTS, Damage

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Sums:
    """`buyer`: a buyer's loss (S1-025); `rights`: the loss of a holder of rights (S1-026)."""

    buyer: Decimal
    rights: Decimal

    @property
    def total(self) -> Decimal:
        return self.buyer + self.rights


def sums_of(damages: Iterable[Damage]) -> Sums:
    parts = {BUYER: NOTHING, RIGHTS: NOTHING}
    for one in damages:
        parts[one.part] += one.money
    return Sums(parts[BUYER], parts[RIGHTS])


def rows_of(damages: Mapping[str, Damage]) -> list[Damage]:
    """Part by part, in the order of entry."""
    return sorted(damages.values(), key=lambda one: one.part != BUYER)
