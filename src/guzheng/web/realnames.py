"""`/me/name`: a real name is asked to be attested; `/operator/reviews`: an operator decides.

What the account's own people see is masked. What a reviewer sees is drawn anew from the
documents; the octets as they came in leave only as an attachment that can neither run nor
load. No page here may be kept by a browser."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng import words
from guzheng.accounts import Acting, Permission
from guzheng.accounts.documents import LARGEST
from guzheng.accounts.realnames import MOST_DOCUMENTS, STATEMENT, NameRequest
from guzheng.proof.manifest import APPLICANTS
from guzheng.refusals import Problem, Refused
from guzheng.store import ids
from guzheng.web import problems
from guzheng.web.arriving import apart
from guzheng.web.gate import OPERATOR, SIGNED_IN, Rule, acting_of
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import reached_of
from guzheng.web.uploads import Field, File, parts_of

RULES: Final[Mapping[str, Rule]] = {
    "GET /me/name": SIGNED_IN,
    "POST /me/name": Permission.MEMBERS,
    "GET /operator/reviews": OPERATOR,
    "GET /operator/reviews/{review}": OPERATOR,
    "POST /operator/reviews/{review}/{decision}": OPERATOR,
    "GET /operator/reviews/{review}/documents/{number}": OPERATOR,
    "GET /operator/reviews/{review}/pictures/{number}": OPERATOR,
}
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
_OVERHEAD: Final = 1024 * 1024
_LISTED: Final = 50
_TEXTS: Final = ("kind", "name", "number")


@dataclass(slots=True)
class Handed:
    """What one form brought."""

    form: dict[str, str] = field(default_factory=dict)
    papers: list[bytes] = field(default_factory=list)


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _asking_routes(router, platform, pages)
    _reviewing_routes(router, platform, pages)
    _document_routes(router, platform)
    return router


def _asking_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:

    def own_page(
        request: Request, form: Mapping[str, str], refused: Problem | None = None
    ) -> Response:
        acting = acting_of(request)
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        facts = {
            "section": "me",
            "view": platform.names.view(acting.account),
            "may_ask": acting.may(Permission.MEMBERS),
            "is_on": platform.names.is_on,
            "is_required": platform.names.is_required,
            "kinds": APPLICANTS,
            "form": {name: form.get(name, "") for name in _TEXTS},
            "largest": LARGEST,
            "most": MOST_DOCUMENTS,
            "trouble": trouble,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "real_name.html", facts, status_code=status)

    @router.api_route("/me/name", methods=READ)
    def show(request: Request) -> Response:
        return own_page(request, {})

    @router.post("/me/name")
    @apart
    def ask(request: Request) -> Response:
        handed = Handed()
        try:
            _receive(request, handed)
            kind, name, number = (handed.form.get(one, "") for one in _TEXTS)
            platform.names.ask(acting_of(request), kind, name, number, handed.papers)
        except Problem as problem:
            return own_page(request, handed.form, problem)
        return _see("/me/name")


def _reviewing_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    @router.api_route("/operator/reviews", methods=READ)
    def queue(request: Request, before: str = "") -> Response:
        before = before if ids.is_id(before) else ""
        decided = platform.names.decided(_LISTED + 1, before or None)
        facts = {
            "section": "me",
            "pending": platform.names.pending(),
            "latest": decided[:_LISTED],
            "next": decided[_LISTED - 1].request if len(decided) > _LISTED else None,
            "before": before,
        }
        return pages.render(request, "reviews.html", facts)

    def review_page(
        request: Request, review: str, reason: str = "", refused: Problem | None = None
    ) -> Response:
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        view = platform.names.review(review, acting_of(request))
        facts = {
            "section": "me",
            "view": view,
            "one": view.request,
            "names": platform.members.names_of(
                {view.request.person, *(one.by_person for one in view.request.events)}
            ),
            "documents": [one for one in view.request.documents if one.number != STATEMENT],
            "reason": reason,
            "register": platform.names.register_name,
            "trouble": trouble,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "review.html", facts, status_code=status)

    @router.api_route("/operator/reviews/{review}", methods=READ)
    def open_review(request: Request, review: str) -> Response:
        return review_page(request, review)

    @router.post("/operator/reviews/{review}/{decision}")
    def decide(request: Request, review: str, decision: str) -> Response:
        plain = decision in {"approve", "compare"}
        reason = "" if plain else form_of(request).get("reason", "")
        try:
            one = _decide(platform, acting_of(request), review, decision, reason)
        except Problem as refused:
            if refused.code in {"accounts.name-not-found", "web.not-found"}:
                raise
            return review_page(request, review, reason, refused)
        if one is not None:
            _tell(request, platform, one, reason)
        return _see(f"/operator/reviews/{review}")


def _tell(request: Request, platform: Platform, one: NameRequest, reason: str) -> None:
    """To who asked; he would have to look every day. The decision stands without it."""
    person = platform.people.find_person(one.person)
    if person is None:
        return
    link = f"{platform.people.address(reached_of(request))}/me/name"
    with contextlib.suppress(Problem):
        letter, language = f"name-{one.state}", words.SOURCE
        platform.people.write_to(person.address, letter, language, reason=reason, link=link)


def _document_routes(router: APIRouter, platform: Platform) -> None:
    """What a reviewer sees of what was handed in."""

    @router.api_route("/operator/reviews/{review}/documents/{number}", methods=READ)
    def take_document(request: Request, review: str, number: int) -> Response:
        media_type, octets = platform.names.document(review, number, acting_of(request))
        name = f"{review}-{number}.{_ENDINGS[media_type]}"
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": HOSTILE_BYTES_POLICY,
        }
        return Response(octets, media_type="application/octet-stream", headers=headers)

    @router.api_route("/operator/reviews/{review}/pictures/{number}", methods=READ)
    def picture(request: Request, review: str, number: int) -> Response:
        octets = platform.names.picture(review, number, acting_of(request))
        headers = {"Content-Security-Policy": HOSTILE_BYTES_POLICY}
        return Response(octets, media_type="image/jpeg", headers=headers)


def _decide(
    platform: Platform, acting: Acting, review: str, decision: str, reason: str
) -> NameRequest | None:
    """The request, where something was decided."""
    match decision:
        case "approve":
            return platform.names.approve(review, acting)
        case "compare":
            platform.names.compare(review, acting)
            return None
        case "refuse":
            return platform.names.refuse(review, acting, reason)
        case "withdraw":
            return platform.names.withdraw(review, acting, reason)
        case _:
            raise Refused("web.not-found", found=decision[:60])


def _receive(request: Request, handed: Handed) -> None:
    for part in parts_of(request, limit=MOST_DOCUMENTS * LARGEST + _OVERHEAD):
        if isinstance(part, Field):
            handed.form[part.name] = part.text
        elif part.name:  # a file input left empty is sent as a file without a name
            handed.papers.append(_whole(part))


def _whole(part: File) -> bytes:
    octets = bytearray()
    for chunk in part.chunks:
        octets += chunk
        if len(octets) > LARGEST:
            raise Refused(
                "accounts.document-too-large",
                expected=f"at most {LARGEST:,} octets",
                found=f"more in {part.name[:80]}",
            )
    return bytes(octets)


def _see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
