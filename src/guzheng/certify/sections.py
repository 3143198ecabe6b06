"""The numbered sections of a certificate, row by row, each from facts and nothing else.

Who vouches for a row is in the row: 自述 the applicant, 平台陈述 this platform, otherwise the
token or the ledger. A fact that is missing has a row that says so.
"""

from guzheng import words
from guzheng.certify import origins, wording
from guzheng.certify.facts import Capture, Facts, FurtherSeal
from guzheng.certify.pen import Pen, Printed, Style
from guzheng.certify.wording import Phrase
from guzheng.proof import timestamp
from guzheng.proof.instant import beijing
from guzheng.proof.manifest import ATTEMPT, Item

INLINE_ITEMS = 2  # more than this and the files are listed in the annex

_MANNERS = {
    "deposit": wording.KIND_DEPOSIT,
    "hash-only": wording.KIND_HASH_ONLY,
    "web": wording.KIND_WEB,
    ATTEMPT: wording.KIND_ATTEMPT,
}


def exhibit(facts: Facts, pen: Pen) -> Printed:
    rows = [
        pen.row(wording.APPLICANT, *_applicant(facts, pen)),
        pen.row(wording.NAME, pen.line(facts.claimed_name, "strong")),
    ]
    if facts.claimed_purpose:
        rows.append(pen.row(wording.PURPOSE, pen.line(facts.claimed_purpose)))
    kind = f"{words.say(f'kind.{facts.kind}', 'zh')} · {words.say(f'kind.{facts.kind}', 'en')}"
    rows += [
        pen.row(wording.KIND, pen.line(kind), *pen.both(_MANNERS[facts.kind])),
        _files(facts.items, pen),
        pen.row(wording.EXHIBIT_NUMBER, pen.line(facts.exhibit, "mono")),
    ]
    return _section(wording.EXHIBIT, rows)


def _applicant(facts: Facts, pen: Pen) -> list[Printed]:
    """The attested name, with who attests to it and what was typed beside it; else what was
    typed, and that nobody attests to it."""
    claimed, attested = facts.claimed_applicant, facts.attested_applicant
    if attested is None:
        named = pen.line(claimed, "strong") if claimed else pen.line(wording.NOT_FILLED_IN.zh)
        return [named, *pen.both(wording.NOT_VERIFIED)]
    said = wording.VERIFIED_BY[attested.means].filled(at=beijing(attested.at))
    lines = [pen.line(attested.name, "strong"), *pen.both(said)]
    if attested.by:
        lines += pen.both(wording.VERIFIED_WHO.filled(by=attested.by))
    if attested.uscc:
        lines += pen.both(wording.USCC.filled(uscc=attested.uscc))
    if claimed and claimed != attested.name:
        lines += pen.both(wording.CLAIMED_BESIDE.filled(claimed=claimed))
    return lines


def web(capture: Capture, pen: Pen) -> Printed:
    status = (
        wording.NO_STATUS
        if capture.status is None
        else wording.HTTP_STATUS.filled(status=capture.status)
    )
    period = f"{beijing(capture.started_at)} → {beijing(capture.finished_at)}"
    warned, looked = origins.rows(capture, pen)
    rows = [
        *warned,
        *_scope(capture, pen),
        pen.row(wording.REQUESTED_URL, pen.line(capture.requested_url)),
        pen.row(wording.FINAL_URL, pen.line(capture.final_url or wording.NOT_REACHED.zh)),
        pen.row(
            wording.RESPONSE,
            pen.line(capture.title or wording.NO_TITLE.zh),
            pen.line(status.zh, "mute"),
        ),
        pen.row(
            wording.STARTED_FINISHED, pen.line(period), *pen.both(wording.BY_PLATFORM_CLOCK)
        ),
        pen.row(
            wording.BROWSER,
            pen.line(f"{capture.browser} · {capture.software}"),
            *_sandbox(capture.sandbox, pen),
        ),
    ]
    rows += looked
    if capture.completeness is not None:
        rows += capture.completeness.rows(pen)
    if capture.control is not None:
        shown = wording.CONTROLS[capture.control]
        style: Style = "mute" if capture.control == "yes" else "warn"
        rows.append(pen.row(wording.CONTROL, *pen.both(shown, style)))
    if capture.private_addresses:
        allowed = wording.PRIVATE_ALLOWED.filled(ranges="、".join(capture.private_addresses))
        rows.append(pen.row(wording.PRIVATE_ADDRESSES, *pen.both(allowed, "warn")))
    if capture.grade:
        codes = (f"grade.{capture.grade}", *capture.missing)
        lines = (line for code in codes for line in said(code, pen))
        rows.append(pen.row(wording.GRADE, *lines))
    if notes := origins.other_notes(capture):
        rows.append(
            pen.row(wording.NOTES, *(line for code in notes for line in said(code, pen)))
        )
    return _section(wording.WEB, rows)


