"""How the shards of one ledger hang together: the last checkpoint of each begins the next.

A shard is a log with a name and keys of its own. When it is closed, the text of its last
checkpoint becomes entry 0 of the next shard; so who holds any later checkpoint can be shown
that the shard before ended exactly there, and whatever it signed beyond is a contradiction.
docs/spec/ledger.md §10.
"""

from guzheng.proof import tree
from guzheng.proof.errors import Inconsistent, require
from guzheng.proof.note import Checkpoint, Note, VerifierKey, require_checkpoint
from guzheng.proof.tlogproof import TlogProof

LABEL = b"guzheng/shard/v1\n"


def leaf_of(last: Checkpoint) -> bytes:
    """Entry 0 of the next shard; without signatures, so cosignatures may still be added."""
    return LABEL + last.encode()


def require_chained(
    last: Note, key: VerifierKey, begins: TlogProof, next_key: VerifierKey
) -> Checkpoint:
    """That the next shard begins with this one's last checkpoint; gives that checkpoint.

    Quorums are not asked for here: both notes are the caller's to hold against a policy."""
    # (1) The last checkpoint is the log's own: anybody can write such a text.
    ended = require_checkpoint(last, key)
    # (2) So is the checkpoint that has the first entry of the next.
    signed = require_checkpoint(begins.note, next_key)
    require(begins.index == 0, Inconsistent, "shard.not-first", "entry 0", begins.index)
    require(
        signed.origin != ended.origin,
        Inconsistent,
        "shard.itself",
        "two logs",
        signed.origin,
    )
    # (3) Entry 0 is the one leaf that follows from it. Without this a shard could begin with
    #     a shorter past than was signed.
    entry = tree.leaf_hash(leaf_of(ended))
    tree.require_included(entry, 0, signed.size, begins.path, signed.root)
    return ended
