"""Station 1, intake (取证、存证): which bytes, from whom, how they came.

Takes files, digests or an address; gives durable items, an order, and the manifest. May fail:
`Refused` (intake.…, capture.…) for what cannot come in, `Unavailable` when the disk is full or
the browser is missing.
"""

from guzheng.intake.attempts import CaptureCancelled, CaptureRefused, refusal_in
from guzheng.intake.brought import captured_items
from guzheng.intake.deposit import Here, Upload, by_digest, keep, media_type_of, unreadable
from guzheng.intake.manifest import digests_of, digests_of_stream, manifest_of
from guzheng.intake.order import PAPER as ORDER
from guzheng.intake.order import Order, ReceivedItem
from guzheng.intake.originals import not_the_original
from guzheng.intake.records import ExhibitIndex, Line, Walked
from guzheng.intake.running import Capturing, Moments, end_captures, ready_next
from guzheng.intake.warm import Warm
from guzheng.intake.watching import find_live_picture
from guzheng.intake.web import capture, clear_room, rooms

__all__ = [
    "ORDER",
    "CaptureCancelled",
    "CaptureRefused",
    "Capturing",
    "ExhibitIndex",
    "Here",
    "Line",
    "Moments",
    "Order",
    "ReceivedItem",
    "Upload",
    "Walked",
    "Warm",
    "by_digest",
    "capture",
    "captured_items",
    "clear_room",
    "digests_of",
    "digests_of_stream",
    "end_captures",
    "find_live_picture",
    "keep",
    "manifest_of",
    "media_type_of",
    "not_the_original",
    "ready_next",
    "refusal_in",
    "rooms",
    "unreadable",
]
