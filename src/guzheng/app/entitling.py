"""Entitlements, joined with what the installation has: settings, grants, and the one ledger.

`require` says whether an account's edition has a function; `allowance_of` gives the lots from
which a capture's unit is held, `spending` holds and settles a deposit's. What a killed program
held for a deposit is settled by `round`: charged when the exhibit is there, else given back. A
deposit that is refused for good after that is given back too, as a failed capture is.

With accounts switched off there is one account with everything, and `quota_units` for
captures, as it was without editions.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from guzheng.accounts import Acting, editions
from guzheng.accounts.editions import CAPTURE, DEPOSIT, Edition
from guzheng.accounts.entitlements import Entitlements, Grant, Standing, standing_of
from guzheng.app.naming import Naming
from guzheng.app.parts import Parts
from guzheng.commission.units import CHARGE, RETURN, Allowance, Line, Lot, Quota, limit_of
from guzheng.config import Config
from guzheng.refusals import Problem, Refused
from guzheng.store import ids

_ABANDONED = timedelta(days=1)  # no deposit takes so long to arrive
_EXHIBIT, _ACCOUNT = "ex_", "ac"
_LINES = 50
_DIGITS = 10
_BEIJING = timezone(timedelta(hours=8))
NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot with what is used of it. `grant` None: the edition's own."""

    lot: Lot
    used: int
    grant: Grant | None

    @property
    def left(self) -> int:
        return max(0, self.lot.units - self.used)


@dataclass(frozen=True, slots=True)
class EntitlementView:
    """`lots` is None where there is no limit; `lines` newest first."""

    account: str
    standing: Standing
    editions: tuple[Edition, ...]
    grants: tuple[Grant, ...]
    quota: Quota
    lots: tuple[LotView, ...] | None
    lines: tuple[Line, ...]

    @property
    def left(self) -> int | None:
        return None if self.lots is None else sum(one.left for one in self.lots)


