"""Who asks: from the cookies and headers of a request to the one who acts, or to nobody.

With accounts switched off (`accounts = off`), whoever reaches the server has everything: so it
is on a machine of one's own. Otherwise nobody is let in whom the accounts do not know."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from guzheng.accounts import SEAT, Acting
from guzheng.accounts.demanding import Demands
from guzheng.accounts.keys import Keys
from guzheng.accounts.members import Members
from guzheng.app.parts import Parts
from guzheng.app.people import People
from guzheng.config import Config


class Identities(Protocol):
    """Finds who asks. May raise Unavailable when the database is away."""

    def find(
        self, cookies: Mapping[str, str], headers: Mapping[str, str], /
    ) -> Acting | None: ...


class AtTheSeat:
    """Everybody is the one who sits there."""

    def find(self, _cookies: Mapping[str, str], _headers: Mapping[str, str], /) -> Acting:
        return SEAT


class Known:
    """Persons by their session, programs by their key. Whoever shows a key is that program,
    whatever cookies come along: a key that opens nothing is nobody. Of whom a second step is
    wanted, and who has shown none, may do nothing."""

    def __init__(self, config: Config, people: People, parts: Parts) -> None:
        self._demands = Demands(parts.accounts, config.second_step)
        self._people, self._now = people, parts.now
        self._members = Members(parts.accounts, parts.entropy)
        self._keys = Keys(parts.accounts, parts.entropy)

    def find(self, cookies: Mapping[str, str], headers: Mapping[str, str], /) -> Acting | None:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._keys.find(secret.strip(), self._now())
        session = self._people.find_session(cookies)
        acting = None if session is None else self._members.acting(session.person)
        if acting is None or session is None or session.in_two_steps:
            return acting
        if not self._demands.applies_to(acting):
            return acting
        return replace(acting, permissions=frozenset(), operator=False, wants_second_step=True)


def open_identities(config: Config, people: People, parts: Parts) -> Identities:
    return AtTheSeat() if config.accounts == "off" else Known(config, people, parts)
