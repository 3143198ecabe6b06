"""Accounts apart: the whole table of addresses, walked by who may not.

Anne has one of everything; Bert has an account of his own. What is Anne's does not exist for
Bert, on no address and in no list, and what he sends there changes nothing. The walk knows no
address by name: one that is added is walked too, and fails here until what it owns is known."""

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from guzheng.accounts import Permission
from guzheng.app import Platform
from guzheng.app.auditing import Accesses, Audit
from guzheng.app.sharing import WantedShare
from guzheng.app.wishes import Wanted
from guzheng.commission import Timing, rules
from guzheng.config import Config
from guzheng.refusals import Refused
from guzheng.web import create_app
from guzheng.web.application import rules_of
from guzheng.web.gate import OPERATOR, PUBLIC, SIGNED_IN, Rule, owners_of
from tests.faces.conftest import serving
from tests.faces.tenants import ALL, COOKIE, Known, Tenant, tenant

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
# For parameters that name nothing of an account: what is there, as far as anything is.
_OTHERWISE = {
    "decision": "confirm",
    "name": "manifest.json",
    "number": "0",
    "index": "0",
    "shard": "first",
    "path": "0/000",
}
_NOT_FOUND = r"commission\.not-found"


@dataclass(frozen=True)
class House:
    """A server that Anne, Bert and others come to."""

    platform: Platform
    known: Known
    client: httpx.Client
    anne: Tenant
    bert: Tenant

    def asks(self, who: str, method: str, path: str) -> httpx.Response:
        headers = {"Cookie": self.cookie(who)} if who else {}
        if method != "GET":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.client.request(method, path, headers=headers)

    def cookie(self, who: str) -> str:
        named = {"anne": self.anne.cookie, "bert": self.bert.cookie}
        return f"{COOKIE}={named.get(who, who)}"

    def without(self, *permissions: Permission) -> str:
        """A colleague of Anne's who may do everything but this."""
        return self.known.with_only(self.anne.acting, *(ALL - set(permissions)))

    def rows(self) -> dict[str, list[str]]:
        """Everything in every table that is no index or queue, and the names of all papers;
        but not when a session was seen last, which is noted once a minute."""
        found = {}
        for file in ("accounts.sqlite", "commissions.sqlite"):
            with closing(sqlite3.connect(self.platform.config.data / file)) as database:
                found[file] = sorted(map(_unseen, database.iterdump()))
        found["papers"] = sorted(self.platform.blobs.names("exhibits/"))
        return found


def _unseen(line: str) -> str:
    if not line.startswith('INSERT INTO "person_session"'):
        return line
    values = line.split("','")
    return "','".join([*values[:7], *values[8:]])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    here = ("127.0.0.1/32",)  # where the endpoints of webhooks are, which nobody calls
    folder = tmp_path_factory.mktemp("tenants")
    platform = Platform(Config(folder, accounts="on", allow_private=here))
    anne, bert = tenant(platform, "annexyz"), tenant(platform, "bertxyz")
    known = Known({one.cookie: one.acting for one in (anne, bert)})
    app = create_app(platform, identities=known, upload_limit=1 << 20)
    with serving(app) as face:
        yield House(platform, known, face.client, anne, bert)


@pytest.fixture(scope="module")
def table(house: House) -> dict[str, Rule]:
    return dict(rules_of(house.platform))


def fill(template: str, **names: str) -> str:
    known = {**_OTHERWISE, **names}
    return _PARAMETER.sub(lambda found: known.get(found[1], "x"), template)


def addresses(house: House, template: str, *whose: Tenant) -> Iterator[tuple[str, bool]]:
    """Every way to fill the parameters of an address, and whether all of it is Bert's own."""
    owners = owners_of(house.platform)
    owned = [one for one in _PARAMETER.findall(template) if one in owners]
    for choice in product(whose, repeat=len(owned)):
        filled = {name: of.of[name] for name, of in zip(owned, choice, strict=True)}
        yield fill(template, **filled), all(one is house.bert for one in choice)


