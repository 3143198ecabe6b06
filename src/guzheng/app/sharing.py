"""Links to exhibits for whoever has no account: made, opened, watched, revoked.

The rules are the station's (`sharing`). What is added here is what only the whole platform
knows: that an exhibit is finished and its owner's, when a hearing is, and how an exhibit was
last verified. A link is shown once, since nobody can make it from what is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import BinaryIO, Final

from guzheng.app.casework import Casework
from guzheng.app.exports import Exports, Shared
from guzheng.app.parts import Parts
from guzheng.app.views import ExhibitView
from guzheng.proof import package
from guzheng.refusals import Refused
from guzheng.sharing import Access, Share, Shares, Visitor, rules, shown_address
from guzheng.sharing.records import Counted
from guzheng.store import ids
from guzheng.store.ids import LOCAL

PREFIX: Final = "sh"
_BEIJING: Final = timezone(timedelta(hours=8))
_TAKEN = (package.CERTIFICATE_PDF, package.MANIFEST, package.SEAL)


@dataclass(frozen=True, slots=True)
class WantedShare:
    """`days`: how long it is to last. `token`: the number of the form, sent twice once made."""

    exhibits: tuple[str, ...]
    days: int = 30
    code: str = ""
    title: str = ""
    with_package: bool = True
    token: str = ""


@dataclass(frozen=True, slots=True)
class ShareView:
    """A share as its owner sees it."""

    share: Share
    state: str
    counted: Counted
    warnings: tuple[str, ...] = ()
    hearing_on: str = ""


@dataclass(frozen=True, slots=True)
class MadeShare:
    """Just made: the only time that the link is known."""

    view: ShareView
    secret: str


class Sharing:
    """Every share of an installation; may be used by threads at once."""

    def __init__(
        self,
        parts: Parts,
        *,
        exhibit: Callable[[str], ExhibitView],
        open_paper: Callable[[str, str], BinaryIO],
        pack: Callable[[Sequence[str]], Path],
        require_packable: Callable[[str], None],
        cases: Casework,
        exports: Exports,
        addresses: str,
        tell_opened: Callable[[Share], None] = lambda _share: None,
    ) -> None:
        self._parts, self._rows = parts, Shares(parts.accounts)
        self._exhibit, self._open_paper, self._pack = exhibit, open_paper, pack
        self._require_packable, self._tell_opened = require_packable, tell_opened
        self._cases, self._exports, self._addresses = cases, exports, addresses

    # ---- the owner's -----------------------------------------------------------------

    def new_token(self) -> str:
        return ids.new(PREFIX, self._parts.now(), self._parts.entropy)

    def make(self, wanted: WantedShare, *, account: str = LOCAL, person: str = "") -> MadeShare:
        """Whose the exhibits are was asked before. Raises Refused for what cannot be shared,
        and for a form that was sent before: its link was shown then."""
        now, entropy = self._parts.now(), self._parts.entropy
        lasts = timedelta(days=max(0, min(wanted.days, 10_000)))
        code = wanted.code.strip()
        rules.require_wanted(wanted.exhibits, wanted.title, code, lasts)
        for one in wanted.exhibits:
            self._require_packable(one)
        secret = rules.new_secret(entropy)
        token = wanted.token
        share = Share(
            ids.require_id(token, PREFIX) if token else self.new_token(),
            account,
            person,
            wanted.exhibits,
            wanted.title.strip(),
            wanted.with_package,
            rules.digest_of(secret),
            rules.hidden(code, entropy(16)) if code else "",
            now,
            now + lasts,
        )
        if not self._rows.add(share):
            raise Refused(
                "sharing.made-before",
                expected="a form that was not sent yet",
                found=share.share,
                act="the link was shown when it was made; make another, and revoke the first",
            )
        return MadeShare(self._view(share), secret)

    def revoke(self, share: str, *, person: str = "") -> None:
        self._rows.revoke(self._rows.require(share).share, person, self._parts.now())

    def account_of(self, share: str) -> str | None:
        found = self._rows.find(share)
        return found.account if found else None

    def view(self, share: str) -> ShareView:
        return self._view(self._rows.require(share))

    def page(
        self, account: str = LOCAL, most: int = 100, before: str | None = None
    ) -> tuple[ShareView, ...]:
        shares = self._rows.page(account, most, before)
        counts = self._rows.counts([one.share for one in shares])
        return tuple(self._view(one, counts) for one in shares)

    def of_exhibit(self, exhibit: str) -> tuple[ShareView, ...]:
        return tuple(self._view(one) for one in self._rows.of_exhibit(exhibit))

    def log(self, share: str, most: int = 500) -> tuple[Access, ...]:
        return self._rows.log(share, most)

    def _view(self, share: Share, counts: Mapping[str, Counted] | None = None) -> ShareView:
        known = self._rows.counts([share.share]) if counts is None else counts
        state = rules.state_of(share, self._parts.now(), self._rows.wrong_codes(share.share))
        hearing = self._cases.hearing_of(share.exhibits, account=share.account)
        return ShareView(
            share,
            state,
            known.get(share.share, Counted()),
            self._warnings(share, hearing) if state == rules.ACTIVE else (),
            hearing,
        )

    def lasting(self, hearing: str, offered: Sequence[int], usual: int) -> int:
        """Of the days that are offered, the fewest, but no fewer than usual, after which the
        hearing is over; the most there are, where none is enough."""
        enough = [one for one in offered if one >= usual]
        now = self._parts.now()
        for days in enough if hearing else ():
            if now + timedelta(days=days) >= _end_of(hearing):
                return days
        return enough[-1] if hearing else usual

    def _warnings(self, share: Share, hearing: str) -> tuple[str, ...]:
        """Codes of what the owner should mend before he relies on the link."""
        found = []
        if hearing and share.expires_at < _end_of(hearing):
            found.append("sharing.ends-before-hearing")
        last = self._exports.last_verified(share.exhibits)
        if any(one.outcome == "failed" for one in last.values()):
            found.append("sharing.verification-failed")
        elif any(self._exports.is_old(last.get(one)) for one in share.exhibits):
            found.append("sharing.verification-old")
        return tuple(found)

    # ---- the visitor's ---------------------------------------------------------------

    def visitor(self, address: str, agent: str) -> Visitor:
        """What of a visitor is written down."""
        return Visitor(shown_address(address, self._addresses), agent[: rules.LONGEST_AGENT])

    def opened(self, secret: str, passed: str, visitor: Visitor) -> Share | None:
        """The share, if it may be seen now; None when its code must be given first. Raises
        Refused when it is over (410), or nobody's."""
        share = self._require_link(secret, visitor)
        return share if self._is_let_in(share, passed) else None

    def seen(self, share: Share, visitor: Visitor) -> None:
        """Its page was shown."""
        self._note(share, rules.OPENED, "", visitor)
        self._tell_opened(share)

    def enter(self, secret: str, code: str, visitor: Visitor) -> str:
        """The secret that whoever gave the right code carries. Raises Refused."""
        share, now = self._require_link(secret, visitor), self._parts.now()
        if not share.asks_code or not self._rows.try_code(share, code, visitor, now):
            raise Refused(
                "sharing.wrong-code",
                expected="the code that came with the link",
                found="another",
                act="type it again, or ask whoever sent the link",
            )
        until = min(share.expires_at, now + rules.PASS_LASTS)
        return self._rows.let_in(share.share, until, self._parts.entropy)

    def exhibits(self, share: Share) -> tuple[ExhibitView, ...]:
        return tuple(self._exhibit(one) for one in share.exhibits)

    def open(
        self, secret: str, passed: str, number: int, name: str, visitor: Visitor
    ) -> BinaryIO:
        """A file of the exhibit with this number, which is on the record before it is sent."""
        share = self._require_in(secret, passed, visitor)
        if not 1 <= number <= len(share.exhibits) or not is_offered(name):
            raise Refused("sharing.no-such-file", expected="a file of it", found=name[:80])
        opened = self._open_paper(share.exhibits[number - 1], name)
        self._note(share, rules.FETCHED, f"{number}/{name}", visitor)
        return opened

    def package(self, secret: str, passed: str, visitor: Visitor) -> Shared:
        """The package of all of it. Raises Refused when the link's was fetched
        too often just now, and Unavailable while it is being made for somebody else."""
        share = self._require_in(secret, passed, visitor)
        if not share.with_package:
            raise Refused("sharing.no-such-file", expected="a file of it", found="package")
        for one in share.exhibits:
            self._require_packable(one)
        self._rows.fetch_package(share.share, visitor, self._parts.now())
        return self._exports.shared(share.exhibits, self._pack)

    def _require_link(self, secret: str, visitor: Visitor) -> Share:
        share = self._rows.find_by_link(secret)
        if share is None:
            raise Refused(
                "sharing.not-found",
                expected="a link as it was sent",
                found="another",
                act="open the whole link, or ask whoever sent it",
            )
        try:
            wrong = self._rows.wrong_codes(share.share)
            rules.require_open(share, self._parts.now(), wrong)
        except Refused as refused:
            self._note(share, rules.TURNED_AWAY, refused.code, visitor)
            raise
        return share

    def _require_in(self, secret: str, passed: str, visitor: Visitor) -> Share:
        share = self._require_link(secret, visitor)
        if not self._is_let_in(share, passed):
            raise Refused(
                "sharing.code-wanted",
                expected="the code that came with the link",
                found="none",
                act="open the link, and give the code",
            )
        return share

    def _is_let_in(self, share: Share, passed: str) -> bool:
        if not share.asks_code:
            return True
        now = self._parts.now()
        return bool(passed) and self._rows.is_let_in(share.share, passed, now)

    def _note(self, share: Share, kind: str, what: str, visitor: Visitor) -> None:
        access = Access(self._parts.now(), kind, what, visitor)
        self._rows.note(share.share, access)


def is_offered(name: str) -> bool:
    """Originals, their timestamps, the certificate and what its commands need; no more."""
    return name in _TAKEN or name.startswith((package.ITEMS, package.TOKENS))


def _end_of(day: str) -> datetime:
    """The last moment of a day in China."""
    return datetime.combine(date.fromisoformat(day), time.max, _BEIJING)
