"""The numbered steps by which a stranger checks an exhibit, a package, or a single file.

Callers read and hash; this module only judges. Papers come as octets, originals as digests.
Every step is carried out even when an earlier one failed, as far as its own inputs can be
read, so that the report shows all that is wrong and all that is still right. A step whose
inputs are missing is «not checked», with the reason; it never counts as passed.

Steps of an exhibit, each with the rule that it carries out:
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

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256 as hash_sha256
from typing import NoReturn, TypeVar

from cryptography import x509

from guzheng.proof import certificate, note, package, pdf, timestamp, tree
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import (
    DigestMismatch,
    Inconsistent,
    Malformed,
    ProofError,
    Refuted,
    Undecided,
    UnknownKey,
)
from guzheng.proof.manifest import Item, Manifest, leaf_of
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust, require_quorum
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.proof.timestamp import TimestampToken
from guzheng.proof.tlogproof import TlogProof

_T = TypeVar("_T")
CLOCKS_APART = timedelta(seconds=60)  # a larger gap between two clocks must be seen


@dataclass(slots=True)
class _Steps:
    """Collects findings; `check` gives what the step proved, or None."""

    subject: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])

    def check(
        self, step: str, rule: str, prove: Callable[[], _T], *, subject: str = ""
    ) -> _T | None:
        where = f"{self.subject}{subject}"
        try:
            proved = prove()
        except ProofError as error:
            outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
            self.findings.append(
                Finding(step, rule, outcome, error.code, where, error.expected, error.found)
            )
            return None
        self.findings.append(Finding(step, rule, Outcome.PASSED, "ok", where))
        return proved

    def report(self) -> Report:
        return Report(tuple(self.findings))


def _need(value: _T | None, what: str) -> _T:
    """The input of a step; without it the step cannot be carried out."""
    if value is None:
        raise Undecided("step.input-missing", expected=what, found="none, or refused above")
    return value


def verify_file(hashes: Mapping[str, bytes], token_octets: bytes, trust: Trust) -> Report:
    """A file, known by its hashes under the names of cms.DIGESTS, and its `.tsa`."""
    steps = _Steps()
    token = steps.check("token.form", "RFC 3161 §2.4.2", lambda: timestamp.parse(token_octets))
    steps.check(
        "token.imprint", "RFC 3161 §2.4.2", lambda: _imprint(_need(token, "a token"), hashes)
    )
    signer = steps.check(
        "token.signature",
        "RFC 3161 §2.3, RFC 5816 §2.2.1",
        lambda: timestamp.require_signature(_need(token, "a token")),
    )
    steps.check("token.trust", "RFC 5280 §6", lambda: _trusted(token, signer, trust))
    return steps.report()


def _imprint(token: TimestampToken, hashes: Mapping[str, bytes]) -> None:
    hashed = _need(hashes.get(token.imprint_name), f"the file's {token.imprint_name}")
    timestamp.require_imprint(token, hashed, token.imprint_name)


def _trusted(
    token: TimestampToken | None, signer: x509.Certificate | None, trust: Trust
) -> None:
    roots = trust.roots
    if roots is None:
        raise UnknownKey("trust.no-roots", expected="roots to believe", found="none given")
    timestamp.require_trusted(
        _need(token, "a token"), _need(signer, "a valid signature"), roots
    )


def verify_certificate(pdf_octets: bytes, trust: Trust) -> Report:
    """A certificate alone: that it is signed and whole. What it says needs its papers."""
    steps = _Steps()
    steps.check(
        "certificate.signature", "ETSI EN 319 142-1", lambda: _signed_pdf(pdf_octets, trust)
    )
    return steps.report()


def _signed_pdf(pdf_octets: bytes | None, trust: Trust) -> None:
    if trust.roots is None:
        raise UnknownKey("trust.no-roots", expected="roots to believe", found="none given")
    pdf.require_signed(_need(pdf_octets, package.CERTIFICATE_PDF), trust.roots)


def _certificate_pdf(papers: Mapping[str, bytes], trust: Trust) -> None:
    printed = papers.get(package.CERTIFICATE_PDF)
    _signed_pdf(printed, trust)
    pdf.require_speaks_of(
        _need(printed, package.CERTIFICATE_PDF),
        _need(papers.get(package.CERTIFICATE_JSON), package.CERTIFICATE_JSON),
    )


def verify_package(
    papers: Mapping[str, bytes], observed: Mapping[str, Observed], trust: Trust
) -> Report:
    """A package: `papers` are the members read whole, `observed` is every member, hashed."""
    steps = _Steps()
    listing = steps.check(
        "package.listing",
        "docs/spec/package.md §3",
        lambda: package.parse_listing(_need(papers.get(package.LISTING), package.LISTING)),
    )
    steps.check(
        "package.members", "docs/spec/package.md §3", lambda: _members(listing, observed)
    )
    steps.check("package.outer", "docs/spec/package.md §2", lambda: _outer(observed))
    for exhibit in package.exhibits_in(observed):
        prefix = f"{package.EXHIBITS}{exhibit}/"
        own = {
            name.removeprefix(prefix): octets
            for name, octets in papers.items()
            if name.startswith(prefix)
        }
        seen = {
            name.removeprefix(prefix): found
            for name, found in observed.items()
            if name.startswith(prefix)
        }
        steps.findings.extend(
            verify_exhibit(own, seen, trust, folder=exhibit, prefix=prefix).findings
        )
    return steps.report()


def _members(listing: dict[str, Digest] | None, observed: Mapping[str, Observed]) -> None:
    listed = _need(listing, package.LISTING)
    present = set(observed) - {package.LISTING}
    for name in sorted(set(listed) - present):
        raise Refuted("package.member-missing", expected=name, found="no such member")
    for name in sorted(present - set(listed)):
        raise Refuted(
            "package.member-extra", expected="only the members that are listed", found=name
        )
    for name in sorted(listed):
        package.require_listed(name, listed[name], observed[name])


def _outer(observed: Mapping[str, Observed]) -> None:
    exhibits = package.exhibits_in(observed)
    for name in package.OUTER:
        if name not in observed:
            raise Refuted("package.member-missing", expected=name, found="no such member")
    known = tuple(f"{package.EXHIBITS}{one}/" for one in exhibits)
    for name in sorted(observed):
        if name not in package.OUTER and not name.startswith(known):
            raise Refuted(
                "package.member-extra", expected="members of the package's form", found=name
            )
    if not exhibits:
        raise Refuted("package.member-missing", expected="at least one exhibit", found="none")


def verify_exhibit(
    papers: Mapping[str, bytes],
    observed: Mapping[str, Observed],
    trust: Trust,
    *,
    folder: str | None = None,
    prefix: str = "",
) -> Report:
    """The papers of one exhibit, as in its folder. `folder`: the name the folder had."""
    steps = _Steps(prefix)
    # (1)
    manifest = steps.check(
        "manifest.form",
        "docs/spec/manifest.md",
        lambda: _manifest(papers, folder),
        subject=package.MANIFEST,
    )
    steps.check(
        "exhibit.members",
        "docs/spec/package.md §2",
        lambda: _exhibit_members(manifest, observed),
    )
    # (2), (3)
    _check_items(steps, manifest, observed)
    if manifest and manifest.capture:
        extent = manifest.capture
        steps.check(
            "capture.digest",
            "docs/spec/manifest.md §4",
            lambda: extent.require(
                _need(papers.get(package.CAPTURE), package.CAPTURE), package.CAPTURE
            ),
            subject=package.CAPTURE,
        )
    # (4), (5), (6)
    for item in manifest.items if manifest else ():
        if item.role == "original":
            _check_token(
                steps, f"{package.TOKENS}{item.name}.tsa", item.sha256, papers, trust, "token"
            )
    manifest_json = papers.get(package.MANIFEST)
    over = sha256(manifest_json) if manifest_json is not None else None
    seal, authority = _check_token(steps, package.SEAL, over, papers, trust, "seal")
    # (7) to (10)
    entry, witnesses = _check_entry(steps, papers, trust)
    # (11)
    steps.check("order", "docs/road.md", lambda: _require_order(manifest, seal, entry))
    # (12)
    steps.check(
        "certificate.content",
        "docs/spec/certificate.md",
        lambda: _certificate(papers, seal, authority, entry, witnesses),
        subject=package.CERTIFICATE_JSON,
    )
    steps.check(
        "certificate.signature",
        "ETSI EN 319 142-1",
        lambda: _certificate_pdf(papers, trust),
        subject=package.CERTIFICATE_PDF,
    )
    return steps.report()


def _manifest(papers: Mapping[str, bytes], folder: str | None) -> Manifest:
    manifest = Manifest.parse(_need(papers.get(package.MANIFEST), package.MANIFEST))
    if folder is not None and manifest.exhibit != folder:
        raise Inconsistent("exhibit.folder-differs", expected=manifest.exhibit, found=folder)
    return manifest


def _exhibit_members(manifest: Manifest | None, observed: Mapping[str, Observed]) -> None:
    wanted = package.papers_of(_need(manifest, package.MANIFEST))
    for name in wanted:
        if name not in observed:
            raise Refuted("package.member-missing", expected=name, found="no such member")
    for name in sorted(set(observed) - set(wanted)):
        raise Refuted(
            "package.member-extra", expected="only papers of this exhibit", found=name
        )


def _no_manifest() -> NoReturn:
    raise Undecided(
        "step.input-missing", expected=package.MANIFEST, found="none, or refused above"
    )


def _check_items(
    steps: _Steps, manifest: Manifest | None, observed: Mapping[str, Observed]
) -> None:
    if manifest is None:
        steps.check("item.digest", "FIPS 180-4", _no_manifest)
        return
    if manifest.kind == "hash-only":
        return  # the originals stayed with their owner; each has its token, checked below
    for item in manifest.items:
        _check_item(steps, item, observed.get(package.ITEMS + item.name))


def _check_item(steps: _Steps, item: Item, found: Observed | None) -> None:
    def prove() -> None:
        if found is None:
            raise Refuted(
                "package.member-missing",
                expected=package.ITEMS + item.name,
                found="no such member",
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

    steps.check("item.digest", "FIPS 180-4", prove, subject=package.ITEMS + item.name)


def _check_token(
    steps: _Steps,
    name: str,
    over: Digest | None,
    papers: Mapping[str, bytes],
    trust: Trust,
    step: str,
) -> tuple[TimestampToken | None, x509.Certificate | None]:
    def proved_token() -> TimestampToken:
        token = timestamp.parse(_need(papers.get(name), name))
        timestamp.require_imprint(token, _need(over, "the bytes it stands over").value)
        return token

    token = steps.check(f"{step}.imprint", "RFC 3161 §2.4.2", proved_token, subject=name)
    signer = steps.check(
        f"{step}.signature",
        "RFC 3161 §2.3, RFC 5816 §2.2.1",
        lambda: timestamp.require_signature(_need(token, name)),
        subject=name,
    )
    steps.check(
        f"{step}.trust", "RFC 5280 §6", lambda: _trusted(token, signer, trust), subject=name
    )
    return token, signer


def _check_entry(
    steps: _Steps, papers: Mapping[str, bytes], trust: Trust
) -> tuple[TlogProof | None, tuple[str, ...] | None]:
    def proved_leaf() -> bytes:
        wanted = leaf_of(
            _need(papers.get(package.MANIFEST), package.MANIFEST),
            _need(papers.get(package.SEAL), package.SEAL),
        )
        found = _need(papers.get(package.LEAF), package.LEAF)
        if found != wanted:
            raise DigestMismatch("leaf.differs", expected=wanted.hex(), found=found[:64].hex())
        return found

    leaf = steps.check("leaf", "docs/spec/leaf.md", proved_leaf, subject=package.LEAF)

    def proved_entry() -> TlogProof:
        entry = TlogProof.parse(_need(papers.get(package.ENTRY), package.ENTRY))
        at = entry.checkpoint
        tree.require_included(
            tree.leaf_hash(_need(leaf, package.LEAF)), entry.index, at.size, entry.path, at.root
        )
        if entry.extra is not None:
            raise Malformed(
                "entry.extra",
                expected="no unsigned extra data",
                found=f"{len(entry.extra)} octets",
            )
        return entry

    entry = steps.check(
        "entry.inclusion", "RFC 6962 §2.1.1", proved_entry, subject=package.ENTRY
    )
    witnesses = steps.check(
        "entry.checkpoint",
        "C2SP signed-note",
        lambda: _checkpoint(entry, trust),
        subject=package.ENTRY,
    )
    steps.check(
        "entry.quorum",
        "C2SP tlog-policy",
        lambda: require_quorum(
            _need(trust.ledger, "a ledger policy"),
            _need(witnesses, "a checkpoint that is believed"),
        ),
        subject=package.ENTRY,
    )
    return entry, witnesses


def _checkpoint(entry: TlogProof | None, trust: Trust) -> tuple[str, ...]:
    """The names of witnesses, once the ledger's own signature is shown to fit."""
    proof = _need(entry, package.ENTRY)
    if trust.ledger is None:
        raise UnknownKey(
            "trust.no-ledger", expected="a ledger key to believe", found="none given"
        )
    keys = [note.VerifierKey.parse(one) for one in trust.ledger.logs]
    signers = proof.note.require_signed(keys)
    origin = proof.checkpoint.origin
    # C2SP tlog-checkpoint: the log's key bears the origin as its name.
    if not any(key.name == origin for key in signers):
        raise UnknownKey(
            "note.unknown-key", expected=origin, found=", ".join(key.name for key in signers)
        )
    # Lines of keys we were not told about prove nothing, but nobody may add them unseen: the
    # certificate and the listing speak of this file as it is.
    return tuple(sorted({key.name for key in signers if key.name != origin}))


