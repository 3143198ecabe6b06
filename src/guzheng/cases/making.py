"""The objections to how an exhibit was made: surroundings, network, device, steps, wholeness.

Rules over a record, as in `objections`. Where a rule looks at a paper of a capture,
docs/spec/capture.md has the fields.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from guzheng import origin
from guzheng.cases.rehearsal import Hearing, Record

FEWEST_ARTEFACTS: Final = 4
_CAPTURE, _ENVIRONMENT = "capture.json", "items/environment.json"
_SURROUNDINGS: Final = frozenset(
    {
        *("grade.own-user", "grade.network-namespace", "grade.cgroup", "grade.seccomp"),
        *("grade.namespace-sandbox", "grade.no-new-privs", "grade.clean-start"),
    }
)


def clean_surroundings(record: Record, hearing: Hearing) -> None:
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


def honest_network(record: Record, hearing: Hearing) -> None:
    """R-2: hosts file, proxy or DNS lead to another server."""
    if not record.is_capture:
        hearing.does_not_apply()
        return
    capture, network = record.capture, record.environment.get("network", {})
    _origin(record, hearing)
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


def _origin(record: Record, hearing: Hearing) -> None:
    """The verdict that stands on the certificate; where the whole record is at hand, also of
    records that were made before the page's own name had a note of its own."""
    capture = record.capture
    notes = [*map(str, capture.get("notes", ()))]
    urls = [str(capture.get(name, "")) for name in ("requested_url", "final_url")]
    # No certificate proved these; one that did excuses a content network's other answers.
    pages = {_host(one) for one in urls if one.startswith("http://")}
    if any(
        one.get("agreement") == "different" and str(one.get("host", "")).lower() in pages
        for one in capture.get("connections", ())
    ):
        notes.append(origin.DIFFERS)
    if capture.get("vantage", {}).get("means") == "socks":
        notes.append(origin.PROXIED)
    if record.environment.get("network", {}).get("names_preset"):
        notes.append(origin.PRESET)
    found = origin.judge(notes)
    if found.failed:
        hearing.speaks_against(
            "origin-failed", f"{_CAPTURE} notes", ", ".join(found.because), "retry"
        )
    elif found.code == origin.PASSED and capture.get("connections"):
        hearing.says("origin-passed", f"{_CAPTURE} notes")


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:  # what a failed capture was asked for need not be an address
        return ""


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


def whose_device(record: Record, hearing: Hearing) -> None:
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


def genuine_program(record: Record, hearing: Hearing) -> None:
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


def steps_in_order(record: Record, hearing: Hearing) -> None:
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


def several_artefacts(record: Record, hearing: Hearing) -> None:
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


def whole(record: Record, hearing: Hearing) -> None:
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


def lawful(record: Record, hearing: Hearing) -> None:
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


def others_see(record: Record, hearing: Hearing) -> None:
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