def test_there_is_one_of_every_kind(house: House) -> None:
    missing = owners_of(house.platform).keys() - house.anne.of.keys()
    assert not missing, f"make one of each in tests/faces/tenants.py: {sorted(missing)}"
    for name, owned in owners_of(house.platform).items():
        assert owned.account_of(house.anne.of[name]) == house.anne.acting.account, name
        assert owned.account_of("nothing of the kind") is None, name


# ---- the walk ----------------------------------------------------------------------------


def test_what_is_annes_does_not_exist_for_bert(house: House, table: dict[str, Rule]) -> None:
    before, walked = house.rows(), set[str]()
    for key, rule in table.items():
        if rule in (PUBLIC, OPERATOR):
            continue
        method, _, template = key.partition(" ")
        for path, is_own in addresses(house, template, house.anne, house.bert):
            if is_own:
                continue
            answer = house.asks("bert", method, path)
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code}"
            assert house.anne.mark not in answer.text, f"{method} {path}"
            walked.add(key)
    assert house.rows() == before, "something was changed"
    for name in owners_of(house.platform):
        assert any(f"{{{name}}}" in key for key in walked), f"nothing was asked of a {name}"


def test_anothers_is_told_as_nobodys(house: House, table: dict[str, Rule]) -> None:
    """Word for word, so that an answer does not say that there is such a thing."""
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        names = [one for one in _PARAMETER.findall(template) if one in house.anne.of]
        if rule in (PUBLIC, OPERATOR) or method != "GET" or len(names) != 1:
            continue
        there = house.anne.of[names[0]]
        absent = there[:-1] + ("0" if there[-1] != "0" else "1")
        told = []
        for name in (there, absent):
            headers = {"Cookie": house.cookie("bert"), "Accept": "application/json"}
            answer = house.client.get(fill(template, **{names[0]: name}), headers=headers)
            told.append((answer.status_code, answer.text.replace(name, "…")))
        assert told[0] == told[1], key


def test_bert_is_let_in_to_his_own(house: House, table: dict[str, Rule]) -> None:
    """The walk would prove nothing if nobody were let in."""
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        if method != "GET" or not isinstance(rule, Permission) or "{" not in template:
            continue
        for path, is_own in addresses(house, template, house.bert):
            headers = {"Cookie": house.cookie("bert"), "Accept": "application/json"}
            answer = house.client.get(path, headers=headers)
            assert answer.status_code not in (401, 403, 500), path
            assert is_own
            assert "kept here for your account" not in answer.text, path


def test_no_list_of_berts_names_what_is_annes(house: House, table: dict[str, Rule]) -> None:
    seen = 0
    for key in table:
        method, _, path = key.partition(" ")
        if method != "GET" or "{" in path:
            continue
        text = house.asks("bert", method, path).text
        for word in house.anne.said:
            assert word not in text, f"{path} says {word}"
        seen += any(word in text for word in house.bert.said)
    assert seen >= 4, "Bert's own is listed: exhibits, orders, schedules, cases"


def test_nobody_comes_in_where_it_is_not_public(house: House, table: dict[str, Rule]) -> None:
    before = house.rows()
    for key, rule in table.items():
        if rule is PUBLIC:
            continue
        method, _, template = key.partition(" ")
        for path, _ in addresses(house, template, house.anne):
            answer = house.asks("", method, path)
            if path.startswith("/api/"):
                assert answer.status_code == 401, key
                assert answer.json()["code"] == "accounts.not-signed-in"
            else:
                assert answer.status_code == 303, key
                assert answer.headers["location"].startswith("/login?next=%2F"), key
    assert house.rows() == before


def test_each_permission_is_asked_for(house: House, table: dict[str, Rule]) -> None:
    before, asked = house.rows(), set[Permission]()
    for key, rule in table.items():
        if not isinstance(rule, Permission):
            continue
        method, _, template = key.partition(" ")
        for path, _ in addresses(house, template, house.anne):
            answer = house.asks(house.without(rule), method, path)
            assert answer.status_code == 403, f"{key}: {answer.status_code}"
            assert "accounts.not-permitted" in answer.text
        asked.add(rule)
    assert house.rows() == before
    everyday = {Permission.READ, Permission.CAPTURE, Permission.DEPOSIT, Permission.DOWNLOAD}
    assert everyday <= asked


