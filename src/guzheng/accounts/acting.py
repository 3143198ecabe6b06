"""Who asks: the value that every request of a face carries inward.

Default deny: what is not among the permissions is refused. The seat (`SEAT`) is the one who
sits at an installation without accounts: everybody who reaches it, with every permission.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guzheng.refusals import Refused
from guzheng.store.ids import LOCAL


class Permission(StrEnum):
    """What a person may do for an account; granted one by one (S2-016)."""

    READ = "read"  # see the evidence, orders and cases of the account
    DEPOSIT = "deposit"
    CAPTURE = "capture"
    DOWNLOAD = "download"  # originals, papers, court packages
    SHARE = "share"
    CASES = "cases"  # make and change cases
    BILL = "bill"
    MEMBERS = "members"  # invite, grant, revoke, keys of programs


@dataclass(frozen=True, slots=True)
class Acting:
    """A person who acts for an account, by a session, a program's key, or at the seat.
    `operator`: may do what concerns the whole installation. `wants_second_step`: may do nothing
    before he showed one, and has no permission until then (`demanding`)."""

    account: str
    person: str  # `pe_…`; empty at the seat
    permissions: frozenset[Permission]
    by: str = "session"  # session, key, seat
    operator: bool = False
    wants_second_step: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Refused(
                "accounts.not-permitted",
                expected=permission.value,
                found=", ".join(sorted(self.permissions)) or "none",
            )


SEAT: Final = Acting(LOCAL, "", frozenset(Permission), by="seat", operator=True)
