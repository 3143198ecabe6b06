"""What a rehearsal (质证预演) is told of an exhibit: its papers, its case, its fellows.

Only gathers; the rules are `cases.objections`. A paper that is missing or cannot be read is
told as missing: damage is `fsck`'s to name, and a rehearsal must not break on it. Reading every
byte again is done when it is asked for, since an original may be large.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from guzheng import keep, road
from guzheng.app.casework import Casework
from guzheng.app.parts import Parts
from guzheng.app.renewal import judged_by
from guzheng.app.views import facts_of
from guzheng.cases import Case
from guzheng.cases.objections import rehearse
from guzheng.cases.rehearsal import InCase, Record, Rehearsal
from guzheng.intake import catalogue
from guzheng.proof import package, policy, timestamp
from guzheng.proof.errors import ProofError
from guzheng.proof.policy import Trust
from guzheng.refusals import Problem, Refused
from guzheng.road import Road
from guzheng.store.blobs import find

ENVIRONMENT: Final = "items/environment.json"
AT_ONCE: Final = 50  # exhibits of a case; each has signatures to check
_LARGEST: Final = 8 * 1024 * 1024  # octets of a report that is read for its facts


class Rehearsing:
    """Rehearsals of exhibits; may be shared by threads. `trust` is what a verifier of this
    installation demands; `own_roots`: those of its own authority, in PEM."""

    def __init__(
        self,
        parts: Parts,
        walking: Road,
        cases: Casework,
        trust: Callable[[], Trust],
        hash_ends: tuple[str, ...] = (),
    ) -> None:
        self._parts, self._road, self._cases = parts, walking, cases
        self._trust, self._hash_ends = trust, hash_ends

    def of(self, exhibit: str, case: str = "", *, verify: bool = False) -> Rehearsal:
        """The objections to an exhibit, as part of a case when one is named. `verify`: read
        every byte again first. Raises Refused when there is no such exhibit or case, or when
        the exhibit is not in the case."""
        known = self._cases.case(case) if case else None
        if known is not None and exhibit not in known.exhibits:
            raise Refused(
                "cases.not-linked", expected="an exhibit of this case", found=exhibit[:40]
            )
        return rehearse(self._record(exhibit, known, verify=verify))

    def of_case(self, case: str, start: int = 0, most: int = AT_ONCE) -> tuple[Rehearsal, ...]:
        """Of so many exhibits of a case, from this place of their order; without reading the
        originals again."""
        known = self._cases.case(case)
        wanted = list(known.exhibits)[start : start + most]
        return tuple(rehearse(self._record(one, known, verify=False)) for one in wanted)

    def _record(self, exhibit: str, case: Case | None, *, verify: bool) -> Record:
        order, names = self._road.order(exhibit), self._road.papers(exhibit)
        facts = self._paper(exhibit, package.CERTIFICATE_JSON)
        manifest = facts or self._paper(exhibit, package.MANIFEST)
        verified, found = self._verified(exhibit, names) if verify else ("", "")
        twins, repeats = self._fellows(exhibit)
        return Record(
            exhibit=exhibit,
            kind=str(manifest.get("kind", order.kind)),
            names=frozenset(names),
            facts=facts,
            capture=self._paper(exhibit, package.CAPTURE),
            environment=self._paper(exhibit, ENVIRONMENT),
            outside=self._outside(exhibit, names),
            received_at=order.observed_at,
            now=self._parts.now(),
            vouched_until=self._vouched_until(exhibit, names),
            verified=verified,
            verified_found=found,
            original_beside=self._original_came(exhibit),
            twins=twins,
            repeats=repeats,
            case=None if case is None else self._in_case(case, exhibit),
        )

    def _paper(self, exhibit: str, name: str) -> Mapping[str, Any]:
        place = road.folder_of(exhibit) + name
        if find(self._parts.blobs, place) is None:
            return {}
        with self._parts.blobs.open(place) as stream:
            octets = stream.read(_LARGEST + 1)
        return facts_of(octets) or {} if len(octets) <= _LARGEST else {}

    def _outside(self, exhibit: str, names: frozenset[str]) -> dict[str, str]:
        """Seals that do not lead to a root of this installation's own."""
        own = policy.parse_roots(self._own_roots())
        found = {}
        for paper in package.seals_of(names):
            octets = find(self._parts.blobs, road.folder_of(exhibit) + paper)
            if octets is None:
                continue
            try:
                token = timestamp.parse(octets)
                signer = timestamp.require_signature(token)
            except ProofError:
                continue
            try:
                timestamp.require_trusted(token, signer, own)
            except ProofError:
                found[paper] = signer.subject.rfc4514_string()
        return found

    def _own_roots(self) -> bytes:
        from guzheng import fix

        sm2 = fix.sm2_ceremony.find_root_pem(self._parts.data / "keys")
        return fix.roots_pem(self._parts.keys) + sm2

    def _vouched_until(self, exhibit: str, names: frozenset[str]) -> datetime | None:
        if package.SEAL not in names:
            return None
        try:
            judged = judged_by(self._trust(), self._hash_ends)
            folder = road.folder_of(exhibit)
            return keep.age_of(self._parts.blobs, exhibit, folder, names, judged).until
        except (ProofError, Problem):
            return None

    def _verified(self, exhibit: str, names: frozenset[str]) -> tuple[str, str]:
        """Every byte read again, as fsck does it and as a stranger would."""
        finished = road.next_step(self._road.order(exhibit).kind, names) is None
        if not finished or package.MANIFEST not in names or road.is_over(names):
            return "", ""
        listed = self._parts.index.listing_of(exhibit) or {}
        faults = keep.scrub_exhibit(
            self._parts.blobs,
            road.folder_of(exhibit),
            self._trust(),
            listed=listed,
            beside=road.BESIDE,
            finished=True,
        )
        said = ", ".join(f"{one.place}: {one.code}" for one in faults[:5])
        return ("failed", said) if faults else ("passed", "")

    def _fellows(self, exhibit: str) -> tuple[int, int]:
        """Captures of the same page: ordered together, and at other times. Those that were
        captured, or are still to be; not those that failed."""
        commissions = self._parts.commissions
        one = commissions.of_exhibit(exhibit)
        if one is None:
            return 0, 0
        others = {
            each.exhibit for each in commissions.together(one.party) if self._has(each.exhibit)
        }
        again = {each.exhibit for each in commissions.retries_of(one.commission)}
        if one.schedule:
            again |= {each.exhibit for each in commissions.of_schedule(one.schedule)}
        again = {each for each in again if self._has(each)}
        return len(others - {exhibit}), len(again - {exhibit} - others)

    def _has(self, exhibit: str) -> bool:
        place = road.folder_of(exhibit) + package.CAPTURE
        return find(self._parts.blobs, place) is not None

    def _original_came(self, exhibit: str) -> bool:
        line = catalogue.lines_of(self._parts.index.engine, [exhibit]).get(exhibit)
        return line is not None and line.original == catalogue.KEPT

    def _in_case(self, case: Case, exhibit: str) -> InCase:
        checks = [one.licence_check for one in case.parties.values() if one.role == "target"]
        _, sections = self._cases.guide(case)
        identity = sections[0]
        return InCase(
            case=case.case,
            legality=case.exhibits[exhibit].legality,
            licence="passed" if "passed" in checks else next(filter(None, checks), ""),
            identity_done=identity.done,
            identity_of=identity.of,
            is_genuine=any(one.genuine == exhibit for one in case.pairs.values()),
        )
