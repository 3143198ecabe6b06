"""Which part of a list a page shows, and where the parts before and after it begin.

For lists that one account makes by hand (members, invitations, keys, webhooks, a case): they
are read whole and shown in parts. What grows by itself is asked of its table in parts."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from fastapi import Request

PER_PAGE: Final = 50
T = TypeVar("T")


def steps(start: int, of: int, most: int = PER_PAGE) -> tuple[int, Mapping[str, int | None]]:
    """Where a page of so many begins that asks for this, and those before and after it."""
    start = min(max(start, 0), of)
    return start, {
        "earlier": max(start - most, 0) if start else None,
        "later": start + most if start + most < of else None,
    }


def asked(request: Request, name: str = "start") -> int:
    """Where the address says that the page begins; at the beginning where it says nothing."""
    found = request.query_params.get(name, "")
    return int(found) if found.isascii() and found.isdecimal() and len(found) < 10 else 0


def part(whole: Sequence[T], start: int) -> tuple[Sequence[T], Mapping[str, int | None]]:
    """What a page shows of these that asks for this, and where to go on."""
    start, around = steps(start, len(whole))
    return whole[start : start + PER_PAGE], around
