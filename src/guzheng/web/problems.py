"""Errors become HTTP here, once: problem+json (RFC 9457) for programs, a page for people.

`Refused` is the caller's to act on (4xx), `Unavailable` an outside party's or ours to mend
(503, with Retry-After), anything else is our bug: 500, with a number to quote and no detail,
since a traceback tells a stranger more about us than about the fault. A page keeps what was
expected, what was found and who must act apart, so that the reader sees which one is his."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from guzheng import words
from guzheng.refusals import Problem, Unavailable
from guzheng.web.telling import NOTHING_TOLD, Told, told_of

RETRY_AFTER_SECONDS = 15

# A code names what happened, so its last part tells the status; the rest is 422: understood,
# and refused by a rule. Nothing outside this table may choose a 4xx.
_STATUS_OF_CODE = {
    "sharing.expired": HTTPStatus.GONE,
    "sharing.revoked": HTTPStatus.GONE,
    "sharing.closed": HTTPStatus.GONE,
    "sharing.code-wanted": HTTPStatus.FORBIDDEN,
    "sharing.too-many-codes": HTTPStatus.TOO_MANY_REQUESTS,
    "sharing.too-many-packages": HTTPStatus.TOO_MANY_REQUESTS,
    "sharing.no-such-file": HTTPStatus.NOT_FOUND,
    "package.removed": HTTPStatus.GONE,
    "web.upload-too-big": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "web.too-many-files": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "web.cross-site": HTTPStatus.FORBIDDEN,
    "web.unknown-name": HTTPStatus.MISDIRECTED_REQUEST,
    "accounts.not-signed-in": HTTPStatus.UNAUTHORIZED,
    "accounts.key-refused": HTTPStatus.UNAUTHORIZED,
    "accounts.not-permitted": HTTPStatus.FORBIDDEN,
    "accounts.off": HTTPStatus.NOT_FOUND,
    "accounts.link-dead": HTTPStatus.GONE,
    "accounts.prove-again": HTTPStatus.FORBIDDEN,
    "accounts.identity-off": HTTPStatus.NOT_FOUND,
    "accounts.second-step-wanted": HTTPStatus.FORBIDDEN,
    "accounts.identity-unknown": HTTPStatus.FORBIDDEN,
    "accounts.identity-declined": HTTPStatus.FORBIDDEN,
    "accounts.identity-not-proved": HTTPStatus.FORBIDDEN,
    "accounts.identity-over": HTTPStatus.GONE,
    "accounts.identity-taken": HTTPStatus.CONFLICT,
    "accounts.identity-last": HTTPStatus.CONFLICT,
    "accounts.sign-in-refused": HTTPStatus.FORBIDDEN,
    "accounts.too-often": HTTPStatus.TOO_MANY_REQUESTS,
    "accounts.code-over": HTTPStatus.GONE,
    "accounts.sms-budget": HTTPStatus.TOO_MANY_REQUESTS,
    "accounts.name-wanted": HTTPStatus.FORBIDDEN,
    "accounts.name-pending": HTTPStatus.CONFLICT,
    "accounts.not-in-edition": HTTPStatus.PAYMENT_REQUIRED,
    "accounts.name-decided": HTTPStatus.CONFLICT,
    "accounts.operator-only": HTTPStatus.FORBIDDEN,
    "accounts.beyond-own": HTTPStatus.FORBIDDEN,
    "accounts.key-needs-person": HTTPStatus.FORBIDDEN,
    "accounts.already-member": HTTPStatus.CONFLICT,
    "accounts.last-owner": HTTPStatus.CONFLICT,
    "accounts.changed-meanwhile": HTTPStatus.CONFLICT,
    "accounts.keys-too-many": HTTPStatus.CONFLICT,
    "accounts.invitations-too-many": HTTPStatus.CONFLICT,
    "accounts.invitation-over": HTTPStatus.GONE,
    "accounts.invitations-daily": HTTPStatus.TOO_MANY_REQUESTS,
    "webhooks.too-many": HTTPStatus.CONFLICT,
    "webhooks.made-often": HTTPStatus.TOO_MANY_REQUESTS,
    "webhooks.ended": HTTPStatus.CONFLICT,
    "webhooks.rotated-lately": HTTPStatus.CONFLICT,
    "ledger.may-not-add": HTTPStatus.FORBIDDEN,
    "cases.held": HTTPStatus.CONFLICT,
    "cases.still-cited": HTTPStatus.CONFLICT,
    "cases.closed": HTTPStatus.CONFLICT,
    "cases.changed-meanwhile": HTTPStatus.CONFLICT,
    "commission.not-confirmed": HTTPStatus.CONFLICT,
    "commission.given-up": HTTPStatus.CONFLICT,
    "commission.too-late": HTTPStatus.CONFLICT,
    "commission.not-now": HTTPStatus.CONFLICT,
    "commission.quota-spent": HTTPStatus.PAYMENT_REQUIRED,
    "web.not-a-form": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "web.not-a-timestamp-query": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "web.too-slow": HTTPStatus.REQUEST_TIMEOUT,
    "court.disputes-often": HTTPStatus.TOO_MANY_REQUESTS,
    "fix.too-many-requests": HTTPStatus.TOO_MANY_REQUESTS,
    "web.method-not-allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "web.malformed-form": HTTPStatus.BAD_REQUEST,
    "web.malformed-json": HTTPStatus.BAD_REQUEST,
    "web.cut-off": HTTPStatus.BAD_REQUEST,
    "replay.no-ticket": HTTPStatus.FORBIDDEN,
    "replay.ticket-ended": HTTPStatus.GONE,
    "upload.malformed": HTTPStatus.BAD_REQUEST,
    "upload.version": HTTPStatus.PRECONDITION_FAILED,
    "upload.not-octets": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "upload.offset-differs": HTTPStatus.CONFLICT,
    "upload.ended": HTTPStatus.CONFLICT,
    "upload.busy": HTTPStatus.LOCKED,
    "upload.expired": HTTPStatus.GONE,
    "upload.too-many": HTTPStatus.TOO_MANY_REQUESTS,
    "upload.no-room": HTTPStatus.INSUFFICIENT_STORAGE,
}
_STATUS_OF_ENDING = {
    "not-found": HTTPStatus.NOT_FOUND,
    "too-big": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One error as a program is told it, and (`told`) as a person reads it on a page."""

    code: str
    status: HTTPStatus
    title: str
    expected: str = ""
    found: str = ""
    act: str = ""
    retry_seconds: int = 0
    told: Told = NOTHING_TOLD


