"""An identity provider, as the settings name it: who comes in by it, and who links it.

Without one (`oidc_issuer` empty) every way to it is refused, and links that were made under
another one are still shown to their persons, who may take them away. A person is told by letter
of a link that was made or taken away.
"""

import ipaddress
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from guzheng.accounts.entering import Entered, Entering, Rooms
from guzheng.accounts.federating import (
    TO_ENTER,
    TO_LINK,
    TO_PROVE,
    Arrived,
    Begun,
    Federating,
    Rules,
    Unlinking,
)
from guzheng.accounts.identities import Linked
from guzheng.accounts.invitations import Invitations
from guzheng.accounts.issuers import open_issuer
from guzheng.accounts.loggingout import LoggingOut
from guzheng.accounts.members import Members
from guzheng.accounts.securing import Securing
from guzheng.accounts.sessions import Caller, Session
from guzheng.config import Config
from guzheng.refusals import Refused

__all__ = ["TO_ENTER", "TO_LINK", "TO_PROVE", "Arrived", "Begun", "Federation"]

BACK: Final = "/login/identity/back"
LOGOUT: Final = "/login/identity/logout"
_INVITATION: Final = "/invitation/"


class Federation:
    """Signing in by the provider of others. May be shared by threads."""

    def __init__(
        self,
        config: Config,
        rooms: Rooms,
        members: Members,
        entering: Entering,
        now: Callable[[], datetime],
        reaches: Callable[[str], bool],
        warn: Callable[[str, str, Caller], None],
    ) -> None:
        allowed = tuple(map(ipaddress.ip_network, config.allow_private))
        issuer = open_issuer(
            config.oidc_issuer, config.oidc_client, config.oidc_secret, allowed
        )
        rules = Rules(config.oidc_new_persons, config.oidc_trust_address == "yes")
        self._federating = (
            None if issuer is None else Federating(rooms, members, entering, issuer, rules)
        )
        self._logging_out = None if issuer is None else LoggingOut(rooms, issuer)
        self.name = config.oidc_name or urlsplit(config.oidc_issuer).hostname or ""
        self._back = config.public_url.rstrip("/") + BACK
        self._invitations = Invitations(rooms.engine, members, rooms.entropy)
        self._unlinking = Unlinking(rooms, reaches)
        self._now, self._warn = now, warn

    @property
    def is_on(self) -> bool:
        return self._federating is not None

    def begin(self, purpose: str, onward: str, session: Session | None = None) -> Begun:
        """Where the browser goes. Refused for a link of who has not proved who he is."""
        federating, now = self._required(), self._now()
        if purpose == TO_LINK and session is not None:
            Securing.require_proved(session, now)
        return federating.begin(
            purpose,
            self._back,
            onward,
            now,
            session=session,
            invited=purpose == TO_ENTER and self._is_invited(onward, now),
        )

    def _is_invited(self, onward: str, now: datetime) -> bool:
        if not onward.startswith(_INVITATION):
            return False
        try:
            self._invitations.require(onward.removeprefix(_INVITATION).partition("?")[0], now)
        except Refused:
            return False
        return True

    def finish(
        self, kept: str, answer: Mapping[str, str], session: Session | None, caller: Caller
    ) -> Arrived:
        """What became of an answer that the browser brought."""
        federating, now = self._required(), self._now()
        way = federating.way(kept, answer.get("state", ""), now)
        arrived = federating.finish(way, self._back, answer, session, caller, now)
        if arrived.new:
            self._warn(arrived.person, arrived.new, caller)
        return arrived

    def logged_out(self, token: str, caller: Caller) -> int:
        """The provider says that somebody signed out there; how many sessions end here."""
        if self._logging_out is None:
            self._required()
            return 0
        return self._logging_out.logged_out(token, caller, self._now())

    def link(self, session: Session, token: str, caller: Caller) -> Entered:
        entered = self._required().link(session, token, caller, self._now())
        self._warn(session.person, "identity-linked", caller)
        return entered

    def unlink(self, session: Session, issuer: str, subject: str, caller: Caller) -> Entered:
        entered = self._unlinking.unlink(session, issuer, subject, caller, self._now())
        self._warn(session.person, "identity-unlinked", caller)
        return entered

    def of(self, person: str) -> tuple[Linked, ...]:
        return self._unlinking.of(person)

    def _required(self) -> Federating:
        if self._federating is None:
            raise Refused(
                "accounts.identity-off",
                expected="oidc_issuer",
                found="none",
                act="the operator",
            )
        return self._federating
