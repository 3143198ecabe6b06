"""Roles: names for sets of permissions, and nothing more.

A role is a shortcut when permissions are granted; what is kept are the permissions. So nobody
gains or loses anything when a role is given another meaning in a later version.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from guzheng.accounts.acting import Permission

EVERYTHING: Final = frozenset(Permission)
ROLES: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        "owner": EVERYTHING,  # 所有者
        "collector": frozenset({Permission.READ, Permission.DEPOSIT, Permission.CAPTURE}),
        "lawyer": frozenset(
            {Permission.READ, Permission.DOWNLOAD, Permission.SHARE, Permission.CASES}
        ),
        "finance": frozenset({Permission.BILL}),
        "reader": frozenset({Permission.READ}),
    }
)


def role_of(permissions: frozenset[Permission]) -> str:
    """The role whose set this is; empty where it is nobody's but its own."""
    return next((name for name, held in ROLES.items() if held == permissions), "")


def encode(permissions: frozenset[Permission]) -> str:
    """In the order of `Permission`, with a blank between: one spelling."""
    return " ".join(one.value for one in Permission if one in permissions)


def parse(text: str) -> frozenset[Permission]:
    return frozenset(Permission(one) for one in text.split())
