"""Where the octets of an unfinished upload lie until all are there.

In one file that grows, where the store can (a directory): at the end it is given its name in
the exhibit, and no octet is written a second time. The whole is hashed while it comes in, and
that is the digest it is deposited under, as of any deposit; what is counted meanwhile is one
part that grows, under the digest of all so far, so that nothing is hashed twice. Only what
comes under a checksum is a part with a digest of its own; and an upload that another process
took up again is read at the end, and then each part must have the digest it came with.
Elsewhere (S3) each part is a blob of its own, read again and copied at the end."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final, Protocol

from guzheng.intake import Here
from guzheng.intake.uploads import FOLDER, Arriving, Part
from guzheng.proof.digest import Digest, Hasher, new_hasher
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs, Growing
from guzheng.store.receive import hashed_through, keep_stream

_BLOCK: Final = 1 << 20
_REMEMBERED: Final = 256  # uploads whose hash is carried on


class Waiting(Protocol):
    """One of the two places. `copies`: how often an upload is there when it ends."""

    @property
    def copies(self) -> int: ...

    def take(
        self, upload: str, before: tuple[Part, ...], chunks: Iterable[bytes], *, alone: bool
    ) -> Part:
        """Keep these octets behind those parts; durable on return. The part given back stands
        for every octet from where it begins on; `alone`: for these octets and no others."""
        ...

    def drop(self, part: Part) -> None:
        """The octets taken last are not wanted after all."""
        ...

    def octets(self, one: Arriving) -> Iterator[bytes]:
        """All of them, read again; raises before the last where a digest differs."""
        ...

    def here(self, one: Arriving) -> Here | None:
        """What an exhibit can take over without a copy. Raises where a digest differs."""
        ...


def waiting_in(blobs: Blobs, entropy: Callable[[int], bytes]) -> Waiting:
    return _Grown(blobs, blobs) if isinstance(blobs, Growing) else _Parted(blobs, entropy)


class _Parted:
    """A blob for each part."""

    copies = 2

    def __init__(self, blobs: Blobs, entropy: Callable[[int], bytes]) -> None:
        self._blobs, self._entropy = blobs, entropy

    def take(
        self, upload: str, before: tuple[Part, ...], chunks: Iterable[bytes], *, alone: bool
    ) -> Part:
        del alone  # a blob never grows
        begins = end_of(before)
        place = f"{FOLDER}{upload}/{begins:016d}-{self._entropy(4).hex()}"
        received = keep_stream(self._blobs, place, chunks)
        return Part(begins, received.size, received.sha256.hex, place)

    def drop(self, part: Part) -> None:
        self._blobs.remove(part.place)

    def octets(self, one: Arriving) -> Iterator[bytes]:
        def read(part: Part) -> Iterator[bytes]:
            with self._blobs.open(part.place) as stream:
                while chunk := stream.read(_BLOCK):
                    yield chunk

        return _checked(one, read)

    def here(self, one: Arriving) -> Here | None:
        del one
        return None


@dataclass(frozen=True, slots=True)
class _Carried:
    """The hash of everything in these parts."""

    parts: tuple[Part, ...]
    hasher: Hasher


class _Grown:
    """One file for each upload."""

    copies = 1

    def __init__(self, blobs: Blobs, growing: Growing) -> None:
        self._blobs, self._growing = blobs, growing
        self._carried: OrderedDict[str, _Carried] = OrderedDict()
        self._lock = Lock()

    def take(
        self, upload: str, before: tuple[Part, ...], chunks: Iterable[bytes], *, alone: bool
    ) -> Part:
        begins, place = end_of(before), f"{FOLDER}{upload}/octets"
        whole = self._carried_on(upload, before)
        grow = partial(self._growing.grow, place, begins)
        if whole is not None and not (alone and before):  # one hash is of the part and of all
            received = hashed_through(chunks, grow, into=whole)
            part = Part(0, begins + received.size, received.sha256.hex, place)
        else:
            received = hashed_through(chunks, grow, *([whole] if whole else []))
            part = Part(begins, received.size, received.sha256.hex, place)
        if whole is not None:
            with self._lock:
                self._carried[upload] = _Carried(after(before, part), whole)
                while len(self._carried) > _REMEMBERED:
                    self._carried.popitem(last=False)
        return part

    def _carried_on(self, upload: str, before: tuple[Part, ...]) -> Hasher | None:
        """The hash of exactly these parts, if it went through our hands."""
        with self._lock:
            carried = self._carried.pop(upload, None)
        if not before:
            return new_hasher("sha256")
        return carried.hasher if carried and carried.parts == before else None

    def drop(self, part: Part) -> None:
        """It is overwritten; and no hash is carried on over it, since the parts differ."""

    def octets(self, one: Arriving) -> Iterator[bytes]:
        with self._blobs.open(one.parts[0].place) as stream:

            def read(part: Part) -> Iterator[bytes]:
                left = part.size
                while left and (chunk := stream.read(min(left, _BLOCK))):
                    left -= len(chunk)
                    yield chunk

            yield from _checked(one, read)

    def here(self, one: Arriving) -> Here | None:
        whole = self._carried_on(one.upload, one.parts)
        if whole is None:
            whole = new_hasher("sha256")
            for chunk in self.octets(one):
                whole.update(chunk)
        digest = Digest("sha256", whole.digest())
        if one.sha256 and digest.hex != one.sha256:
            raise _digest_differs(one, digest)
        settle = partial(self._growing.settle, one.parts[0].place)
        return Here(one.size, digest, settle)


def end_of(parts: tuple[Part, ...]) -> int:
    return parts[-1].begins + parts[-1].size if parts else 0


def after(before: tuple[Part, ...], part: Part) -> tuple[Part, ...]:
    """The parts that are here once this one is: it stands for all from its beginning on."""
    return (*(one for one in before if one.begins < part.begins), part)


def _checked(one: Arriving, read: Callable[[Part], Iterator[bytes]]) -> Iterator[bytes]:
    """The octets of part after part, which must be those that came in."""
    whole = new_hasher("sha256")
    last = b""
    for part in one.parts:
        hasher = new_hasher("sha256")
        for chunk in read(part):
            hasher.update(chunk)
            if one.sha256:
                whole.update(chunk)
            if last:
                yield last
            last = chunk
        found = hasher.digest().hex()
        if found != part.sha256:
            raise Refused(
                "upload.part-damaged",
                expected=f"{part.sha256} from {part.begins:,} on",
                found=found,
                act="send the file again",
            )
    if one.sha256 and whole.digest().hex() != one.sha256:
        raise _digest_differs(one, Digest("sha256", whole.digest()))
    yield last


def _digest_differs(one: Arriving, found: Digest) -> Refused:
    return Refused(
        "upload.digest-differs",
        expected=one.sha256,
        found=str(found),
        act="send the file again; it changed while it was sent, or was not read right",
    )
