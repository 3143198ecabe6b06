"""An account with its owner, and whoever is invited: what tests of members begin with."""

import os
from datetime import UTC, datetime

from sqlalchemy import Engine

from guzheng.accounts import Acting, Permission
from guzheng.accounts.invitations import Invitations
from guzheng.accounts.members import Members

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OWNER, STAFF, LAWYER = (f"pe_{one:026}" for one in range(3))


class Firm:
    """An account with its owner, and whoever is invited."""

    def __init__(self, engine: Engine) -> None:
        self.members = Members(engine, os.urandom)
        self.invitations = Invitations(engine, self.members, os.urandom)
        self.account = self.members.found(OWNER, AT)

    def by(self, person: str = OWNER) -> Acting:
        found = self.members.acting(person, self.account)
        assert found is not None
        return found

    def invite(self, person: str) -> None:
        _made, secret = self.invitations.invite(self.by(), AT)
        self.invitations.accept(secret, person, AT)

    def grant(self, person: str, *permissions: Permission) -> None:
        self.members.grant(self.by(), person, permissions, AT)
