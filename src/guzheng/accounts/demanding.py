"""The second step, demanded: by the operator of everybody or of operators, by an owner of all
who act for his account.

A session in which nothing but one thing was shown (a password, a letter, an identity of a
provider) may do nothing then but set up a second step or show one: whoever has to is led there,
and never locked out, since his own ways to sign in stay his to change. A passkey counts as two.
Programs' keys are bound by scope and term, and are not asked for steps. What an account demands
is what the last line of its audit about it says.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, select

from guzheng.accounts import roles
from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.member_tables import EVENT
from guzheng.accounts.members import append, require_standing, require_within
from guzheng.store.records import reading, writing

DEMANDED, WAIVED = "second-step-demanded", "second-step-waived"
OFFERED, OPERATORS, EVERYBODY = "offered", "operators", "everybody"
_ABOUT_IT: Final[Collection[str]] = (DEMANDED, WAIVED)


class Demands:
    """Of whom a second step is wanted."""

    def __init__(self, engine: Engine, policy: str) -> None:
        """`policy`: what the operator says: offered, operators, everybody."""
        self._engine, self.policy = engine, policy

    def applies_to(self, acting: Acting) -> bool:
        if self.policy == EVERYBODY or (self.policy == OPERATORS and acting.operator):
            return True
        return self.is_demanded(acting.account)

    def is_demanded(self, account: str) -> bool:
        """Whether this account itself demands it."""
        wanted = (
            select(EVENT.c.kind)
            .where(EVENT.c.account == account, EVENT.c.kind.in_(_ABOUT_IT))
            .order_by(EVENT.c.number.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(wanted).scalar_one_or_none() == DEMANDED

    def change(self, by: Acting, now: datetime, *, demanded: bool) -> None:
        """An owner says so. Refused to everybody else; the same twice is one line."""
        if demanded == self.is_demanded(by.account):
            return
        with writing(self._engine) as connection:
            own = require_standing(connection, by, Permission.MEMBERS)
            require_within(own, roles.EVERYTHING)
            append(connection, by, DEMANDED if demanded else WAIVED, now)
