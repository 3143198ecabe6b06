"""`/exhibits/…`: one exhibit, being fixed step by step, and its papers to take away.

Originals come from strangers. They are sent as attachments of no type and in a sandbox, so
that no browser opens one as a page of ours; only a picture, recognised by its octets, is
shown, and then marked as a preview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from guzheng import origin, words
from guzheng.accounts import Permission
from guzheng.app.exports import Shared
from guzheng.keep.custody import PACKED, TAKEN
from guzheng.refusals import Refused
from guzheng.web import custody, problems, ranges, readings, shelf, tracing
from guzheng.web.gate import Rule, acting_of, require_own
from guzheng.web.guard import CONTENT_POLICY, HOSTILE_BYTES_POLICY
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import ExhibitView, Platform

# Papers that we wrote ourselves may keep their type; nothing else does.
_OWN_TYPES: Final = {
    "certificate.pdf": "application/pdf",
    "certificate.json": "application/json",
    "manifest.json": "application/json",
    "seal.tsa": "application/timestamp-reply",
}


RULES: Final[Mapping[str, Rule]] = {
    "GET /exhibits/{exhibit}": Permission.READ,
    "GET /exhibits/{exhibit}/package.zip": Permission.DOWNLOAD,
    "GET /packages.zip": Permission.DOWNLOAD,
    "GET /exhibits/{exhibit}/papers/{name:path}": Permission.DOWNLOAD,
    "GET /exhibits/{exhibit}/preview": Permission.READ,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/exhibits/{exhibit}", methods=READ)
    def detail(request: Request, exhibit: str) -> Response:
        view = platform.exhibit(exhibit)
        played = _played(request, platform, view)
        facts = {**_facts(request, platform, view), "played": played}
        response = pages.render(request, "exhibit.html", facts)
        if played is not None and played.frame:
            policy = f"{CONTENT_POLICY}; frame-src {played.origin}"
            response.headers["Content-Security-Policy"] = policy
        return response

    @router.api_route("/exhibits/{exhibit}/package.zip", methods=READ)
    def package(request: Request, exhibit: str) -> Response:
        made = zip_of(request, platform.packed(exhibit), f"{exhibit}.zip")
        _tell(platform, request, PACKED, [exhibit])
        return made

    @router.api_route("/packages.zip", methods=READ)
    def packages(
        request: Request,
        exhibit: list[str] = Query(default=[]),  # noqa: B008 - FastAPI's way
    ) -> Response:
        chosen = list(dict.fromkeys(exhibit))
        if refusal := shelf.too_many(request, platform, pages, chosen):
            return refusal
        _require_chosen(request, chosen)
        made = zip_of(request, platform.packed(*chosen), "guzheng-exhibits.zip")
        _tell(platform, request, PACKED, chosen)
        return made

    @router.api_route("/exhibits/{exhibit}/papers/{name:path}", methods=READ)
    def paper(request: Request, exhibit: str, name: str, view: str = "") -> Response:
        opened = platform.open_paper(exhibit, name)
        if name.startswith("items/"):  # papers are for everybody to check; originals are taken
            _tell(platform, request, TAKEN, [exhibit], name.removeprefix("items/"))
        shown = view == "inline" and name == "certificate.pdf"
        return attachment(request, opened, exhibit, name, inline=shown)

    @router.api_route("/exhibits/{exhibit}/preview", methods=READ)
    def preview(request: Request, exhibit: str) -> Response:
        picture = readings.find_preview(platform.exhibit(exhibit))
        if picture is None:
            raise Refused("web.no-preview", expected="a picture", found="none")
        opened = platform.open_picture(exhibit, picture.name)
        media_type = readings.picture_type(opened.read(16))
        if media_type is None:
            opened.close()
            raise Refused("web.no-preview", expected="PNG, JPEG, WebP", found="other octets")
        opened.seek(0)
        tag = ranges.tag_of(exhibit, picture.name)
        return _given(request, opened, media_type, "inline", "private, max-age=3600", tag)

    return router


def _require_chosen(request: Request, exhibits: Sequence[str]) -> None:
    """Some, and all of the account's own."""
    if not exhibits:
        raise Refused("web.nothing-chosen", expected="≥ 1", found="0")
    for one in exhibits:
        require_own(request, "exhibit", one)


@dataclass(frozen=True, slots=True)
class Played:
    """What can be played of an exhibit, and `frame`: the address of what is, now."""

    origin: str
    names: tuple[str, ...]
    shown: str
    frame: str


def _played(request: Request, platform: Platform, view: ExhibitView) -> Played | None:
    """None where nothing can; nothing is played before it was asked for (`?play=`)."""
    try:
        platform.ordering.require_taken(view.exhibit)
        acting_of(request).require(Permission.DOWNLOAD)  # what is played is given out
    except Refused:
        return None
    origin = platform.replaying.origin(request.headers.get("host", ""))
    names = platform.replaying.playable(one.name for one in view.papers)
    if origin is None or not names:
        return None
    asked = request.query_params.get("play", "")
    if asked not in names:
        return Played(origin, names, "", "")
    within = f"{request.url.scheme}://{request.headers.get('host', '')}"
    opened = readings.text_fact(view.facts, "capture", "final_url")
    ticket = platform.replaying.ticket(view.exhibit, asked, within=within, address=opened)
    return Played(origin, names, asked, f"{origin}/play/{ticket}")


