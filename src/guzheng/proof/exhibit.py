"""The numbered steps by which a stranger checks an exhibit, from its papers alone.

Each step names the rule that it carries out:
 (1) manifest    it is in its one form: docs/spec/manifest.md
 (2) items       each original is the one that the manifest names: FIPS 180-4
 (3) capture     the capture record is the one that the manifest names
 (4) tokens      each original has its own timestamp: RFC 3161 §2.4.2
 (5) seal        a timestamp stands over the manifest; its authority: RFC 3161 §2.3, RFC 5816
 (6) trust       the authority's path leads to a root that is believed: RFC 5280 §6
 (7) leaf        the ledger's entry commits to manifest and seal: docs/spec/leaf.md
 (8) inclusion   the entry is in the tree of the checkpoint: RFC 6962 §2.1.1
 (9) checkpoint  the checkpoint is signed by a ledger that is believed: C2SP signed-note
(10) quorum      the witnesses that the policy demands have cosigned: C2SP tlog-policy
(11) order       nothing refers to what came after it: docs/road.md
(12) certificate it says what the papers say, and no more; its PDF is signed and whole: PAdES
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cryptography import x509

from guzheng.proof import certificate, note, package, pdf, timestamp, tree
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import DigestMismatch, Inconsistent, Malformed, Refuted, UnknownKey
from guzheng.proof.manifest import Item, Manifest, leaf_of
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust, require_quorum
from guzheng.proof.report import Report
from guzheng.proof.steps import Steps, need
from guzheng.proof.timestamp import TimestampToken
from guzheng.proof.tlogproof import TlogProof

CLOCKS_APART = timedelta(seconds=60)  # a larger gap between two clocks must be seen


def verify_exhibit(
    papers: Mapping[str, bytes],
    observed: Mapping[str, Observed],
    trust: Trust,
    *,
    folder: str | None = None,
    prefix: str = "",
) -> Report:
    """The papers of one exhibit, as in its folder. `folder`: the name the folder had."""
    held = _Papers(papers, observed, trust, Steps(prefix))
    manifest = held.check_manifest(folder)  # (1)
    held.check_items(manifest)  # (2)
    held.check_capture(manifest)  # (3)
    held.check_tokens(manifest)  # (4) and, for each, (6)
    seal, authority = held.check_token(package.SEAL, held.over_manifest(), "seal")  # (5), (6)
    entry, witnesses = held.check_entry()  # (7) to (10)
    held.steps.check("order", "docs/road.md", lambda: _require_order(manifest, seal, entry))
    held.check_certificate(seal, authority, entry, witnesses)  # (12)
    return held.steps.report()


def require_trusted(
    token: TimestampToken | None, signer: x509.Certificate | None, trust: Trust
) -> None:
    """The token's authority is under a root that the verifier was told to believe."""
    if trust.roots is None:
        raise UnknownKey("trust.no-roots", expected="roots to believe", found="none given")
    timestamp.require_trusted(
        need(token, "a token"), need(signer, "a valid signature"), trust.roots
    )


def require_signed_pdf(pdf_octets: bytes, trust: Trust) -> None:
    """The PDF is whole, and signed under such a root."""
    if trust.roots is None:
        raise UnknownKey("trust.no-roots", expected="roots to believe", found="none given")
    pdf.require_signed(pdf_octets, trust.roots)


