"""Anchors: receipts of the ledger's checkpoints on systems of others. All are optional.

    book    checkpoints that are being anchored, their receipts, and what is still pending
    stamp   RFC 3161 tokens of authorities
    evm     a contract on an Ethereum-compatible network (JSON-RPC; extra `anchors`)
    ots     OpenTimestamps calendars (extra `anchors`)
    asking  HTTP with bounds

Takes a published checkpoint; gives papers `anchors/checkpoint.<name>.…` once there is a
receipt, and none before. A receipt corroborates: it shows that this checkpoint was stated to
somebody who is not us. docs/spec/anchors.md says what each kind proves. May fail with
`Unavailable` (that system is away: asked again later) and `Refused` (it will not have this
checkpoint, or the operator must act).
"""

from guzheng.ledger.anchors.book import AnchorBook, Anchored, Progress
from guzheng.ledger.anchors.stamp import StampAnchor

__all__ = ["AnchorBook", "Anchored", "Progress", "StampAnchor"]
