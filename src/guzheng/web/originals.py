"""Deposits of a fingerprint alone, and originals that come later.

`/digests` makes the fingerprint in the reader's own browser: the file field has no name, so no
form sends it, and what is posted are texts that can be typed as well. An original that comes
later is compared with what was sealed, and refused where a single bit differs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from guzheng.accounts import Permission
from guzheng.app.originals import Fingerprint
from guzheng.keep.custody import BROUGHT, TAKEN
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Problem, Refused
from guzheng.web import problems, spelling
from guzheng.web.arriving import apart, whole_body
from guzheng.web.exhibits import attachment
from guzheng.web.gate import Rule, acting_of
from guzheng.web.intake_form import MULTIPART_OVERHEAD, claims_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.uploads import PLAIN_FORM_LIMIT, File, parts_of

RULES: Final[Mapping[str, Rule]] = {
    "GET /digests": Permission.DEPOSIT,
    "POST /digests": Permission.DEPOSIT,
    "POST /api/digests": Permission.DEPOSIT,
    "POST /exhibits/{exhibit}/original": Permission.DEPOSIT,
    "GET /exhibits/{exhibit}/original/{name:path}": Permission.DOWNLOAD,
}
_MEMBERS: Final = frozenset(
    {
        *("name", "size", "sha256", "sm3", "media_type"),
        *("claimed_name", "claimed_applicant", "claimed_purpose"),
    }
)
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["name", "size", "sha256"],
                    "additionalProperties": False,
                    "properties": {
                        one: {"type": "integer", "minimum": 1}
                        if one == "size"
                        else {"type": "string", "maxLength": 500}
                        for one in sorted(_MEMBERS)
                    },
                }
            }
        },
    }
}


def routes(platform: Platform, pages: Pages, *, upload_limit: int) -> APIRouter:
    router = APIRouter()
    _digest_routes(router, platform, pages)
    _original_routes(router, platform, upload_limit)
    return router


def _digest_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    """Fingerprints alone, from a form and from a program."""

    def form_page(
        request: Request, form: Mapping[str, str], problem: Problem | None
    ) -> Response:
        language = language_of(request)
        trouble = problems.trouble_of(problem, language) if problem else None
        facts = {
            "section": "capture",
            "form": form,
            "today": spelling.beijing_day(platform.now()),
            "trouble": trouble,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "digests.html", facts, status_code=status)

    @router.api_route("/digests", methods=READ, include_in_schema=False)
    def page(request: Request) -> Response:
        return form_page(request, {}, None)

    @router.post("/digests", include_in_schema=False)
    def deposit(request: Request) -> Response:
        form: dict[str, str] = {}
        for part in parts_of(request, limit=PLAIN_FORM_LIMIT):
            if not isinstance(part, File):
                form[part.name] = part.text
        try:
            exhibit = _deposit(platform, request, form)
        except Problem as problem:
            return form_page(request, form, problem)
        return RedirectResponse(f"/exhibits/{exhibit}", HTTPStatus.SEE_OTHER)

    @router.post(
        "/api/digests",
        tags=["exhibits"],
        status_code=HTTPStatus.CREATED,
        openapi_extra=_BODY,
    )
    def deposit_of_program(request: Request) -> Response:
        """Deposits a fingerprint: the file itself stays with its owner.

        `sha256` and `sm3` are 64 hexadecimal digits, made of the whole file."""
        exhibit = _deposit(platform, request, _members(request))
        address = f"/exhibits/{exhibit}"
        return JSONResponse(
            {"exhibit": exhibit, "address": address},
            status_code=HTTPStatus.CREATED,
            headers={"Location": f"/api{address}"},
        )


def _original_routes(router: APIRouter, platform: Platform, upload_limit: int) -> None:
    """Their originals, when they come after all."""

    @router.post("/exhibits/{exhibit}/original", include_in_schema=False)
    @apart
    def attach(request: Request, exhibit: str) -> Response:
        for part in parts_of(request, limit=upload_limit + MULTIPART_OVERHEAD):
            if isinstance(part, File) and part.name:
                name = platform.originals.attach(exhibit, part.name, part.chunks)
                acting = acting_of(request)
                platform.keeping.tell(
                    BROUGHT, [exhibit], said=name, account=acting.account, person=acting.person
                )
                return RedirectResponse(f"/exhibits/{exhibit}#original", HTTPStatus.SEE_OTHER)
        raise Refused("web.no-file", expected="one file", found="none")

    @router.api_route(
        "/exhibits/{exhibit}/original/{name:path}", methods=READ, include_in_schema=False
    )
    def original(request: Request, exhibit: str, name: str) -> Response:
        opened = platform.originals.open(exhibit, name)
        if request.method == "GET":
            acting = acting_of(request)
            platform.keeping.tell(
                TAKEN, [exhibit], said=name, account=acting.account, person=acting.person
            )
        return attachment(request, opened, exhibit, f"items/{name}", inline=False)


def _deposit(platform: Platform, request: Request, form: Mapping[str, str]) -> str:
    acting, claims = acting_of(request), claims_of(dict(form))
    size = form.get("size", "").strip()
    if not size.isascii() or not size.isdecimal() or len(size) > 17:
        raise Refused(
            "intake.fingerprint-refused",
            expected="the file's size in octets",
            found=repr(size[:40]),
        )
    return platform.originals.deposit(
        Fingerprint(
            form.get("name", "").strip(),
            int(size),
            form.get("sha256", ""),
            form.get("sm3", ""),
            form.get("media_type", "").strip(),
        ),
        claimed_name=claims.name,
        claimed_applicant=claims.applicant,
        claimed_purpose=claims.purpose,
        account=acting.account,
        person=acting.person,
    )


def _members(request: Request) -> dict[str, str]:
    text = whole_body(request, limit=PLAIN_FORM_LIMIT)
    try:
        members = canonical.parse_any(text)
    except Malformed as error:
        raise _malformed(str(error)) from error
    if not isinstance(members, dict) or not set(members) <= _MEMBERS:
        raise _malformed("other members")
    size = members.get("size")
    if not isinstance(size, int) or isinstance(size, bool):
        raise _malformed("a size that is no number")
    members["size"] = str(size)
    if not all(isinstance(one, str) for one in members.values()):
        raise _malformed("a member that is not text")
    return members


def _malformed(found: str) -> Refused:
    expected = f"an object of {', '.join(sorted(_MEMBERS))}"
    return Refused("web.malformed-json", expected=expected, found=found[:200])
