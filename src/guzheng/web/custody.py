"""Beside an exhibit: its custody as a line of time, and notes that are no evidence.

What a paper says stands with whoever attests it; what only this platform observed says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.keep.custody import NOTED, READ_AGAIN, CustodyEvent
from guzheng.web import readings
from guzheng.web.gate import Rule, acting_of
from guzheng.web.ports import ExhibitView, Platform
from guzheng.web.spelling import moment_of
from guzheng.web.uploads import PLAIN_FORM_LIMIT, Field, parts_of

RULES: Final[Mapping[str, Rule]] = {
    "POST /exhibits/{exhibit}/notes": Permission.DEPOSIT,
    "POST /exhibits/{exhibit}/again": Permission.DEPOSIT,
}


@dataclass(frozen=True, slots=True)
class Happened:
    """`by`: a signed third party's name; empty where the platform itself observed it."""

    at: datetime
    code: str
    said: str = ""
    by: str = ""
    account: str = ""
    person: str = ""


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post("/exhibits/{exhibit}/notes")
    def note(request: Request, exhibit: str) -> Response:
        acting, text = acting_of(request), ""
        for part in parts_of(request, limit=PLAIN_FORM_LIMIT):
            if isinstance(part, Field) and part.name == "note":
                text = part.text
        platform.keeping.note(exhibit, text, account=acting.account, person=acting.person)
        return RedirectResponse(f"/exhibits/{exhibit}#notes", HTTPStatus.SEE_OTHER)

    @router.post("/exhibits/{exhibit}/again")
    def again(exhibit: str) -> Response:
        platform.halting.again(exhibit)
        return RedirectResponse(f"/exhibits/{exhibit}", HTTPStatus.SEE_OTHER)

    return router


def notes_of(events: Sequence[CustodyEvent]) -> list[CustodyEvent]:
    """Oldest first, as they were written."""
    return [one for one in reversed(events) if one.act == NOTED]


def timeline_of(view: ExhibitView, events: Sequence[CustodyEvent]) -> list[Happened]:
    """From the coming in to what happened last, each with who vouches for its time."""
    facts = view.facts
    authority = readings.text_fact(facts, "seal", "authority")
    said: list[tuple[object, str, str]] = [
        (view.observed_at, "received", ""),
        (readings.fact(facts, "capture", "observed_started_at"), "capture-began", ""),
        (readings.fact(facts, "capture", "observed_finished_at"), "captured", ""),
        (readings.fact(facts, "seal", "attested_at"), "sealed", authority),
    ]
    if view.entry is not None:
        said += [(one.attested_at, "cosigned", one.name) for one in view.entry.witnesses]
    found = [
        Happened(at, code, by=by)
        for value, code, by in said
        if (at := moment_of(value)) is not None
    ]
    found += [
        Happened(one.observed_at, _code(one), one.said, "", one.account, one.person)
        for one in events
        if one.act != NOTED
    ]
    return sorted(found, key=lambda one: one.at)


def _code(event: CustodyEvent) -> str:
    if event.act == READ_AGAIN and event.said != "0":
        return "read-again-damaged"
    return event.act


def command_of(exhibit: str, paper: str) -> str:
    """The command with which anybody checks this paper; `roots.pem` is on the same page."""
    stamped = paper in {"seal.tsa"} or (
        paper.startswith("seal.") and paper.endswith(".tsa") and paper != "seal.sm2.tsa"
    )
    if stamped:
        return f"openssl ts -verify -data manifest.json -in {paper} -CAfile roots.pem"
    if paper == "certificate.pdf":
        return "pdfsig certificate.pdf"
    return f"guzheng-verify {exhibit}.zip --roots roots.pem"
