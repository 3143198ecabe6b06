"""What a person or a program hands in, read once for both: address or files, and claims.

Gives exhibits' ids; a file that is refused does not stop the ones after it. Everything a
person says about an exhibit is a claim and keeps that word until the certificate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from fastapi import Request

from guzheng.accounts import Acting, Permission
from guzheng.refusals import Problem, Refused
from guzheng.web.gate import acting_of
from guzheng.web.naming import claimed_name_of, optional_text
from guzheng.web.ports import Platform
from guzheng.web.uploads import Field, File, parts_of

APPLICANT_LIMIT: Final = 120
PURPOSE_LIMIT: Final = 500
ADDRESS_LIMIT: Final = 8192
_DRAIN_CHUNKS: Final = 1024  # of a refused file: enough for the sender to hear the answer
MULTIPART_OVERHEAD: Final = 1024 * 1024


@dataclass(slots=True)
class Received:
    """What became of one form."""

    exhibits: list[str] = field(default_factory=list)
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    form: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claims:
    name: str | None
    applicant: str | None
    purpose: str | None


def claims_of(form: dict[str, str]) -> Claims:
    return Claims(
        claimed_name_of(form),
        optional_text(form, "claimed_applicant", limit=APPLICANT_LIMIT),
        optional_text(form, "claimed_purpose", limit=PURPOSE_LIMIT),
    )


def receive_files(request: Request, platform: Platform, *, limit: int) -> Received:
    """Deposit every file of a form while it arrives."""
    acting = acting_of(request)
    acting.require(Permission.DEPOSIT)
    received = Received()
    try:
        for part in parts_of(request, limit=limit + MULTIPART_OVERHEAD):
            if isinstance(part, Field):
                received.form[part.name] = part.text
            elif part.name:  # a file input left empty is sent as a file without a name
                _deposit(part, received, platform, acting)
    except Refused as refused:
        if refused.code != "web.too-many-files":
            raise
        received.problems.append(("", refused))  # and what came before stays
    if not received.exhibits and not received.problems:
        received.problems.append(
            ("", Refused("web.no-file", expected="one file", found="none"))
        )
    return received


def _deposit(part: File, received: Received, platform: Platform, acting: Acting) -> None:
    try:
        claims = claims_of(received.form)
        exhibit = platform.deposit(
            part.name,
            part.chunks,
            claimed_name=claims.name,
            claimed_applicant=claims.applicant,
            claimed_purpose=claims.purpose,
            media_type=part.media_type,
            account=acting.account,
            person=acting.person,
        )
    except Problem as problem:
        if problem.code in {"web.cut-off", "web.upload-too-big"}:
            raise  # the body itself is at its end: no part follows
        _drain(part.chunks, problem)
        received.problems.append((part.name, problem))
    else:
        received.exhibits.append(exhibit)


def _drain(chunks: Iterator[bytes], problem: Problem) -> None:
    for _ in islice(chunks, _DRAIN_CHUNKS):
        pass
    if next(chunks, None) is not None:
        raise problem


def address_of(form: Mapping[str, str]) -> str:
    """What is to be captured, as it was typed."""
    address = form.get("url", "").strip()
    if not address or len(address) > ADDRESS_LIMIT:
        raise Refused(
            "web.no-address",
            expected=f"http(s)://…, ≤ {ADDRESS_LIMIT:,}",
            found=f"{len(address):,}",
        )
    return address


def order_capture(form: dict[str, str], platform: Platform, acting: Acting) -> str:
    acting.require(Permission.CAPTURE)
    address = address_of(form)
    claims = claims_of(form)
    return platform.order_capture(
        address,
        claimed_name=claims.name,
        claimed_applicant=claims.applicant,
        claimed_purpose=claims.purpose,
        account=acting.account,
        person=acting.person,
    )


def fields_before_files(request: Request, *, limit: int) -> dict[str, str]:
    """The fields of a form that is about an address; files in it are not looked at."""
    form: dict[str, str] = {}
    for part in parts_of(request, limit=limit):
        if isinstance(part, File):
            if part.name:
                break
            continue
        form[part.name] = part.text
    return form
