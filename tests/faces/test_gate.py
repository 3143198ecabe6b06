"""The gate: nobody comes in where no rule lets him, and nobody to what is another's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import Mount

from guzheng.accounts import Permission
from guzheng.app import Platform
from guzheng.config import Config, load
from guzheng.web import create_app
from guzheng.web.gate import (
    OPERATOR,
    PUBLIC,
    Doorkeeper,
    Owned,
    Unruled,
    local_path,
)
from tests import plain
from tests.faces.conftest import Face, serving
from tests.faces.tenants import COOKIE, Known


@dataclass(frozen=True)
class Door:
    """A face with accounts, and those whom it knows."""

    face: Face
    known: Known
    platform: Platform

    def asks(self, who: str, method: str, path: str, **more: object) -> httpx.Response:
        client = plain.client(base_url=self.face.address, timeout=60)
        with client:
            if who:
                client.cookies.set(COOKIE, who)
            return client.request(method, path, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    platform = Platform(Config(tmp_path_factory.mktemp("gate"), accounts="on"))
    known = Known()
    with serving(create_app(platform, identities=known, upload_limit=1 << 20)) as face:
        yield Door(face, known, platform)


# ---- what keeps an application from being made -------------------------------------------


def keeper() -> tuple[FastAPI, Doorkeeper]:
    doorkeeper = Doorkeeper(Known(), {"exhibit": Owned("exhibit.not-found", lambda _: None)})
    app = FastAPI(docs_url=None, redoc_url=None, dependencies=[Depends(doorkeeper.admit)])
    return app, doorkeeper


def router_of(path: str) -> APIRouter:
    router = APIRouter()

    @router.api_route(path, methods=["GET", "HEAD"])
    def answer() -> dict[str, str]:
        return {}

    return router


def test_a_route_without_a_rule_is_not_served() -> None:
    app, doorkeeper = keeper()
    with pytest.raises(Unruled, match="no rule for GET /forgotten"):
        doorkeeper.include(app, {}, router_of("/forgotten"))


def test_a_rule_without_a_route_is_a_mistake() -> None:
    app, doorkeeper = keeper()
    with pytest.raises(Unruled, match="POST /gone"):
        doorkeeper.include(app, {"GET /a": PUBLIC, "POST /gone": PUBLIC}, router_of("/a"))


def test_what_a_parameter_names_must_be_known() -> None:
    app, doorkeeper = keeper()
    with pytest.raises(Unruled, match=r"\{thing\}"):
        doorkeeper.include(
            app, {"GET /things/{thing}": Permission.READ}, router_of("/things/{thing}")
        )


def test_what_is_somebodys_own_is_not_public() -> None:
    app, doorkeeper = keeper()
    with pytest.raises(Unruled, match="public"):
        doorkeeper.include(app, {"GET /{exhibit}": PUBLIC}, router_of("/{exhibit}"))


def test_nothing_is_served_past_the_gate() -> None:
    app, doorkeeper = keeper()
    doorkeeper.include(app, {"GET /a": PUBLIC}, router_of("/a"))
    doorkeeper.require_whole(app)
    app.router.routes.append(Mount("/files", app=FastAPI()))
    with pytest.raises(Unruled, match="past the gate"):
        doorkeeper.require_whole(app)


def test_a_route_added_behind_the_gates_back_is_closed() -> None:
    app, doorkeeper = keeper()

    @app.get("/behind")
    def behind() -> dict[str, str]:
        return {"secret": "told"}

    with pytest.raises(Unruled):
        doorkeeper.require_whole(app)


# ---- nobody --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/verify", "/ledger", "/help", "/map", "/api/time"])
def test_what_all_may_see(door: Door, path: str) -> None:
    assert door.asks("", "GET", path).status_code == 200


def test_who_is_not_signed_in_is_told_what_this_is(door: Door) -> None:
    page = door.asks("", "GET", "/").text
    assert 'href="/login"' in page
    assert 'href="/verify"' in page
    assert "data-intake" not in page, "no form that he could not send"
    assert "data-intake" in door.asks("anne", "GET", "/").text


def test_a_page_leads_to_signing_in_and_back(door: Door) -> None:
    answer = door.asks("", "GET", "/exhibits?before=x&lang=en")
    assert answer.status_code == 303
    leads = urlsplit(answer.headers["location"])
    assert leads.path == "/login"
    assert leads.netloc == ""
    assert parse_qs(leads.query)["next"] == ["/exhibits?before=x&lang=en"]


def test_a_form_leads_back_to_its_page_and_never_elsewhere(door: Door) -> None:
    def back(referer: str) -> str:
        answer = door.asks("", "POST", "/schedules", headers={"Referer": referer})
        assert answer.status_code == 303
        return parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]

    assert back(f"{door.face.address}/schedules?x=1") == "/schedules?x=1"
    assert back("https://evil.example/schedules") == "/"
    assert back("") == "/"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/exhibits?a=1", True),
        ("/", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example", False),
        ("/a\r\nSet-Cookie: x", False),
        ("/\t/evil.example", False),
        ("javascript:alert(1)", False),
        ("", False),
        ("/" + "a" * 2000, False),
    ],
)
def test_only_an_address_of_ours_is_gone_back_to(text: str, kept: bool) -> None:
    assert local_path(text) == (text if kept else "/")


def test_a_program_is_told_to_show_its_key(door: Door) -> None:
    answer = door.asks("", "GET", "/api/exhibits")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "accounts.not-signed-in"
    shown = door.asks("", "GET", "/api/exhibits", headers={"Authorization": "Bearer anne"})
    assert shown.status_code == 200


def test_static_files_and_tiles_ask_for_nobody(door: Door) -> None:
    html = door.asks("", "GET", "/verify").text
    sheet = re.search(r'href="(/static/[^"]+\.css)"', html)
    assert sheet is not None
    before = door.known.asked
    assert door.asks("anne", "GET", sheet[1]).status_code == 200
    assert door.asks("anne", "GET", "/roots.pem").status_code == 200
    assert door.known.asked == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/exhibits"), ("OPTIONS", "/orders"), ("TRACE", "/"), ("PUT", "/api/exhibits")],
)
def test_another_method_is_no_way_in(door: Door, method: str, path: str) -> None:
    assert door.asks("", method, path).status_code == 405


def test_the_head_of_a_page_is_the_page(door: Door) -> None:
    assert door.asks("", "HEAD", "/exhibits").status_code == 303
    assert door.asks("anne", "HEAD", "/exhibits").status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/exhibits", "/api/orders?limit=2", "/api/time", "/api/exhibits/none"]
)
@pytest.mark.parametrize("who", ["", "anne"])
def test_what_a_program_may_get_has_a_head(door: Door, who: str, path: str) -> None:
    got, head = (door.asks(who, method, path) for method in ("GET", "HEAD"))
    assert got.status_code in {200, 401, 404}
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]
    assert got.content and not head.content


def test_heads_stand_in_no_description_of_the_api(door: Door) -> None:
    paths = door.asks("", "GET", "/api/openapi.json").json()["paths"]
    assert paths and not [path for path, said in paths.items() if "head" in said]


def test_an_error_page_knows_who_is_signed_in(door: Door) -> None:
    before = door.known.asked
    assert door.asks("anne", "GET", "/no-such-page").status_code == 404
    assert door.known.asked == before + 1


def test_the_operators_addresses_are_his(door: Door) -> None:
    doorkeeper = Doorkeeper(door.known, {})
    app = FastAPI(dependencies=[Depends(doorkeeper.admit)])
    doorkeeper.include(app, {"GET /operator": OPERATOR}, router_of("/operator"))
    assert doorkeeper.rules == {"GET /operator": OPERATOR}


def test_who_reaches_us_by_https_is_told_to_stay(door: Door) -> None:
    assert "strict-transport-security" not in door.asks("", "GET", "/").headers
    with serving(create_app(door.platform, identities=door.known, only_https=True)) as face:
        for path in ("/", "/no-such-page", "/api/exhibits", "/checkpoint"):
            told = face.client.get(path).headers["strict-transport-security"]
            assert told == "max-age=63072000; includeSubDomains", path


# ---- the setting -----------------------------------------------------------------------


def test_an_installation_has_accounts_and_lets_nobody_in_unknown(tmp_path: Path) -> None:
    config = load(tmp_path / "data", environment={"GUZHENG_CLOCK_PROFILE": "evaluation"})
    assert config.accounts == "on"
    platform = Platform(config)
    with serving(create_app(platform)) as face:
        assert face.client.get("/exhibits").status_code == 303
        assert face.client.get("/api/exhibits").status_code == 401
        assert face.client.get("/", headers={"Cookie": f"{COOKIE}=guessed"}).status_code == 200
        guessed = {"Authorization": "Bearer gzk_guessed"}
        assert face.client.get("/api/exhibits", headers=guessed).status_code == 401