def test_nothing_is_permitted_by_default(house: House, table: dict[str, Rule]) -> None:
    for key, rule in table.items():
        if isinstance(rule, Permission) or rule is OPERATOR:
            method, _, template = key.partition(" ")
            for path, _ in addresses(house, template, house.anne):
                answer = house.asks(house.without(*ALL), method, path)
                assert answer.status_code == 403, key


def test_a_key_does_nothing_that_is_a_persons_own(house: House, table: dict[str, Rule]) -> None:
    """His locks, his sessions, leaving an account: no permission is asked, so no key may."""
    before, asked = house.rows(), 0
    house.known.people["program"] = replace(house.anne.acting, by="key")
    for key in (key for key, rule in table.items() if rule is SIGNED_IN):
        method, _, template = key.partition(" ")
        if not template.startswith("/api/"):
            answer = house.asks("program", method, fill(template))
            assert answer.status_code == 403, key
            asked += 1
    assert asked > 10
    assert house.rows() == before


def test_the_operators_addresses_are_no_owners(house: House, table: dict[str, Rule]) -> None:
    for key in (key for key, rule in table.items() if rule is OPERATOR):
        method, _, template = key.partition(" ")
        for path, _ in addresses(house, template, house.anne):
            answer = house.asks("anne", method, path)
            assert answer.status_code == 403, key
            assert "accounts.operator-only" in answer.text


def test_looking_changes_nothing(house: House, table: dict[str, Rule]) -> None:
    """To ask for a page is safe (RFC 9110 §9.2.1); every answer says of what type it is."""
    before = house.rows()
    for key in table:
        method, _, template = key.partition(" ")
        if method != "GET":
            continue
        for path, _ in addresses(house, template, house.anne):
            answer = house.asks("anne", "GET", path)
            assert answer.status_code < 500, path
            kind = answer.headers.get("content-type", "")
            assert kind or not answer.content, path
            assert not kind.startswith("text/") or "charset=utf-8" in kind.lower(), path
    # What is taken away is noted: custody says who has it.
    noted = [one for lines in house.rows().values() for one in lines]
    fresh = set(noted).difference(*before.values())
    assert all(one.startswith('INSERT INTO "custody_event"') for one in fresh), fresh


_COUNTED = ("before", "start", "limit", "invited", "grants", "page", "number", "days")


@pytest.mark.parametrize("number", ["-1", "9" * 30, "9" * 5000, "1e9", "\u0663"])
def test_no_number_is_too_large(house: House, table: dict[str, Rule], number: str) -> None:
    """Wherever a page can be asked for from somewhere on, or a path counts."""
    query = "&".join(f"{name}={quote(number)}" for name in _COUNTED)
    for key in table:
        method, _, template = key.partition(" ")
        if method == "GET":
            counted = {"number": quote(number), "index": quote(number)}
            path = fill(template, **{**house.anne.of, **counted})
            answer = house.asks("anne", method, f"{path}?{query}")
            assert answer.status_code < 500, f"{key}: {answer.status_code}"


def test_the_persons_of_another_account_are_nobody(
    house: House, table: dict[str, Rule]
) -> None:
    """A person is no account's own: whether he is of this one, the route itself asks."""
    before, hers = house.rows(), house.anne.acting.person
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        if "{person}" in template and rule not in (PUBLIC, OPERATOR):
            for decision in ("role", "permissions", "remove"):
                path = fill(template, person=hers, decision=decision)
                answer = house.asks("bert", method, path)
                assert answer.status_code in (404, 422), key
                assert method == "POST" or answer.status_code == 404, key
        if "{session}" in template:
            house.asks("bert", method, fill(template, session=house.anne.session))
    assert house.rows() == before


# ---- what is named in a query, a body or a form -------------------------------------------


