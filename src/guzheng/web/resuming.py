"""`/api/uploads`: uploads that survive bad networks, as tus 1.0.0 has them (tus.io).

Creation, termination, checksum and expiration. The state of an upload can also be read as JSON,
with the digest of each part that is here: so a sender that was closed meanwhile can see whether
it has the same file in hand before it goes on. When the last octet came the upload becomes a
deposit; the answer names it (`Guzheng-Exhibit`), and so does every later one."""

import base64
import binascii
import functools
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final, TypeVar, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from guzheng.accounts import Permission
from guzheng.app.uploading import CHECKED, Checksum
from guzheng.intake.uploads import KEPT, Arriving
from guzheng.proof import instant
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.arriving import apart, body_of
from guzheng.web.gate import PUBLIC, Rule, acting_of, require_own
from guzheng.web.intake_form import claims_of
from guzheng.web.pages import language_of
from guzheng.web.ports import Platform

VERSION: Final = "1.0.0"
OCTETS: Final = "application/offset+octet-stream"
EXTENSIONS: Final = "creation,termination,checksum,expiration"
ALGORITHMS: Final = {"sha1": 20, "sha256": 32}
METADATA_LIMIT: Final = 8192
CHECKSUM_MISMATCH: Final = 460  # of tus; HTTP has no name for it

RULES: Final[Mapping[str, Rule]] = {
    "OPTIONS /api/uploads": PUBLIC,
    "GET /api/uploads": Permission.DEPOSIT,
    "POST /api/uploads": Permission.DEPOSIT,
    "GET /api/uploads/{upload}": Permission.DEPOSIT,
    "PATCH /api/uploads/{upload}": Permission.DEPOSIT,
    "DELETE /api/uploads/{upload}": Permission.DEPOSIT,
    "POST /api/uploads/{upload}": Permission.DEPOSIT,
}


_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Response])


def _spoken(endpoint: _Endpoint) -> _Endpoint:
    """What goes wrong is told with the headers that tus wants in every answer."""

    @functools.wraps(endpoint)
    def answered(request: Request, **named: str) -> Response:
        try:
            return endpoint(request, **named)
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            mismatch = problem.code == "upload.checksum-differs"
            status = CHECKSUM_MISMATCH if mismatch else int(trouble.status)
            return JSONResponse(
                {**problems.problem_members(trouble), "status": status},
                status_code=status,
                media_type="application/problem+json",
                headers={
                    **problems.headers_of(trouble),
                    "Tus-Resumable": VERSION,
                    "Tus-Version": VERSION,
                },
            )

    return cast(_Endpoint, answered)


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["uploads"])
    _account_routes(router, platform)
    _upload_routes(router, platform)
    return router


