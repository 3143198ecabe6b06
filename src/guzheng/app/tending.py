"""What an operator does now and then for the whole installation: made again from the papers,
read from end to end, anchored, renewed; and whether what it stands on will last.

Asked by the shell and by `doctor`. Each of it may run beside a server."""

import contextlib
from collections.abc import Callable

from guzheng.app import renewal, signing, upkeep
from guzheng.app.anchoring import Anchoring, AnchorView
from guzheng.app.clearing import Clearing
from guzheng.app.custody import Keeping
from guzheng.app.parts import Parts
from guzheng.config import Config
from guzheng.keep import Fault, Judged
from guzheng.proof.policy import Trust
from guzheng.refusals import Problem
from guzheng.road import Road


class Tending:
    """May be shared by threads."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        road: Road,
        keeping: Keeping,
        clearing: Clearing,
        anchoring: Anchoring,
        trust: Callable[[], Trust],
    ) -> None:
        self._config, self._parts, self._road, self._trust = config, parts, road, trust
        self._keeping, self._clearing, self._anchoring = keeping, clearing, anchoring

    def rebuild(self) -> upkeep.Rebuilt:
        """Make index and ledger table again from the papers."""
        return upkeep.rebuild(self._parts, self._road)

    def fsck(self, tell: Callable[[str], None]) -> list[Fault]:
        """Every damaged, missing or extra byte, by name; empty when all is well."""
        gone = self._clearing.gone
        faults = upkeep.fsck(self._parts, self._road, self._trust(), tell, gone)
        with contextlib.suppress(Problem):  # a damaged table is among the faults already
            self._keeping.read_again(len(faults))
        return faults

    def scrub(self, exhibit: str) -> list[Fault]:
        """Every damaged, missing or extra byte of one exhibit whose road is at its end."""
        gone = self._clearing.gone(exhibit)
        return upkeep.scrub_finished(self._parts, self._road, self._trust(), exhibit, gone)

    def anchor(self) -> tuple[tuple[AnchorView, ...], tuple[Problem, ...]]:
        """Anchor the newest checkpoint now; gives what is anchored, and what failed."""
        problems = self._anchoring.round(at_once=True)
        return self._anchoring.views(), problems

    def ages(self, months: int | None = None) -> renewal.Ages:
        """Until when each finished exhibit is vouched for, and what ages."""
        within = self._config.renew_months if months is None else months
        return renewal.ages_of(
            self._parts, self._road, self._judged(), within, self._clearing.gone
        )

    def renew(self, months: int | None = None) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
        """Renew what ages; gives the exhibits that have a new record, and what is damaged."""
        within = self._config.renew_months if months is None else months
        return renewal.renew(
            self._parts,
            self._road,
            self._judged(),
            within,
            self._parts.leases,
            self._clearing.gone,
        )

    def _judged(self) -> Judged:
        return renewal.judged_by(self._trust(), self._config.hash_ends)

    # ---- what it stands on -----------------------------------------------------------

    def keys(self) -> tuple[bool, str]:
        """Whether the key that signs timestamps can be asked; where keys are, or why not."""
        try:
            self._parts.local.require_key()
        except Problem as problem:
            return False, f"{problem.code}: {problem.found}"
        return True, str(self._config.data / "keys")

    def keys_ending(self) -> tuple[bool, str]:
        """Whether every certificate that signs lasts, and which ends when."""
        config = self._config
        soon = signing.ending(config.data, self._parts.now(), config.tsa_warn_days)
        return not soon, ", ".join(f"{one.role} {one.ends_at:%Y-%m-%d}" for one in soon)

    def sm2(self) -> tuple[bool, str]:
        """Whether manifests are sealed under SM2 too, and by whom or why not."""
        if self._parts.sm2 is not None:
            return True, self._parts.sm2.name
        off = self._config.sm2 == "off"
        return off, "sm2 = off" if off else "OpenSSL"

    def fonts(self) -> tuple[bool, str]:
        """Whether certificates are printed with Debian's fonts, and which face is used."""
        from guzheng import certify

        face = certify.find_face()
        return face != certify.packaged_face(), face.sans