def test_names_in_a_query_are_judged_too(house: House) -> None:
    anne, bert = house.anne.of, house.bert.of
    for path in (
        f"/packages.zip?exhibit={anne['exhibit']}",
        f"/packages.zip?exhibit={bert['exhibit']}&exhibit={anne['exhibit']}",
        f"/compare?one={bert['one']}&other={anne['other']}",
        f"/compare?one={anne['one']}&other={bert['other']}",
        f"/exhibits?into={anne['case']}",
    ):
        assert house.asks("bert", "GET", path).status_code == 404, path
    narrowed = house.asks("bert", "GET", f"/exhibits?case={anne['case']}&every=1")
    shown = narrowed.text.replace(anne["case"], "")  # which he typed himself
    for word in (house.anne.mark, *house.anne.said):
        assert word not in shown
    own = f"/packages.zip?exhibit={bert['one']}&exhibit={bert['other']}"
    assert house.asks("bert", "GET", own).status_code == 200


def test_names_in_a_form_are_judged_too(house: House) -> None:
    """Anne's things put into Bert's case, package, link, upload; her numbers given to his."""
    anne, bert, before = house.anne.of, house.bert.of, house.rows()
    hers, his = anne["exhibit"], bert["exhibit"]
    metadata = {"filename": b"a.bin", "original_of": hers.encode()}
    tus = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "9",
        "Upload-Metadata": ",".join(
            f"{name} {base64.b64encode(text).decode()}" for name, text in metadata.items()
        ),
    }
    days = {"days": "30", "exhibits": his}
    asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
        ("GET", f"/exhibits/{his}/rehearsal?case={anne['case']}", {}, {}),
        ("GET", f"/cases/add?exhibit={hers}", {}, {}),
        ("POST", "/cases/add", {"exhibit": hers, "case": bert["case"]}, {}),
        ("POST", "/cases/add", {"exhibit": his, "case": anne["case"]}, {}),
        ("POST", f"/cases/{bert['case']}/exhibits", {"exhibit": hers, "exhibits": hers}, {}),
        ("POST", f"/cases/{bert['case']}/exhibits/{hers}", {"purpose": "x"}, {}),
        ("POST", "/cases", {"name": "mine", "token": anne["case"]}, {}),
        ("GET", f"/packages/new?exhibit={hers}", {}, {}),
        ("GET", f"/packages/new?case={anne['case']}", {}, {}),
        ("POST", "/packages", {"exhibits": f"{his} {hers}", "step": "make"}, {}),
        ("GET", f"/shares/new?exhibit={hers}", {}, {}),
        ("POST", "/shares", days | {"exhibits": f"{his} {hers}"}, {}),
        ("POST", "/shares", days | {"token": anne["share"]}, {}),
        ("POST", "/api/uploads", {}, tus),
    ]
    for method, path, form, headers in asked:
        told = headers | {"Cookie": house.cookie("bert")}
        answer = house.client.request(method, path, headers=told, data=form or None)
        assert answer.status_code in (404, 409, 422), f"{path} {form}: {answer.status_code}"
        assert house.anne.mark not in answer.text, path
    shown = house.asks("bert", "GET", f"/exhibits?exhibit={hers}")
    assert house.anne.mark not in shown.text
    assert house.rows() == before
    told = {"Cookie": house.cookie("bert")}
    for method, path, form, headers in asked:  # nothing else was wrong with them
        if headers or {"token", "purpose"} & form.keys():
            continue
        for name, of in anne.items():
            path = path.replace(of, bert[name])
            form = {field: text.replace(of, bert[name]) for field, text in form.items()}
        answer = house.client.request(method, path, headers=told, data=form or None)
        assert answer.status_code in (200, 201, 303), f"{path} {form}: {answer.status_code}"


def test_a_program_asks_by_two_permissions_at_one_address(house: House) -> None:
    """POST /api/exhibits is a capture or a deposit."""
    before, page = house.rows(), {"url": "https://annexyz.example/"}
    file = {"file": ("a.txt", b"words")}
    no_capture = {"Cookie": house.cookie(house.without(Permission.CAPTURE))}
    no_deposit = {"Cookie": house.cookie(house.without(Permission.DEPOSIT))}
    for answer in (
        house.client.post("/api/exhibits", headers=no_capture, json=page),
        house.client.post("/api/exhibits", headers=no_deposit, files=file),
    ):
        assert answer.status_code == 403
        assert answer.json()["code"] == "accounts.not-permitted"
    assert house.rows() == before
    allowed = house.client.post("/api/exhibits", headers=no_capture, files=file)
    assert allowed.status_code == 201