def status_of(code: str) -> HTTPStatus:
    ending = code.rpartition(".")[2]
    if ending.endswith("-not-found"):
        return HTTPStatus.NOT_FOUND
    known = _STATUS_OF_CODE.get(code) or _STATUS_OF_ENDING.get(ending)
    return known or HTTPStatus.UNPROCESSABLE_ENTITY


def trouble_of(problem: Problem, language: words.Language) -> Trouble:
    """The one mapping of the two families to HTTP."""
    unavailable = isinstance(problem, Unavailable)

    def act(*, sees_expected: bool) -> str:
        return act_of(
            problem.code,
            problem.act,
            language,
            unavailable=unavailable,
            sees_expected=sees_expected,
        )

    told = told_of(
        problem.code,
        {"expected": problem.expected, "found": problem.found},
        language,
        names=problem.names,
        act=act,
    )
    return Trouble(
        code=problem.code,
        status=HTTPStatus.SERVICE_UNAVAILABLE if unavailable else status_of(problem.code),
        title=sentence(problem.code, language),
        expected=told.expected or problem.expected,
        found=problem.found,
        act=told.act,
        retry_seconds=RETRY_AFTER_SECONDS if unavailable else problem.retry_seconds,
        told=told,
    )


def sentence(code: str, language: words.Language) -> str:
    """The words of a code; a code from a later version is shown as it is, never hidden."""
    known = words.find_words(code, language) or words.find_words(f"proof.{code}", language)
    return known or words.say("web.unknown-code", language, code=code)


# Whom the platform's own note names first, and the words for that party.
_PARTIES = {
    "the operator": "operator",
    "the applicant": "applicant",
    "the site": "site",
    "the developers": "developers",
    "the worker": "worker",
    "nobody": "nobody",
}


def act_of(
    code: str,
    act: str,
    language: words.Language,
    *,
    unavailable: bool = False,
    sees_expected: bool = True,
) -> str:
    """Who must act, in the reader's language: by the code, else by the party that is named,
    else by what kind of refusal it is. `act` itself is a note in English; it is shown only
    where English is read. `sees_expected`: nobody is sent to a line that is not there."""
    if known := words.find_words(f"act.{code}", language):
        return known
    if act and language == "en":
        return act
    for name, party in _PARTIES.items():
        if act.startswith(name):
            return words.say(f"act.{party}", language)
    if "the operator" in act:
        return words.say("act.operator", language)
    if unavailable:
        return words.say("act.retry", language)
    status = status_of(code)
    if status == HTTPStatus.NOT_FOUND:
        return words.say("act.not-found", language)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return words.say("act.too-large", language)
    return words.say("act.caller" if sees_expected else "act.caller-plain", language)


def headers_of(trouble: Trouble) -> dict[str, str]:
    headers = {"Retry-After": str(trouble.retry_seconds)} if trouble.retry_seconds else {}
    if trouble.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="guzheng"'  # RFC 9110 §15.5.2, RFC 6750
    return headers


def problem_members(trouble: Trouble) -> dict[str, str | int]:
    """RFC 9457; `code` is the stable name that programs compare."""
    members: dict[str, str | int] = {
        "type": "about:blank",
        "title": trouble.title,
        "status": int(trouble.status),
        "code": trouble.code,
        "expected": trouble.expected,
        "found": trouble.found,
        "act": trouble.act,
    }
    return {name: value for name, value in members.items() if value != ""}


def problem_json(trouble: Trouble) -> Response:
    return JSONResponse(
        problem_members(trouble),
        status_code=trouble.status,
        media_type="application/problem+json",
        headers=headers_of(trouble),
    )


def wants_json(request: Request) -> bool:
    """Programs get problem+json: the API, and whoever asks for JSON rather than a page."""
    accept = request.headers.get("accept", "")
    return request.url.path.startswith(("/api/", "/tsa")) or (
        "json" in accept and "text/html" not in accept
    )


def fault(number: str, language: words.Language) -> Trouble:
    """Our own bug: a number that finds it in our log, and nothing else."""
    return Trouble(
        code="web.fault",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        title=words.say("web.fault", language),
        found=number,
        act=words.say("act.report-fault", language),
        told=Told(found=number),
    )
