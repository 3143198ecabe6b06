"""Compares every place that says something of this ledger: they must all be one tree.

    memory      what was signed last, beside the key
    tiles       do they lead to the root that was signed?
    table       has it everything that was signed?
    published   is it ours, a beginning of what was signed, with the quorum?
    served      the same, as others get it over HTTP
    witnesses   what each has seen (monitoring path)
    mirrors     what each serves: its checkpoint, and whether its tiles lead to that root
    anchors     the checkpoints that were stated to other systems

Each place gives one finding of three values. Failed is an alarm: somebody holds another tree
under our own signature, or more than we do. Who does not answer is not checked. Nothing is
signed, published or changed here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from guzheng.ledger.fetching import Place
from guzheng.ledger.hearing import require_continues
from guzheng.ledger.ledger import CHECKPOINT, Ledger
from guzheng.ledger.witnesses import HttpWitness
from guzheng.proof import policy, tiles
from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.note import Checkpoint, Note, require_checkpoint
from guzheng.proof.policy import LedgerPolicy
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.refusals import Problem, Unavailable

RULE = "docs/spec/ledger.md §6"
Anchored = tuple[str, bytes]  # where it was stated, and the note
_AHEAD = {"ledger.witness-ahead": "monitor.ahead", "ledger.witness-differs": "monitor.differs"}


@dataclass(frozen=True, slots=True)
class Monitor:
    """Whom to compare; `served` is where others find this ledger, if anybody said so."""

    ledger: Ledger
    demanded: LedgerPolicy
    witnesses: Sequence[HttpWitness] = ()
    served: Sequence[Place] = ()
    mirrors: Sequence[Place] = ()
    anchored: Iterable[Anchored] = ()
    name: str = ""  # of a shard, before whatever is found of it

    def report(self) -> Report:
        return Report(tuple(self._findings()))

    def _findings(self) -> Iterator[Finding]:
        yield looked("memory", self.name, self._memory)
        yield looked("tiles", self.name, self._tiles)
        yield looked("table", self.name, self._table)
        yield looked("published", self.name, self._published)
        for place in self.served:
            yield looked("served", place.url, partial(self._fetched, place))
        for witness in self.witnesses:
            subject = f"{self.name} {witness.name}".strip()
            yield looked("witness", subject, partial(self._seen, witness))
        for place in self.mirrors:
            yield looked("mirror", place.url, partial(self._mirrored, place))
        for where, note in self.anchored:
            yield looked("anchor", where, partial(self._stated, note, where))

    # -- here ------------------------------------------------------------------------------

    def _signed(self) -> Checkpoint:
        signed = self.ledger.signed()
        if signed is None:
            raise Undecided("monitor.nothing-signed", "a signed checkpoint", "none yet")
        return signed

    def _memory(self) -> str:
        signed = self._signed()
        return f"size {signed.size}, root {signed.root.hex()}"

    def _tiles(self) -> str:
        signed = self._signed()
        root = tiles.root_from(self.ledger.tile, signed.size)
        if root != signed.root:
            raise ProofError("monitor.differs", signed.root.hex(), root.hex())
        return f"size {signed.size}"

    def _table(self) -> str:
        signed, size = self._signed(), self.ledger.entries.size()
        if size < signed.size:
            raise ProofError("monitor.table-behind", f"{signed.size} entries", str(size))
        waiting = f", {size - signed.size} of them not signed yet" if size > signed.size else ""
        return f"{size} entries{waiting}"

    def _published(self) -> str:
        note = self.ledger.read(CHECKPOINT)
        if note is None:
            raise Undecided("monitor.nothing-published", "a published checkpoint", "none yet")
        published, signed = self._continued(note, "what is published"), self._signed()
        cosigned = policy.require_quorum(self.demanded, Note.parse(note))
        if published.size < signed.size:
            expected = f"the quorum for size {signed.size}, which is signed"
            raise Undecided("monitor.awaited", expected, f"size {published.size} is published")
        names = ", ".join(one.witness.name for one in cosigned)
        return f"size {published.size}, cosigned by {names or 'nobody: no quorum is demanded'}"

    # -- elsewhere -------------------------------------------------------------------------

    def _continued(self, note: bytes, where: str) -> Checkpoint:
        """A checkpoint under our own signature, which must be a beginning of our tree."""
        checkpoint = require_checkpoint(Note.parse(note), self.ledger.signer.key)
        require_continues(self.ledger, checkpoint, where)
        signed = self._signed()
        if checkpoint.size > signed.size:  # the entries are here, the memory is not
            raise ProofError(
                "monitor.ahead", f"at most {signed.size} entries signed", str(checkpoint.size)
            )
        return checkpoint

    def _fetched(self, place: Place) -> str:
        return f"size {self._continued(place.checkpoint(), place.url).size}"

    def _seen(self, witness: HttpWitness) -> str:
        newest = witness.newest(self.ledger.signer.key)
        if newest is None:
            raise Undecided("monitor.witness-shows-nothing", "what it has seen", "nothing")
        seen = self._continued(newest[1].encode(), witness.name)
        return f"size {seen.size} of {self._signed().size}"

    def _mirrored(self, place: Place) -> str:
        kept = self._continued(place.checkpoint(), place.url)

        root = tiles.root_from(place.tile, kept.size)
        if root != kept.root:
            raise ProofError("monitor.mirror-damaged", kept.root.hex(), root.hex())
        return f"size {kept.size} of {self._signed().size}"

    def _stated(self, note: bytes, where: str) -> str:
        return f"size {self._continued(note, where).size}"


def looked(step: str, subject: str, look: Callable[[], str]) -> Finding:
    """One place: what was found there, or what is wrong with it, or why it was not seen."""
    name = f"monitor.{step}"
    problem: ProofError | Problem
    try:
        return Finding(name, RULE, Outcome.PASSED, "ok", subject, "", look())
    except (Undecided, Unavailable) as unknown:
        outcome, problem = Outcome.NOT_CHECKED, unknown
    except (ProofError, Problem) as alarm:
        outcome, problem = Outcome.FAILED, alarm
    code = _AHEAD.get(problem.code, problem.code)
    return Finding(name, RULE, outcome, code, subject, problem.expected, problem.found)
