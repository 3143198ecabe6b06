"""The numbered steps by which a stranger checks an exhibit, from its papers alone.

The rule that each step carries out stands in RULES of steps.py.
 (1) manifest    it is in its one form, and the exhibit has the members that it names
 (2) items       each original is the one that the manifest names
 (3) capture     the capture record is the one that the manifest names
 (4) tokens      each original has its own timestamp
 (5) seals       a timestamp stands over the manifest; further authorities may have added theirs
 (6) trust       each authority's path leads to a root that is believed, at that token's time
 (7) leaf        the ledger's entry commits to manifest and seal
 (8) inclusion   the entry is in the tree of the checkpoint
 (9) checkpoint  the checkpoint is signed by a ledger that is believed
(10) quorum      the witnesses that the policy demands have cosigned
(11) order       nothing refers to what came after it
(12) certificate it says what the papers say, and no more; its PDF is signed and whole
(13) further     papers that may be there as well: receipts of the checkpoint, renewals
(14) authorities as many as the verifier demands attest the manifest: who, and when
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509

from guzheng.proof import certificate, instant, later, moments, package, pdf, timestamp, tree
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest, hash_of, sha256
from guzheng.proof.errors import (
    DigestMismatch,
    Inconsistent,
    Malformed,
    ProofError,
    Refuted,
    Undecided,
    UnknownKey,
    require,
)
from guzheng.proof.manifest import ATTEMPT, Extent, Item, Manifest, leaf_of
from guzheng.proof.note import Note, VerifierKey
from guzheng.proof.package import Observed
from guzheng.proof.policy import LedgerPolicy, Trust, require_quorum
from guzheng.proof.report import Report
from guzheng.proof.steps import Steps, missing, need
from guzheng.proof.timestamp import TimestampToken
from guzheng.proof.tlogproof import TlogProof

CLOCKS_APART = timedelta(seconds=60)  # a larger gap between two clocks must be seen


@dataclass(frozen=True, slots=True)
class Stamp:
    """What was shown of one timestamp; None: refused, or not checked."""

    token: TimestampToken | None = None
    signer: x509.Certificate | None = None
    path: tuple[x509.Certificate, ...] | None = None


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What is at hand of one exhibit, and the steps taken over it."""

    papers: Mapping[str, bytes]
    observed: Mapping[str, Observed]
    trust: Trust
    steps: Steps

    def paper(self, name: str) -> bytes:
        """Its octets; raises Undecided where it is not there."""
        return need(self.papers.get(name), name)


def verify_exhibit(
    papers: Mapping[str, bytes],
    observed: Mapping[str, Observed],
    trust: Trust,
    *,
    folder: str | None = None,
    prefix: str = "",
) -> Report:
    """The papers of one exhibit, as in its folder. `folder`: the name the folder had."""
    held = Exhibit(papers, observed, trust, Steps(prefix))
    check = held.steps.check
    manifest = check("manifest.form", lambda: _manifest(held, folder), package.MANIFEST)  # (1)
    check("exhibit.members", lambda: _require_members(held, need(manifest, package.MANIFEST)))
    _check_items(held, manifest)  # (2), (3)
    for item in manifest.items if manifest else ():  # (4), and for each (6)
        if item.role == "original":
            check_stamp(held, f"{package.TOKENS}{item.name}.tsa", "token", item.sha256)
    seals = {
        name: check_stamp(held, name, "seal") for name in package.seals_of(observed)
    }  # (5)
    stamps = _check_moments(held, seals)  # (5) of a capture, while it was under way
    entry, witnesses = _check_entry(held)  # (7) to (10)
    # (11) last of what concerns time
    check("order", lambda: _require_order(need(manifest, package.MANIFEST), seals, entry))
    content, printed = package.CERTIFICATE_JSON, package.CERTIFICATE_PDF  # (12)
    derived = partial(_require_derived, held, seals, stamps, entry, witnesses)
    check("certificate.content", derived, content)
    check("certificate.signature", lambda: _require_print(held), printed)
    _check_further(held, entry)  # (13)
    if trust.authorities > 1 or any(one.path for one in seals.values()):  # else (6) said it
        attested = partial(_authorities, seals, trust.authorities)  # (14)
        check("authorities", attested, package.MANIFEST)
    return held.steps.report()


