"""The twenty-two objections, each a rule over a record (`rehearsal`). Pure.

A rule puts forward what the record says and what it lacks; it decides nothing. Where a rule
looks at a paper of a capture, docs/spec/capture.md has the fields. What no paper says counts as
missing, however likely it is: silence must not pass for an answer.
"""

from datetime import timedelta
from typing import Any, Final

from guzheng.cases.rehearsal import NUMBERS, Hearing, Record, Rehearsal, Rule, heard
from guzheng.proof import instant, timestamp
from guzheng.proof.errors import ProofError

AT_ONCE: Final = timedelta(seconds=60)  # later than that, the gap is said to be long
FEWEST_ARTEFACTS: Final = 4
FEWEST_OUTSIDE: Final = 2
SOON: Final = timedelta(days=365)
_CAPTURE, _ENVIRONMENT = "capture.json", "items/environment.json"
_ENTRY, _SEAL, _CERTIFICATE = "entry.tlog-proof", "seal.tsa", "certificate.pdf"
_SURROUNDINGS: Final = frozenset(
    {
        *("grade.own-user", "grade.network-namespace", "grade.cgroup", "grade.seccomp"),
        *("grade.namespace-sandbox", "grade.no-new-privs", "grade.clean-start"),
    }
)


def rehearse(record: Record) -> Rehearsal:
    """What to expect of an opponent, and what to say."""
    return heard(record, RULES)


def _sure_of_certificate(record: Record, hearing: Hearing) -> bool:
    if not record.certified:
        hearing.lacks("on-its-road", "wait")
    return record.certified


def _clean_surroundings(record: Record, hearing: Hearing) -> None:
    """R-1: a false page can be preset where the capture was made."""
    if not record.is_capture:
        hearing.lacks("device-unknown", "capture-here")
        hearing.cures.append("appraise-device")
        return
    capture, environment = record.capture, record.environment
    profile = environment.get("profile", {})
    if environment:
        hearing.says("environment-report", _ENVIRONMENT)
        entries, cookies = profile.get("entries_at_start"), profile.get("cookies_at_start")
        if entries or cookies:
            hearing.speaks_against("profile-used", f"{_ENVIRONMENT} profile", cookies, "retry")
        elif cookies == 0:
            hearing.says("profile-fresh", f"{_ENVIRONMENT} profile")
    else:
        hearing.lacks("no-environment-report", "retry")
    if capture.get("grade") == "full":
        hearing.says("grade-full", f"{_CAPTURE} grade")
    elif short := sorted(record.missing_grades & _SURROUNDINGS):
        found = ", ".join(one.removeprefix("grade.") for one in short)
        hearing.lacks("grade-reduced", "harden", f"{_CAPTURE} missing", found)
    elif capture.get("grade"):
        hearing.says("surroundings-given", f"{_CAPTURE} grade")
    _control_page(record, hearing)


def _control_page(record: Record, hearing: Hearing) -> None:
    match record.capture.get("control", {}).get("equal"):
        case "yes":
            hearing.says("control-equal", f"{_CAPTURE} control")
        case "no":
            hearing.speaks_against("control-differs", f"{_CAPTURE} control", "no", "retry")
        case _:
            hearing.lacks("no-control-page", "retry")


def _honest_network(record: Record, hearing: Hearing) -> None:
    """R-2: hosts file, proxy or DNS lead to another server."""
    if not record.is_capture:
        hearing.does_not_apply()
        return
    capture, network = record.capture, record.environment.get("network", {})
    if preset := network.get("names_preset"):
        hearing.speaks_against(
            "hosts-preset", f"{_ENVIRONMENT} network", ", ".join(map(str, preset)), "retry"
        )
    elif network:
        hearing.says("hosts-clean", f"{_ENVIRONMENT} network.names_preset")
    if proxies := network.get("proxy_variables"):
        hearing.lacks("proxy-set", "retry", f"{_ENVIRONMENT} network", ", ".join(proxies))
    elif network:
        hearing.says("proxy-none", f"{_ENVIRONMENT} network.proxy_variables")
    for name, code in (
        ("private_addresses_allowed", "private-allowed"),
        ("trusted_spki", "keys-trusted"),
    ):
        if allowed := capture.get(name):
            hearing.speaks_against(code, f"{_CAPTURE} {name}", ", ".join(allowed), "no-test")
    _resolvers(record, hearing)
    if sessions := capture.get("tls"):
        hearing.says("tls-chain", f"{_CAPTURE} tls", len(sessions))
    else:
        hearing.lacks("no-tls", "corroborate")
    if capture.get("transcript"):
        hearing.says("transcript", "items/transcript.zip")
    elif record.kind == "web":
        hearing.lacks("no-transcript", "retry")


