"""Accounts apart, asked in other ways: heads, ranges, conditions, odd methods, programs' keys.

The walk of test_tenants goes by the methods that have a rule. Whoever means harm asks by all
others too, and for parts, and lets headers say that he meant another method."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import httpx
import pytest

from guzheng.accounts import Permission
from guzheng.web.gate import OPERATOR, PUBLIC, Rule
from tests.faces.tenants import ALL
from tests.faces.test_tenants import _PARAMETER, House, addresses, fill
from tests.faces.test_tenants import house as house
from tests.faces.test_tenants import table as table

ODD = ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "X-ODD")
# What an answer may differ in, though it says nothing.
_PASSING = frozenset({"date", "content-length"})


def read(
    house: House, method: str, path: str, cookie: str = "", **headers: str
) -> httpx.Response:
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    if cookie:
        told["Cookie"] = house.cookie(cookie)
    return house.client.request(method, path, headers=told)


def annes(house: House, table: Mapping[str, Rule], method: str = "GET") -> Iterator[str]:
    """Every address of that method that names something of Anne's and is not Bert's to see."""
    for key, rule in table.items():
        asked, _, template = key.partition(" ")
        owned = [one for one in _PARAMETER.findall(template) if one in house.anne.of]
        if asked == method and owned and rule not in (PUBLIC, OPERATOR):
            for path, _ in addresses(house, template, house.anne):
                yield path


def heads(answer: httpx.Response, names: Mapping[str, str]) -> dict[str, str]:
    told = {name: text for name, text in answer.headers.items() if name not in _PASSING}
    for name in names.values():
        told = {key: text.replace(name, "…") for key, text in told.items()}
    return told


def test_a_head_says_no_more_than_the_page(house: House, table: dict[str, Rule]) -> None:
    """Not by its status, not by a length, a type, a file's name, or a tag of what is there."""
    before, walked = house.rows(), 0
    absent = {
        name: one[:-1] + ("0" if one[-1] != "0" else "1") for name, one in house.anne.of.items()
    }
    for path in annes(house, table):
        nobodys = path
        for name, one in house.anne.of.items():
            nobodys = nobodys.replace(one, absent[name])
        hers, none = (read(house, "HEAD", one, "bert") for one in (path, nobodys))
        assert hers.status_code == 404 and not hers.content, path
        assert none.status_code == hers.status_code, nobodys
        assert heads(hers, house.anne.of) == heads(none, absent), path
        length = hers.headers.get("content-length")
        assert length == none.headers.get("content-length"), path
        signed_out = read(house, "HEAD", path).status_code
        assert signed_out == (401 if path.startswith("/api/") else 303), path
        walked += 1
    assert walked > 20
    assert house.rows() == before


