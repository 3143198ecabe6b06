"""Attacks on the running program, each as somebody who means harm would go about it."""

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from guzheng.accounts import Permission
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import COOKIE
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.members import unlinked
from tests import plain
from tests.faces.conftest import Face, serving
from tests.faces.persons import someone
from tests.faces.test_federation import opened
from tests.providers import provider

CHEAP: Mapping[str, Any] = {"password_mib": 19, "password_passes": 2}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    folder = tmp_path_factory.mktemp("attacked")
    return Platform(Config(folder, accounts="on", **CHEAP))


@pytest.fixture(scope="module")
def face(platform: Platform) -> Iterator[Face]:
    with serving(create_app(platform)) as served:
        yield served


def at_once(calls: list[Callable[[], httpx.Response]]) -> Counter[int]:
    """The statuses of many requests that are made at the same moment."""
    ready = threading.Barrier(len(calls))

    def one(call: Callable[[], httpx.Response]) -> int:
        ready.wait(60)
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(one, calls))


# ---- where letters lead --------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/register", "/forgot"])
@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_letter_leads_here_whatever_the_request_calls_us(
    platform: Platform,
    face: Face,
    capsys: pytest.CaptureFixture[str],
    path: str,
    name: str,
) -> None:
    """Without `public_url`, on every address of the machine: Host is the sender's word, and the
    letter goes to another, whose link it would be."""
    parts, now, address = platform.parts, platform.now(), f"{abs(hash((path, name)))}@b.example"
    if path == "/forgot":
        Persons(parts.accounts, parts.entropy).add("李四", address, "", now)
    headers = {"Host": name, "X-Forwarded-Host": name, "Forwarded": f"host={name}"}
    asked = face.client.post(path, data={"address": address}, headers=headers)
    assert asked.status_code == 303
    told = ""
    while address not in told or "http" not in told:
        told += capsys.readouterr().err
    assert "evil" not in told
    assert f"{face.address}/" in told


@pytest.mark.parametrize(
    ("path", "fields"), [("/members/invitations", {"note": "n"}), ("/me/security/address", {})]
)
@pytest.mark.parametrize("name", ["evil.example", "203.0.113.66:8000"])
def test_a_letter_of_one_who_is_signed_in_leads_here_too(
    platform: Platform,
    face: Face,
    capsys: pytest.CaptureFixture[str],
    path: str,
    fields: dict[str, str],
    name: str,
) -> None:
    """To whomever he names: under our sender he would send strangers wherever he likes."""
    address = f"{abs(hash((path, name)))}@c.example"
    with someone(platform, face.address, "sender") as sender:
        told_to = {"Host": name, "X-Forwarded-Host": name}
        answer = sender.client.post(path, data={"address": address, **fields}, headers=told_to)
        assert answer.status_code in {201, 303}
    told = ""
    while address not in told or "http" not in told:
        told += capsys.readouterr().err
    assert name.partition(":")[0] not in told
    assert f"{face.address}/" in told