def _resolvers(record: Record, hearing: Hearing) -> None:
    own = [one for one in record.capture.get("connections", ()) if one.get("kind") == "page"]
    said = {str(one.get("agreement")) for one in own}
    if "different" in said:
        hearing.lacks("resolvers-differ", "vantages", f"{_CAPTURE} connections", "different")
    elif said and said <= {"same", "overlapping"}:
        hearing.says("resolvers-agree", f"{_CAPTURE} connections")
    else:
        hearing.lacks("one-resolver", "second-resolver", f"{_CAPTURE} connections")
    if own:
        hearing.says("addresses", f"{_CAPTURE} connections", len(own))


def _whose_device(record: Record, hearing: Hearing) -> None:
    """R-3: the party made it on a device that he controls."""
    if record.is_capture:
        if software := record.capture.get("software"):
            hearing.says("captured-here", f"{_CAPTURE} software", software)
        else:
            hearing.lacks("on-its-road", "wait", _CAPTURE)
        if vantage := record.capture.get("vantage"):
            hearing.says("vantage", f"{_CAPTURE} vantage", vantage.get("name", ""))
        return
    hearing.lacks("uploaded", "capture-here")
    hearing.cures.append("keep-device")


def _genuine_program(record: Record, hearing: Hearing) -> None:
    """R-4: the app that shows it is not the official one."""
    if record.kind == "web":
        if "grade.program-verified" in record.missing_grades or not record.environment:
            hearing.lacks("browser-unverified", "harden", f"{_CAPTURE} missing")
        else:
            hearing.says("browser-verified", f"{_ENVIRONMENT} browser.package")
        viewer = record.capture.get("viewer", {})
        if viewer.get("binary_digest"):
            digest = str(viewer["binary_digest"])[:24]
            hearing.says("browser-named", f"{_CAPTURE} viewer.binary_digest", digest)
    elif not record.is_capture and (record.has_recording or _has_picture(record)):
        hearing.lacks("app-unknown", "show-app")
    else:
        hearing.does_not_apply()


def _has_picture(record: Record) -> bool:
    return any(str(one.get("media_type", "")).startswith("image/") for one in record.items)


def _steps_in_order(record: Record, hearing: Hearing) -> None:
    """R-5: steps of the operating guide are missing or out of order."""
    if not record.is_capture:
        hearing.lacks("steps-unknown", "describe-steps")
        return
    capture = record.capture
    if steps := capture.get("steps"):
        hearing.says("step-log", f"{_CAPTURE} steps", len(steps))
    if limits := capture.get("limits_hit"):
        hearing.lacks("limits-hit", "retry", f"{_CAPTURE} limits_hit", ", ".join(limits))
    absent = [
        str(one) for one in capture.get("notes", ()) if one.endswith(("-missing", "-too-large"))
    ]
    if absent:
        hearing.lacks("artefacts-absent", "retry", f"{_CAPTURE} notes", ", ".join(absent))


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
        hearing.says("verified", "guzheng-verify")
    elif record.verified == "failed":
        hearing.speaks_against("verify-failed", "guzheng-verify", record.verified_found, "fsck")
    else:
        hearing.lacks("not-verified-now", "verify")
    _original_is_here(record, hearing)


def _original_is_here(record: Record, hearing: Hearing) -> None:
    if record.kind == "hash-only" and not record.original_beside:
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


def _several_artefacts(record: Record, hearing: Hearing) -> None:
    """R-10: there is one artefact only, and nothing corroborates it."""
    count = len(record.originals)
    if record.kind == "web":
        if count >= FEWEST_ARTEFACTS:
            hearing.says("artefacts", "items/", count)
        else:
            hearing.lacks("few-artefacts", "retry", "items/", count)
        if "items/trace.json" in record.names:
            hearing.says("trace", "items/trace.json")
        else:
            hearing.lacks("no-trace", "retry")
    elif record.kind == "web-attempt":
        hearing.says("attempt-log", f"{_CAPTURE} connections")
        hearing.lacks("one-attempt", "vantages")
    else:
        if count > 1:
            hearing.says("several-files", "manifest.json", count)
        hearing.lacks("not-corroborated", "corroborate")