def test_a_number_of_annes_orders_nothing_for_bert(house: House) -> None:
    """A form sends the number that what it makes is to have; Anne's are hers."""
    before = house.rows()
    platform, anne, account = house.platform, house.anne.of, house.bert.acting.account
    page = "https://bertxyz.example/"
    with pytest.raises(Refused, match=_NOT_FOUND):
        platform.ordering.order(Wanted(page, token=anne["order"], account=account))
    with pytest.raises(Refused, match=_NOT_FOUND):
        table = b"url\nhttps://a/\n"
        platform.ordering.order_table(table, "t.csv", token=anne["batch"], account=account)
    with pytest.raises(Refused, match=_NOT_FOUND):
        repeated = Wanted(page, token=anne["schedule"], account=account)
        platform.repeating.add(repeated, Timing(rules.ONCE, platform.now()))
    assert house.rows() == before


# ---- what the operator is told -------------------------------------------------------------


def test_the_operator_is_told_who_tried_and_not_what_for(house: House) -> None:
    audit = house.platform.config.data / "audit.jsonl"

    def told() -> list[dict[str, object]]:
        lines = audit.read_text("utf-8").splitlines() if audit.exists() else []
        return [json.loads(one) for one in lines]

    exhibit, bert = house.anne.of["exhibit"], house.bert.acting
    audit.unlink(missing_ok=True)
    absent = exhibit[:-1] + ("0" if exhibit[-1] != "0" else "1")
    house.asks("bert", "GET", f"/exhibits/{absent}/preview")
    assert told() == [], "a wrong number is no attempt"
    accesses = Accesses(Audit(audit.parent, house.platform.now), lambda: clock[0])
    clock = [0.0]
    for _ in range(3):
        accesses.refused(bert, "GET /exhibits/{exhibit}", "exhibit.not-found")
    clock[0] = 61.0
    accesses.refused(bert, "GET /exhibits/{exhibit}", "exhibit.not-found")
    assert [one["refused"] for one in told()] == [1, 3]
    audit.unlink()
    someone = house.without(Permission.READ, Permission.BILL)
    house.known.people["carl"] = replace(bert, person="pe_carl")
    house.asks(someone, "GET", f"/exhibits/{exhibit}/preview")
    house.asks("carl", "GET", f"/exhibits/{exhibit}/preview")
    lines = told()
    assert [one["code"] for one in lines] == ["accounts.not-permitted", "exhibit.not-found"]
    assert {one["rule"] for one in lines} == {"GET /exhibits/{exhibit}/preview"}
    assert lines[1]["person"] == "pe_carl"
    assert exhibit not in audit.read_text("utf-8")


# ---- bytes of strangers --------------------------------------------------------------------


def test_what_strangers_made_is_never_a_page_of_ours(
    house: House, table: dict[str, Rule]
) -> None:
    """Wherever the octets of an original come out, they are an attachment in a sandbox."""
    platform, bert = house.platform, house.bert.acting
    hostile = b"<!doctype html><script>document.title = 'hostile'</script>"
    exhibit = platform.deposit("x.html", [hostile], account=bert.account)
    platform.walk(exhibit, lambda _step, _detail: None)
    secret = platform.shares.make(WantedShare((exhibit,)), account=bert.account).secret
    given = set[str]()
    for key in table:
        method, _, template = key.partition(" ")
        names = dict(house.bert.of) | {"exhibit": exhibit, "one": exhibit, "secret": secret}
        given_names = ("items/x.html", "x.html") if "{name" in template else ("",)
        numbers = ("0", "1") if "{number" in template else ("",)
        for name, number in product(given_names, numbers if method == "GET" else ()):
            path = fill(template, **names | {"name": name, "number": number})
            answer = house.asks("bert", "GET", path)
            if hostile not in answer.content:
                continue
            headers = answer.headers
            assert "sandbox" in headers["content-security-policy"], path
            assert headers["content-disposition"].startswith("attachment"), path
            kinds = ("application/octet-stream", "application/zip")
            assert headers["content-type"] in kinds, path
            given.add(template)
    assert {"/exhibits/{exhibit}/papers/{name:path}", "/s/{secret}/{number}/{name:path}"} <= (
        given
    )


