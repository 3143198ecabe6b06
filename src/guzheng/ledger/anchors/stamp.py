"""An RFC 3161 token over the note body of a checkpoint, by an authority that is chosen.

The authority is handed in by `app`; the answer is kept only after the checks of a judge's
verifier. It is the one kind of anchor that the verifier judges fully, offline.
"""

from collections.abc import Callable

from guzheng.ledger.anchors.book import Progress
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.note import Checkpoint


class StampAnchor:
    """`stamp`: digest → a TimeStampResp that was checked, or `Unavailable`."""

    suffix = "tsa"

    def __init__(self, name: str, stamp: Callable[[Digest], bytes]) -> None:
        self.name = name
        self._stamp = stamp

    def advance(self, checkpoint: Checkpoint, _pending: bytes | None, /) -> Progress:
        return Progress(receipt=self._stamp(sha256(checkpoint.encode())))
