"""The certificate of a failed capture (取证失败证明): what was tried, and what came of it.

It says what this platform's browser met at one time from one place: what the name resolved to,
who was connected to, what ended it. It never says that the page was not there.
"""

import ipaddress

from guzheng import words
from guzheng.certify import origins, sections, wording
from guzheng.certify.facts import Attempted, Capture, Facts
from guzheng.certify.pen import Pen, Printed
from guzheng.certify.wording import Phrase
from guzheng.proof.instant import beijing


def lead(facts: Facts) -> Phrase:
    return wording.FAILED_LEAD.filled(at=beijing(facts.sealed_at))


def section(capture: Capture, pen: Pen) -> Printed:
    """In place of the section on the page that was captured."""
    period = f"{beijing(capture.started_at)} → {beijing(capture.finished_at)}"
    warned, looked = origins.rows(capture, pen)
    rows = [*warned, pen.row(wording.REQUESTED_URL, pen.line(capture.requested_url))]
    if capture.failure is not None:
        failure = capture.failure
        rows.append(
            pen.row(
                wording.FAILED_BECAUSE,
                pen.line(words.find_words(failure.code, "zh") or failure.code, "strong"),
                pen.line(words.find_words(failure.code, "en") or failure.code, "en"),
                pen.line(failure.code, "mono"),
            )
        )
        rows.append(pen.row(wording.FAILED_FOUND, pen.line(failure.found)))
    if capture.final_url and capture.final_url != capture.requested_url:
        rows.append(pen.row(wording.FAILED_AT, pen.line(capture.final_url)))
    rows.append(
        pen.row(
            wording.STARTED_FINISHED, pen.line(period), *pen.both(wording.BY_PLATFORM_CLOCK)
        )
    )
    rows += [_connection(one, pen) for one in capture.attempted]
    if not capture.attempted:
        rows.append(pen.row(wording.CONNECTION, *pen.both(wording.NO_CONNECTION)))
    rows += looked
    browser = capture.browser or wording.NO_BROWSER.zh
    rows.append(pen.row(wording.BROWSER, pen.line(f"{browser} · {capture.software}")))
    if capture.private_addresses:
        allowed = wording.PRIVATE_ALLOWED.filled(ranges="、".join(capture.private_addresses))
        rows.append(pen.row(wording.PRIVATE_ADDRESSES, *pen.both(allowed, "warn")))
    if notes := origins.other_notes(capture):
        lines = [line for code in notes for line in sections.said(code, pen)]
        rows.append(pen.row(wording.NOTES, *lines))
    return {"title": wording.FAILED_SECTION.value(), "rows": rows}


def _connection(one: Attempted, pen: Pen) -> Printed:
    answers = Phrase(
        "、".join(one.answers) or wording.NO_ANSWERS.zh,
        ", ".join(one.answers) or wording.NO_ANSWERS.en,
    )
    resolved = (
        wording.NOT_A_NAME
        if _is_address(one.host)
        else Phrase(
            wording.RESOLVED.zh.format(answers=answers.zh),
            wording.RESOLVED.en.format(answers=answers.en),
        )
    )
    outcome = wording.OUTCOMES.get(one.outcome, Phrase(one.outcome, one.outcome))
    because = [pen.line(one.because, "mute")] if one.because else []
    return pen.row(
        wording.CONNECTION,
        pen.line(f"{one.host}:{one.port}"),
        *pen.both(resolved),
        *pen.both(outcome),
        *because,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def proved(facts: Facts) -> list[Phrase]:
    entry = facts.entry
    return [
        wording.FAILED_PROVES,
        wording.PROVES_ENTRY.filled(origin=entry.origin, index=entry.index),
    ]


def stated(facts: Facts) -> list[Phrase]:
    received = wording.STATES_RECEIVED.filled(at=beijing(facts.observed_at))
    return [received, wording.FAILED_STATES]


def not_proved() -> list[Phrase]:
    return [wording.FAILED_NOT_ABSENT, wording.FAILED_NOT_CAUSE, wording.NOT_ADMISSION]
