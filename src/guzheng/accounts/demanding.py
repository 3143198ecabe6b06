"""The second step, demanded: by the operator of everybody or of operators, by an owner of all
who act for his account.

A session in which nothing but one thing was shown (a password, a letter, an identity of a
provider) may do nothing then but set up a second step or show one: whoever has to is led there,
and never locked out, since his own ways to sign in stay his to change. A passkey counts as two.
Programs' keys are bound by scope and term, and are not asked for steps. What an account demands
is a row, since it is asked at every request; each change of it is a line of the audit, too.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, bindparam, delete, select

from guzheng.accounts import roles
from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.member_tables import DEMAND
from guzheng.accounts.members import append, require_standing, require_within
from guzheng.proof import instant
from guzheng.store.records import insert_missing, reading, writing

DEMANDED, WAIVED = "second-step-demanded", "second-step-waived"
OFFERED, OPERATORS, EVERYBODY = "offered", "operators", "everybody"
_DEMANDS: Final = select(DEMAND.c.account).where(DEMAND.c.account == bindparam("account"))


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
        with reading(self._engine) as connection:
            return connection.execute(_DEMANDS, {"account": account}).first() is not None

    def change(self, by: Acting, now: datetime, *, demanded: bool) -> None:
        """An owner says so. Refused to everybody else; the same twice is one line."""
        with writing(self._engine) as connection:
            own = require_standing(connection, by, Permission.MEMBERS)
            require_within(own, roles.EVERYTHING)
            if demanded:
                row = {"account": by.account, "demanded_at": instant.encode(now)}
                changed = insert_missing(connection, DEMAND, row)
            else:
                own_row = delete(DEMAND).where(DEMAND.c.account == by.account)
                changed = connection.execute(own_row).rowcount == 1
            if changed:
                append(connection, by, DEMANDED if demanded else WAIVED, now)
