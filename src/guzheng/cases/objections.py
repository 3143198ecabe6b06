"""The twenty-two objections, each a rule over a record (`rehearsal`). Pure.

A rule puts forward what the record says and what it lacks; it decides nothing. Those about how
an exhibit was made are in `making`; here are those about seal, ledger, platform and case. What
no paper says counts as missing, however likely it is: silence must not pass for an answer.
"""

from datetime import timedelta
from typing import Any, Final

from guzheng.cases import making
from guzheng.cases.rehearsal import NUMBERS, Hearing, Record, Rehearsal, Rule, heard
from guzheng.proof import instant, timestamp
from guzheng.proof.errors import ProofError

AT_ONCE: Final = timedelta(seconds=60)  # later than that, the gap is said to be long
FEWEST_OUTSIDE: Final = 2
SOON: Final = timedelta(days=365)
_CAPTURE = "capture.json"
_ENTRY, _SEAL, _CERTIFICATE = "entry.tlog-proof", "seal.tsa", "certificate.pdf"


def rehearse(record: Record) -> Rehearsal:
    """What to expect of an opponent, and what to say."""
    return heard(record, RULES)


def _sure_of_certificate(record: Record, hearing: Hearing) -> bool:
    if not record.certified:
        hearing.lacks("on-its-road", "wait")
    return record.certified


def _only_unchanged(record: Record, hearing: Hearing) -> None:
    """R-6: a digest proves that it is unchanged since, and not that it is true."""
    if record.certified:
        hearing.says("wording", _CERTIFICATE)
    if record.kind == "web" and record.capture.get("transcript") and record.capture.get("tls"):
        hearing.says("origin-signed", "items/transcript.zip")
    hearing.lacks("content-not-proved", "corroborate")


def _file_and_digest(record: Record, hearing: Hearing) -> None:
    """R-7: the file does not match its fingerprint, or nobody checked."""
    if record.verified == "passed":
        hearing.says("papers" if _is_elsewhere(record) else "verified", "guzheng-verify")
    elif record.verified == "failed":
        hearing.speaks_against("verify-failed", "guzheng-verify", record.verified_found, "fsck")
    else:
        hearing.lacks("not-verified-now", "verify")
    _original_is_here(record, hearing)


def _is_elsewhere(record: Record) -> bool:
    return record.kind == "hash-only" and not record.original_beside


def _original_is_here(record: Record, hearing: Hearing) -> None:
    if _is_elsewhere(record):
        hearing.lacks("original-elsewhere", "bring-original")


def _linked(record: Record, hearing: Hearing) -> None:
    """R-8: no link from the file to its digest, and on to the entry."""
    for code, name in (("manifest", "manifest.json"), ("seal", _SEAL), ("entry", _ENTRY)):
        if name in record.names:
            hearing.says(code, name)
        else:
            hearing.lacks("on-its-road", "wait", name)
    if any(one.startswith("tokens/") for one in record.names):
        hearing.says("tokens", "tokens/")
    if any(one.startswith("items/") for one in record.names):
        hearing.says("originals", "items/")
    _original_is_here(record, hearing)


def _neutral(record: Record, hearing: Hearing) -> None:
    """R-9: the platform is not neutral, or not qualified."""
    for paper, authority in record.outside.items():
        hearing.says("outside-authority", paper, authority)
    distinct = len(set(record.outside.values()))
    if distinct < FEWEST_OUTSIDE:
        hearing.lacks("outside-authorities-few", "add-authority", _SEAL, distinct)
    _witnessed(record, hearing)
    _anchored(record, hearing)
    if distinct < FEWEST_OUTSIDE or not record.witnesses:  # else it rests on nobody's word
        hearing.lacks("relation-not-stated", "disclosure")


def _witnessed(record: Record, hearing: Hearing) -> None:
    if record.witnesses:
        hearing.says("witnessed", _ENTRY, ", ".join(record.witnesses))
    elif record.certified:
        hearing.lacks("no-witness", "add-witness", _ENTRY)


def _anchored(record: Record, hearing: Hearing) -> None:
    if receipts := sorted(one for one in record.names if one.startswith("anchors/")):
        hearing.says("anchored", ", ".join(receipts))


def _mechanism(record: Record, hearing: Hearing) -> None:
    """R-11: the mechanism is described as what it is not."""
    if not _sure_of_certificate(record, hearing):
        return
    hearing.says("mechanism", _CERTIFICATE)
    _anchored(record, hearing)
    if not any(one.startswith("anchors/") for one in record.names):
        hearing.says("no-anchor-claimed", _CERTIFICATE)


def _clock(record: Record, hearing: Hearing) -> None:
    """R-13: the clock was not reliable."""
    seal = record.facts.get("seal")
    if not seal:
        hearing.lacks("on-its-road", "wait", _SEAL)
        return
    if record.outside:
        hearing.says("outside-time", ", ".join(record.outside))
    if seal.get("policy") == timestamp.CLOCK_NOT_VERIFIED:
        hearing.lacks("clock-unverified", "clock-sources", _SEAL, seal["policy"])
    else:  # an accuracy that a doubtful clock states answers nothing
        if _SEAL not in record.outside:
            hearing.says("clock-kept", _SEAL, seal.get("policy"))
        if (accuracy := seal.get("accuracy_milliseconds")) is not None:
            hearing.says("accuracy", _SEAL, f"± {accuracy} ms")
    if record.is_capture and "grade.clock-verified" in record.missing_grades:
        hearing.lacks("capture-clock-unverified", "clock-sources", f"{_CAPTURE} missing")


