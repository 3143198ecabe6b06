"""What the certificate says, as data: derived from the other papers, and from nothing else.

`certificate.json` is this value in canonical JSON; the PDF is the same in sentences. Because
it is derived, a verifier makes it again and compares: a certificate that says more than its
papers is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509

from guzheng.proof import canonical, instant
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.fields import Fields, to_base64
from guzheng.proof.manifest import Manifest
from guzheng.proof.note import LAST_SECOND, Checkpoint, Note
from guzheng.proof.package import MOMENTS
from guzheng.proof.timestamp import TimestampToken
from guzheng.proof.tlogproof import TlogProof

SCHEMA = "guzheng.certificate/1"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: read aloud without doubt
_BEIJING = timedelta(hours=8)
MOST_ATTEMPTED = 20  # connections of a failed capture; the record has all
MOST_MISSING = 100  # exchanges that are not whole; likewise
MOMENT_PAPERS = tuple(f"{MOMENTS}{one}.tsa" for one in ("opening", "transcript", "closing"))
_MILLISECOND = timedelta(milliseconds=1)
# Of a capture: the page, and with what it was looked at.
_CAPTURE = """
    grade missing requested_url final_url observed_title observed_status observed_started_at
    observed_finished_at browser sandbox software private_addresses_allowed notes scope
    control failure attempted completeness"""


@dataclass(frozen=True, slots=True)
class Moments:
    """The stamps of a capture: paper → token and authority. `before`: the checkpoint's note
    that its opening names; `witnesses`: names whose cosignatures on it were verified."""

    stamps: Mapping[str, tuple[TimestampToken, x509.Certificate]]
    before: Note | None = None
    witnesses: tuple[str, ...] = ()


def number_of(manifest_digest: Digest, token: TimestampToken) -> str:
    """`GZ-<day of the seal, UTC+08:00>-<the first 50 bits of the manifest's SHA-256>`."""
    bits = int.from_bytes(manifest_digest.value[:7], "big") >> 6
    letters = "".join(_ALPHABET[bits >> 5 * place & 31] for place in reversed(range(10)))
    return f"GZ-{(token.attested_at + _BEIJING):%Y%m%d}-{letters}"


def derive(
    manifest_json: bytes,
    capture_json: bytes | None,
    token: TimestampToken,
    authority: x509.Certificate,
    entry: TlogProof,
    witnesses: tuple[str, ...],
    further: Mapping[str, tuple[TimestampToken, x509.Certificate]] | None = None,
    moments: Moments | None = None,
) -> dict[str, object]:
    """The facts. `witnesses`: names whose cosignatures on the checkpoint were verified.

    `further`: paper → token and authority, of the other seals that stand over the manifest."""
    manifest = Manifest.parse(manifest_json)
    facts: dict[str, object] = {
        "schema": SCHEMA,
        "number": number_of(sha256(manifest_json), token),
        "exhibit": manifest.exhibit,
        "kind": manifest.kind,
        "claimed_name": manifest.claimed_name,
        "observed_at": instant.encode(manifest.observed_at),
        "items": [item.value() for item in manifest.items],
        "manifest_digests": [str(sha256(manifest_json)), str(sm3(manifest_json))],
        "seal": _seal(token, authority),
        "entry": _entry(entry, witnesses),
    }
    if further:
        seals = [{"paper": name, **_seal(*further[name])} for name in sorted(further)]
        facts["further_seals"] = seals
    if manifest.claimed_applicant is not None:
        facts["claimed_applicant"] = manifest.claimed_applicant
    if manifest.attested_applicant is not None:
        facts["attested_applicant"] = manifest.attested_applicant.value()
    if manifest.claimed_purpose is not None:
        facts["claimed_purpose"] = manifest.claimed_purpose
    if capture_json is not None:
        facts["capture"] = _capture(CaptureRecord.parse(capture_json))
    if moments is not None and moments.stamps:
        names = [one for one in MOMENT_PAPERS if one in moments.stamps]
        facts["moments"] = [{"paper": one, **_seal(*moments.stamps[one])} for one in names]
    if moments is not None and moments.before is not None and moments.witnesses:
        facts["not_before"] = _lower_bound(moments.before, moments.witnesses)
    return facts


def _lower_bound(note: Note, witnesses: tuple[str, ...]) -> Mapping[str, object]:
    """The earliest of the cosignatures on the checkpoint that the opening names: one witness
    that is honest is enough, and nobody could foresee what it signed."""
    times = [(name, _cosigned_at(note, name)) for name in witnesses]
    at = Checkpoint.parse(note.text)
    return {
        "at": instant.encode(min(time for _, time in times)),
        "contained_in": "record",
        "source": f"{at.origin} {at.size}",
        "witnesses": [
            {"name": name, "attested_at": instant.encode(time)} for name, time in times
        ],
    }


def _capture(record: CaptureRecord) -> Mapping[str, object]:
    viewer = record.fields.get("viewer")
    looked = cast("dict[str, object]", viewer) if viewer else {"browser": "", "sandbox": ""}
    held = {**record.fields, "browser": looked["browser"], "sandbox": looked["sandbox"]}
    if record.failed:
        held["attempted"] = _attempted(record)
    if "completeness" in held:
        figure = cast("dict[str, object]", held["completeness"])
        listed = cast("list[object]", figure["missing"])
        held["completeness"] = {**figure, "missing": listed[:MOST_MISSING]}
    return {name: held[name] for name in _CAPTURE.split() if name in held}


def _attempted(record: CaptureRecord) -> list[dict[str, object]]:
    """What DNS and the network said to the page's own connections, as the record has it."""
    told = ("host", "port", "outcome", "answers", "peer", "because")
    listed = cast("list[dict[str, object]]", record.fields["connections"])
    own = [one for one in listed if one["kind"] == "page"]
    return [{name: one[name] for name in told} for one in own[:MOST_ATTEMPTED]]