def _check_moments(held: Exhibit, seals: Mapping[str, Stamp]) -> dict[str, Stamp]:
    stamps: dict[str, Stamp] = {}

    def check(name: str, over: Digest) -> datetime | None:
        stamps[name] = found = check_stamp(held, name, "moment", over)
        return found.token.attested_at if found.token and found.signer else None

    seal = seals[package.SEAL].token
    sealed_at = seal.attested_at if seal else None
    moments.check_moments(
        held.steps,
        held.papers,
        held.trust.ledger,
        check,
        sealed_at=sealed_at,
        apart=CLOCKS_APART,
    )
    return stamps


def _check_further(held: Exhibit, entry: TlogProof | None) -> None:
    names = [one for one in sorted(held.observed) if package.is_optional(one) and "/" in one]
    receipts = [one for one in names if one.startswith(package.ANCHORS)]
    if receipts:
        check, what = held.steps.check, package.ANCHORED
        anchored = check("anchor.checkpoint", lambda: _anchored(held, entry), what)
        for name in (one for one in receipts if one != what):
            if anchored is not None and name.endswith(".tsa"):
                check_stamp(held, name, "anchor", sha256(anchored.note.text))
            else:
                octets = held.papers.get(name, b"")  # a receipt that was not read is none
                later.check_receipt(held.steps, name, octets, anchored)
    later.check_renewals(held.steps, held.papers, held.observed, held.trust)


def _anchored(held: Exhibit, entry: TlogProof | None) -> TlogProof:
    """Of what receipts speak: the entry's checkpoint, or a later one that has it too."""
    first = found = need(entry, package.ENTRY)
    if package.ANCHORED in held.papers:
        found = _entry(held, _leaf(held), package.ANCHORED)
    _signed_by(found, held.trust)
    wanted = (first.index, first.checkpoint.origin)
    same = (found.index, found.checkpoint.origin) == wanted
    require(same, Inconsistent, "anchor.of-another", wanted, found.index)
    return found


def _manifest(held: Exhibit, folder: str | None) -> Manifest:
    manifest = Manifest.parse(held.paper(package.MANIFEST))
    same = folder is None or manifest.exhibit == folder
    require(same, Inconsistent, "exhibit.folder-differs", manifest.exhibit, folder)
    return manifest


def _require_members(held: Exhibit, manifest: Manifest) -> None:
    found = {name for name in held.observed if not package.is_optional(name)}
    package.require_members(package.papers_of(manifest), found)


def _check_items(held: Exhibit, manifest: Manifest | None) -> None:
    if manifest is None:
        held.steps.check("item.digest", lambda: missing(package.MANIFEST))
    elif manifest.kind != "hash-only":  # else the originals stayed with their owner
        for item in manifest.items:
            name = package.ITEMS + item.name
            prove = partial(_require_item, item, name, held.observed.get(name))
            held.steps.check("item.digest", prove, name)
    if manifest is not None and manifest.capture is not None:
        prove_same = partial(_same_capture, held, manifest.capture, manifest.kind)
        held.steps.check("capture.digest", prove_same, package.CAPTURE)


def _same_capture(held: Exhibit, named: Extent, kind: str) -> str:
    """The record is the one; told is what the machine that captured could not give."""
    octets = held.paper(package.CAPTURE)
    named.require(octets, package.CAPTURE)
    try:
        record = CaptureRecord.parse(octets)
    except ProofError:
        return ""  # its form is for whoever reads it: the certificate is derived from it
    # A failed capture must not stand as one that was made, nor the other way about.
    same = record.failed == (kind == ATTEMPT)
    require(same, Inconsistent, "capture.kind-differs", kind, record.fields["outcome"])
    return "; ".join(record.shortfall)


def _require_item(item: Item, name: str, found: Observed | None) -> None:
    if found is None:
        raise Refuted("package.member-missing", name, "no such member")
    same = (found.size, found.sha256) == (item.size, item.sha256)
    wanted = f"{item.size} octets, {item.sha256}"
    shown = f"{found.size} octets, {found.sha256}"
    require(same, DigestMismatch, "item.altered", wanted, shown)
    same = found.sm3 is None or found.sm3 in item.digests
    require(same, DigestMismatch, "item.altered", item.digests[-1], found.sm3)


