"""From order and items to the manifest: the step that names every byte, with both digests.

Each item is read again here, which shows that what is kept is what came in, and gives SM3
without slowing the upload down.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from guzheng.intake.order import Order, ReceivedItem
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest, new_hasher
from guzheng.proof.manifest import ATTEMPT, Extent, Item, Manifest, SeenCheckpoint
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs

_BLOCK, _SMALL = 4 << 20, 256 << 10
_HANDS = 2  # items that are read at once


def digests_of(blobs: Blobs, name: str) -> tuple[int, tuple[Digest, Digest]]:
    """Size in octets, SHA-256 and SM3 of a blob, read once."""
    with blobs.open(name) as stream:
        return digests_of_stream(stream)


def digests_of_stream(stream: BinaryIO) -> tuple[int, tuple[Digest, Digest]]:
    """The same of any stream; memory constant, the two digests side by side."""
    sha256, sm3 = new_hasher("sha256"), new_hasher("sm3")
    block, size = stream.read(_BLOCK), 0
    if len(block) <= _SMALL:  # threads would take longer
        sha256.update(block)
        sm3.update(block)
        size, block = len(block), stream.read(_BLOCK)
    if block:
        with ThreadPoolExecutor(2) as pool:
            while block:
                for done in [pool.submit(one.update, block) for one in (sha256, sm3)]:
                    done.result()
                size += len(block)
                block = stream.read(_BLOCK)
    return size, (Digest("sha256", sha256.digest()), Digest("sm3", sm3.digest()))


def manifest_of(
    order: Order,
    blobs: Blobs,
    folder: str,
    items: tuple[ReceivedItem, ...],
    *,
    roles: Mapping[str, str],
    capture_json: bytes | None,
    seen: SeenCheckpoint | None,
) -> Manifest:
    """The manifest of an order whose items are all kept (or stay with their owner)."""
    failed = capture_json is not None and CaptureRecord.parse(capture_json).failed

    def item_of(one: ReceivedItem) -> Item:
        return _item(one, order, blobs, folder, roles.get(one.name, "original"))

    with ThreadPoolExecutor(_HANDS) as hands:  # SM3 of the one beside SM3 of the other
        named = tuple(hands.map(item_of, items))
    return Manifest(
        exhibit=order.exhibit,
        kind=ATTEMPT if failed else order.kind,
        claimed_name=order.claimed_name,
        observed_at=order.observed_at,
        items=named,
        salt=order.salt,
        claimed_applicant=order.claimed_applicant,
        claimed_purpose=order.claimed_purpose,
        attested_applicant=order.attested_applicant,
        capture=Extent.of(capture_json) if capture_json is not None else None,
        seen_checkpoint=seen,
    )


def _item(received: ReceivedItem, order: Order, blobs: Blobs, folder: str, role: str) -> Item:
    if order.kind == "hash-only":
        return Item(received.name, role, received.media_type, received.size, received.digests)
    size, digests = digests_of(blobs, f"{folder}items/{received.name}")
    if (size, digests[0]) != (received.size, received.digests[0]):
        raise Refused(
            "intake.item-damaged",
            expected=f"{received.size} octets, {received.digests[0]}",
            found=f"{size} octets, {digests[0]} in {received.name}",
            act="the operator restores the file or the exhibit is deposited again",
        )
    return Item(received.name, role, received.media_type, size, digests)