def _who(record: Record, hearing: Hearing) -> None:
    """R-15: the shop is not shown to be the defendant's."""
    case = record.case
    if case is None:
        hearing.lacks("no-case", "make-case")
        return
    if case.licence == "passed":
        hearing.says("licence", f"{case.case} parties")
    elif case.licence:
        hearing.lacks("licence-fails", "capture-licence", f"{case.case} parties", case.licence)
    else:
        hearing.lacks("no-licence", "capture-licence")
    found = f"{case.identity_done} / {case.identity_of}"
    if case.identity_of and case.identity_done == case.identity_of:
        hearing.says("identity-complete", f"{case.case} guide A", found)
    else:
        hearing.lacks("identity-incomplete", "guide", f"{case.case} guide A", found)


def _ownership(record: Record, hearing: Hearing) -> None:
    """R-16: a deposit is no proof of authorship or ownership."""
    if record.is_capture:
        hearing.does_not_apply()
        return
    if record.certified:
        hearing.says("says-no-ownership", _CERTIFICATE)
    if record.case is not None and record.case.is_genuine:
        hearing.says("genuine-side", f"{record.case.case} pairs")
    hearing.lacks("ownership-unproved", "creation-trail")


def _carrier(record: Record, hearing: Hearing) -> None:
    """R-18: the original carrier is lost, and there is a copy only."""
    if record.kind == "web-attempt" and _CAPTURE in record.names:
        hearing.says("record-kept", _CAPTURE)
    elif any(one.startswith("items/") for one in record.names) or record.original_beside:
        hearing.says("originals-kept", "items/")
    else:
        _original_is_here(record, hearing)
    if record.verified == "passed":
        hearing.says("unchanged", "guzheng-verify")
    if not record.is_capture:
        hearing.lacks("carrier-unknown", "keep-device")
    if "custody.jsonl" in record.names:
        hearing.says("custody", "custody.jsonl")
    else:
        hearing.lacks("copies-not-recorded", "backup")


def _years_later(record: Record, hearing: Hearing) -> None:
    """R-19: the certificate has expired, or the algorithm is weak, years later."""
    digests = record.facts.get("manifest_digests", ())
    if len(digests) > 1:
        found = ", ".join(str(one).partition(":")[0] for one in digests)
        hearing.says("two-digests", "manifest.json", found)
    if "seal.sm2.tsa" in record.names:
        hearing.says("two-algorithms", "seal.sm2.tsa")
    if renewed := sorted(one for one in record.names if one.startswith("renewals/")):
        hearing.says("renewed", renewed[-1])
    until = record.vouched_until
    if until is None or record.now is None:
        hearing.lacks("end-unknown", "renew")
    elif until <= record.now:
        hearing.speaks_against("ended", _SEAL, f"{until:%Y-%m-%d}", "renew")
    elif until - record.now > SOON:
        hearing.says("vouched-until", _SEAL, f"{until:%Y-%m-%d}")
    else:
        hearing.lacks("ends-soon", "renew", _SEAL, f"{until:%Y-%m-%d}")


def _readable(record: Record, hearing: Hearing) -> None:
    """R-20: the judge cannot open or understand it."""
    if not _sure_of_certificate(record, hearing):
        return
    hearing.says("certificate-pdf", _CERTIFICATE)
    hearing.says("package", "VERIFY.md")
    if record.kind == "web":
        hearing.says("pictures", "items/screenshot.png, items/page.pdf")


def _insider(record: Record, hearing: Hearing) -> None:
    """R-21: the platform's own staff could alter it."""
    if _ENTRY not in record.names:
        hearing.lacks("on-its-road", "wait", _ENTRY)
        return
    hearing.says("append-only", _ENTRY, record.facts.get("entry", {}).get("index", ""))
    _witnessed(record, hearing)
    _anchored(record, hearing)
    for paper, authority in record.outside.items():
        hearing.says("outside-authority", paper, authority)


def _gap(record: Record, hearing: Hearing) -> None:
    """R-22: time passed between the capture and the seal."""
    sealed = _moment(record.facts.get("seal", {}).get("attested_at"))
    if sealed is None:
        hearing.lacks("on-its-road", "wait", _SEAL)
        return
    finished = _moment(record.capture.get("observed_finished_at"))
    began = finished if record.is_capture else record.received_at
    if began is not None:
        gap = sealed - began
        found = f"{gap.total_seconds():.1f} s"
        where = f"{_CAPTURE} observed_finished_at → {_SEAL}"
        if not record.is_capture:
            where = f"manifest.json observed_at → {_SEAL}"
        if gap < timedelta(seconds=-1):
            hearing.speaks_against("gap-negative", where, found, "clock-sources")
        elif gap <= AT_ONCE:
            hearing.says("sealed-at-once", where, found)
        else:
            hearing.lacks("gap-long", "seal-at-once", where, found)
    if stamped := sorted(one for one in record.names if one.startswith("moments/")):
        hearing.says("moments", ", ".join(stamped))
    if not record.is_capture:
        hearing.lacks("made-when", "capture-here")


def _moment(text: object) -> Any:
    try:
        return instant.parse(text) if isinstance(text, str) else None
    except ProofError:
        return None


RULES: Final[dict[str, Rule]] = dict(
    zip(
        NUMBERS,
        (
            *(
                making.clean_surroundings,
                making.honest_network,
                making.whose_device,
                making.genuine_program,
            ),
            *(making.steps_in_order, _only_unchanged, _file_and_digest, _linked, _neutral),
            *(
                making.several_artefacts,
                _mechanism,
                making.whole,
                _clock,
                making.lawful,
                _who,
                _ownership,
            ),
            *(making.others_see, _carrier, _years_later, _readable, _insider, _gap),
        ),
        strict=True,
    )
)