def _tell(
    platform: Platform, request: Request, act: str, exhibits: list[str], said: str = ""
) -> None:
    """Into the custody of these exhibits; once for a question, not for its head."""
    if request.method == "GET":
        acting = acting_of(request)
        platform.keeping.tell(
            act, exhibits, said=said, account=acting.account, person=acting.person
        )


def _facts(request: Request, platform: Platform, view: ExhibitView) -> dict[str, object]:
    by_digest = view.kind == "hash-only"
    events = platform.keeping.of(view.exhibit)
    return {
        "section": "exhibits",
        "view": view,
        "title": readings.title_of(view),
        "steps": readings.steps_of(view),
        "items": readings.items_of(view),
        "papers": readings.other_papers(view),
        "words_of_paper": readings.words_of_paper,
        "interval": readings.interval_of(view),
        "own_authority": platform.runs_own_authority(),
        "preview": readings.find_preview(view),
        "claims": _claims(view),
        "claimed": readings.text_fact(view.facts, "claimed_applicant"),
        "timeline": custody.timeline_of(view, events),
        "notes": custody.notes_of(events),
        "command_of": custody.command_of,
        "originals": platform.originals.names(view.exhibit) if by_digest else (),
        "due": platform.evidence.due(view.exhibit) if by_digest else None,
        "attested": readings.fact(view.facts, "attested_applicant"),
        "capture": readings.fact(view.facts, "capture"),
        "origin": origin.of_facts(readings.fact(view.facts, "capture")),
        "finished": view.state in readings.TERMINAL and not view.missing,
        "scope": readings.scope_of(view),
        "has_trace": tracing.has_trace(view),
        "has_certificate": any(one.name == "certificate.pdf" for one in view.papers),
        "deleted": platform.clearing.tombstone(view.exhibit),
        "refusal": _refusal(view, language_of(request)),
        "held_up": _held_up(platform, view, language_of(request)),
        "order": platform.ordering.of_exhibit(view.exhibit) if view.kind == "web" else None,
    }


_CLAIMS: Final = (
    ("page.home.applicant", "claimed_applicant"),
    ("page.home.purpose", "claimed_purpose"),
)


def _claims(view: ExhibitView) -> list[tuple[str, str]]:
    """What the submitter stated, shown as his statement."""
    stated = ((code, readings.text_fact(view.facts, name)) for code, name in _CLAIMS)
    return [(code, value) for code, value in stated if value]


def _refusal(view: ExhibitView, language: words.Language) -> problems.Trouble | None:
    """Why the road ended, in the same form as any other trouble."""
    if view.refusal is None:
        return None
    told = {name: view.refusal.get(name, "") for name in ("code", "expected", "found", "act")}
    return problems.trouble_of(Refused(told.pop("code"), **told), language)


def _held_up(
    platform: Platform, view: ExhibitView, language: words.Language
) -> tuple[problems.Trouble, datetime, bool] | None:
    """By what its road is held up, since when, and whether somebody must act first."""
    found = platform.halting.find(view.exhibit) if view.missing else None
    if found is None:
        return None
    told = dict(found.problem)
    problem = Refused(told.pop("code"), **told)
    return problems.trouble_of(problem, language), found.observed_at, found.refused


def zip_of(request: Request, made: Shared, name: str) -> Response:
    disposition, tag = disposition_of(name, inline=False), ranges.tag_of(made.digest)
    return _given(request, made.opened, "application/zip", disposition, "no-store", tag)


def attachment(
    request: Request, opened: BinaryIO, exhibit: str, name: str, *, inline: bool
) -> Response:
    """`name`: of the paper, which never changes its octets."""
    media_type = _OWN_TYPES.get(name, "application/octet-stream")
    disposition = disposition_of(name.rpartition("/")[2], inline=inline)
    tag = ranges.tag_of(exhibit, name)
    response = _given(request, opened, media_type, disposition, "no-store", tag)
    if inline:  # a browser's PDF reader does not work inside a sandbox
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; frame-ancestors 'none'"
        )
    return response


def disposition_of(name: str, *, inline: bool) -> str:
    """RFC 6266: the name in UTF-8, percent-encoded, so that no name can end the header."""
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"


def _given(
    request: Request, opened: BinaryIO, media_type: str, disposition: str, cache: str, tag: str
) -> Response:
    headers = {
        "Content-Disposition": disposition,
        "Content-Security-Policy": HOSTILE_BYTES_POLICY,
        "Cache-Control": cache,
    }
    return ranges.given(request, opened, media_type, headers, tag=tag)
