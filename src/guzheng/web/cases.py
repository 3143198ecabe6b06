"""`/cases`: the cases of an account; facts, parties, exhibits, damages, guide, course of each.

Plain forms: what is posted is answered by the page it came from (303), a refusal by the same
page with what was typed still in its fields. What is removed can be put back from the page and
from the course. The pages hold no rule: `cases` and `app/casework.py` have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from guzheng import words
from guzheng.accounts import Permission
from guzheng.app.casework import Shown
from guzheng.cases import Case, course, damages, guide, values
from guzheng.cases.rehearsal import STATES
from guzheng.commission import table
from guzheng.refusals import Problem
from guzheng.web import case_forms, letters, paging, problems, shelf
from guzheng.web.arriving import apart_if_long
from guzheng.web.case_forms import Form
from guzheng.web.gate import acting_of
from guzheng.web.pages import READ, Pages, language_of
from guzheng.web.ports import Platform
from guzheng.web.spelling import beijing_day

PER_PAGE: Final = 30
SHOWN: Final = 50  # exhibits of a case on one page: each has forms, or signatures to check
RULES: Final = {
    "GET /cases": Permission.READ,
    "POST /cases": Permission.CASES,
    "GET /cases/new": Permission.CASES,
    "GET /cases/{case}": Permission.READ,
    "GET /cases/{case}/parties": Permission.READ,
    "GET /cases/{case}/exhibits": Permission.READ,
    "GET /cases/{case}/damages": Permission.READ,
    "GET /cases/{case}/damages.csv": Permission.READ,
    "GET /cases/{case}/guide": Permission.READ,
    "GET /cases/{case}/course": Permission.READ,
    "GET /cases/{case}/letter": Permission.READ,
    "GET /cases/{case}/letter.txt": Permission.READ,
    "POST /cases/{case}/facts": Permission.CASES,
    "POST /cases/{case}/parties": Permission.CASES,
    "POST /cases/{case}/damages": Permission.CASES,
    "POST /cases/{case}/pairs": Permission.CASES,
    "POST /cases/{case}/hold": Permission.CASES,
    "POST /cases/{case}/closing": Permission.CASES,
    "POST /cases/{case}/notes": Permission.CASES,
    "POST /cases/{case}/guide": Permission.CASES,
    "POST /cases/{case}/exhibits/{exhibit}": Permission.CASES,
    "POST /cases/{case}/exhibits/{exhibit}/move": Permission.CASES,
    "POST /cases/{case}/remove": Permission.CASES,
    "POST /cases/{case}/restore": Permission.CASES,
}
# Which page of a case shows a part of it.
_PAGE_OF: Final = {
    course.FACTS: "",
    course.PARTY: "/parties",
    course.EXHIBIT: "/exhibits",
    course.PAIR: "/exhibits",
    course.ORDER: "/exhibits",
    course.DAMAGE: "/damages",
    course.TICK: "/guide",
    course.HOLD: "/course",
    course.CLOSING: "/course",
    course.NOTE: "/course",
}
_CHOICES: Final = {
    "categories": values.CATEGORIES,
    "direct": values.DIRECT,
    "indirect": values.INDIRECT,
    "roles": values.ROLES,
    "submitters": values.SUBMITTERS,
    "damage_kinds": tuple(values.DAMAGE_KINDS),
    "pair_kinds": values.PAIR_KINDS,
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes of a case have in common."""

    platform: Platform
    pages: Pages

    def page(
        self,
        request: Request,
        name: str,
        case: str,
        *,
        refused: Problem | None = None,
        form: Form | None = None,
        of: str = "",
        start: int = 0,
    ) -> Response:
        """One page of a case; after a refusal, with what was typed. `of`: into which of its
        forms, where several ask for the same."""
        language = language_of(request)
        trouble = problems.trouble_of(refused, language) if refused else None
        known = self.platform.cases.case(case)
        facts = _facts(self.platform, known) | {
            "tab": name,
            "trouble": trouble,
            "typed": form.kept() if form else {},
            "sent": form,
            "refused_form": of,
            "removed": _removed(request, known),
            **_more(self.platform, known, name, language, start),
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return self.pages.render(request, f"case_{name}.html", facts, status_code=status)

    def state(self, request: Request, case: str, address: str, exhibit: str = "") -> Response:
        """Enter what a form states, and go back to its page."""
        part = course.EXHIBIT if exhibit else case_forms.STATED[address][0]
        page, form = _PAGE_OF[part], self.form(request, case)
        try:
            self.platform.cases.set(
                case,
                part,
                case_forms.stated_of(part, form),
                subject=exhibit or form.text("subject"),
                person=acting_of(request).person,
                seen=form.number("seen"),
            )
        except Problem as problem:
            name, start = page.removeprefix("/") or "facts", self.start_of(case, exhibit)
            of = exhibit or address
            return self.page(
                request, name, case, refused=problem, form=form, of=of, start=start
            )
        return see(self.address_of(case, exhibit) if exhibit else f"/cases/{case}{page}")

    def form(self, request: Request, case: str) -> Form:
        """What was sent; exhibits of a long case are chosen by their place in it."""

        def places() -> dict[str, str]:
            shown = self.platform.cases.shown(self.platform.cases.case(case))
            return {str(one.place): one.exhibit for one in shown}

        return case_forms.by_place(Form.read(request), places)

    def start_of(self, case: str, exhibit: str) -> int:
        """Of the page of its exhibits on which this one is."""
        names = list(self.platform.cases.case(case).exhibits)
        return names.index(exhibit) // SHOWN * SHOWN if exhibit in names else 0

    def address_of(self, case: str, exhibit: str) -> str:
        """Where this exhibit is shown among those of the case."""
        start = self.start_of(case, exhibit)
        query = f"?start={start}" if start else ""
        return f"/cases/{case}/exhibits{query}#{quote(exhibit)}"


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    desk = Desk(platform, pages)
    _list_routes(router, platform, pages)
    _reading_routes(router, desk)
    _writing_routes(router, desk)
    return router


def _list_routes(router: APIRouter, platform: Platform, pages: Pages) -> None:
    def new_page(
        request: Request, refused: Problem | None = None, form: Form | None = None
    ) -> Response:
        trouble = problems.trouble_of(refused, language_of(request)) if refused else None
        facts = {
            "section": "cases",
            "token": platform.cases.new_token(),
            "today": beijing_day(platform.now()),
            "trouble": trouble,
            "typed": form.kept() if form else {},
            "sent": form,
            "chosen": form.all("exhibit")
            if form
            else tuple(dict.fromkeys(request.query_params.getlist("exhibit"))),
            **_CHOICES,
        }
        status = trouble.status if trouble else HTTPStatus.OK
        return pages.render(request, "case_new.html", facts, status_code=status)

    @router.api_route("/cases", methods=READ)
    def listing(request: Request, before: str | None = None) -> Response:
        account = acting_of(request).account
        found = platform.cases.page(PER_PAGE + 1, before, account=account)
        facts = {
            "section": "cases",
            "cases": found[:PER_PAGE],
            "next": found[PER_PAGE - 1].case if len(found) > PER_PAGE else None,
            "before": before,
        }
        return pages.render(request, "cases.html", facts)

    @router.api_route("/cases/new", methods=READ)
    def form(request: Request) -> Response:
        chosen = request.query_params.getlist("exhibit")
        if refusal := shelf.too_many(request, platform, pages, frozenset(chosen)):
            return refusal
        return new_page(request)

    @router.post("/cases")
    @apart_if_long
    def make(request: Request) -> Response:
        typed, acting = Form.read(request), acting_of(request)
        try:
            case = platform.cases.open(
                case_forms.facts_of(typed),
                account=acting.account,
                person=acting.person,
                token=typed.text("token"),
            )
            if chosen := typed.all("exhibit"):  # for which the case was wanted
                platform.cases.link(case.case, chosen, person=acting.person)
        except Problem as problem:
            return new_page(request, problem, typed)
        return see(f"/cases/{case.case}{'/exhibits' if chosen else ''}")


def _reading_routes(router: APIRouter, desk: Desk) -> None:
    @router.api_route("/cases/{case}", methods=READ)
    def facts(request: Request, case: str) -> Response:
        return desk.page(request, "facts", case)

    @router.api_route("/cases/{case}/parties", methods=READ)
    def parties(request: Request, case: str) -> Response:
        return desk.page(request, "parties", case)

    @router.api_route("/cases/{case}/exhibits", methods=READ)
    def exhibits(request: Request, case: str, start: int = 0) -> Response:
        return desk.page(request, "exhibits", case, start=start)

    @router.api_route("/cases/{case}/damages", methods=READ)
    def worksheet(request: Request, case: str) -> Response:
        return desk.page(request, "damages", case)

    @router.api_route("/cases/{case}/guide", methods=READ)
    def guided(request: Request, case: str) -> Response:
        return desk.page(request, "guide", case)

    @router.api_route("/cases/{case}/course", methods=READ)
    def history(request: Request, case: str, start: int = 0) -> Response:
        return desk.page(request, "course", case, start=start)

    @router.api_route("/cases/{case}/letter", methods=READ)
    def letter(request: Request, case: str) -> Response:
        return desk.page(request, "letter", case)

    @router.api_route("/cases/{case}/letter.txt", methods=READ)
    def letter_text(request: Request, case: str) -> Response:
        language = language_of(request)
        written = letters.letter_of(desk.platform, desk.platform.cases.case(case), language)
        octets = "\r\n".join(("\ufeff" + written.title, "", *written.lines)).encode()
        return _download(octets, f"{case}-letter.txt", "text/plain; charset=utf-8")

    @router.api_route("/cases/{case}/damages.csv", methods=READ)
    def worksheet_table(request: Request, case: str) -> Response:
        known = desk.platform.cases.case(case)
        octets = damages_csv(desk.platform.cases.shown(known), known, language_of(request))
        return _download(octets, f"{case}-damages.csv", "text/csv; charset=utf-8")


def _writing_routes(router: APIRouter, desk: Desk) -> None:
    cases = desk.platform.cases

    for address in case_forms.STATED:
        _post(router, f"/cases/{{case}}/{address}", desk, address)

    @router.post("/cases/{case}/exhibits/{exhibit}")
    @apart_if_long
    def state_exhibit(request: Request, case: str, exhibit: str) -> Response:
        return desk.state(request, case, "", exhibit)

    @router.post("/cases/{case}/exhibits/{exhibit}/move")
    @apart_if_long
    def move(request: Request, case: str, exhibit: str) -> Response:
        form = Form.read(request)
        place = (form.number("place") or 1) - 1
        try:
            cases.move(case, exhibit, place, person=acting_of(request).person)
        except Problem as problem:
            start = desk.start_of(case, exhibit)
            return desk.page(request, "exhibits", case, refused=problem, start=start)
        return see(desk.address_of(case, exhibit))

    @router.post("/cases/{case}/guide")
    @apart_if_long
    def tick(request: Request, case: str) -> Response:
        form, person = desk.form(request, case), acting_of(request).person
        item = form.text("item")
        try:
            cases.tick(case, "1688", item, case_forms.tick_of(form), person=person)
        except Problem as problem:
            return desk.page(request, "guide", case, refused=problem, form=form)
        return see(f"/cases/{case}/guide#{quote(item)}")

    @router.post("/cases/{case}/remove")
    @apart_if_long
    def remove(request: Request, case: str) -> Response:
        form = Form.read(request)
        part, subject = form.text("part"), form.text("subject")
        page = _PAGE_OF.get(part, "")
        try:
            cases.remove(case, part, subject, person=acting_of(request).person)
        except Problem as problem:
            return desk.page(request, page.removeprefix("/") or "facts", case, refused=problem)
        query = urlencode({"removed": f"{part}:{subject}"})
        return see(f"/cases/{case}{page}?{query}")

    @router.post("/cases/{case}/restore")
    @apart_if_long
    def restore(request: Request, case: str) -> Response:
        form = Form.read(request)
        part, subject = form.text("part"), form.text("subject")
        try:
            cases.restore(case, part, subject, person=acting_of(request).person)
        except Problem as problem:
            return desk.page(request, "course", case, refused=problem)
        return see(f"/cases/{case}{_PAGE_OF.get(part, '')}")


def _post(router: APIRouter, path: str, desk: Desk, address: str) -> None:
    @router.post(path, name=f"state_{address}")
    @apart_if_long
    def state(request: Request, case: str) -> Response:
        return desk.state(request, case, address)


def _facts(platform: Platform, known: Case) -> dict[str, object]:
    """What every page of a case shows in its head."""
    _, sections = platform.cases.guide(known)
    return {
        "section": "cases",
        "known": known,
        "facts": known.facts,
        "done": sum(one.done for one in sections),
        "of": sum(one.of for one in sections),
        "sums": platform.cases.sums(known),
        **_CHOICES,
    }


def _more(
    platform: Platform, known: Case, name: str, language: words.Language, start: int = 0
) -> dict[str, object]:
    """What one of its pages shows besides. `start`: of a list that is shown in parts."""
    shown = platform.cases.shown(known)
    titles = {one.exhibit: one.title for one in shown}
    more: dict[str, object] = {"shown": shown, "titles": titles}
    match name:
        case "facts":
            more["units"] = platform.cases.units_of(known)
        case "damages":
            more["rows"] = sorted(
                known.damages.items(), key=lambda one: one[1].part != values.BUYER
            )
        case "guide":
            known_guide, sections = platform.cases.guide(known)
            more |= {
                "guide": known_guide,
                "sections": sections,
                "checks_of": guide.details_checks,
                "delay_of": guide.delay_of,
            }
        case "exhibits":
            first, _ = platform.cases.guide(known)
            more["pictures"] = {one.exhibit: one.picture for one in shown}
            said = guide.purposes(first, known, language)
            more["purposes"] = {one.exhibit: said.get(one.exhibit, ()) for one in shown}
            start, steps = paging.steps(start, len(shown), SHOWN)
            more |= {"listed": shown[start : start + SHOWN], **steps}
        case "course":
            notes, entries = known.notes[::-1], known.entries[::-1]
            start, steps = paging.steps(start, max(len(notes), len(entries)), SHOWN)
            notes, entries = notes[start : start + SHOWN], entries[start : start + SHOWN]
            spoken = (known.hold, known.closing, *notes, *entries)
            more |= {
                "notes": notes,
                "entries": entries,
                "names": platform.members.names_of({one.person for one in spoken if one}),
                **steps,
            }
        case "rehearsal":
            start, steps = paging.steps(start, len(shown), SHOWN)
            told = platform.rehearsing.of_case(known.case, start, SHOWN)
            more |= {
                "shown": shown[start : start + SHOWN],
                "rehearsals": {one.exhibit: one for one in told},
                "states": STATES,
                **steps,
            }
        case "letter":
            more["letter"] = letters.letter_of(platform, known, language)
        case _:
            pass
    return more


def _removed(request: Request, known: Case) -> Mapping[str, str] | None:
    """What was removed a moment ago, as the address says, if that is so."""
    part, _, subject = request.query_params.get("removed", "").partition(":")
    return {"part": part, "subject": subject} if subject in known.gone.get(part, {}) else None


def damages_csv(shown: tuple[Shown, ...], known: Case, language: words.Language) -> bytes:
    """One row for each line, a row for each sum; exhibits by their place in the case."""
    places = {one.exhibit: str(one.place) for one in shown}
    columns = ("part", "kind", "label", "amount", "exhibits", "note")
    heads = [words.say(f"page.case.damages.{one}", language) for one in columns]
    rows = [
        (
            words.say(f"case.damage-part.{one.part}", language),
            words.say(f"case.damage.{one.kind}", language),
            one.label,
            one.amount,
            " ".join(places.get(each, each) for each in one.exhibits),
            one.note,
        )
        for one in damages.rows_of(known.damages)
    ]
    sums = damages.sums_of(known.damages.values())
    for part, amount in (("buyer", sums.buyer), ("rights", sums.rights)):
        said = words.say(f"case.damage-part.{part}", language)
        rows.append(
            (said, words.say("page.case.damages.sum", language), "", f"{amount}", "", "")
        )
    total = words.say("page.case.damages.total", language)
    rows.append(("", total, "", f"{sums.total}", "", words.say("page.legal", language)))
    return table.encode(heads, rows)


def _download(octets: bytes, name: str, media_type: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(octets, media_type=media_type, headers={"Content-Disposition": disposition})


def see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
