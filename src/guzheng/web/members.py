"""`/members`: who acts for an account, what each may do, who was invited, and the audit.

`/me/account` is where a person says for whom he acts; `/invitation/…` is where the one who was
invited lands, whether he is known here or not. Every change is posted and answered by the page
of what was changed (303); the one exception is an invitation's link, which is shown once, on
the answer itself. No rule is here: accounts/members.py has them, and refuses."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from guzheng.accounts import Permission, roles
from guzheng.commission import table
from guzheng.proof import instant
from guzheng.refusals import Problem, Refused
from guzheng.web import paging, problems
from guzheng.web.gate import PUBLIC, SIGNED_IN, Rule, acting_of, find_acting, prove_address
from guzheng.web.orders import form_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.sessions import asked_of, reached_of, see

PER_PAGE: Final = 50
_LINK: Final = re.compile(r"://|@|\w[.。．]\w{2}")
_UNLINKED: Final = str.maketrans(dict.fromkeys(".。．/:：@", "·"))
_LARGEST_TABLE: Final = 10_000
KINDS: Final = (
    "founded",
    "invited",
    "invitation-revoked",
    "joined",
    "granted",
    "revoked",
    "removed",
    "key-made",
    "key-revoked",
    "webhook-made",
    "webhook-removed",
    "webhook-rotated",
    "webhook-disabled",
    "second-step-demanded",
    "second-step-waived",
)
RULES: Final[Mapping[str, Rule]] = {
    "GET /members": Permission.MEMBERS,
    "POST /members/invitations": Permission.MEMBERS,
    "POST /members/second-step": Permission.MEMBERS,
    "POST /members/invitations/{invitation}/revoke": Permission.MEMBERS,
    "GET /members/audit": Permission.MEMBERS,
    "GET /members/audit.csv": Permission.MEMBERS,
    "GET /members/{person}": Permission.MEMBERS,
    "POST /members/{person}/{decision}": Permission.MEMBERS,
    "GET /me/account": SIGNED_IN,
    "POST /me/account": SIGNED_IN,
    "POST /me/account/leave": SIGNED_IN,
    "GET /invitation/{secret}": PUBLIC,
    "POST /invitation/{secret}": SIGNED_IN,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _listing(router, platform, pages)
    _audit(router, platform, pages)
    _one(router, platform, pages)
    _own(router, platform, pages)
    _invited(router, platform, pages)
    return router


def prove_first(request: Request, platform: Platform, back: str) -> Response | None:
    """Where to go first, unless the person showed a moment ago who he is."""
    if acting_of(request).by != "session":
        return None
    try:
        platform.people.require_proved(request.cookies)
    except Refused as refused:
        if refused.code != "accounts.prove-again":
            raise
        return see(prove_address(request, back))
    return None


def require_sure(form: Mapping[str, str]) -> None:
    """Before what cannot be undone."""
    if not form.get("sure"):
        raise Refused("accounts.not-confirmed", expected="sure", found="nothing")


# ---- everybody ---------------------------------------------------------------------------


def _listing(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def page(request: Request, **facts: object) -> Response:
        account = acting_of(request).account
        status = facts.pop("status_code", 200)
        people, invitations = platform.members.people, platform.members.invitations
        views, around = paging.part(people(account), paging.asked(request))
        invited, further = paging.part(invitations(account), paging.asked(request, "invited"))
        shown: dict[str, object] = {
            "section": "me",
            "views": views,
            "around": around,
            "demanded": platform.members.demands_second_step(account),
            "invitations": invited,
            "around_invitations": further,
            "made": None,
            "link": "",
            "sent": "",
            "trouble": None,
            "form": {},
        }
        code = status if isinstance(status, int) else 200
        return pages.render(request, "members.html", shown | facts, status_code=code)

    @router.api_route("/members", methods=READ)
    def listing(request: Request) -> Response:
        return page(request)

    @router.post("/members/invitations")
    def invite(request: Request) -> Response:
        """Answers with the link itself: it is nowhere else."""
        form, sent = form_of(request), ""
        try:
            made, secret = platform.members.invite(acting_of(request), form.get("note", ""))
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            return page(request, trouble=trouble, form=form, status_code=int(trouble.status))
        place, address, failed = f"/invitation/{quote(secret)}", platform.people.address, None
        link = f"{address(asked_of(request))}{place}"  # for who asks; a letter is for another
        try:
            by_letter = f"{address(reached_of(request))}{place}"
            sent = _sent(request, platform, form.get("address", ""), by_letter)
        except Problem as problem:  # the invitation stands, and its link can be copied
            failed = problems.trouble_of(problem, language_of(request))
        facts = {"made": made, "link": link, "sent": sent, "trouble": failed}
        return page(request, **facts, status_code=int(HTTPStatus.CREATED))

    @router.post("/members/second-step")
    def second_step(request: Request) -> Response:
        if first := prove_first(request, platform, "/members"):
            return first
        demanded = bool(form_of(request).get("demanded"))
        try:
            platform.members.demand_second_step(acting_of(request), demanded=demanded)
        except Problem as problem:
            trouble = problems.trouble_of(problem, language_of(request))
            return page(request, trouble=trouble, status_code=int(trouble.status))
        return see("/members")

    @router.post("/members/invitations/{invitation}/revoke")
    def revoke(request: Request, invitation: str) -> Response:
        platform.members.revoke_invitation(acting_of(request), invitation)
        return see("/members")


def _sent(request: Request, platform: Platform, address: str, link: str) -> str:
    """To whom the link went by letter; empty where nobody was named."""
    if not address.strip():
        return ""
    by = acting_of(request)
    return platform.people.write_to(
        address,
        "invitation",
        language_of(request),
        link=link,
        inviter=unlinked(platform.members.name_of(by.person)),
        founder=unlinked(platform.members.founder_name(by.account)),
    )


def unlinked(name: str) -> str:
    """A name as a letter to a stranger says it: none is a link that his reader's mail opens. We
    carry no advertisement, and no trap, under our own address."""
    return name.translate(_UNLINKED) if _LINK.search(name) else name


# ---- the audit ---------------------------------------------------------------------------


def _audit(router: APIRouter, platform: Platform, pages: Pages) -> None:
    @router.api_route("/members/audit", methods=READ)
    def audit(
        request: Request,
        before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,  # as tables hold it
        kind: str = "",
        person: str = "",
    ) -> Response:
        account = acting_of(request).account
        kind = kind if kind in KINDS else ""
        lines = platform.members.audit(
            account, PER_PAGE + 1, before=before, kind=kind, person=person
        )
        facts = {
            "section": "me",
            "lines": lines[:PER_PAGE],
            "next": lines[PER_PAGE - 1].happening.number if len(lines) > PER_PAGE else None,
            "before": before,
            "kinds": KINDS,
            "kind": kind,
            "person": person,
            "views": platform.members.people(account),
        }
        return pages.render(request, "audit.html", facts)

    @router.api_route("/members/audit.csv", methods=READ)
    def audit_csv(request: Request, kind: str = "", person: str = "") -> Response:
        lines = platform.members.audit(
            acting_of(request).account, _LARGEST_TABLE, kind=kind, person=person
        )
        rows = [
            (
                str(line.happening.number),
                instant.encode(line.happening.observed_at),
                line.happening.kind,
                line.happening.person,
                line.name,
                line.happening.said,
                line.happening.by_person,
                line.by_name,
                line.happening.way,
            )
            for line in lines
        ]
        heads = (
            "number",
            "observed_at",
            "kind",
            "person",
            "name",
            "said",
            "by_person",
            "by_name",
            "way",
        )
        return Response(
            table.encode(heads, rows),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )


# ---- one member --------------------------------------------------------------------------


def _one(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def page(request: Request, person: str, trouble: problems.Trouble | None) -> Response:
        by = acting_of(request)
        facts = {
            "section": "me",
            "view": platform.members.person(by.account, person),
            "permissions": tuple(Permission),
            "roles": roles.ROLES,
            "own": by.permissions,
            "is_self": person == by.person,
            "lines": platform.members.audit(by.account, 20, person=person),
            "trouble": trouble,
        }
        status = int(trouble.status) if trouble else 200
        return pages.render(request, "member.html", facts, status_code=status)

    @router.api_route("/members/{person}", methods=READ)
    def member(request: Request, person: str) -> Response:
        return page(request, person, None)

    @router.post("/members/{person}/{decision}")
    def decide(request: Request, person: str, decision: str) -> Response:
        form = form_of(request)
        platform.members.person(acting_of(request).account, person)  # or it is not found
        if first := prove_first(request, platform, f"/members/{person}"):
            return first
        try:
            return see(_decided(request, platform, person, decision, form))
        except Problem as problem:
            if problem.code == "web.not-found":
                raise
            trouble = problems.trouble_of(problem, language_of(request))
            return page(request, person, trouble)


def _decided(
    request: Request, platform: Platform, person: str, decision: str, form: Mapping[str, str]
) -> str:
    """Carry it out; the address to go on at."""
    by, members = acting_of(request), platform.members
    match decision:
        case "permissions":
            wanted = frozenset(one for one in Permission if form.get(f"may.{one}"))
            members.change(by, person, wanted, seen=_seen_of(form))
        case "role":
            role = roles.ROLES.get(form.get("role", ""))
            if role is None:
                found = repr(form.get("role", "")[:40])
                raise Refused("accounts.no-such-role", expected="a role", found=found)
            members.change(by, person, role, seen=_seen_of(form))
        case "remove":
            require_sure(form)
            members.remove(by, person)
            return "/members"
        case _:
            raise Refused("web.not-found", found=decision[:60])
    return f"/members/{person}"


def _seen_of(form: Mapping[str, str]) -> int | None:
    seen = form.get("seen", "")
    return int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 16 else None


# ---- one's own ---------------------------------------------------------------------------


def _own(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def page(request: Request, trouble: problems.Trouble | None = None) -> Response:
        by = acting_of(request)
        facts = {
            "section": "me",
            "views": platform.members.accounts_of(by),
            "permissions": tuple(Permission),
            "by": by,
            "trouble": trouble,
        }
        status = int(trouble.status) if trouble else 200
        return pages.render(request, "account.html", facts, status_code=status)

    @router.api_route("/me/account", methods=READ)
    def own(request: Request) -> Response:
        return page(request)

    @router.post("/me/account")
    def choose(request: Request) -> Response:
        form = form_of(request)
        platform.members.choose(acting_of(request), form.get("account", ""))
        return see("/me/account")

    @router.post("/me/account/leave")
    def leave(request: Request) -> Response:
        form, by = form_of(request), acting_of(request)
        try:
            require_sure(form)
            platform.members.remove(by, by.person)
        except Problem as problem:
            return page(request, problems.trouble_of(problem, language_of(request)))
        return see("/")


# ---- who was invited ---------------------------------------------------------------------


def _invited(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def page(request: Request, secret: str, trouble: problems.Trouble | None) -> Response:
        invitation = platform.members.invited_by(secret)
        by = find_acting(request)
        facts = {
            "section": "",
            "invitation": invitation,
            "founder": platform.members.founder_name(invitation.account),
            "inviter": platform.members.name_of(invitation.by_person),
            "me": platform.members.name_of(by.person) if by else "",
            "is_member": by is not None
            and any(
                one.member.account == invitation.account
                for one in platform.members.accounts_of(by)
            ),
            "address": f"/invitation/{quote(secret)}",
            "trouble": trouble,
        }
        status = int(trouble.status) if trouble else 200
        return pages.render(request, "invitation.html", facts, status_code=status)

    @router.api_route("/invitation/{secret}", methods=READ)
    def invited(request: Request, secret: str) -> Response:
        return page(request, secret, None)

    @router.post("/invitation/{secret}")
    def accept(request: Request, secret: str) -> Response:
        by = acting_of(request)
        if by.by != "session":
            raise Refused(
                "accounts.key-needs-person", expected="a person who signed in", found=by.by
            )
        try:
            platform.members.accept(secret, by.person)
        except Refused as refused:
            if refused.code != "accounts.already-member":
                raise
            return page(request, secret, problems.trouble_of(refused, language_of(request)))
        return see("/me/account")
