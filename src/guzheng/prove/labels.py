"""光盘标签、U 盘标签: what is written on the outside, evidence name and time of capture apart.

A round label for a disc (118 mm, hole 22 mm) and a square one for a USB stick and its bag, at
full size. Both show the beginning of the evidence digest: over the exhibits' lines of
SHA256SUMS, so that it holds for disc, stick and zip alike, and anybody can compute it again.
"""

from guzheng.proof.instant import beijing
from guzheng.prove.printing import Issue, Printed, Writer, carrier_code, grouped

_SHORT = 16
_DAY, _SECOND = 10, 19  # 2026-11-21 18:44:12
_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def labels(issue: Issue, writer: Writer) -> bytes:
    digest = issue.evidence_digest.hex
    count = sum(len(one.manifest.items) for one in issue.told)
    size = sum(sum(one.sizes.values()) for one in issue.told)
    name = issue.selection.title or issue.told[0].name
    many = len(issue.told) > 1 and not issue.selection.title
    document: Printed = {
        "disc_title": writer.say("label.disc", volume=issue.volume),
        "stick_title": writer.say("label.stick", volume=issue.volume),
        "of": writer.say("label.of", volumes=issue.volumes) if issue.volumes > 1 else [],
        "name_label": writer.say("label.name"),
        "name": writer.say("label.and-more", name=name, count=len(issue.told))
        if many
        else writer.text(name),
        "time_label": writer.say("label.captured-at"),
        "time": writer.text(_period(issue)),
        "number_label": writer.say("label.number"),
        "number": writer.text(issue.told[0].number),
        "more_numbers": writer.say("label.numbers", count=len(issue.told))
        if len(issue.told) > 1
        else [],
        "content": writer.say("label.content", count=count, size=_size(size)),
        "digest_label": writer.say("label.digest"),
        "digest": grouped(digest[:_SHORT]) + " …",
        "whole_digest": grouped(digest),
        "by_hand": "grep '  exhibits/' SHA256SUMS | sha256sum",
        "by_hand_label": writer.say("label.by-hand"),
        "once": writer.say("label.once"),
        "submitter": writer.text(issue.selection.submitter),
        "print_disc": writer.say("label.print-disc"),
        "print_stick": writer.say("label.print-stick"),
        "code": writer.printer.code(_code(issue, digest)),
        "code_meaning": _code(issue, digest),
        "carrier": writer.say(carrier_code(issue.medium), volume=issue.volume),
    }
    return writer.set("labels.typ", document, issue.dated_at)


def _code(issue: Issue, digest: str) -> str:
    """One exhibit with an address: where to verify it. Else what is to be compared."""
    if issue.public_url and len(issue.told) == 1:
        return f"{issue.public_url.rstrip('/')}/verify#{issue.told[0].number}"
    return f"{issue.told[0].number} sha256:{digest}"


def _period(issue: Issue) -> str:
    """To the second; of several, the first and the last."""
    times = sorted(beijing(one.captured_at)[:_SECOND] for one in issue.told)
    first, last = times[0], times[-1]
    if first == last:
        return first
    return f"{first} – {last[_DAY + 1 :] if first[:_DAY] == last[:_DAY] else last}"


def _size(octets: int) -> str:
    for unit, one in _UNITS:
        if octets >= one:
            return f"{octets / one:.1f} {unit}"
    return f"{octets} B"