def _seal(token: TimestampToken, authority: x509.Certificate) -> Mapping[str, object]:
    seal: dict[str, object] = {
        "attested_at": instant.encode(token.attested_at),
        "authority": authority.subject.rfc4514_string(),
        "policy": token.policy,
        "serial": f"{token.serial:x}",
    }
    if token.accuracy is not None:
        # Rounded up: a stated accuracy may be worse than the truth, never better.
        seal["accuracy_milliseconds"] = -(-token.accuracy // _MILLISECOND)
    return seal


def _entry(entry: TlogProof, witnesses: tuple[str, ...]) -> Mapping[str, object]:
    checkpoint = entry.checkpoint
    return {
        "origin": checkpoint.origin,
        "index": entry.index,
        "size": checkpoint.size,
        "root": to_base64(checkpoint.root),
        "witnesses": [
            {"name": name, "attested_at": instant.encode(_cosigned_at(entry.note, name))}
            for name in witnesses
        ],
    }


def _cosigned_at(note: Note, name: str) -> datetime:
    """The time that stands in the cosignature (tlog-cosignature); of several, the latest."""
    stamps = [
        int.from_bytes(one.octets[:8], "big") for one in note.signatures if one.name == name
    ]
    seconds = min(max(stamps, default=0), LAST_SECOND)
    return datetime.fromtimestamp(seconds, UTC)


def bounded_by(facts_json: bytes) -> tuple[str, ...]:
    """The witnesses on whom a certificate's «not before» rests."""
    facts = Fields(canonical.parse(facts_json), "certificate")
    if not facts.has("not_before"):
        return ()
    bound = Fields(facts.take("not_before"), "certificate.not_before")
    listed = bound.items("witnesses", most=64)
    return tuple(Fields(one, "certificate.not_before").text("name") for one in listed)


def encode(facts: Mapping[str, object]) -> bytes:
    """The octets of `certificate.json`: docs/spec/certificate.md."""
    return canonical.encode(dict(facts))


def names_in(facts_json: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The witnesses and the further seals that a certificate names."""
    facts = Fields(canonical.parse(facts_json), "certificate")
    further = facts.items("further_seals", most=64) if facts.has("further_seals") else []
    listed = Fields(facts.take("entry"), "certificate.entry").items("witnesses", most=64)
    named = tuple(Fields(one, "certificate.entry.witnesses").text("name") for one in listed)
    seals = [Fields(one, "certificate.further_seals").text("paper") for one in further]
    return named, tuple(seals)
