"""How each paper of the road is made: one function a step, each of which may run twice.

What is kept under a name never changes, so «it failed» and «it succeeded but we did not hear»
take the same path. A paper never refers to bytes that are not durable yet. Whoever calls holds
the exhibit's lease, and knows that this step is next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from guzheng import fix, intake
from guzheng.intake import Order
from guzheng.ledger import Shards
from guzheng.proof import certificate, instant, moments, package, timestamp
from guzheng.proof.digest import Digest
from guzheng.proof.exhibit import CLOCKS_APART
from guzheng.proof.manifest import Manifest, SeenCheckpoint, leaf_of
from guzheng.proof.note import Note
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Unavailable
from guzheng.road.folders import Folders
from guzheng.road.papers import REFUSED, Step, encode_refusal, folder_of
from guzheng.store.blobs import Blobs, find, read

Tell = Callable[[str, str], None]
# Facts, papers to attach, when it is signed → the signed PDF.
Certify = Callable[[Mapping[str, object], Mapping[str, bytes], datetime], bytes]


@dataclass(frozen=True, slots=True)
class Making:
    """The stations that an installation has, each asked for its paper."""

    folders: Folders
    shards: Shards
    authority: fix.TimestampAuthority
    sm2: fix.TimestampAuthority | None
    further: fix.FurtherAuthorities
    roots: tuple[x509.Certificate, ...]
    print_certificate: Certify
    capturing: intake.Capturing
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    meanwhile: Callable[[], None]  # begins what can be done beside a capture

    @property
    def _blobs(self) -> Blobs:
        return self.folders.blobs

    def capture(self, order: Order, tell: Tell) -> None:
        # A capture cannot be older than a checkpoint that it names, nor than a token.
        may_ask = intake.Moments(self._stamp, self.shards.gathering.cosigned_over(0))
        folder = folder_of(order.exhibit)
        self.meanwhile()
        intake.capture(order, self._blobs, folder, self.capturing, tell, may_ask)

    def _stamp(self, digest: Digest) -> bytes:
        nonce = int.from_bytes(self.entropy(8), "big")
        return fix.stamp(self.authority, digest, nonce=nonce, roots=self.roots)

    def manifest(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        record_json = find(self._blobs, folder + package.CAPTURE)
        items, roles = order.items, dict[str, str]({})
        if record_json is not None:
            items, roles = intake.captured_items(record_json)
            refusal = intake.refusal_in(record_json)
            if refusal is not None:
                self.folders.put(
                    folder + REFUSED, encode_refusal(order.exhibit, refusal, self.now())
                )
        manifest = intake.manifest_of(
            order,
            self._blobs,
            folder,
            items,
            roles=roles,
            capture_json=record_json,
            seen=self._seen(),
        )
        self.folders.put(folder + package.MANIFEST, manifest.encode())

    def _seen(self) -> SeenCheckpoint | None:
        newest = self.shards.published()  # with witnesses: what they have cosigned
        return SeenCheckpoint(newest.origin, newest.size, newest.root) if newest else None

    def fix(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        manifest_json = read(self._blobs, folder + package.MANIFEST)  # durable before we ask
        papers = fix.fix(
            manifest_json,
            self.authority,
            roots=self.roots,
            entropy=self.entropy,
            kept=self.folders.papers(order.exhibit),
            sm2=self.sm2,
        )
        for paper, octets in papers:  # each token costs one if we are killed here; no more
            if paper in {package.SEAL, package.SEAL_SM2}:
                _require_clocks_agree(order, octets)
            self.folders.put(folder + paper, octets)
        # After the seal, which says earliest that the exhibit existed, whoever else is away.
        further = self.further.seal(
            manifest_json,
            self.seals(order.exhibit, self.folders.papers(order.exhibit)),
            entropy=self.entropy,
            accept=lambda octets: _require_clocks_agree(order, octets),
        )
        for paper, octets in further:
            self.folders.put(folder + paper, octets)

    def seals(self, exhibit: str, papers: frozenset[str]) -> dict[str, bytes]:
        """The seals that are there: the first one, and those of outside authorities."""
        wanted = papers.intersection((package.SEAL, *self.further.papers))
        return {one: read(self._blobs, folder_of(exhibit) + one) for one in sorted(wanted)}

    def log(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        leaf = leaf_of(
            read(self._blobs, folder + package.MANIFEST),
            read(self._blobs, folder + package.SEAL),
        )
        self._blobs.put(folder + package.LEAF, [leaf])  # there is one: another is damage
        # Cannot be undone: a ledger does not forget. Twice is harmless, the leaf is unique.
        entry = self.shards.append(leaf, order.exhibit)
        # Signed, cosigned by the quorum and published, by this walk or another one; below the
        # quorum there is no paper. What is published is never withdrawn: killed here, the next
        # walk finds it.
        note = self.shards.cosign(entry)
        self.folders.put(folder + package.ENTRY, self.shards.prove(entry, leaf, note))

    def certify(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        manifest_json = read(self._blobs, folder + package.MANIFEST)
        record_json = find(self._blobs, folder + package.CAPTURE)
        seal = timestamp.parse(read(self._blobs, folder + package.SEAL))
        entry = TlogProof.parse(read(self._blobs, folder + package.ENTRY))
        signer = timestamp.require_signature(seal)
        witnesses = {
            one.witness.key.name for one in self.shards.gathering.witnessed(entry.note)
        }
        named = tuple(sorted(witnesses))
        further = {one: self._sealed(folder + one) for one in self._further(order.exhibit)}
        asked = self._moments(folder, record_json)
        facts = certificate.derive(
            manifest_json, record_json, seal, signer, entry, named, further, asked
        )
        facts_json = self.folders.put(
            folder + package.CERTIFICATE_JSON, certificate.encode(facts)
        )
        wanted = package.papers_of(Manifest.parse(manifest_json))
        names = [
            one
            for one in wanted
            if package.is_paper(one) and not one.startswith("certificate.")
        ]
        names += [*further, *(moments.papers_of(record_json) if record_json else ())]
        attached = {name: read(self._blobs, folder + name) for name in names}
        attached[package.CERTIFICATE_JSON] = facts_json
        self.folders.put(
            folder + package.CERTIFICATE_PDF,
            self.print_certificate(facts, attached, self.now()),
        )

    def _further(self, exhibit: str) -> tuple[str, ...]:
        """Every seal besides the first one, whether or not its authority is still asked."""
        return package.seals_of(self.folders.papers(exhibit))[1:]

    def _moments(self, folder: str, record_json: bytes | None) -> certificate.Moments:
        """The stamps that the record names, and who had cosigned what the opening names."""
        named = moments.papers_of(record_json) if record_json else ()
        stamps = {one: self._sealed(folder + one) for one in named if one != moments.BEFORE}
        if moments.BEFORE not in named:
            return certificate.Moments(stamps)
        note = Note.parse(read(self._blobs, folder + moments.BEFORE))
        witnesses = {one.witness.key.name for one in self.shards.gathering.witnessed(note)}
        return certificate.Moments(stamps, note, tuple(sorted(witnesses)))

    def _sealed(self, name: str) -> tuple[timestamp.TimestampToken, x509.Certificate]:
        token = timestamp.parse(read(self._blobs, name))
        return token, timestamp.require_signature(token)


STEPS: dict[Step, Callable[[Making, Order, Tell], None]] = {
    Step.CAPTURE: Making.capture,
    Step.MANIFEST: Making.manifest,
    Step.FIX: Making.fix,
    Step.LOG: Making.log,
    Step.CERTIFY: Making.certify,
}


def _require_clocks_agree(order: Order, seal: bytes) -> None:
    """A seal from before the exhibit came in would refute itself, and could not be replaced."""
    attested_at = timestamp.parse(seal).attested_at
    if attested_at + CLOCKS_APART < order.observed_at:
        raise Unavailable(
            "fix.clocks-apart",
            expected=f"a time after {instant.encode(order.observed_at)}, when it came in",
            found=instant.encode(attested_at),
            act="the operator sets the clock right; the seal is asked for again",
        )
