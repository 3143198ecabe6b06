"""The original of a hash-only deposit, when it comes after all: is it the original, and when
is it advised to come.

The manifest of such a deposit says that the original stayed with its owner, and papers never
change; so an original that comes later lies beside the exhibit, under `originals/`, and in no
package. It is taken only if every octet is as it was: a copy that was cut, converted or
compressed again has another fingerprint, and is refused with that reason. That it comes within
a day of the seal is advice, never a condition.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from guzheng.intake.order import Order, ReceivedItem
from guzheng.proof.digest import Digest, new_hasher
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs

FOLDER: Final = "originals/"
ADVISED: Final = timedelta(hours=24)
REMINDED: Final = timedelta(hours=23)
WAITING, REMIND, OVERDUE = "waiting", "remind", "overdue"


@dataclass(frozen=True, slots=True)
class Due:
    """How the advice stands: `until` a day after the seal; `left` is negative once overdue."""

    state: str
    until: datetime
    left: timedelta


def due_of(sealed_at: datetime, *, now: datetime) -> Due:
    past = now - sealed_at
    state = OVERDUE if past > ADVISED else REMIND if past >= REMINDED else WAITING
    return Due(state, sealed_at + ADVISED, ADVISED - past)


def name_of(exhibit: str, item: str) -> str:
    return f"{FOLDER}{exhibit}/{item}"


def awaited(order: Order, blobs: Blobs) -> tuple[ReceivedItem, ...]:
    """The files of a hash-only deposit whose originals are not here."""
    if order.kind != "hash-only":
        return ()
    kept = set(blobs.names(f"{FOLDER}{order.exhibit}/"))
    return tuple(one for one in order.items if name_of(order.exhibit, one.name) not in kept)


def keep(
    order: Order, item: ReceivedItem, chunks: Iterable[bytes], blobs: Blobs
) -> ReceivedItem:
    """Keep these octets as that item's original; Refused unless they are it.

    Nothing is put under its name that is not the original: judged in the stream, and the last
    octet is handed on only when the whole was right."""
    blobs.put(name_of(order.exhibit, item.name), _judged(item, chunks))
    return item


def _judged(item: ReceivedItem, chunks: Iterable[bytes]) -> Iterator[bytes]:
    hashers = [(one, new_hasher(one.algorithm)) for one in item.digests]
    size, last = 0, b""
    for chunk in chunks:
        if not chunk:
            continue
        size += len(chunk)
        if size > item.size:
            raise not_the_original(f"{item.size:,}", f"> {item.size:,}")
        for _, hasher in hashers:
            hasher.update(chunk)
        if last:
            yield last
        last = chunk
    if size != item.size:
        raise not_the_original(f"{item.size:,}", f"{size:,}")
    for wanted, hasher in hashers:
        found = Digest(wanted.algorithm, hasher.digest())
        if found != wanted:
            raise not_the_original(str(wanted), str(found))
    yield last


def not_the_original(expected: str, found: str) -> Refused:
    return Refused(
        "intake.not-the-original",
        expected=expected,
        found=found,
        act="choose the original file itself: not a copy that was sent by a messenger, cut, "
        "converted or saved again; the exhibit stays as it is",
    )
