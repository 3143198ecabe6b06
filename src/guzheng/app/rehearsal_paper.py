"""质证预演 on paper: what the other side may hold against each exhibit, for whoever files it.

The lawyer's own preparation. It lies beside a court package and never in it, so that what is
filed does not tell the other side where to press; its first lines say so. Derived by the rules
of `cases.objections`, as the page is; no score, and no word on what a court will do.
"""

from collections.abc import Sequence
from datetime import datetime

from guzheng.cases.rehearsal import NOT_APPLICABLE, STATES, Objection, Point, Rehearsal
from guzheng.proof.instant import beijing
from guzheng.prove import Writer

Printed = dict[str, object]


def rehearsal_paper(
    rehearsed: Sequence[tuple[str, Rehearsal]], writer: Writer, made_at: datetime
) -> bytes:
    """`rehearsed`: each exhibit's title and its objections, in the order of the package."""
    say = writer.say
    document: Printed = {
        "title": say("rehearsal.paper.title"),
        "lead": [
            say("rehearsal.paper.own"),
            say("rehearsal.paper.lead"),
            say("rehearsal.paper.made", at=beijing(made_at)),
        ],
        "sections": [
            _section(number, title, one, writer)
            for number, (title, one) in enumerate(rehearsed, 1)
        ],
        "signatures": [],
        "footer": say("rehearsal.paper.footer"),
        "page_of": say("catalogue.page-of", page="{page}", pages="{pages}"),
    }
    return writer.set("sheet.typ", document, made_at)


def _section(number: int, title: str, rehearsal: Rehearsal, writer: Writer) -> Printed:
    """The open ones first, as a lawyer would read them."""
    rows = [
        _row(one, writer)
        for state in STATES
        if state != NOT_APPLICABLE
        for one in rehearsal.of(state)
    ]
    others = ", ".join(one.number for one in rehearsal.of(NOT_APPLICABLE))
    told = writer.say("rehearsal.paper.not-applicable", numbers=others)
    return {
        "title": writer.text(f"{number}. {title}"),
        "rows": rows,
        "paragraphs": [writer.text(rehearsal.exhibit), *([told] if others else [])],
    }


def _row(one: Objection, writer: Writer) -> Printed:
    number = one.number.lower()
    state = writer.say(f"rehearsal.state.{one.state}")
    parts = (
        ("answers", _points(one.answers, writer)),
        ("against", _points(one.against, writer)),
        ("missing", _points(one.missing, writer)),
        ("cure", [writer.say(f"rehearsal.cure.{each}") for each in one.cures]),
    )
    lines = [
        writer.say(f"rehearsal.objection.{number}"),
        writer.say(f"rehearsal.norm.{number}"),
    ]
    for name, found in parts:
        lines += [
            [*writer.say(f"page.rehearsal.{name}"), *writer.text(": "), *each] for each in found
        ]
    return {"label": [*writer.text(f"{one.number} · "), *state], "lines": lines}


def _points(listed: Sequence[Point], writer: Writer) -> list[list[str]]:
    return [
        [
            *writer.say(f"rehearsal.point.{one.code}"),
            *writer.text("".join(f" {each}" for each in (one.where, one.found) if each)),
        ]
        for one in listed
    ]