def _account_routes(router: APIRouter, platform: Platform) -> None:
    """What this server can do, what is unfinished, and a beginning."""

    @router.options("/uploads", status_code=HTTPStatus.NO_CONTENT)
    def discover() -> Response:
        """What this server can do of tus."""
        return _answer(
            HTTPStatus.NO_CONTENT,
            {
                "Tus-Version": VERSION,
                "Tus-Extension": EXTENSIONS,
                "Tus-Max-Size": str(platform.uploads.largest),
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )

    @router.get("/uploads")
    def listing(request: Request) -> Response:
        """The unfinished uploads of the account, newest first."""
        found = platform.uploads.unfinished(account=acting_of(request).account)
        return JSONResponse({"uploads": [_members(one) for one in found]})

    @router.post("/uploads", status_code=HTTPStatus.CREATED)
    @_spoken
    def create(request: Request) -> Response:
        """Begin an upload of `Upload-Length` octets. `Upload-Metadata` may hold filename,
        filetype, sha256 (of the whole), claimed_name, claimed_applicant, claimed_purpose, and
        original_of: the hash-only deposit whose original this is."""
        _require_version(request)
        one = platform.uploads.open(_wanted(request))
        headers = {"Location": f"/api/uploads/{one.upload}", **_state(one)}
        return _answer(HTTPStatus.CREATED, headers)


def _upload_routes(router: APIRouter, platform: Platform) -> None:
    """One upload that was begun."""

    @router.head("/uploads/{upload}", include_in_schema=False)
    @router.get("/uploads/{upload}")
    @_spoken
    def look(request: Request, upload: str) -> Response:
        """How far it is: `HEAD` as tus has it, `GET` as JSON with the parts that are here."""
        if request.method == "HEAD":
            _require_version(request)
        one = platform.uploads.find(upload)
        headers = {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **_state(one)}
        if request.method == "HEAD":
            return Response(headers=headers)
        return JSONResponse(_members(one), headers=headers)

    def receive(request: Request, upload: str) -> Response:
        _require_version(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != OCTETS:
            raise Refused("upload.not-octets", expected=OCTETS, found=kind[:80] or "none")
        checksum, offset = _checksum(request), _count(request, "Upload-Offset")
        left = platform.uploads.find(upload)
        limit = max(0, left.size - left.offset)
        chunks = body_of(request, limit=min(limit, CHECKED) if checksum else limit)
        one = platform.uploads.receive(upload, offset, chunks, checksum=checksum)
        return _answer(HTTPStatus.NO_CONTENT, _state(one))

    @router.patch("/uploads/{upload}", status_code=HTTPStatus.NO_CONTENT)
    @apart
    @_spoken
    def patch(request: Request, upload: str) -> Response:
        """Octets from `Upload-Offset` on; `Upload-Checksum` makes them all or nothing."""
        return receive(request, upload)

    @router.delete("/uploads/{upload}", status_code=HTTPStatus.NO_CONTENT)
    @_spoken
    def terminate(request: Request, upload: str) -> Response:
        """Give it up: what came so far is cleared away. A deposit that was made stays."""
        _require_version(request)
        platform.uploads.stop(upload)
        return _answer(HTTPStatus.NO_CONTENT, {})

    @router.post("/uploads/{upload}", status_code=HTTPStatus.NO_CONTENT)
    @apart
    @_spoken
    def overridden(request: Request, upload: str) -> Response:
        """PATCH or DELETE, where something on the way lets neither through:
        `X-HTTP-Method-Override` says which."""
        match request.headers.get("x-http-method-override", "").upper():
            case "PATCH":
                return receive(request, upload)
            case "DELETE":
                return terminate(request, upload=upload)
            case other:
                raise Refused("web.method-not-allowed", expected="PATCH", found=other[:20])


def _wanted(request: Request) -> Arriving:
    said, acting = _metadata(request), acting_of(request)
    claims = claims_of(said)
    original_of = said.get("original_of", "")
    if original_of:
        require_own(request, "exhibit", original_of)
    sha256 = said.get("sha256", "").lower()
    if sha256 and (len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef")):
        raise Refused("upload.malformed", expected="sha256: 64 digits", found=sha256[:80])
    nowhere = instant.parse("1970-01-01T00:00:00.000Z")  # when is not the sender's to say
    return Arriving(
        upload="",
        name=said.get("filename", ""),
        size=_count(request, "Upload-Length"),
        opened_at=nowhere,
        expires_at=nowhere,
        account=acting.account,
        person=acting.person,
        media_type=said.get("filetype", ""),
        sha256=sha256,
        claimed_name=claims.name or "",
        claimed_applicant=claims.applicant or "",
        claimed_purpose=claims.purpose or "",
        original_of=original_of,
    )


def _metadata(request: Request) -> dict[str, str]:
    """Names and values in base64, with commas between: tus 1.0.0, Upload-Metadata."""
    text = request.headers.get("upload-metadata", "")
    if len(text) > METADATA_LIMIT:
        raise Refused("upload.malformed", expected=f"≤ {METADATA_LIMIT}", found=str(len(text)))
    said: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            said[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise Refused(
                "upload.malformed", expected="base64 of UTF-8", found=f"{name[:40]}: {error}"
            ) from error
    return said


def _checksum(request: Request) -> Checksum | None:
    text = request.headers.get("upload-checksum", "")
    if not text:
        return None
    algorithm, _, value = text.partition(" ")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != ALGORITHMS.get(algorithm, -1):
        raise Refused(
            "upload.malformed", expected=f"{' or '.join(ALGORITHMS)}, base64", found=text[:80]
        )
    return Checksum(algorithm, digest)


def _count(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 16:
        raise Refused("upload.malformed", expected=f"{name}: a number", found=repr(text[:40]))
    return int(text)


def _require_version(request: Request) -> None:
    found = request.headers.get("tus-resumable", "")
    if found != VERSION:
        raise Refused("upload.version", expected=f"Tus-Resumable: {VERSION}", found=found[:20])


def _state(one: Arriving) -> dict[str, str]:
    headers = {"Upload-Offset": str(one.offset), "Upload-Length": str(one.size)}
    if not one.ended:
        headers["Upload-Expires"] = format_datetime(one.expires_at, usegmt=True)
    if one.ended == KEPT:
        headers["Guzheng-Exhibit"] = one.exhibit
    return headers


def _members(one: Arriving) -> dict[str, object]:
    members: dict[str, object] = {
        "upload": one.upload,
        "address": f"/api/uploads/{one.upload}",
        "name": one.name,
        "size": one.size,
        "offset": one.offset,
        "opened_at": instant.encode(one.opened_at),
        "expires_at": instant.encode(one.expires_at),
        "parts": [
            {"offset": part.begins, "size": part.size, "sha256": part.sha256}
            for part in one.parts
        ],
    }
    if one.original_of:
        members["original_of"] = one.original_of
    if one.ended == KEPT:
        members["exhibit"] = one.exhibit
    elif one.ended:
        members["refused"] = one.ended
    return members


def _answer(status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    return Response(
        status_code=status,
        headers={"Tus-Resumable": VERSION, "Cache-Control": "no-store", **headers},
    )