def _mechanism(record: Record, hearing: Hearing) -> None:
    """R-11: the mechanism is described as what it is not."""
    if not _sure_of_certificate(record, hearing):
        return
    hearing.says("mechanism", _CERTIFICATE)
    _anchored(record, hearing)
    if not any(one.startswith("anchors/") for one in record.names):
        hearing.says("no-anchor-claimed", _CERTIFICATE)


def _whole(record: Record, hearing: Hearing) -> None:
    """R-12: the recording is incomplete, or was cut."""
    if record.kind == "web":
        figure = record.capture.get("completeness")
        if figure is None:
            hearing.lacks("wire-not-compared", "retry", f"{_CAPTURE} completeness")
        else:
            _gaps(figure, hearing)
        if "items/act.mkv" in record.names:
            hearing.says("film", "items/act.mkv")
    elif not record.is_capture and record.has_recording:
        hearing.lacks("cuts-unchecked", "whole-recording")
    else:
        hearing.does_not_apply()


def _gaps(figure: Any, hearing: Hearing) -> None:
    where = f"{_CAPTURE} completeness"
    if gaps := figure.get("missing_in_all"):
        hearing.says("compared-with-wire", where, figure.get("recorded"))
        hearing.lacks("gaps", "retry", f"{where}.missing", gaps)
    else:
        hearing.says("complete-on-wire", where, figure.get("recorded"))
    if unopened := figure.get("unopened"):
        hearing.lacks("connections-unopened", "transcript-keys", where, unopened)


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


def _lawful(record: Record, hearing: Hearing) -> None:
    """R-14: it was obtained unlawfully, say from another's account."""
    if record.case is not None and record.case.legality:
        hearing.says("legality-stated", record.case.case, record.case.legality[:200])
    if not record.is_capture:
        if record.case is None or not record.case.legality:
            hearing.lacks("legality-unstated", "state-legality")
        else:
            hearing.lacks("legality-unproved", "keep-consent")
        return
    if record.environment.get("profile", {}).get("cookies_at_start") == 0:
        hearing.says("no-account", f"{_ENVIRONMENT} profile.cookies_at_start", 0)
    elif failure := record.capture.get("failure"):
        hearing.says("nothing-obtained", f"{_CAPTURE} failure", failure.get("code", ""))
    else:
        hearing.lacks("account-unknown", "retry", _ENVIRONMENT)
    walls = [str(one["code"]) for one in record.capture.get("scope", ())]
    if "scope.login-wall" in walls:
        hearing.says("stopped-at-wall", f"{_CAPTURE} scope", "scope.login-wall")


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


def _others_see(record: Record, hearing: Hearing) -> None:
    """R-17: others, elsewhere or at another time, see another page."""
    if not record.is_capture:
        hearing.does_not_apply()
        return
    if record.twins:
        hearing.says("several-vantages", "/compare", record.twins + 1)
    else:
        hearing.lacks("one-vantage", "vantages")
    if record.repeats:
        hearing.says("repeated", "/compare", record.repeats + 1)
    else:
        hearing.lacks("once", "repeat")
    for one in record.capture.get("scope", ()):
        if one["code"] == "scope.geo-block":
            hearing.lacks("geo-blocked", "vantages", f"{_CAPTURE} scope", one["code"])


def _carrier(record: Record, hearing: Hearing) -> None:
    """R-18: the original carrier is lost, and there is a copy only."""
    if any(one.startswith("items/") for one in record.names) or record.original_beside:
        hearing.says("originals-kept", "items/")
    elif record.kind == "web-attempt" and _CAPTURE in record.names:
        hearing.says("record-kept", _CAPTURE)
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
            *(_clean_surroundings, _honest_network, _whose_device, _genuine_program),
            *(_steps_in_order, _only_unchanged, _file_and_digest, _linked, _neutral),
            *(_several_artefacts, _mechanism, _whole, _clock, _lawful, _who, _ownership),
            *(_others_see, _carrier, _years_later, _readable, _insider, _gap),
        ),
        strict=True,
    )
)
