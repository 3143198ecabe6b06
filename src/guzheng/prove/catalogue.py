"""证据目录: the list that is filed with the evidence, A4 landscape, one row for each exhibit.

在线诉讼规则 15: electronic evidence is examined for authenticity, legality and relevance, so
each row has a line on each. What the record says and what the submitter says are in different
columns; where he says nothing, the row says that. Pages are numbered through the certificates,
printed in the order of the list, from 1 in each volume; an original is no page but a file.
"""

from collections.abc import Iterator

from guzheng import origin, words
from guzheng.proof.instant import beijing
from guzheng.prove.printing import Issue, Printed, Writer, carrier_code
from guzheng.prove.selection import Chosen
from guzheng.prove.told import Facts, Told, below, text

_SHOWN = 5  # files of one exhibit; the certificate has them all
_DIGITS = 16
_COLUMNS = ("number", "name", "kind", "source", "purpose", "properties", "copies", "place")


def catalogue(issue: Issue, writer: Writer) -> bytes:
    selection = issue.selection
    heads = {
        "case-number": selection.case_number,
        "cause": selection.cause,
        "submitter": selection.submitter,
        "parties": selection.parties,
    }
    document: Printed = {
        "title": writer.say("catalogue.title"),
        "subtitle": writer.text(selection.title),
        "heads": [
            [writer.say(f"catalogue.{name}"), writer.text(said or "________")]
            for name, said in heads.items()
            if said or name != "parties"
        ],
        "columns": [writer.say(f"catalogue.{one}") for one in (*_COLUMNS, "page")],
        "rows": [
            [*_row(number, told, issue, writer), pages]
            for (number, told), pages in zip(
                enumerate(issue.told, issue.first), _pages(issue, writer), strict=True
            )
        ],
        "notes": [
            writer.say("catalogue.note-evidence"),
            writer.say("catalogue.note-statements"),
            writer.say("catalogue.note-pages"),
            writer.say("catalogue.note-digest", digest=issue.evidence_digest.hex),
        ],
        "signatures": [
            writer.say(f"catalogue.{one}") for one in ("signed-by", "received-by", "date")
        ],
        "page_of": writer.say("catalogue.page-of", page="{page}", pages="{pages}"),
    }
    return writer.set("catalogue.typ", document, issue.dated_at)


def _row(number: int, told: Told, issue: Issue, writer: Writer) -> list[list[list[str]]]:
    said = issue.said_of(told.exhibit)
    carrier = writer.say(carrier_code(issue.medium), volume=issue.volume)
    return [
        [writer.text(str(number))],
        [writer.text(told.name), *_files(told, writer)],
        [writer.say("catalogue.electronic-data"), writer.say(f"kind.{told.manifest.kind}")],
        _source(told, writer),
        [writer.text(said.purpose) if said.purpose else writer.say("catalogue.not-said")],
        _properties(said, told, writer),
        [_copies(told, writer)],
        [carrier, writer.text(f"exhibits/{told.exhibit}/")],
    ]


def _pages(issue: Issue, writer: Writer) -> Iterator[list[list[str]]]:
    """Of each row: the pages of its certificate, and that what is not paged is a file."""
    first = 1
    for told in issue.told:
        lines = []
        if told.pages:
            last = first + told.pages - 1
            shown = str(first) if first == last else f"{first}–{last}"
            lines = [writer.text(shown), writer.say("catalogue.page-certificate")]
            first = last + 1
        kept = told.manifest.kind == "hash-only"
        yield lines if kept else [*lines, writer.say("catalogue.page-file")]


def _files(told: Told, writer: Writer) -> list[list[str]]:
    items = told.manifest.items
    lines = [writer.text(one.name) for one in items[:_SHOWN]]
    if len(items) > _SHOWN:
        lines.append(writer.say("catalogue.more-files", count=len(items)))
    return lines


def _source(told: Told, writer: Writer) -> list[list[str]]:
    capture, seal = below(told.facts, "capture"), below(told.facts, "seal")
    how = writer.say(
        f"catalogue.source-{told.manifest.kind}",
        at=beijing(told.captured_at),
        url=text(capture, "requested_url"),
        browser=text(capture, "browser") or "—",
    )
    sealed = writer.say(
        "catalogue.sealed", at=beijing(told.sealed_at), authority=text(seal, "authority")
    )
    digests = [one.sha256.hex for one in told.manifest.items if one.role == "original"]
    lines = [how, *_origin(capture, writer), sealed]
    lines.append(writer.say("catalogue.certificate", number=told.number))
    if len(digests) == 1:
        lines.append(writer.say("catalogue.digest", digits=digests[0][:_DIGITS]))
    return lines


def _origin(capture: Facts, writer: Writer) -> list[list[str]]:
    """Beside how it was got, whether anything speaks against where it came from."""
    found = origin.of_facts(capture) if capture else None
    if found is None:
        return []
    reasons = " ".join(words.find_words(one, writer.language) or one for one in found.because)
    return [writer.say(f"catalogue.{found.code.replace('.', '-')}", reasons=reasons)]


def _properties(said: Chosen, told: Told, writer: Writer) -> list[list[str]]:
    """Three lines: what was said, or what the record shows, or that nothing was said."""
    shown = {
        "authenticity": writer.text(said.authenticity)
        if said.authenticity
        else writer.say(_by_record(told), at=beijing(told.sealed_at)),
        "legality": writer.text(said.legality)
        if said.legality
        else writer.say("catalogue.not-said"),
        "relevance": writer.text(said.relevance)
        if said.relevance
        else writer.say("catalogue.see-purpose" if said.purpose else "catalogue.not-said"),
    }
    return [[*writer.say(f"catalogue.property-{name}"), *line] for name, line in shown.items()]


def _by_record(told: Told) -> str:
    found = origin.of_facts(below(told.facts, "capture") or None)
    doubtful = found is not None and found.failed
    return "catalogue.by-record-doubtful" if doubtful else "catalogue.by-record"


def _copies(told: Told, writer: Writer) -> list[str]:
    if told.manifest.kind == "hash-only":
        return writer.say("catalogue.original-kept")
    return writer.say("catalogue.originals", count=len(told.manifest.items))