def _sandbox(said: str, pen: Pen) -> list[Printed]:
    """The kind in words; why it is not a stronger one in the browser's own."""
    kind, _, why = said.partition(": ")
    known = wording.SANDBOXES.get(kind)
    lines = [pen.line(said, "mute")] if known is None else pen.both(known)
    return [*lines, pen.line(why, "mute")] if known is not None and why else lines


def _scope(capture: Capture, pen: Pen) -> list[Printed]:
    """What was got instead of the page, before anything else is said of it."""
    rows = []
    for one in capture.scope:
        signs = "；".join(f"{_sign(kind)}「{found}」" for kind, found in one.because)
        by = wording.SCOPE_BECAUSE.filled(signs=signs)
        rows.append(
            pen.row(wording.SCOPE, *said(one.code, pen, "warn"), pen.line(by.zh, "mute"))
        )
    return rows


def _sign(kind: str) -> str:
    return words.find_words(f"scope.because.{kind}", "zh") or kind


def fingerprints(facts: Facts, pen: Pen) -> Printed:
    rows = []
    if len(facts.items) <= INLINE_ITEMS:
        for item in facts.items:
            # With one file its name stands in the section above; two need theirs here.
            named = [pen.line(item.name, "mute")] if len(facts.items) > 1 else []
            digests = [pen.digest(digest) for digest in item.digests]
            rows.append(pen.row(wording.ITEM_DIGESTS, *named, *digests))
    rows.append(
        pen.row(
            wording.MANIFEST_DIGESTS,
            *(pen.digest(digest) for digest in facts.manifest_digests),
            *pen.both(wording.MANIFEST_MEANING),
        )
    )
    return _section(wording.FINGERPRINTS, rows)


def time(facts: Facts, pen: Pen) -> Printed:
    accuracy = facts.seal.accuracy_milliseconds
    stated = (
        wording.NO_ACCURACY
        if accuracy is None
        else wording.ACCURACY.filled(milliseconds=f"{accuracy:,}")
    )
    received = wording.BY_PLATFORM_CLOCK
    unverified = facts.seal.policy == timestamp.CLOCK_NOT_VERIFIED
    warning = pen.both(wording.CLOCK_NOT_VERIFIED, "warn") if unverified else []
    rows = [
        pen.row(
            wording.SEALED_AT,
            pen.line(beijing(facts.sealed_at), "strong"),
            *pen.both(stated),
            *warning,
        ),
        pen.row(wording.RECEIVED_AT, pen.line(beijing(facts.observed_at)), *pen.both(received)),
        origins.gap(facts, pen),
        *moments(facts, pen),
    ]
    return _section(wording.TIME, rows)


def moments(facts: Facts, pen: Pen) -> list[Printed]:
    """The times between: stamps asked for during the capture, and what bounds it from below."""
    rows = []
    if facts.not_before is not None and facts.not_before.witnesses:
        said = [
            pen.line(f"{one.name} · {beijing(one.attested_at)}")
            for one in facts.not_before.witnesses
        ]
        rows.append(pen.row(wording.SEEN_BEFORE, *said, *pen.both(wording.SEEN_BEFORE_MEANS)))
    for one in facts.moments:
        at = wording.FURTHER_AT.filled(at=beijing(one.seal.attested_at), serial=one.seal.serial)
        meaning = wording.MOMENT_MEANS[one.name]
        rows.append(pen.row(wording.MOMENTS[one.name], pen.line(at.zh), *pen.both(meaning)))
    return rows


def lower_bound_source(contained_in: str, source: str) -> Phrase:
    """Which of the two «contains» it is: the content itself, or only what we wrote about it."""
    if contained_in == "record":
        return wording.BOUND_BY_RECORD.filled(source=source)
    if contained_in == "content":
        return wording.BOUND_BY_CONTENT.filled(source=source)
    return wording.BOUND_BY_MANIFEST.filled(source=source)


