"""`/verify`: a file with its `.tsa`, or a whole package, checked for anyone.

Where the browser's engine was built (frontend/), the page judges everything itself and nothing
is sent here; it is given the roots and the policy that this platform believes. The form stays
for browsers without scripts, for a tree without Node, and for `?by=server`: there a file is
hashed while it arrives and not written down, and a package is kept for the length of the
request. A bad exhibit is a successful answer with a failed report, so it is 200: only a form
that cannot be read at all is an error."""

import errno
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from guzheng import words
from guzheng.proof import canonical, timestamp
from guzheng.proof.digest import Digest, new_hasher
from guzheng.proof.errors import ProofError
from guzheng.proof.package import CERTIFICATE_JSON, EXHIBITS
from guzheng.proof.report import Outcome, Report
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.web import problems, spelling
from guzheng.web.arriving import strangers_apart
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.guard import GIVEN_PICTURES_POLICY
from guzheng.web.intake_form import MULTIPART_OVERHEAD
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.readings import fact, says_clock_not_verified
from guzheng.web.spelling import moment_of
from guzheng.web.uploads import Field, parts_of
from guzheng.web.verdicts import Subject, Verdict, verdict_of

ENGINE: Final = "built/verify.js"
TOKEN_LIMIT: Final = 1024 * 1024
# Of the disk that packages of strangers lie on for a while: evidence may come in on the same.
LEFT_FREE: Final = 1 << 30
LEFT_PART: Final = 10  # and no more than one in so many, where it is small
_BINARY: Final = {"type": "string", "format": "binary"}
_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                        "token": _BINARY,
                        "file": _BINARY,
                        "package": _BINARY,
                    },
                }
            }
        },
    }
}


@dataclass(slots=True)
class Submitted:
    """What a verification form held."""

    name: str = ""
    size: int | None = None
    digest: Digest | None = None
    token: bytes | None = None
    token_name: str = ""
    package: Path | None = None

    @property
    def bare(self) -> bool:
        """A token without the answer round it, which OpenSSL has to be told: it begins with a
        name (OID), an answer with a status."""
        octets = self.token or b""
        long = octets[1] & 0x7F if octets[1:2] >= b"\x80" else 0
        return octets[:1] == b"\x30" and octets[2 + long : 3 + long] == b"\x06"


RULES: Final[Mapping[str, Rule]] = {
    "GET /verify": PUBLIC,
    "POST /verify": PUBLIC,
    "POST /api/verify": PUBLIC,
}


class _Page(Protocol):
    """The page, with what is known by then: nothing yet, what is wrong, or a verdict."""

    def __call__(
        self,
        request: Request,
        verdict: Verdict | None,
        submitted: Submitted,
        problem: Problem | None,
        contents: Sequence[Mapping[str, object]] = (),
    ) -> Response: ...


def _page_of(platform: Platform, pages: Pages, package_limit: int) -> _Page:
    def page(
        request: Request,
        verdict: Verdict | None,
        submitted: Submitted,
        problem: Problem | None,
        contents: Sequence[Mapping[str, object]] = (),
    ) -> Response:
        language = language_of(request)
        trouble = problems.trouble_of(problem, language) if problem else None
        built = ENGINE in pages.static
        here = built and request.method in READ and request.query_params.get("by") != "server"
        facts = {
            "section": "verify",
            "built": built,
            "engine": _believed(platform) if here else None,
            "verdict": verdict,
            "submitted": submitted,
            "trouble": trouble,
            "contents": contents,
            "package_limit": package_limit,
        }
        status = trouble.status if trouble else 200
        rendered = pages.render(request, "verify.html", facts, status_code=status)
        rendered.headers["Content-Security-Policy"] = GIVEN_PICTURES_POLICY
        return rendered

    return page


def routes(
    platform: Platform, pages: Pages, *, upload_limit: int, package_limit: int
) -> APIRouter:
    router = APIRouter()
    page = _page_of(platform, pages, package_limit)

    @router.api_route("/verify", methods=READ, include_in_schema=False)
    def show(request: Request) -> Response:
        return page(request, None, Submitted(), None)

    @router.post("/verify", include_in_schema=False)
    @strangers_apart
    def verify(request: Request) -> Response:
        submitted = Submitted()
        limit = max(upload_limit, package_limit)
        with tempfile.TemporaryDirectory(prefix="guzheng-verify-") as folder:
            try:
                _receive(request, submitted, Path(folder), limit, package_limit)
                subject, report = _report(platform, submitted)
            except Problem as problem:
                return page(request, None, submitted, problem)
            contents = _contents(submitted, subject, report)
        attested_at = _attested_at(submitted, contents, report)
        verdict = verdict_of(
            report,
            subject,
            attested_at,
            language_of(request),
            clock_not_verified=_clock_not_verified(submitted, contents, report),
        )
        return page(request, verdict, submitted, None, contents)

    @router.post("/api/verify", tags=["verify"], openapi_extra=_FORM)
    @strangers_apart
    def verify_for_programs(request: Request) -> Response:
        """Multipart: `sha256` or `file`, with `token`; or `package`. Gives the report."""
        submitted = Submitted()
        limit = max(upload_limit, package_limit)
        with tempfile.TemporaryDirectory(prefix="guzheng-verify-") as folder:
            _receive(request, submitted, Path(folder), limit, package_limit)
            _, report = _report(platform, submitted)
        return JSONResponse(_report_members(report, language_of(request)))

    return router