@dataclass(frozen=True, slots=True)
class _Papers:
    """What is at hand of one exhibit, and the steps taken over it."""

    papers: Mapping[str, bytes]
    observed: Mapping[str, Observed]
    trust: Trust
    steps: Steps

    def paper(self, name: str) -> bytes:
        return need(self.papers.get(name), name)

    def over_manifest(self) -> Digest | None:
        octets = self.papers.get(package.MANIFEST)
        return sha256(octets) if octets is not None else None

    def check_manifest(self, folder: str | None) -> Manifest | None:
        def prove() -> Manifest:
            manifest = Manifest.parse(self.paper(package.MANIFEST))
            if folder is not None and manifest.exhibit != folder:
                raise Inconsistent(
                    "exhibit.folder-differs", expected=manifest.exhibit, found=folder
                )
            return manifest

        manifest = self.steps.check(
            "manifest.form", "docs/spec/manifest.md", prove, subject=package.MANIFEST
        )
        self.steps.check(
            "exhibit.members",
            "docs/spec/package.md §2",
            lambda: package.require_members(
                package.papers_of(need(manifest, package.MANIFEST)), set(self.observed)
            ),
        )
        return manifest

    def check_items(self, manifest: Manifest | None) -> None:
        if manifest is None:
            self.steps.check("item.digest", "FIPS 180-4", partial(_require_manifest, manifest))
        elif manifest.kind != "hash-only":  # else the originals stayed with their owner
            for item in manifest.items:
                name = package.ITEMS + item.name
                prove = partial(_require_item, item, self.observed.get(name))
                self.steps.check("item.digest", "FIPS 180-4", prove, subject=name)

    def check_capture(self, manifest: Manifest | None) -> None:
        if manifest is not None and manifest.capture is not None:
            extent = manifest.capture
            self.steps.check(
                "capture.digest",
                "docs/spec/manifest.md §4",
                lambda: extent.require(self.paper(package.CAPTURE), package.CAPTURE),
                subject=package.CAPTURE,
            )

    def check_tokens(self, manifest: Manifest | None) -> None:
        for item in manifest.items if manifest else ():
            if item.role == "original":
                self.check_token(f"{package.TOKENS}{item.name}.tsa", item.sha256, "token")

    def check_token(
        self, name: str, over: Digest | None, step: str
    ) -> tuple[TimestampToken | None, x509.Certificate | None]:
        def prove() -> TimestampToken:
            token = timestamp.parse(self.paper(name))
            timestamp.require_imprint(token, need(over, "the bytes it stands over").value)
            return token

        check = self.steps.check
        token = check(f"{step}.imprint", "RFC 3161 §2.4.2", prove, subject=name)
        signer = check(
            f"{step}.signature",
            "RFC 3161 §2.3, RFC 5816 §2.2.1",
            lambda: timestamp.require_signature(need(token, name)),
            subject=name,
        )
        check(
            f"{step}.trust",
            "RFC 5280 §6",
            lambda: require_trusted(token, signer, self.trust),
            subject=name,
        )
        return token, signer

    def check_entry(self) -> tuple[TlogProof | None, tuple[str, ...] | None]:
        check = self.steps.check
        leaf = check("leaf", "docs/spec/leaf.md", self._leaf, subject=package.LEAF)
        entry = check(
            "entry.inclusion",
            "RFC 6962 §2.1.1",
            lambda: self._entry(leaf),
            subject=package.ENTRY,
        )
        witnesses = check(
            "entry.checkpoint",
            "C2SP signed-note",
            lambda: _witnesses(need(entry, package.ENTRY), self.trust),
            subject=package.ENTRY,
        )
        check(
            "entry.quorum",
            "C2SP tlog-policy",
            lambda: require_quorum(
                need(self.trust.ledger, "a ledger policy"),
                need(witnesses, "a checkpoint that is believed"),
            ),
            subject=package.ENTRY,
        )
        return entry, witnesses

    def _leaf(self) -> bytes:
        wanted = leaf_of(self.paper(package.MANIFEST), self.paper(package.SEAL))
        found = self.paper(package.LEAF)
        if found != wanted:
            raise DigestMismatch("leaf.differs", expected=wanted.hex(), found=found[:64].hex())
        return found

    def _entry(self, leaf: bytes | None) -> TlogProof:
        entry = TlogProof.parse(self.paper(package.ENTRY))
        at, hashed = entry.checkpoint, tree.leaf_hash(need(leaf, package.LEAF))
        tree.require_included(hashed, entry.index, at.size, entry.path, at.root)
        if entry.extra is not None:
            raise Malformed(
                "entry.extra",
                expected="no unsigned extra data",
                found=f"{len(entry.extra)} octets",
            )
        return entry

    def check_certificate(
        self,
        seal: TimestampToken | None,
        authority: x509.Certificate | None,
        entry: TlogProof | None,
        witnesses: tuple[str, ...] | None,
    ) -> None:
        def prove_content() -> None:
            held = self.paper(package.CERTIFICATE_JSON)
            wanted = certificate.encode(
                certificate.derive(
                    self.paper(package.MANIFEST),
                    self.papers.get(package.CAPTURE),
                    need(seal, package.SEAL),
                    need(authority, "the seal's authority"),
                    need(entry, package.ENTRY),
                    need(witnesses, "a checkpoint that is believed"),
                )
            )
            if held != wanted:
                raise Inconsistent(
                    "certificate.differs",
                    expected=f"what the papers say: {sha256(wanted)}",
                    found=str(sha256(held)),
                )

        def prove_signature() -> None:
            printed = self.paper(package.CERTIFICATE_PDF)
            require_signed_pdf(printed, self.trust)
            pdf.require_speaks_of(printed, self.paper(package.CERTIFICATE_JSON))

        self.steps.check(
            "certificate.content",
            "docs/spec/certificate.md",
            prove_content,
            subject=package.CERTIFICATE_JSON,
        )
        self.steps.check(
            "certificate.signature",
            "ETSI EN 319 142-1",
            prove_signature,
            subject=package.CERTIFICATE_PDF,
        )


