"""`/ledger`, asked by a court: by file, by number of a certificate, by number of an entry.

With a script the file is hashed where it lies; without one it is sent, hashed while it arrives
and not kept. No account is needed. What an answer shows of an exhibit is its certificate's
number, its time and its place in the ledger: never a name, a party or a purpose, since who asks
may hold nothing but a copy. A difference can be disputed; the form is kept (prove/disputes.py).
"""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from guzheng import words
from guzheng.ledger.ledger import FIRST, require_shard
from guzheng.proof import instant
from guzheng.proof.digest import Digest, new_hasher
from guzheng.proof.errors import ProofError
from guzheng.prove import Answer, Question
from guzheng.refusals import Problem, Refused
from guzheng.web import problems
from guzheng.web.arriving import strangers_apart
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.intake_form import MULTIPART_OVERHEAD
from guzheng.web.pages import Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import caller_of
from guzheng.web.uploads import PLAIN_FORM_LIMIT, Field, parts_of

ASKED: Final = ("sha256", "number", "index")
CLAIMS: Final = ("about", "claimed_name", "claimed_contact", "claimed_words")
_INDEX_DIGITS: Final = 16


RULES: Final[Mapping[str, Rule]] = {
    "POST /ledger/lookup": PUBLIC,
    "GET /api/ledger/lookup": PUBLIC,
    "POST /ledger/disputes": PUBLIC,
}


def routes(platform: Platform, pages: Pages, *, upload_limit: int) -> APIRouter:
    router = APIRouter()

    @router.post("/ledger/lookup", include_in_schema=False)
    @strangers_apart
    def lookup(request: Request) -> Response:
        try:
            asked = _received(request, upload_limit)
        except Problem as problem:
            return trouble(request, {}, problem)
        return show(request, platform, pages, asked, asks=True)

    @router.get("/api/ledger/lookup", tags=["ledger"])
    def lookup_for_programs(sha256: str = "", number: str = "", index: str = "") -> Response:
        """Is this file, certificate or entry in the ledger, and the same? Three answers."""
        question = question_of({"sha256": sha256, "number": number, "index": index})
        return JSONResponse({"answers": [members_of(one) for one in platform.court(question)]})

    @router.post("/ledger/disputes", include_in_schema=False)
    def dispute(request: Request) -> Response:
        claims: dict[str, str] = {}
        try:
            for part in parts_of(request, limit=PLAIN_FORM_LIMIT):
                if isinstance(part, Field) and part.name in CLAIMS:
                    claims[part.name] = part.text
            with platform.people.disputing(caller_of(request)):
                number = platform.dispute(claims)
        except Problem as problem:
            return trouble(request, {}, problem, claims)
        facts = {"section": "ledger", "dispute": number}
        return pages.render(request, "dispute.html", facts, status_code=HTTPStatus.CREATED)

    def trouble(
        request: Request,
        asked: Mapping[str, str],
        problem: Problem,
        claims: Mapping[str, str] | None = None,
    ) -> Response:
        language = language_of(request)
        found = problems.trouble_of(problem, language)
        facts = page_facts(platform, asked, language)
        facts["trouble"] = found
        if claims is not None:  # what was typed is given back
            facts |= {"disputing": True, "claims": dict.fromkeys(CLAIMS, "") | dict(claims)}
        headers = problems.headers_of(found)
        return pages.render(
            request, "ledger.html", facts, status_code=found.status, headers=headers
        )

    return router


def show(
    request: Request,
    platform: Platform,
    pages: Pages,
    asked: Mapping[str, str],
    *,
    asks: bool = False,
) -> Response:
    """The ledger's page, with the answers to what was asked, if anything was; who sent the
    form empty (`asks`) is told so."""
    language = language_of(request)
    facts = page_facts(platform, asked, language)
    status = HTTPStatus.OK
    if asks or any(asked.values()):
        try:
            facts["answers"] = platform.court(question_of(asked))
        except Problem as problem:
            trouble = problems.trouble_of(problem, language)
            facts["trouble"], status = trouble, trouble.status
    return pages.render(request, "ledger.html", facts, status_code=status)


