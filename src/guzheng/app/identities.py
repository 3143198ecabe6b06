"""Who asks: from the cookies and headers of a request to the one who acts, or to nobody.

With accounts switched off (`accounts = off`), whoever reaches the server has everything: so it
is on a machine of one's own. Otherwise nobody is let in whom the accounts do not know."""

from collections.abc import Mapping
from typing import Protocol

from guzheng.accounts import SEAT, Acting
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


class Nobody:
    """Nobody is known."""

    def find(self, _cookies: Mapping[str, str], _headers: Mapping[str, str], /) -> None:
        return None


def open_identities(config: Config) -> Identities:
    return AtTheSeat() if config.accounts == "off" else Nobody()