def check_stamp(held: Exhibit, name: str, step: str, over: Digest | None = None) -> Stamp:
    """The three steps of a timestamp: over SHA-256 `over`, or over the manifest."""

    def imprint() -> TimestampToken:
        token = timestamp.parse(held.paper(name))
        wanted = ("sha256", over.value) if over else _manifest_hash(held, token)
        timestamp.require_imprint(token, wanted[1], wanted[0])
        return token

    check = held.steps.check
    token = check(f"{step}.imprint", imprint, name)
    prove = timestamp.require_signature
    signer = check(f"{step}.signature", lambda: prove(need(token, name)), name)
    path = check(f"{step}.trust", lambda: require_trusted(token, signer, held.trust), name)
    return Stamp(token, signer, path)


def _manifest_hash(held: Exhibit, token: TimestampToken) -> tuple[str, bytes]:
    """Seals stand over SHA-256 of the manifest; one with an SM3 imprint, over its SM3."""
    name = "sm3" if token.imprint_name == "sm3" else "sha256"
    return name, hash_of(name, held.paper(package.MANIFEST))


def require_trusted(
    token: TimestampToken | None, signer: x509.Certificate | None, trust: Trust
) -> tuple[x509.Certificate, ...]:
    """The token's authority is under a root that the verifier was told to believe.

    Its window of validity is its own: its certificates alone, at the time of its own token."""
    sound, by = need(token, "a token"), need(signer, "a valid signature")
    return timestamp.require_trusted(sound, by, _roots(trust))


def _roots(trust: Trust) -> tuple[x509.Certificate, ...]:
    if trust.roots is None:
        raise UnknownKey("trust.no-roots", "roots to believe", "none given")
    return trust.roots


def require_signed_pdf(pdf_octets: bytes, trust: Trust) -> None:
    """The PDF is whole, and signed under such a root."""
    pdf.require_signed(pdf_octets, _roots(trust))


def _check_entry(held: Exhibit) -> tuple[TlogProof | None, tuple[str, ...] | None]:
    """The entry, and the names of the witnesses who cosigned its checkpoint."""
    check, name, ledger = held.steps.check, package.ENTRY, held.trust.ledger
    leaf = check("leaf", lambda: _leaf(held), package.LEAF)
    entry = check("entry.inclusion", lambda: _entry(held, need(leaf, package.LEAF)), name)
    signed = check("entry.checkpoint", lambda: _signed_by(need(entry, name), held.trust), name)
    believed = entry if signed is not None else None
    check("entry.quorum", lambda: _cosigned_by(believed, ledger), name)
    return entry, signed


def _cosigned_by(entry: TlogProof | None, ledger: LedgerPolicy | None) -> str:
    """Who of the policy's witnesses cosigned, and when; nobody, where none is demanded."""
    demanded = need(ledger, "a ledger policy")
    cosigned = require_quorum(demanded, need(entry, "a checkpoint that is believed").note)
    said = (f"{one.witness.key.name}: {instant.encode(one.attested_at)}" for one in cosigned)
    return "; ".join(said)


def _leaf(held: Exhibit) -> bytes:
    wanted = leaf_of(held.paper(package.MANIFEST), held.paper(package.SEAL))
    found = held.paper(package.LEAF)
    require(found == wanted, DigestMismatch, "leaf.differs", wanted, found[:64])
    return found


def _entry(held: Exhibit, leaf: bytes, name: str = package.ENTRY) -> TlogProof:
    entry = TlogProof.parse(held.paper(name))
    at, hashed = entry.checkpoint, tree.leaf_hash(leaf)
    tree.require_included(hashed, entry.index, at.size, entry.path, at.root)
    bare, found = entry.extra is None, f"{len(entry.extra or b'')} octets"
    require(bare, Malformed, "entry.extra", "no unsigned extra data", found)
    return entry


def _signed_by(entry: TlogProof, trust: Trust) -> tuple[str, ...]:
    """The names of witnesses, once the ledger's own signature is shown to fit."""
    if trust.ledger is None:
        raise UnknownKey("trust.no-ledger", "a ledger key to believe", "none given")
    keys = [VerifierKey.parse(one) for one in trust.ledger.logs]
    signers = [key.name for key in entry.note.require_signed(keys)]
    origin = entry.checkpoint.origin
    # C2SP tlog-checkpoint: the log's key bears the origin as its name.
    require(origin in signers, UnknownKey, "note.unknown-key", origin, ", ".join(signers))
    cosigners = entry.note.find_signed(one.key for one in trust.ledger.witnesses)
    return tuple(sorted({key.name for key in cosigners}))