def issue(facts: Facts, pen: Pen, *, own_authority: bool) -> Printed:
    seal, entry = facts.seal, facts.entry
    serial = wording.SERIAL.filled(serial=seal.serial)
    policy = wording.POLICY.filled(policy=seal.policy)
    place = wording.ENTRY.filled(index=entry.index, size=entry.size)
    witnesses = (
        [
            *(pen.line(f"{one.name} · {beijing(one.attested_at)}") for one in entry.witnesses),
            *pen.both(wording.WITNESSED, "mute"),
        ]
        if entry.witnesses
        else pen.both(wording.NO_WITNESS, "warn")
    )
    independent = any(not one.own for one in facts.further_seals)
    outside = pen.both(wording.OUTSIDE_AS_WELL) if independent else []
    affiliation = wording.OWN_AUTHORITY if own_authority else wording.OUTSIDE_AUTHORITY
    if own_authority and entry.witnesses:
        affiliation = wording.OWN_AUTHORITY_WITNESSED
    rows = [
        pen.row(
            wording.AUTHORITY,
            pen.line(seal.authority),
            pen.line(serial.zh, "mute"),
            pen.line(policy.zh, "mute"),
        ),
        *(further(one, pen) for one in facts.further_seals),
        pen.row(
            wording.LEDGER,
            pen.line(f"{entry.origin} · {place.zh}"),
            pen.line(f"{wording.ROOT.zh} {entry.root}", "mute"),
        ),
        pen.row(wording.WITNESSES, *witnesses),
        pen.row(wording.AFFILIATION, *pen.both(affiliation), *outside),
    ]
    return _section(wording.ISSUE, rows)


def further(one: FurtherSeal, pen: Pen) -> Printed:
    """Who else stamped the manifest, and when: an outside authority, or ours again."""
    label = wording.FURTHER_OWN if one.own else wording.FURTHER_OUTSIDE
    at = wording.FURTHER_AT.filled(at=beijing(one.seal.attested_at), serial=one.seal.serial)
    unverified = one.seal.policy == timestamp.CLOCK_NOT_VERIFIED
    warning = pen.both(wording.CLOCK_NOT_VERIFIED, "warn") if unverified else []
    return pen.row(label, pen.line(one.seal.authority), pen.line(at.zh, "mute"), *warning)


def annex(facts: Facts, pen: Pen) -> Printed | None:
    """The list of files, when there are too many for the first page."""
    if len(facts.items) <= INLINE_ITEMS:
        return None
    listed: list[Printed] = [
        {
            "name": pen.line(item.name, "strong"),
            "note": pen.line(_item_note(item, _known_as(item, facts)), "mute"),
            "digests": [pen.digest(digest) for digest in item.digests],
        }
        for item in facts.items
    ]
    return {"title": wording.ANNEX.value(), "columns": _COLUMNS, "items": listed}


_COLUMNS = {
    "number": wording.COLUMN_NUMBER.value(),
    "file": wording.COLUMN_FILE.value(),
}


def _files(items: tuple[Item, ...], pen: Pen) -> Printed:
    if not items:
        return pen.row(wording.FILES, *pen.both(wording.NO_FILES))
    if len(items) == 1:
        (item,) = items
        return pen.row(wording.FILES, pen.line(item.name), pen.line(_item_note(item), "mute"))
    total = wording.FILE_COUNT.filled(
        count=len(items), size=_size(sum(item.size for item in items))
    )
    where = pen.both(wording.SEE_ANNEX) if len(items) > INLINE_ITEMS else []
    return pen.row(wording.FILES, pen.line(total.zh), *where)


def said(code: str, pen: Pen, style: Style = "mute") -> list[Printed]:
    """The words of a code, in both languages; one of a later version as it stands."""
    chinese, english = words.find_words(code, "zh"), words.find_words(code, "en")
    if chinese is None or english is None:
        return [pen.line(code, "mono")]
    return pen.both(Phrase(chinese, english), style)


def _known_as(item: Item, facts: Facts) -> str:
    """What an item of a capture is; elsewhere a name is the applicant's and means nothing."""
    if facts.capture is None:
        return ""
    return words.find_item_words(item.name, "zh") or ""


def _item_note(item: Item, known_as: str = "") -> str:
    role = wording.ROLES[item.role].zh
    parts = (known_as, role, _size(item.size), item.media_type)
    return " · ".join(part for part in parts if part)


def _section(title: Phrase, rows: list[Printed]) -> Printed:
    return {"title": title.value(), "rows": rows}


def _size(octets: int) -> str:
    exact = f"{octets:,} 字节"
    for unit, one in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if octets >= one:
            return f"{exact}（{octets / one:.1f} {unit}）"
    return exact
