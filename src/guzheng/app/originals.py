"""Deposits of which only the fingerprint comes in, and their originals that come after all.

The fingerprint is made where the file is (in the browser, or by `guzheng deposit --hash-only`);
here it is taken at its word, and the certificate says so. An original that comes later is
judged against it octet by octet (intake/originals.py), and kept beside the exhibit."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from guzheng import intake, road
from guzheng.app.parts import Parts
from guzheng.intake import originals
from guzheng.keep import Fault
from guzheng.proof.digest import Digest, new_hasher
from guzheng.refusals import Refused
from guzheng.store.ids import LOCAL

_BLOCK = 4 << 20
_LARGEST = 1 << 53  # what a program of any language reads as a whole number
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a person's own device says of a file; SM3 where it was made."""

    name: str
    size: int
    sha256: str
    sm3: str = ""
    media_type: str = ""


class Originals:
    """May be shared by threads."""

    def __init__(
        self, parts: Parts, walking: road.Road, enqueue: Callable[[str], None]
    ) -> None:
        self._parts, self._road, self._enqueue = parts, walking, enqueue

    def deposit(
        self,
        fingerprint: Fingerprint,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """A deposit of the fingerprint alone; durable when this returns, and queued."""
        said = fingerprint
        if not 0 <= said.size <= _LARGEST:
            raise Refused(
                "intake.fingerprint-refused",
                expected="the file's size in octets",
                found=str(said.size)[:40],
            )
        digests = [_digest("sha256", said.sha256)]
        if said.sm3:
            digests.append(_digest("sm3", said.sm3))
        media_type = said.media_type[:200] or intake.media_type_of(said.name)
        order = self._road.deposit_digests(
            (intake.by_digest(said.name, said.size, tuple(digests), media_type),),
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
            account=account,
            person=person,
        )
        self._enqueue(order.exhibit)
        return order.exhibit

    def attach(self, exhibit: str, name: str, chunks: Iterable[bytes]) -> str:
        """Keep the original of a hash-only deposit beside it, if it is that. Gives the item's
        name; the file may be called otherwise by now."""
        order = self._road.order(exhibit)
        if order.kind != "hash-only":
            raise Refused(
                "intake.no-original-awaited",
                expected="a deposit of which only the fingerprint is here",
                found=order.kind,
            )
        awaited = originals.awaited(order, self._parts.blobs) or order.items
        item = next((one for one in awaited if one.name == name), awaited[0])
        originals.keep(order, item, chunks, self._parts.blobs)
        if not originals.awaited(order, self._parts.blobs):
            self._parts.index.keep_original(exhibit)
        return item.name

    def names(self, exhibit: str) -> tuple[str, ...]:
        """The originals that lie beside an exhibit, by the names of its items."""
        folder = originals.name_of(exhibit, "")
        return tuple(one.removeprefix(folder) for one in self._parts.blobs.names(folder))

    def open(self, exhibit: str, name: str) -> BinaryIO:
        """An original that came later; octet for octet what was sealed."""
        if name not in self.names(self._road.order(exhibit).exhibit):
            raise Refused(
                "exhibit.no-such-paper",
                expected="an original that was uploaded later",
                found=repr(name[:120]),
            )
        return self._parts.blobs.open(originals.name_of(exhibit, name))


def kept_exhibits(parts: Parts) -> Iterator[str]:
    """Every exhibit with an original beside it."""
    names = parts.blobs.names(originals.FOLDER)
    yield from dict.fromkeys(one.split("/")[1] for one in names if one.count("/") > 1)


def faults(parts: Parts, walking: road.Road) -> Iterator[Fault]:
    """Originals that came later and are not what was sealed, read again octet by octet."""
    for exhibit in kept_exhibits(parts):
        try:
            order = walking.order(exhibit)
            items = {originals.name_of(exhibit, one.name): one for one in order.items}
        except Refused:
            items = {}
        for place in parts.blobs.names(originals.name_of(exhibit, "")):
            item = items.get(place)
            if item is None:
                yield Fault(place, "keep.extra", "an original of an exhibit", "a file")
                continue
            wanted = item.digests[0]
            with parts.blobs.open(place) as stream:
                hasher = new_hasher(wanted.algorithm)
                for block in iter(lambda: stream.read(_BLOCK), b""):
                    hasher.update(block)
            found = Digest(wanted.algorithm, hasher.digest())
            if found != wanted:
                yield Fault(place, "keep.altered", str(wanted), str(found))


def _digest(algorithm: str, text: str) -> Digest:
    """As people copy it: grouped, in capitals, with the algorithm before it."""
    plain = "".join(text.lower().split()).removeprefix(f"{algorithm}:")
    if not _HEX.fullmatch(plain):
        raise Refused(
            "intake.fingerprint-refused",
            expected=f"{algorithm}: 64 hexadecimal digits",
            found=repr(text[:80]),
        )
    return Digest.parse(f"{algorithm}:{plain}")
