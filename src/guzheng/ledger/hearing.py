"""What the witnesses have seen of this ledger, before it signs anything more.

A database can be restored from a backup, and so can the memory of what was signed last; the
witnesses cannot be restored along with them. So after every start, and before the first
signature, each is asked what it has seen (c2sp.org/tlog-witness, monitoring path), and nothing
is signed that is smaller than it, or another tree.

**Who is silent.** Whatever anybody relies on bears a quorum of cosignatures. As long as those
who did not answer are no quorum by themselves, at least one who did answer has seen the newest
checkpoint that counts. So the ledger goes on exactly then, and otherwise waits (fail closed).
What remains: a checkpoint that a silent minority alone has cosigned is not known here; the
memory beside the key is what guards that.

A witness cannot stop the ledger by a lie: only a checkpoint with the ledger's own signature
counts against it. One that shows anything else, or shows nothing where it says that it has
seen something, is taken as silent.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from guzheng.ledger.edge import Edge
from guzheng.ledger.ledger import BATCH, Ledger
from guzheng.ledger.witnesses import HttpWitness, OtherSize
from guzheng.proof import policy, tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint
from guzheng.proof.policy import LedgerPolicy
from guzheng.refusals import Refused, Unavailable

_KEEP = "sign nothing, and keep everything; see docs/operate/have-the-ledger-witnessed.md"


def require_heard(
    ledger: Ledger, demanded: LedgerPolicy, witnesses: Iterable[HttpWitness]
) -> None:
    """Refused when a witness has seen what this ledger does not hold; Unavailable when too
    few answered to know."""
    wanted = tuple(witnesses)
    if not wanted:
        return
    with ThreadPoolExecutor(len(wanted)) as asking:
        heard = list(asking.map(lambda one: _heard(ledger, one), wanted))
    silent = {}
    for witness, seen in zip(wanted, heard, strict=True):
        if isinstance(seen, Unavailable):
            silent[witness.name] = seen
        elif seen is not None:
            require_continues(ledger, seen, witness.name)
    if demanded.quorum != policy.NONE and demanded.quorum in policy.met_by(demanded, silent):
        raise Unavailable(
            "ledger.witnesses-silent",
            expected=f"answers without which there is no quorum {demanded.quorum!r}",
            found="; ".join(one.found for one in silent.values()),
            act="nothing is signed until they answer; nothing is lost, jobs try again",
        )


def _heard(ledger: Ledger, witness: HttpWitness) -> Checkpoint | Unavailable | None:
    """What it has seen; None when it has seen nothing."""
    try:
        newest = witness.newest(ledger.signer.key)
        if newest is not None:
            return newest[0]
        _require_seen_nothing(ledger, witness)
    except Unavailable as unavailable:
        return unavailable
    return None


def _require_seen_nothing(ledger: Ledger, witness: HttpWitness) -> None:
    """It shows nothing: is that so, or is its monitoring path another one?

    Asked by showing it what was signed last: it answers with the size that it knows."""
    note, signed = ledger.last_signed.read(), ledger.signed()
    if note is None or signed is None:
        return
    try:
        witness.add_checkpoint(signed.size, (), note)
    except OtherSize as other:
        if other.size:
            raise Unavailable(
                "ledger.witness-unsound",
                expected="the checkpoint it has seen, on its monitoring path",
                found=f"{witness.name}: none, and it says that it has seen size {other.size}",
                act="set ledger_monitoring for that witness",
            ) from other


def require_continues(ledger: Ledger, seen: Checkpoint, witness: str) -> None:
    """What this ledger holds is the tree that was seen, or continues it."""
    signed, held = ledger.signed(), ledger.entries.size()
    if signed is not None and seen.size <= signed.size:
        proof = ledger.prove_consistency(seen.size, signed.size)
        try:
            tree.require_consistent(seen.size, seen.root, signed.size, signed.root, proof)
        except ProofError as error:
            raise _differs(witness, seen, f"another tree: {error.code}") from error
        return
    if seen.size > held:
        raise Refused(
            "ledger.witness-ahead",
            expected=f"the {seen.size} entries that {witness} has seen signed",
            found=f"{held} entries, {signed.size if signed else 0} of them signed",
            act="an old backup was restored; restore the tiles, run rebuild, which reads them",
        )
    root = _root_of_table(ledger, signed, seen.size)
    if root != seen.root:
        raise _differs(witness, seen, f"{root.hex()} from the entries held here")


def _root_of_table(ledger: Ledger, signed: Checkpoint | None, size: int) -> bytes:
    """More was signed than the memory knows of; the entries are all here."""
    edge = Edge.resume(ledger.tile, signed.size) if signed else Edge()
    for start in range(edge.whole, size, BATCH):
        for _ in edge.grow(ledger.entries.leaves(start, min(start + BATCH, size))):
            pass
    return edge.root()


def _differs(witness: str, seen: Checkpoint, found: str) -> Refused:
    return Refused(
        "ledger.witness-differs",
        expected=f"the tree that {witness} has seen: size {seen.size}, root {seen.root.hex()}",
        found=found,
        act=_KEEP,
    )