@pytest.mark.parametrize(
    "asked",
    [
        {"Range": "bytes=999999999-", "If_Modified_Since": "Fri, 31 Dec 2100 23:59:59 GMT"},
        {"Range": "bytes=0-0", "If_None_Match": "*"},
        {"If_Match": '"x"', "If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ],
    ids=["beyond", "a part", "unless"],
)
def test_a_part_or_a_condition_says_no_more(
    house: House, table: dict[str, Rule], asked: dict[str, str]
) -> None:
    for path in annes(house, table):
        for method in ("GET", "HEAD"):
            answer = read(house, method, path, "bert", **asked)
            assert answer.status_code == 404, f"{method} {path}"
            assert not {"content-range", "etag", "last-modified"} & answer.headers.keys(), path


def test_who_may_not_read_may_not_by_halves(house: House, table: dict[str, Rule]) -> None:
    """A colleague without the permission, by HEAD, by Range and by conditions."""
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        if method != "GET" or not isinstance(rule, Permission):
            continue
        for path, _ in addresses(house, template, house.anne):
            cookie = house.without(rule)
            for asked in ({}, {"Range": "bytes=0-0"}, {"If_None_Match": "*"}):
                answer = read(house, "HEAD", path, cookie, **asked)
                assert answer.status_code == 403 and not answer.content, path


def test_an_odd_method_is_no_way_in(house: House, table: dict[str, Rule]) -> None:
    """Whoever asks: its answer is the same for what is there and for what is not. Each address
    by two of them, so that all take turns."""
    before, rules = house.rows(), set(table)
    asking = ("", "bert", "anne", house.without(*ALL))
    turns, asked = itertools.cycle(itertools.product(ODD, asking)), set[tuple[str, str]]()
    for template in sorted({key.partition(" ")[2] for key in rules}):
        path = fill(template, **house.anne.of)
        for method, who in itertools.islice(turns, 2):
            if f"{method} {template}" in rules:  # by its rule it is walked elsewhere
                continue
            answer = read(house, method, path, who)
            assert answer.status_code in (400, 404, 405), f"{method} {path} {who}"
            assert who == "anne" or house.anne.mark not in answer.text, f"{method} {path}"
            assert "access-control-allow-methods" not in answer.headers
            asked.add((method, who))
    assert asked == set(itertools.product(ODD, asking))
    assert house.rows() == before


def test_a_header_or_a_field_makes_no_other_method(
    house: House, table: dict[str, Rule]
) -> None:
    """Frameworks take POST for DELETE and GET for POST when they are told so; not this one."""
    before = house.rows()
    for key in table:
        method, _, template = key.partition(" ")
        if method == "GET":
            continue
        path = fill(template, **house.anne.of)
        names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
        told = {"Cookie": house.cookie("anne"), **dict.fromkeys(names, method)}
        house.client.get(f"{path}?_method={method}", headers=told)
    fresh = {
        one
        for place, lines in house.rows().items()
        for one in set(lines).difference(before[place])
    }
    assert all(one.startswith('INSERT INTO "custody_event"') for one in fresh), fresh


def test_a_key_of_another_account_opens_nothing(house: House, table: dict[str, Rule]) -> None:
    """A program of Bert's that may do everything, wherever something of Anne's is named."""
    house.known.people["berts-program"] = replace(house.bert.acting, by="key")
    key, before, walked = {"Authorization": "Bearer berts-program"}, house.rows(), 0
    for rule_key, rule in table.items():
        method, _, template = rule_key.partition(" ")
        if rule in (PUBLIC, OPERATOR):
            continue
        for path, is_own in addresses(house, template, house.anne, house.bert):
            if is_own:
                continue
            answer = house.client.request(method, path, headers=key)
            expected = (404,) if isinstance(rule, Permission) else (403, 404)
            assert answer.status_code in expected, f"{method} {path}"
            assert house.anne.mark not in answer.text
            walked += 1
    assert walked > 40
    assert house.rows() == before


_CLAIMED = ("account", "person", "by", "operator", "permissions", "role", "made_at", "state")


def test_fields_that_nobody_asks_for_set_nothing(house: House, table: dict[str, Rule]) -> None:
    """Whatever a form of Bert's says of accounts and rights: what comes of it is Bert's."""
    hers, his = house.anne.acting, house.bert.acting
    said = dict.fromkeys(_CLAIMED, "1") | {
        "account": hers.account,
        "person": hers.person,
        "by": hers.person,
        "permissions": " ".join(sorted(ALL)),
        "exhibit": house.anne.of["exhibit"],
    }
    before = house.rows()
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        if method != "POST" or rule in (PUBLIC, OPERATOR) or "account" in template:
            continue
        path, told = fill(template, **house.bert.of), {"Cookie": house.cookie("bert")}
        for answer in (
            house.client.post(path, headers=told, data=said),
            house.client.post(path, headers=told, json=said),
        ):
            assert answer.status_code < 500, f"{path}: {answer.status_code}"
            assert house.anne.mark not in answer.text, path
    for place, lines in house.rows().items():
        fresh = set(lines).difference(before[place])
        wrong = [one for one in fresh if hers.account in one or hers.person in one]
        assert not wrong, wrong
    assert house.platform.members.acting(his.person) is not None
    for place, lines in house.rows().items():
        gone = set(before[place]).difference(lines)
        assert not [one for one in gone if hers.account in one], gone


_BENT: tuple[Callable[[str], str], ...] = (
    lambda path: "/" + path,
    lambda path: path + "/",
    lambda path: path + "/..;/",
    lambda path: path.replace("/", "/./", 1),
    lambda path: "/static/.." + path,
    lambda path: "/static/%2e%2e" + path,
    lambda path: path.replace("/", "//"),
    lambda path: path.upper(),
    lambda path: path + "%00",
    lambda path: path + "%2f",
    lambda path: path + ";a=b",
    lambda path: path + ".json",
)


def test_a_bent_address_is_no_way_past_the_gate(house: House, table: dict[str, Rule]) -> None:
    url, turns = httpx.URL(str(house.client.base_url)), itertools.cycle(_BENT)
    for number, path in enumerate(annes(house, table)):
        for bend in itertools.islice(turns, 3):
            headers = {"Cookie": house.cookie("bert")} if number % 2 else {}
            raw = url.copy_with(raw_path=bend(path).encode())
            answer = house.client.get(raw, headers=headers)
            assert answer.status_code in (303, 307, 400, 401, 404, 405), f"{raw}"
            assert house.anne.mark not in answer.text, f"{raw}"


def test_nothing_private_is_kept_framed_or_shared(house: House, table: dict[str, Rule]) -> None:
    """No cache between keeps it, no other site frames it or reads it."""
    for key, rule in table.items():
        method, _, template = key.partition(" ")
        if method != "GET" or rule is PUBLIC:
            continue
        for path, _ in addresses(house, template, house.anne):
            for who in ("anne", ""):
                told = read(house, "GET", path, who).headers
                kept = told["cache-control"]
                assert kept == "no-store" or kept.startswith("private"), path
                assert "frame-ancestors 'none'" in told["content-security-policy"], path
                assert told["x-frame-options"] == "DENY", path
                assert "access-control-allow-origin" not in told, path
                assert told["cross-origin-resource-policy"] == "same-origin", path
