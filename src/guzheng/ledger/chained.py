"""Whether the row of shards is unbroken: each begins with the last checkpoint of the former.

From what is published alone: the closed shard's checkpoint and the next one's, each under its
own key and its quorum, and the proof of entry 0. Nothing of the row's own papers is believed.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from guzheng.ledger.ledger import CHECKPOINT
from guzheng.ledger.monitor import looked
from guzheng.ledger.row import Row, Shard
from guzheng.proof import policy, shard
from guzheng.proof.errors import Inconsistent, Undecided
from guzheng.proof.note import Note
from guzheng.proof.report import Finding
from guzheng.proof.tlogproof import TlogProof


def chain_findings(row: Row) -> Iterator[Finding]:
    """One for each shard after the first."""
    for before, after in pairwise(row.begun):
        yield looked("chain", f"{before.name} → {after.name}", partial(_chained, before, after))


def _chained(before: Shard, after: Shard) -> str:
    last, newest = before.ledger.read(CHECKPOINT), after.ledger.read(CHECKPOINT)
    if last is None or newest is None:
        raise Undecided("monitor.nothing-published", "the checkpoints of both", "none")
    begins = TlogProof.parse(after.ledger.prove(0, note=newest))
    ended = shard.require_chained(
        Note.parse(last), before.ledger.signer.key, begins, after.ledger.signer.key
    )
    if before.end is not None and ended != before.end:
        raise Inconsistent("shard.not-the-end", str(before.end.size), str(ended.size))
    for one, note in ((before, Note.parse(last)), (after, begins.note)):
        policy.require_quorum(one.gathering.policy, note)
    return f"size {ended.size}, root {ended.root.hex()}"