def page_facts(
    platform: Platform, asked: Mapping[str, str], language: words.Language
) -> dict[str, object]:
    """What the page shows in any case."""
    standing = platform.ledger_standing()
    shard = next((one.name for one in standing.shards if one.state == "open"), FIRST)
    note = platform.ledger_read("checkpoint", shard)
    cosigned = {one.name: one.attested_at for one in standing.cosigned}
    return {
        "section": "ledger",
        "checkpoint": note.decode("utf-8", "replace") if note else "",
        "reading": _reading(note) if note else None,
        "vkey": platform.ledger_vkey(),
        "shards": standing.shards if len(standing.shards) > 1 else (),
        "witnesses": [(name, cosigned.get(name)) for name, _ in standing.witnesses],
        "asked": {name: asked.get(name, "") for name in (*ASKED, "name")},
        "about": " · ".join(asked[name] for name in (*ASKED, "name") if asked.get(name)),
        "answers": (),
        "reason_of": partial(reason, language=language),
        "trouble": None,
        "claims": dict.fromkeys(CLAIMS, ""),
        "disputing": False,
    }


def question_of(asked: Mapping[str, str]) -> Question:
    """Refused when a value is not in its form."""
    digits, number, index = (asked.get(name, "").strip() for name in ASKED)
    shard, slash, entry = index.rpartition("/")  # `2027/7` in a later shard of the ledger
    if index and not (
        entry.isascii()
        and entry.isdecimal()
        and len(entry) <= _INDEX_DIGITS
        and bool(shard) == bool(slash)
    ):
        raise Refused("court.not-an-index", expected="0, 1, 2 …, 2027/0 …", found=index[:40])
    shard = require_shard(shard or FIRST)
    try:
        file = Digest.parse(f"sha256:{digits.lower()}") if digits else None
    except ProofError as error:
        raise Refused(error.code, expected=error.expected, found=error.found) from error
    return Question(file, number.upper() or None, int(entry) if index else None, shard)


def members_of(one: Answer) -> dict[str, object]:
    """An answer for a program. The exhibit's own name is its owner's, and not told."""
    members: dict[str, object] = {"match": one.match.value, "code": one.code}
    for name in ("number", "expected", "found"):
        if getattr(one, name):
            members[name] = getattr(one, name)
    if one.attested_at is not None:
        members["attested_at"] = instant.encode(one.attested_at)
    if one.located is not None:
        members["index"] = one.located.index
        members["checkpoint"] = {
            "origin": one.located.origin,
            "size": one.located.size,
            "root": one.located.root.hex(),
        }
    members["words"] = {language: reason(one, language) for language in words.LANGUAGES}
    return members


def reason(one: Answer, language: words.Language) -> str:
    """Why this answer, in a sentence; a code from the kernel has its words there."""
    for code in (one.code, f"proof.{one.code}"):
        said = words.find_words(code, language, expected=one.expected, found=one.found)
        if said is not None:
            return said
    return one.code


def _received(request: Request, upload_limit: int) -> dict[str, str]:
    asked: dict[str, str] = {}
    for part in parts_of(request, limit=upload_limit + MULTIPART_OVERHEAD):
        if isinstance(part, Field):
            if part.name in (*ASKED, "name"):
                asked[part.name] = part.text[:300]
        else:
            hasher, size = new_hasher("sha256"), 0
            for chunk in part.chunks:
                hasher.update(chunk)
                size += len(chunk)
            if part.name or size:  # a field left empty is sent as a file without a name
                asked |= {"sha256": hasher.digest().hex(), "name": part.name[:300]}
    return asked


def _reading(note: bytes) -> dict[str, str] | None:
    """Origin, size and root as the first three lines of a checkpoint state them."""
    lines = note.decode("utf-8", "replace").split("\n")
    if len(lines) < 4:
        return None
    return {"origin": lines[0], "size": lines[1], "root": lines[2]}
