"""The folders of exhibits, as they lie in the store: looked at, and a paper at a time kept.

Raises `Refused`: exhibit.not-found for a name that nobody was given, keep.damaged for a paper
of ours that cannot be read.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from guzheng.intake import Order
from guzheng.proof import package
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest, require_exhibit_name
from guzheng.refusals import Refused
from guzheng.road.papers import BESIDE, ORDER, folder_of
from guzheng.store.blobs import AlreadyKept, Blobs, NotKept, find, read


@dataclass(frozen=True, slots=True)
class Folders:
    """Of every exhibit that is kept here."""

    blobs: Blobs

    def exhibits(self) -> Iterator[str]:
        """Every exhibit that has a folder, from the papers themselves."""
        last = ""
        for name in self.blobs.names(package.EXHIBITS):
            exhibit = name.removeprefix(package.EXHIBITS).partition("/")[0]
            if exhibit != last:
                last = exhibit
                yield exhibit

    def order(self, exhibit: str) -> Order:
        """The first paper of every exhibit."""
        try:
            folder = folder_of(require_exhibit_name(exhibit))
            octets = read(self.blobs, folder + ORDER)
        except (NotKept, ProofError) as error:
            raise Refused(
                "exhibit.not-found",
                expected="the name of an exhibit kept here",
                found=f"none named {exhibit[:40]!r}",
                act="check the name",
            ) from error
        with papers_sound(folder + ORDER):
            return Order.parse(octets)

    def papers(self, exhibit: str) -> frozenset[str]:
        """Names below its folder, items among them."""
        folder = folder_of(exhibit)
        return frozenset(name.removeprefix(folder) for name in self.blobs.names(folder))

    def listing(self, order: Order) -> bytes:
        """SHA256SUMS of the exhibit's folder; what a manifest names is not read again."""
        folder = folder_of(order.exhibit)
        wanted: set[str] = set(BESIDE)
        digests: dict[str, Digest] = {}
        manifest_json = find(self.blobs, folder + package.MANIFEST)
        if manifest_json is not None:
            manifest = Manifest.parse(manifest_json)
            wanted |= set(package.papers_of(manifest))
            wanted |= set(filter(package.is_optional, self.papers(order.exhibit)))
            named = {package.ITEMS + item.name: item.sha256 for item in manifest.items}
            digests = {name: digest for name, digest in named.items() if name in wanted}
        for name in (self.papers(order.exhibit) & wanted) - digests.keys():
            digests[name] = sha256(read(self.blobs, folder + name))
        return package.encode_listing(digests)

    def put(self, name: str, octets: bytes) -> bytes:
        """Keep a paper; gives the one that is kept, which is another walk's if it was first."""
        try:
            self.blobs.put(name, [octets])
        except AlreadyKept:
            return read(self.blobs, name)
        return octets


@contextlib.contextmanager
def papers_sound(place: str) -> Iterator[None]:
    """A paper of ours that cannot be read is damage, whoever trips over it."""
    try:
        yield
    except ProofError as error:
        raise Refused(
            "keep.damaged",
            expected=error.expected or "a paper as it was written",
            found=f"{place}: {error.code} {error.found}",
            act="the operator runs fsck, which names what is damaged, and restores it",
        ) from error
