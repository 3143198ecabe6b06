"""The secrets of accounts that lie sealed in tables: which there are, and each sealed anew.

Seeds of authenticators, and secrets of webhooks that are told things. A secret is replaced in
one step, and only as it was read: whoever changed or removed it meanwhile is not undone, and
whoever is killed in between goes on. What a browser keeps for some minutes is not among them.
"""

from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select, update

from guzheng.accounts.hook_tables import ENDPOINT, ENDPOINT_END, SEALED, SECRET
from guzheng.accounts.hooks import place_of
from guzheng.accounts.people_tables import TOTP
from guzheng.accounts.sealing import Sealing
from guzheng.store.records import reading, writing


@dataclass(frozen=True, slots=True)
class Lying:
    """A secret as it lies: an authenticator's of this person, or a webhook's of this number."""

    owner: str
    number: int | None  # None: an authenticator's
    sealed: str

    @property
    def place(self) -> str:
        if self.number is None:
            return f"totp {self.owner}"
        return place_of(self.owner, self.number)


class Resealing:
    """All secrets of an installation that lie in tables."""

    def __init__(self, engine: Engine, sealing: Sealing) -> None:
        self._engine, self._sealing = engine, sealing

    def all(self) -> list[Lying]:
        ended = select(ENDPOINT_END.c.endpoint)
        first = select(ENDPOINT.c.endpoint, ENDPOINT.c.secret)
        later = select(SECRET.c.endpoint, SECRET.c.number, SECRET.c.secret)
        first, later = (
            first.where(ENDPOINT.c.endpoint.not_in(ended), ENDPOINT.c.secret != ""),
            later.where(SECRET.c.endpoint.not_in(ended), SECRET.c.secret != ""),
        )
        with reading(self._engine) as connection:
            seeds = connection.execute(select(TOTP.c.person, TOTP.c.secret)).all()
            hooks = {(one.endpoint, 0): one.secret for one in connection.execute(first)}
            hooks |= {
                (one.endpoint, one.number): one.secret for one in connection.execute(later)
            }
            lying = connection.execute(select(SEALED))
            hooks |= {(one.endpoint, one.number): one.secret for one in lying}
        found = [Lying(one.person, None, one.secret) for one in seeds]
        return found + [Lying(*name, sealed) for name, sealed in sorted(hooks.items())]

    def reseal(self, one: Lying) -> bool:
        """Under the key that seals now, if it lies under another; whether it did."""
        sealed = self._sealing.resealed(one.sealed, one.place)
        if sealed is None:
            return False
        with writing(self._engine) as connection:
            if one.number is None:
                as_read = (TOTP.c.person == one.owner) & (TOTP.c.secret == one.sealed)
                done = connection.execute(update(TOTP).where(as_read).values(secret=sealed))
                return done.rowcount == 1
            over = select(ENDPOINT_END.c.endpoint).where(ENDPOINT_END.c.endpoint == one.owner)
            if connection.execute(over).first() is not None:
                return False
            mine = (SEALED.c.endpoint == one.owner) & (SEALED.c.number == one.number)
            connection.execute(delete(SEALED).where(mine))
            row = {"endpoint": one.owner, "number": one.number, "secret": sealed}
            connection.execute(insert(SEALED), row)
        return True