# ---- what is offered -----------------------------------------------------------------------


def test_the_first_page_offers_what_one_may_do(house: House) -> None:
    def offered(*missing: Permission) -> tuple[bool, bool, bool]:
        page = house.asks(house.without(*missing), "GET", "/").text
        return ('name="url"' in page, "data-deposit" in page, house.anne.mark in page)

    assert offered() == (True, True, True)
    assert offered(Permission.CAPTURE) == (False, True, True)
    assert offered(Permission.DEPOSIT) == (True, False, True)
    assert offered(Permission.READ) == (True, True, False)
    nothing = house.asks(house.without(*ALL), "GET", "/?lang=en").text
    assert "You have not been granted captures or deposits yet" in nothing
    assert "<button" not in nothing.partition("<main")[2]


# ---- what is made belongs to who made it --------------------------------------------------


def test_what_is_made_has_its_account_and_its_person(house: House) -> None:
    platform, anne, bert = house.platform, house.anne.acting, house.bert.acting
    headers, file = {"Cookie": house.cookie("bert")}, {"file": ("bertxyz.txt", b"words")}
    sent = house.client.post("/api/exhibits", headers=headers, files=file)
    order = platform.road.order(sent.json()["exhibit"])
    assert (order.account, order.person) == (bert.account, bert.person)
    assert platform.account_of_exhibit(order.exhibit) == bert.account
    view = platform.ordering.view(house.anne.of["order"])
    one = view.commission
    assert (one.account, one.person) == (anne.account, anne.person)
    assert view.events[0].person == anne.person
    captured = platform.road.order(one.exhibit)
    assert (captured.account, captured.person) == (anne.account, anne.person)


def test_an_act_names_the_person_who_did_it(house: House) -> None:
    ordering = house.platform.ordering
    wanted = Wanted("https://annexyz.example/cancelled", account=house.anne.acting.account)
    order = ordering.order(wanted)[0].commission.commission
    colleague = house.without(Permission.BILL)
    assert house.asks(colleague, "POST", f"/api/orders/{order}/cancel").status_code == 200
    events = ordering.view(order).events
    asked = [one.person for one in events if one.kind == rules.CANCEL_ASKED]
    assert asked == [house.known.people[colleague].person]


def test_the_index_made_again_knows_whose_it_is(house: House) -> None:
    def listed(account: str) -> list[str]:
        return [one.exhibit for one in house.platform.exhibits(50, account=account)]

    anne, bert = house.anne.acting.account, house.bert.acting.account
    before = {one: listed(one) for one in (anne, bert, "local")}
    assert before["local"] == []
    assert before[anne]
    assert set(before[anne]).isdisjoint(before[bert])
    house.platform.rebuild()
    assert {one: listed(one) for one in before} == before
    assert house.platform.fsck(lambda _: None) == []


def test_where_the_order_is_damaged_the_index_still_knows(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path))
    exhibit = platform.deposit("a.txt", [b"words"], account="ac_hers")
    paper = platform.folder(exhibit) / "order.json"
    paper.chmod(0o600)
    paper.write_bytes(b"{")
    assert platform.account_of_exhibit(exhibit) == "ac_hers"
    assert platform.account_of_exhibit("ex_00000000000000000000000000") is None
    assert platform.account_of_exhibit("../../etc") is None


def test_the_same_file_in_two_accounts_stays_apart(house: House) -> None:
    """The court's look-up finds both, and says nothing of whose they are."""
    platform, file = house.platform, b"the same words"
    made = [
        platform.deposit(
            "same.txt", [file], claimed_name=f"{one.mark}_同", account=one.acting.account
        )
        for one in (house.anne, house.bert)
    ]
    for exhibit in made:
        platform.walk(exhibit, lambda _step, _detail: None)
    digits = hashlib.sha256(file).hexdigest()
    for path in (f"/api/ledger/lookup?sha256={digits}", f"/ledger?sha256={digits}"):
        text = house.client.get(path).text
        for word in (*house.anne.said, *house.bert.said, *made):
            assert word not in text, f"{path} says {word}"
    answers = house.client.get(f"/api/ledger/lookup?sha256={digits}").json()["answers"]
    assert len(answers) == 2