def _require_order(
    manifest: Manifest, seals: Mapping[str, Stamp], entry: TlogProof | None
) -> None:
    came, logged = manifest.observed_at, need(entry, package.ENTRY)
    need(seals[package.SEAL].token, package.SEAL)
    for at in [one.token.attested_at for one in seals.values() if one.token]:
        after = at + CLOCKS_APART >= came
        require(after, Inconsistent, "order.sealed-before-received", f"after {came}", at)
    seen, index = manifest.seen_checkpoint, logged.index
    if seen is not None and seen.origin == logged.checkpoint.origin:
        least = f"an index of {seen.size} or more"
        require(seen.size <= index, Inconsistent, "order.logged-before-seen", least, index)


def _require_derived(
    held: Exhibit,
    seals: Mapping[str, Stamp],
    stamps: Mapping[str, Stamp],
    entry: TlogProof | None,
    witnesses: tuple[str, ...] | None,
) -> None:
    """The certificate says what its papers say. Seals and cosignatures that came after it, or
    that only another verifier believes, are not on it; those it names must be there."""
    facts_json, logged = held.paper(package.CERTIFICATE_JSON), need(entry, package.ENTRY)
    believed = need(witnesses, "a checkpoint that is believed")
    cosigned = {one.name for one in logged.note.signatures}
    named, further = certificate.names_in(facts_json)
    wanted = certificate.encode(
        certificate.derive(
            held.paper(package.MANIFEST),
            held.papers.get(package.CAPTURE),
            *_sound(seals, package.SEAL),
            logged,
            tuple(sorted(cosigned.intersection(named))),
            {name: _sound(seals, name) for name in further},
            _moments(held, stamps, facts_json),
        )
    )
    same, expected = facts_json == wanted, f"what the papers say: {sha256(wanted)}"
    require(same, Inconsistent, "certificate.differs", expected, sha256(facts_json))
    unknown = ", ".join(sorted(set(named) - set(believed)))
    what = "witnesses that the verifier believes"
    require(not unknown, UnknownKey, "certificate.witness-unknown", what, unknown)


def _moments(
    held: Exhibit, stamps: Mapping[str, Stamp], facts_json: bytes
) -> certificate.Moments:
    """The witnesses of the lower bound are those it names, as far as they have cosigned and
    the verifier believes them."""
    found = {name: _sound(stamps, name) for name in stamps}
    if moments.BEFORE not in held.papers or held.trust.ledger is None:
        return certificate.Moments(found)
    note = Note.parse(held.papers[moments.BEFORE])
    believed = note.find_signed(one.key for one in held.trust.ledger.witnesses)
    cosigned = {key.name for key in believed}
    named = cosigned.intersection(certificate.bounded_by(facts_json))
    return certificate.Moments(found, note, tuple(sorted(named)))


def _sound(seals: Mapping[str, Stamp], name: str) -> tuple[TimestampToken, x509.Certificate]:
    stamp = need(seals.get(name), name)
    return need(stamp.token, name), need(stamp.signer, "the seal's authority")


def _require_print(held: Exhibit) -> None:
    printed = held.paper(package.CERTIFICATE_PDF)
    require_signed_pdf(printed, held.trust)
    pdf.require_speaks_of(printed, held.paper(package.CERTIFICATE_JSON))


def _authorities(seals: Mapping[str, Stamp], required: int) -> str:
    """Who of those believed attests the manifest, and when. One authority counts once: those
    under one root are one (sigstore-go#471), and the SM2 seal is the first one's own."""
    roots = {name: one.path[-1].subject for name, one in seals.items() if one.path}
    if package.SEAL in roots and package.SEAL_SM2 in roots:
        roots[package.SEAL_SM2] = roots[package.SEAL]
    said = [
        f"{signer.subject.rfc4514_string()}: {instant.encode(token.attested_at)}"
        for token, signer in (_sound(seals, name) for name in roots)
    ]
    count, found = len(set(roots.values())), "; ".join(said)
    wanted = f"{required} authorities that are believed"
    require(
        count >= required, Undecided, "policy.authorities-missing", wanted, f"{count}: {found}"
    )
    return found