def _require_order(
    manifest: Manifest | None, seal: TimestampToken | None, entry: TlogProof | None
) -> None:
    came, sealed = _need(manifest, package.MANIFEST), _need(seal, package.SEAL)
    logged = _need(entry, package.ENTRY)
    if sealed.attested_at + CLOCKS_APART < came.observed_at:
        raise Inconsistent(
            "order.sealed-before-received",
            expected=f"sealed after {came.observed_at}",
            found=str(sealed.attested_at),
        )
    seen = came.seen_checkpoint
    if (
        seen is not None
        and seen.origin == logged.checkpoint.origin
        and seen.size > logged.index
    ):
        raise Inconsistent(
            "order.logged-before-seen",
            expected=f"an index of {seen.size} or more",
            found=str(logged.index),
        )


def _certificate(
    papers: Mapping[str, bytes],
    seal: TimestampToken | None,
    authority: x509.Certificate | None,
    entry: TlogProof | None,
    witnesses: tuple[str, ...] | None,
) -> None:
    held = _need(papers.get(package.CERTIFICATE_JSON), package.CERTIFICATE_JSON)
    wanted = certificate.encode(
        certificate.derive(
            _need(papers.get(package.MANIFEST), package.MANIFEST),
            papers.get(package.CAPTURE),
            _need(seal, package.SEAL),
            _need(authority, "the seal's authority"),
            _need(entry, package.ENTRY),
            _need(witnesses, "a checkpoint that is believed"),
        )
    )
    if held != wanted:
        raise Inconsistent(
            "certificate.differs",
            expected=f"what the papers say: sha256:{hash_sha256(wanted).hexdigest()}",
            found=f"sha256:{hash_sha256(held).hexdigest()}",
        )


def worst(reports: Iterable[Report]) -> Report:
    """All findings as one report."""
    return Report(tuple(finding for report in reports for finding in report.findings))
