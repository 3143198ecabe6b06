"""Seals of outside authorities, besides the first one: what holds when ours is not believed.

Each puts `seal.<name>.tsa` over the same manifest. They are asked in the order of the setting,
which is their priority; an exhibit goes on when as many *distinct* authorities as are required
have sealed it (those under one root are one, and the first seal's counts for nobody else). One
that does not answer soundly is passed over and the next one asked; nothing is repeated here,
since the job asks again later, and `rules` say who is then left alone for a while. It fails
closed: `Unavailable` (fix.authorities-missing), and every seal that came stays kept.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

from cryptography import x509

from guzheng.fix import rules
from guzheng.fix.rules import Conduct
from guzheng.fix.seal import SEAL, TimestampAuthority, stamp
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable

_NONCE_OCTETS = 8


def paper_of(name: str) -> str:
    return f"seal.{name}.tsa"


class FurtherAuthorities:
    """The list, by priority, and how each did lately. One for a process; threads share it."""

    def __init__(
        self,
        authorities: Mapping[str, TimestampAuthority],
        *,
        roots: tuple[x509.Certificate, ...],
        required: int,
        spare_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        """`spare_seconds`: how long seals that are not required may keep an exhibit."""
        self.required = required
        self._authorities = dict(authorities)
        self._roots = roots
        self._spare_seconds = spare_seconds
        self._monotonic = monotonic
        self._conducts: dict[str, Conduct] = {}
        self._turn = threading.Lock()

    @property
    def papers(self) -> tuple[str, ...]:
        return tuple(map(paper_of, self._authorities))

    def enough(self, kept: Mapping[str, bytes]) -> bool:
        """Whether as many distinct authorities as are required are among these seals."""
        return len(self._roots_of(kept)) >= self.required

    def seal(
        self,
        manifest_json: bytes,
        kept: Mapping[str, bytes],
        *,
        entropy: Callable[[int], bytes],
        accept: Callable[[bytes], None],
    ) -> Iterator[tuple[str, bytes]]:
        """Paper and octets, one after the other, each to be durable before the next is asked.

        `kept`: the seals that are there, the first one among them; none is asked for again.
        `accept` may raise Unavailable for an answer that would refute the exhibit."""
        digest, have, faults = sha256(manifest_json), dict(kept), list[str]()
        began = self._monotonic()
        for name, authority in self._authorities.items():
            paper = paper_of(name)
            late = self._monotonic() - began > self._spare_seconds
            if paper in have or (late and self.enough(have)):
                continue
            if not self._may_ask(name):
                faults.append(f"{name}: failed lately, left alone for now")
                continue
            nonce = int.from_bytes(entropy(_NONCE_OCTETS), "big")
            try:
                octets = stamp(authority, digest, nonce=nonce, roots=self._roots)
                accept(octets)
            except Unavailable as problem:
                self._note(name, rules.failed)
                faults.append(f"{name}: {problem.code} ({problem.found})")
                continue
            self._note(name, rules.answered)
            have[paper] = octets
            yield paper, octets
        if not self.enough(have):
            raise Unavailable(
                "fix.authorities-missing",
                expected=f"seals of {self.required} distinct outside authorities",
                found=f"{len(self._roots_of(have))}; {'; '.join(faults) or 'no more to ask'}",
                act="nothing to do if this passes; else ask those authorities, or add others",
            )

    def _roots_of(self, kept: Mapping[str, bytes]) -> set[x509.Name]:
        """Under whose roots the further seals stand; the first seal's own is not one more."""
        roots = {
            paper: self._root_of(kept[paper]) for paper in (*self.papers, SEAL) if paper in kept
        }
        return {root for root in roots.values() if root is not None} - {roots.get(SEAL)}

    def _root_of(self, octets: bytes) -> x509.Name | None:
        try:
            token = timestamp.parse(octets)
            signer = timestamp.require_signature(token)
            return timestamp.require_trusted(token, signer, self._roots)[-1].subject
        except ProofError:
            return None  # under none of these roots

    def _may_ask(self, name: str) -> bool:
        at = self._monotonic()
        with self._turn:
            conduct = self._conducts.get(name, Conduct())
            if not rules.may_ask(conduct, at):
                return False
            self._conducts[name] = rules.asked(conduct, at)
            return True

    def _note(self, name: str, change: Callable[[Conduct], Conduct]) -> None:
        with self._turn:
            self._conducts[name] = change(self._conducts[name])
