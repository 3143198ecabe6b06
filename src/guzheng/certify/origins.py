"""Rows of a certificate: whether the origin was checked, and how soon all was sealed.

The verdict on the origin is `guzheng.origin`'s, in its words; the gap is the difference of two
times that stand on the certificate anyway (R-2 and R-22 of what an opponent objects). What
speaks against an exhibit is printed as a warning, and never among the notes alone.
"""

from datetime import timedelta
from typing import Final

from guzheng import origin, words
from guzheng.certify import wording
from guzheng.certify.facts import Capture, Facts
from guzheng.certify.pen import Pen, Printed
from guzheng.certify.wording import Phrase

AT_ONCE: Final = timedelta(seconds=60)  # later than that, the gap is said to be long
_APART: Final = timedelta(seconds=-1)  # a token may count whole seconds only


def rows(capture: Capture, pen: Pen) -> tuple[list[Printed], list[Printed]]:
    """What stands before everything else in its section, and what stands among the rest."""
    found = origin.judge(capture.notes)
    if found.code == origin.PASSED and capture.failure is not None and not capture.attempted:
        return [], []  # nothing was contacted: there is nothing to have looked at
    lines = pen.both(_say(found.code), "warn" if found.failed else "mute")
    for code in found.because:
        lines += pen.both(_say(code), "warn" if found.failed else "mute")
    row = [pen.row(_say("origin.title"), *lines)]
    return (row, []) if found.failed else ([], row)


def failed(capture: Capture) -> bool:
    return origin.judge(capture.notes).failed


def other_notes(capture: Capture) -> list[str]:
    """The notes that the row of the check has not said already."""
    said = origin.judge(capture.notes).because
    return [one for one in capture.notes if one not in said]


def gap(facts: Facts, pen: Pen) -> Printed:
    """Between the end of the capture, or the receipt of what was brought, and the seal."""
    capture = facts.capture
    label, began = wording.GAP_RECEIVED, facts.observed_at
    if capture is not None:
        label, began = wording.GAP_CAPTURE, capture.finished_at
    apart = facts.sealed_at - began
    number = wording.GAP.filled(seconds=f"{apart.total_seconds():,.3f}")
    lines = [pen.line(number.zh), pen.line(number.en, "en"), *pen.both(wording.GAP_CLOCKS)]
    if apart > AT_ONCE:
        long = wording.GAP_LONG.filled(limit=int(AT_ONCE.total_seconds()))
        lines += pen.both(long, "warn")
    elif apart < _APART:
        lines += pen.both(wording.GAP_NEGATIVE, "warn")
    return pen.row(label, *lines)


def _say(code: str) -> Phrase:
    return Phrase(words.say(code, "zh"), words.say(code, "en"))