def _require_manifest(manifest: Manifest | None) -> None:
    need(manifest, package.MANIFEST)


def _require_item(item: Item, found: Observed | None) -> None:
    if found is None:
        raise Refuted(
            "package.member-missing", expected=package.ITEMS + item.name, found="no such member"
        )
    if (found.size, found.sha256) != (item.size, item.sha256):
        raise DigestMismatch(
            "item.altered",
            expected=f"{item.size} octets, {item.sha256}",
            found=f"{found.size} octets, {found.sha256}",
        )
    if found.sm3 is not None and found.sm3 not in item.digests:
        raise DigestMismatch(
            "item.altered", expected=str(item.digests[-1]), found=str(found.sm3)
        )


def _witnesses(proof: TlogProof, trust: Trust) -> tuple[str, ...]:
    """The names of witnesses, once the ledger's own signature is shown to fit."""
    if trust.ledger is None:
        raise UnknownKey(
            "trust.no-ledger", expected="a ledger key to believe", found="none given"
        )
    keys = [note.VerifierKey.parse(one) for one in trust.ledger.logs]
    signers = [key.name for key in proof.note.require_signed(keys)]
    origin = proof.checkpoint.origin
    # C2SP tlog-checkpoint: the log's key bears the origin as its name.
    if origin not in signers:
        raise UnknownKey("note.unknown-key", expected=origin, found=", ".join(signers))
    return tuple(sorted(set(signers) - {origin}))


def _require_order(
    manifest: Manifest | None, seal: TimestampToken | None, entry: TlogProof | None
) -> None:
    """(11)"""
    came, sealed = need(manifest, package.MANIFEST), need(seal, package.SEAL)
    logged = need(entry, package.ENTRY)
    if sealed.attested_at + CLOCKS_APART < came.observed_at:
        raise Inconsistent(
            "order.sealed-before-received",
            expected=f"sealed after {came.observed_at}",
            found=str(sealed.attested_at),
        )
    seen = came.seen_checkpoint
    ours = seen is not None and seen.origin == logged.checkpoint.origin
    if seen is not None and ours and seen.size > logged.index:
        raise Inconsistent(
            "order.logged-before-seen",
            expected=f"an index of {seen.size} or more",
            found=str(logged.index),
        )
