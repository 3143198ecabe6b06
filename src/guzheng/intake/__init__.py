"""Station 1, intake (取证、存证): which bytes, from whom, how they came.

Takes files, digests or an address; gives durable items, an order, and the manifest. May fail:
`Refused` (intake.…, capture.…) for what cannot come in, `Unavailable` when the disk is full or
the browser is missing.
"""

from guzheng.intake.deposit import Upload, by_digest, keep, media_type_of
from guzheng.intake.manifest import digests_of, digests_of_stream, manifest_of
from guzheng.intake.order import Order, ReceivedItem
from guzheng.intake.records import ExhibitIndex, Line
from guzheng.intake.web import CaptureRefused, Capturing, capture, captured_items

__all__ = [
    "CaptureRefused",
    "Capturing",
    "ExhibitIndex",
    "Line",
    "Order",
    "ReceivedItem",
    "Upload",
    "by_digest",
    "capture",
    "captured_items",
    "digests_of",
    "digests_of_stream",
    "keep",
    "manifest_of",
    "media_type_of",
]