def test_a_letter_to_a_stranger_has_no_link_of_the_inviters(
    platform: Platform, face: Face, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever registers calls himself what he likes, and has us write to whom he likes."""
    with someone(platform, face.address, "中奖 https://evil.example/a www.evil.example") as one:
        one.post("/members/invitations", {"address": "stranger@b.example"}, status=201)
    told = ""
    while "/invitation/" not in told:
        told += capsys.readouterr().err
    assert "中奖 https" in told
    assert "evil.example" not in told
    for name in ("李四", "J. R. Smith", "王 五 (法务)", "Dr. Li"):
        assert unlinked(name) == name


# ---- where one is led back -----------------------------------------------------------------

ELSEWHERE = (
    *("//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil"),
    *("https:evil.example", "https:/evil.example", "http://evil.example@here", "//@evil"),
    *(
        "javascript:alert(1)",
        "data:text/html,x",
        "/\u2028/evil.example",
        "\u3000//evil.example",
    ),
    *(
        "/\x00/evil.example",
        " //evil.example",
        "//evil.example/%2f..",
        "?//evil",
        "evil.example",
    ),
)
HERE = ("/%2f%2fevil.example", "/%5cevil.example", "/.//evil.example", "/@evil", "/;//evil")


@pytest.mark.parametrize("path", ["/login", "/me/prove"])
def test_nobody_is_led_away(platform: Platform, face: Face, path: str) -> None:
    """As a browser resolves it: the answer is on this very server, or there is none."""
    with someone(platform, face.address, "led") as one:
        for text in (*ELSEWHERE, *HERE):
            answer = one.client.get(f"{path}?next={quote(text, safe='')}")
            if answer.status_code == 303:
                told = answer.headers["location"]
                leads = httpx.URL(face.address).join(told)
                assert f"{leads.scheme}://{leads.netloc.decode()}" == face.address, text
                assert told.startswith("/") and not told.startswith(("//", "/\\")), text
            else:  # a form, which carries it on
                assert answer.status_code == 200
                assert 'value="//' not in answer.text, text
                assert 'action="//' not in answer.text, text


@pytest.mark.parametrize("referer", ["//evil.example/x", "http://evil.example/x", "x", ""])
def test_a_form_of_elsewhere_is_not_gone_back_to(face: Face, referer: str) -> None:
    answer = face.client.post("/cases", data={"name": "x"}, headers={"Referer": referer})
    assert answer.status_code == 303
    assert "evil" not in answer.headers["location"]
    assert urlsplit(answer.headers["location"]).netloc == ""


# ---- many at the same moment ---------------------------------------------------------------


def test_an_invitation_is_accepted_by_one_of_many(platform: Platform, face: Face) -> None:
    with someone(platform, face.address, "owner") as owner:
        _made, secret = platform.members.invite(owner.acting(platform))
        guests = [someone(platform, face.address, f"guest{one}") for one in range(6)]
        with contextlib.ExitStack() as stack:
            persons = [stack.enter_context(one) for one in guests]
            path = f"/invitation/{secret}"
            told = at_once([partial(one.client.post, path) for one in persons])
        assert (told[303], told[410]) == (1, 5), told
        members = platform.members.rows.people(owner.account)
        assert len(members) == 2, "the owner, and one"


def test_twenty_orders_at_once_spend_no_unit_twice(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path, accounts="on", quota_units=3, **CHEAP))
    with (
        serving(create_app(platform)) as face,
        someone(platform, face.address, "buyer") as buyer,
    ):

        def order(number: int) -> httpx.Response:
            cookies, page = dict(buyer.client.cookies), f"https://example.com/{number}"
            with plain.client(base_url=face.address, cookies=cookies, timeout=60) as client:
                return client.post("/api/orders", json={"url": page})

        told = at_once([partial(order, one) for one in range(20)])
        assert sum(told.values()) == 20
        assert told[201] == 3, told
        assert len(platform.ordering.page(50, None, account=buyer.account)) == 3


# ---- an answer of another provider ---------------------------------------------------------


@pytest.mark.parametrize(
    "mixed",
    [
        lambda back, _issuer: re.sub(r"iss=[^&]*", "", back),
        lambda back, _issuer: re.sub(r"iss=[^&]*", "iss=", back),
        lambda back, issuer: f"{back}&iss={quote(issuer, safe='')}",
        lambda back, issuer: re.sub(r"iss=[^&]*", f"iss={quote(issuer + '/', safe='')}", back),
        lambda back, issuer: re.sub(r"iss=[^&]*", f"iss={quote(issuer.upper())}", back),
        lambda back, _issuer: re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fevil.example", back),
    ],
    ids=["none", "empty", "twice", "a slash more", "capitals", "another"],
)
def test_an_answer_of_another_issuer_is_none(
    tmp_path: Path, mixed: Callable[[str, str], str]
) -> None:
    """Mix-up (RFC 9207): whoever runs another provider must not have us bring him the code."""
    with provider() as outside, opened(tmp_path, outside) as house, house.browser() as fresh:
        away = fresh.get("/login/identity")
        back = plain.get(away.headers["Location"]).headers["Location"]
        assert "iss=" in back
        answer = fresh.get(mixed(back, outside.issuer))
        assert answer.status_code == 403, answer.headers
        assert "/token" not in outside.asked
        assert house.sessions(fresh) is None


# ---- what the operator is told -------------------------------------------------------------


def test_whoever_does_not_come_in_is_told_and_nothing_of_what_he_tried(
    platform: Platform, face: Face
) -> None:
    client, audit = face.client, platform.config.data / "audit.jsonl"
    client.cookies.clear()
    tried = ("wrong and wrong 11", "guessed@b.example", "gk_wrong_key", "wrong-token")
    for _ in range(3):
        fields = {"address": tried[1], "password": tried[0]}
        assert client.post("/login", data=fields).status_code == 403
    assert client.post("/sent", data={"code": "123456"}).status_code == 410
    assert client.get(f"/reset/{tried[3]}").status_code == 410
    key = {"Authorization": f"Bearer {tried[2]}"}
    assert client.get("/api/exhibits", headers=key).status_code == 401
    assert client.get("/api/exhibits").status_code == 401, "who shows nothing is no attempt"
    text = audit.read_text("utf-8")
    told = [json.loads(one) for one in text.splitlines()]
    found = {(one["rule"], one["code"]) for one in told if one["event"] == "entry.refused"}
    assert found >= {
        ("POST /login", "accounts.sign-in-refused"),
        ("POST /sent", "accounts.code-over"),
        ("GET /reset/{token}", "accounts.link-dead"),
        ("GET /api/exhibits", "accounts.key-refused"),
    }
    assert not [one for one in tried if one in text]


@pytest.mark.parametrize("name", ["key", "token", "access_token", "api_key", "session"])
def test_no_secret_opens_by_an_address(platform: Platform, face: Face, name: str) -> None:
    """What stands in an address stands in logs and histories of others: it is not taken."""
    with someone(platform, face.address, "careless") as one:
        scopes = frozenset({Permission.READ})
        key = platform.keys.make(one.acting(platform), scopes, days=30, note="n")[1]
        session = one.client.cookies[COOKIE]
        assert face.client.get(f"/api/exhibits?{name}={key}").status_code == 401
        assert face.client.get(f"/api/exhibits?{name}={session}").status_code == 401
        assert face.client.get(f"/me?{name}={session}&{COOKIE}={session}").status_code == 303