class Entitling:
    """What the accounts of an installation may do, and how often; for many threads."""

    def __init__(
        self, config: Config, parts: Parts, names: Naming, is_placed: Callable[[str], bool]
    ) -> None:
        """`is_placed`: whether an exhibit of that name came in."""
        self._config, self._parts, self._is_placed = config, parts, is_placed
        self._names = names
        self._grants = Entitlements(
            parts.accounts, editions.load(config.editions), parts.entropy
        )
        self._units = parts.commissions.units
        named = [one.edition for one in self._grants.editions]
        if config.default_edition not in named:
            raise Refused(
                "config.value-refused",
                expected=f"default_edition: {', '.join(named)}",
                found=repr(config.default_edition),
                act="mend the setting",
            )

    @property
    def is_on(self) -> bool:
        return self._config.accounts == "on"

    @property
    def url(self) -> str:
        """Where editions can be ordered, if the operator says."""
        return self._config.editions_url

    @property
    def editions(self) -> tuple[Edition, ...]:
        return self._grants.editions

    # ---- what is asked before anything new -------------------------------------------

    def require(self, account: str, function: str) -> None:
        """Raises Refused (accounts.not-in-edition), which says where to get it."""
        if self.is_on:
            self._require_within(self._standing(account), function)

    def _require_within(self, standing: Standing, function: str) -> None:
        if function not in standing.functions:
            having = [one.edition for one in self.editions if function in one.functions]
            url = self._config.editions_url
            raise Refused(
                "accounts.not-in-edition",
                expected=f"{function}: {', '.join(having)}{f' — {url}' if url else ''}",
                found=standing.edition.edition,
                act="look at /me/edition; the operator grants more",
            ).naming({one.edition: one.names for one in self.editions})

    def allowance_of(self, account: str, function: str = CAPTURE) -> Allowance:
        """The lots that a unit may be held from; None: no limit. Raises Refused where the
        edition lacks the function, or a real name is wanted first."""
        if not self.is_on:
            return limit_of(self._config.quota_units)
        standing = self._standing(account)
        self._require_within(standing, function)
        self._names.require(account)
        return self._allowance(standing)

    def _standing(self, account: str) -> Standing:
        grants = self._grants.of_account(account)
        return standing_of(
            grants, self.editions, self._config.default_edition, self._parts.now()
        )

    def _allowance(self, standing: Standing) -> Allowance:
        own = self._config.quota_units or self._default.units
        if own is None or any(one.units is None for one in standing.in_force):
            return None
        lots = [Lot("", own)] if own else []
        lots += [
            Lot(one.grant, one.units, one.expires_at) for one in standing.in_force if one.units
        ]
        return tuple(lots)

    @property
    def _default(self) -> Edition:
        wanted = self._config.default_edition
        return next(one for one in self.editions if one.edition == wanted)

    @contextlib.contextmanager
    def spending(self, account: str, exhibit: str) -> Iterator[None]:
        """Around the coming in of a deposit: its unit is held before the first octet, charged
        when it is acknowledged, and given back when it is not."""
        allowance = self.allowance_of(account, DEPOSIT) if self.is_on else None
        if allowance is None:
            yield
            return
        self._units.hold(exhibit, account, allowance, self._parts.now())
        try:
            yield
        except BaseException:
            with contextlib.suppress(Problem):  # else `round` gives it back
                self._units.end(exhibit, RETURN, self._parts.now())
            raise
        with contextlib.suppress(Problem):  # it is there: else `round` charges it
            self._units.end(exhibit, CHARGE, self._parts.now())

    def round(self) -> int:
        """Settle what killed programs held for deposits; gives their number."""
        now, settled = self._parts.now(), 0
        for line in self._units.open(_EXHIBIT):
            placed = self._is_placed(line.subject)
            if placed or now - line.observed_at > _ABANDONED:
                settled += self._units.end(line.subject, CHARGE if placed else RETURN, now)
        return settled

    def refund(self, exhibit: str) -> bool:
        """A deposit was refused for good: what was held or charged for it is given back. Asked
        twice, it is given back once."""
        now = self._parts.now()
        return self._units.end(exhibit, RETURN, now) or self._units.refund(exhibit, now)

    # ---- looking ---------------------------------------------------------------------

    def view(self, account: str) -> EntitlementView:
        standing, grants = self._standing(account), self._grants.of_account(account)
        allowance = self._allowance(standing) if self.is_on else None
        if not self.is_on:
            allowance = limit_of(self._config.quota_units)
        used, named = self._units.used(account), {one.grant: one for one in grants}
        lots = None
        if allowance is not None:
            lots = tuple(
                LotView(one, used.get(one.lot, 0), named.get(one.lot)) for one in allowance
            )
        return EntitlementView(
            account,
            standing,
            self.editions,
            grants,
            self._units.quota(account),
            lots,
            self._units.history(account, _LINES),
        )

    def limit_of(self, account: str) -> int | None:
        """Units that an account may use in all, used ones among them; None: no limit."""
        view = self.view(account)
        if view.left is None:
            return None
        return view.quota.held + view.quota.spent + view.left

    def latest(self, limit: int, before: str | None = None) -> tuple[Grant, ...]:
        """Newest first; `before`: the last one already seen."""
        return self._grants.latest(limit, before)

    # ---- granting --------------------------------------------------------------------

    def new_token(self) -> str:
        return self._grants.new_token(self._parts.now())

    def grant(
        self,
        acting: Acting,
        account: str,
        kind: str,
        source: str,
        reason: str,
        *,
        edition: str = "",
        units: int | None = 0,
        expires_at: datetime | None = None,
        token: str = "",
    ) -> Grant:
        """From now on; asked twice with one token, it is granted once."""
        _require_operator(acting)
        if account != ids.LOCAL:
            ids.require_id(account, _ACCOUNT)
        now = self._parts.now()
        made = Grant(
            grant=token or self.new_token(),
            account=account,
            kind=kind,
            source=source,
            reason=reason,
            granted_at=now,
            starts_at=now,
            edition=edition,
            units=units,
            expires_at=expires_at,
            by_person=acting.person,
        )
        self._grants.add(made)
        return made

    def end(self, acting: Acting, grant: str, reason: str) -> str:
        """Before its time; gives the account. What was done under it stays, and readable."""
        _require_operator(acting)
        self._grants.end(grant, reason, acting.person, self._parts.now())
        return self._grants.require(grant).account


def end_of_day(typed: str) -> datetime | None:
    """What is typed as the last day of something, UTC+08:00: when it is over. Empty: never."""
    if not typed.strip():
        return None
    try:
        day = datetime.strptime(typed.strip(), "%Y-%m-%d").replace(tzinfo=_BEIJING)
        return (day + timedelta(days=1)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(
            "accounts.grant-refused", expected="2027-11-22", found=typed[:40]
        ) from error


def units_of(typed: str, edition: str, editions: Iterable[Edition]) -> int | None:
    """What is typed as a number of units. Empty: as many as the edition that is granted with
    them has; `none`: no limit."""
    text = typed.strip()
    if not text:
        return next((one.units for one in editions if one.edition == edition), 0)
    if text == NO_LIMIT:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise Refused(
            "accounts.grant-refused", expected=f"a number, or {NO_LIMIT}", found=typed[:40]
        )
    return int(text)


def _require_operator(acting: Acting) -> None:
    if not acting.operator:
        raise Refused("accounts.operator-only", expected="the operator", found="another")
