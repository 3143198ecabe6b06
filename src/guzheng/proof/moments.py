"""The moments of a capture: stamps that were asked for while it was under way.

A seal over the manifest says no more than «not after». The capture record names smaller
statements (the opening, the transcript, the closing), each with its digest, and the digest of
the token that came; the tokens lie beside it under `moments/`. Nobody can foresee a token: a
record that names one was written after it; so with the cosigned checkpoint that the opening
names. docs/spec/moments.md says what that proves, and what it does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import cast

from guzheng.proof import canonical, instant
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import (
    DigestMismatch,
    Inconsistent,
    ProofError,
    Refuted,
    UnknownKey,
    require,
)
from guzheng.proof.fields import Fields, to_base64
from guzheng.proof.note import Checkpoint, Note, VerifierKey
from guzheng.proof.package import CAPTURE, MOMENTS
from guzheng.proof.policy import LedgerPolicy, require_quorum
from guzheng.proof.steps import Steps, missing, need

OPENING, TRANSCRIPT, CLOSING = "opening", "transcript", "closing"
NAMES = (OPENING, TRANSCRIPT, CLOSING)
BEFORE = f"{MOMENTS}before.note"
OPENING_SCHEMA, CLOSING_SCHEMA = "guzheng.opening/1", "guzheng.closing/1"


def paper_of(name: str) -> str:
    """Where the answer to what was asked at this moment lies in an exhibit."""
    return f"{MOMENTS}{name}.tsa"


@dataclass(frozen=True, slots=True)
class Moment:
    """One that was asked for: over which digest, and the digest of the answer, if one came."""

    name: str
    digest: Digest
    token: Digest | None


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """The checkpoint that the opening names, and the digest of its note as it was then."""

    origin: str
    size: int
    root: str
    note: Digest


def moments_of(record: CaptureRecord) -> tuple[Moment, ...]:
    """As the record names them; each name once."""
    listed = cast("list[dict[str, object]]", record.fields.get("moments", []))
    found = tuple(
        Moment(
            str(one["name"]),
            Digest.parse(str(one["digest"])),
            Digest.parse(str(one["token"])) if "token" in one else None,
        )
        for one in listed
    )
    once = len({one.name for one in found}) == len(found)
    require(once, Inconsistent, "moment.twice", "each moment once", "one twice")
    return found


def before_of(record: CaptureRecord) -> SeenBefore | None:
    """What the opening says was there before it; None where it names no checkpoint."""
    opening = record.fields.get("opening")
    if not isinstance(opening, dict) or "not_before" not in opening:
        return None
    fields = Fields(cast("dict[str, object]", opening)["not_before"], "opening.not_before")
    return SeenBefore(
        fields.text("origin"),
        fields.count("size"),
        fields.text("root"),
        Digest.parse(fields.text("note")),
    )


def papers_of(record_json: bytes) -> tuple[str, ...]:
    """The papers under `moments/` that this record names: these and no others may be there."""
    record = CaptureRecord.parse(record_json)
    note = (BEFORE,) if before_of(record) else ()
    return (*note, *(paper_of(one.name) for one in moments_of(record) if one.token))


def closing_of(
    exhibit: object, artefacts: object, moments: list[dict[str, object]]
) -> dict[str, object]:
    """The closing statement: every artefact, and the tokens that had come before it."""
    return {
        "schema": CLOSING_SCHEMA,
        "exhibit": exhibit,
        "artefacts": artefacts,
        "moments": [one for one in moments if one["name"] != CLOSING],
    }


def stated_in(record: CaptureRecord, name: str) -> Digest:
    """The digest of what the stamp stands over, from what the record says."""
    fields = record.fields
    match name:
        case "opening":
            opening = cast("dict[str, object]", fields.get("opening") or {})
            for one in ("exhibit", "requested_url"):
                same = opening.get(one) == fields[one]
                require(same, Inconsistent, "moment.of-another", fields[one], opening.get(one))
            return sha256(canonical.encode(opening))
        case "closing":
            listed = cast("list[dict[str, object]]", fields.get("moments", []))
            stated = closing_of(fields["exhibit"], fields["artefacts"], listed)
            return sha256(canonical.encode(stated))
        case _:  # the transcript's index: whoever opens the transcript compares it with this
            held = Fields(need(fields.get("transcript"), "a transcript"), "transcript")
            return Digest.parse(held.text("index"))


# Checks one stamp over a digest; gives the time that it attests, if it is sound.
CheckStamp = Callable[[str, Digest], datetime | None]


def check_moments(
    steps: Steps,
    papers: Mapping[str, bytes],
    ledger: LedgerPolicy | None,
    check_stamp: CheckStamp,
    *,
    sealed_at: datetime | None,
    apart: timedelta,
) -> None:
    """All that the record names, each apart; without a record there must be none."""
    record = _record(papers)
    if record is None:
        if any(name.startswith(MOMENTS) for name in papers):
            steps.check("moment.named", lambda: missing(CAPTURE), MOMENTS)
        return
    found = steps.check("moment.named", partial(_named, record, papers), MOMENTS)
    times: list[tuple[str, datetime | None]] = []
    for moment in found or ():
        name = paper_of(moment.name)
        if moment.token:
            steps.check("moment.statement", partial(_stated, record, moment), name)
            steps.check("moment.token", partial(_same_token, papers, moment), name)
            times.append((moment.name, check_stamp(name, moment.digest)))
    seen = before_of(record)
    if seen is not None:
        prove = partial(_require_before, seen, papers, ledger)
        steps.check("moment.before", prove, BEFORE)
    if times:
        order = partial(_in_order, [*times, ("seal", sealed_at)], apart)
        steps.check("moment.order", order, MOMENTS)


def _record(papers: Mapping[str, bytes]) -> CaptureRecord | None:
    try:
        return CaptureRecord.parse(papers[CAPTURE])
    except (KeyError, ProofError):
        return None


def _named(record: CaptureRecord, papers: Mapping[str, bytes]) -> tuple[Moment, ...]:
    moments = moments_of(record)
    wanted = {paper_of(one.name) for one in moments if one.token}
    wanted |= {BEFORE} if before_of(record) else set()
    held = {name for name in papers if name.startswith(MOMENTS)}
    for name in sorted(wanted - held):
        raise Refuted("package.member-missing", name, "no such member")
    for name in sorted(held - wanted):
        raise Refuted("package.member-extra", "only the moments that the record names", name)
    return moments


def _stated(record: CaptureRecord, moment: Moment) -> str:
    """That the digest is that of a statement which stands on the record."""
    found = stated_in(record, moment.name)
    same = found == moment.digest
    require(same, DigestMismatch, "moment.statement-differs", moment.digest, found)
    return str(found)


def _same_token(papers: Mapping[str, bytes], moment: Moment) -> None:
    """The record was written after this very answer, and not after another one."""
    name = paper_of(moment.name)
    found = sha256(need(papers.get(name), name))
    same = found == moment.token
    require(same, DigestMismatch, "moment.token-differs", moment.token, found)


def _require_before(
    seen: SeenBefore, papers: Mapping[str, bytes], ledger: LedgerPolicy | None
) -> str:
    octets = need(papers.get(BEFORE), BEFORE)
    require(
        sha256(octets) == seen.note,
        DigestMismatch,
        "moment.note-differs",
        seen.note,
        sha256(octets),
    )
    note = Note.parse(octets)
    at = Checkpoint.parse(note.text)
    shown = (at.origin, at.size, to_base64(at.root))
    wanted = (seen.origin, seen.size, seen.root)
    require(shown == wanted, Inconsistent, "moment.checkpoint-differs", wanted, shown)
    if ledger is None:
        raise UnknownKey("trust.no-ledger", "a ledger key to believe", "none given")
    signers = [one.name for one in note.require_signed(map(VerifierKey.parse, ledger.logs))]
    require(at.origin in signers, UnknownKey, "note.unknown-key", at.origin, signers)
    cosigned = require_quorum(ledger, note)
    said = (f"{one.witness.key.name}: {instant.encode(one.attested_at)}" for one in cosigned)
    return "; ".join(said) or f"{at.origin}: {at.size}"


def _in_order(times: list[tuple[str, datetime | None]], apart: timedelta) -> str:
    """Each at or after the one before, as far as two clocks may disagree."""
    known = [(name, need(at, f"the time of {name}")) for name, at in times]
    for (name, at), (then, after) in pairwise(known):
        wanted = f"{then} at or after {instant.encode(at)} ({name})"
        fits = after + apart >= at
        require(fits, Inconsistent, "moment.order-differs", wanted, instant.encode(after))
    return "; ".join(f"{name}: {instant.encode(at)}" for name, at in known)