def _believed(platform: Platform) -> dict[str, str]:
    """What the platform tells the browser's engine to believe, as it tells guzheng-verify."""
    return {
        "roots": platform.roots_pem().decode("ascii", "replace"),
        "policy": platform.ledger_policy().decode("utf-8", "replace"),
    }


def _receive(
    request: Request, submitted: Submitted, folder: Path, limit: int, package_limit: int
) -> None:
    for part in parts_of(request, limit=limit + MULTIPART_OVERHEAD):
        if isinstance(part, Field):
            _take_field(part, submitted)
        elif not part.name:
            continue
        elif part.field == "token":
            submitted.token = _bounded(part.chunks)
            submitted.token_name = part.name
        elif part.field == "package":
            submitted.name = part.name
            submitted.package = folder / "package.zip"
            submitted.size = _write(part.chunks, submitted.package, package_limit)
        elif part.field == "file":
            submitted.name = part.name
            submitted.digest, submitted.size = _hashed(part.chunks)


def _take_field(part: Field, submitted: Submitted) -> None:
    match part.name:
        case "sha256" if part.text:
            try:
                submitted.digest = Digest.parse(f"sha256:{part.text.strip()}")
            except ProofError as error:
                raise Refused(error.code, expected=error.expected, found=error.found) from error
        case "name":
            submitted.name = part.text[:300]
        case "size" if part.text.isdecimal() and len(part.text) < 16:
            submitted.size = int(part.text)


def _report(platform: Platform, submitted: Submitted) -> tuple[Subject, Report]:
    if submitted.package is not None:
        with submitted.package.open("rb") as file:
            is_pdf = file.read(4) == b"%PDF"
        subject: Subject = "certificate" if is_pdf else "package"
        return subject, platform.verify_package(submitted.package)
    if submitted.digest is None or submitted.token is None:
        present = [
            name
            for name, value in (("file", submitted.digest), (".tsa", submitted.token))
            if value is not None
        ]
        raise Refused(
            "web.needs-both", expected="file + .tsa", found=" + ".join(present) or "none"
        )
    return "pair", platform.verify_file(submitted.digest, submitted.token)


def _contents(
    submitted: Submitted, subject: Subject, report: Report
) -> list[Mapping[str, object]]:
    """What a package that passed says of its exhibits; one that did not is not read at all, nor
    a certificate alone: its PDF is signed, and what lies behind it is not."""
    if submitted.package is None or report.outcome is not Outcome.PASSED:
        return []
    if subject != "package" or not zipfile.is_zipfile(submitted.package):
        return []
    with zipfile.ZipFile(submitted.package) as parcel:
        names = [
            name
            for name in parcel.namelist()
            if name.startswith(EXHIBITS) and name.endswith(f"/{CERTIFICATE_JSON}")
        ]
        return [canonical.parse_object(parcel.read(name)) for name in names]


def _attested_at(
    submitted: Submitted, contents: Sequence[Mapping[str, object]], report: Report
) -> datetime | None:
    """The latest seal of a package, or the token's own time."""
    if submitted.package is not None:
        seals = [moment_of(fact(one, "seal", "attested_at")) for one in contents]
        return max((at for at in seals if at is not None), default=None)
    if report.outcome is not Outcome.PASSED or submitted.token is None:
        return None
    return timestamp.parse(submitted.token).attested_at


def _clock_not_verified(
    submitted: Submitted, contents: Sequence[Mapping[str, object]], report: Report
) -> bool:
    """Whether any of those timestamps says of itself that its clock was not verified."""
    if submitted.package is not None:
        return any(says_clock_not_verified(one) for one in contents)
    if report.outcome is not Outcome.PASSED or submitted.token is None:
        return False
    return timestamp.parse(submitted.token).policy == timestamp.CLOCK_NOT_VERIFIED


def _bounded(chunks: Iterator[bytes]) -> bytes:
    whole = b""
    for chunk in chunks:
        whole += chunk
        if len(whole) > TOKEN_LIMIT:
            raise Refused(
                "web.token-too-big", expected=f"≤ {TOKEN_LIMIT:,}", found="more octets"
            )
    return whole


def _hashed(chunks: Iterator[bytes]) -> tuple[Digest, int]:
    hasher = new_hasher("sha256")
    size = 0
    for chunk in chunks:
        hasher.update(chunk)
        size += len(chunk)
    return Digest("sha256", hasher.digest()), size


def _write(chunks: Iterator[bytes], path: Path, limit: int) -> int:
    """A form that has several means the last."""
    size = 0
    try:
        with path.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise Refused(
                        "web.upload-too-big",
                        expected=f"≤ {limit:,} octets",
                        found="more octets",
                    )
                _require_room(path.parent, len(chunk))
                file.write(chunk)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise _no_room() from error
    return size


def _require_room(folder: Path, octets: int) -> None:
    disk = shutil.disk_usage(folder)
    if disk.free - octets < min(LEFT_FREE, disk.total // LEFT_PART):
        raise _no_room()


def _no_room() -> Unavailable:
    return Unavailable(
        "verify.no-room",
        expected="room on the server's disk",
        found="too little",
        act="check it with guzheng-verify on your own machine, or try again later",
    )


def _report_members(report: Report, language: words.Language) -> dict[str, object]:
    return {
        "outcome": report.outcome.value,
        "findings": [
            {
                "step": one.step,
                "rule": one.rule,
                "outcome": one.outcome.value,
                "code": one.code,
                "subject": spelling.visible(one.subject),
                "expected": one.expected,
                "found": one.found,
                "words": words.find_words(f"proof.{one.code}", language) or "",
            }
            for one in report.findings
        ],
    }
