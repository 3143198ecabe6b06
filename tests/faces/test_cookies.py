"""What a browser keeps for us: its names, how it may be used, and what goes at sign-out."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import cookies, create_app
from tests import plain
from tests.faces.conftest import Face, serving

PASSWORD = "a long enough sentence"
LOGIN = {"address": "operator@example.com", "password": PASSWORD}


def _opened(folder: Path, public_url: str, listening: socket.socket) -> Platform:
    config = Config(
        folder, accounts="on", public_url=public_url, password_mib=19, password_passes=2
    )
    platform = Platform(config)
    from guzheng.app.people import Caller

    link = platform.people.operator_link("http://localhost")
    token, caller = link.rsplit("/", 1)[1], Caller("a test", "192.0.2.9")
    platform.people.welcome(token, "运营", LOGIN["address"], PASSWORD, caller)
    return platform


@pytest.fixture(scope="module", params=["http", "https"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Face]]:
    """As readers reach it: on a machine of one's own, or behind a proxy that speaks TLS."""
    listening = socket.create_server(("127.0.0.1", 0))
    own = f"http://localhost:{listening.getsockname()[1]}"
    public = own if request.param == "http" else "https://evidence.example"
    platform = _opened(tmp_path_factory.mktemp("cookies"), public, listening)
    only_https = request.param == "https"
    with serving(create_app(platform, only_https=only_https), listening) as face:
        yield request.param, face


def _set(answer: httpx.Response) -> str:
    (made,) = answer.headers.get_list("set-cookie")
    return made


def test_a_session_is_bound_to_this_host_and_hidden_from_scripts(
    house: tuple[str, Face],
) -> None:
    scheme, face = house
    with plain.client(base_url=face.address, timeout=60) as client:
        made = _set(client.post("/login", data=LOGIN))
        name = made.partition("=")[0]
        assert name == {"http": "guzheng_session", "https": "__Host-guzheng_session"}[scheme]
        attributes = {one.strip().lower() for one in made.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert ("secure" in attributes) is (scheme == "https")
        assert not any(one.startswith("domain") for one in attributes)
        token = re.sub(r"^[^=]+=([^;]+);.*", r"\1", made)
        for sent, status in ((name, 200), (f"x-{name}", 303)):
            answer = plain.get(f"{face.address}/me", headers={"Cookie": f"{sent}={token}"})
            assert answer.status_code == status
        if scheme == "https":  # planted by another host of the domain, or without TLS
            for planted in ("guzheng_session", "__Secure-guzheng_session"):
                answer = plain.get(
                    f"{face.address}/me", headers={"Cookie": f"{planted}={token}"}
                )
                assert answer.status_code == 303


def test_signing_out_clears_what_the_browser_keeps(house: tuple[str, Face]) -> None:
    _, face = house
    with plain.client(base_url=face.address, timeout=60) as client:
        made = _set(client.post("/login", data=LOGIN)).partition(";")[0]
        answer = plain.post(f"{face.address}/logout", headers={"Cookie": made})
        assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
        assert 'session=""' in _set(answer)
        again = plain.get(f"{face.address}/me", headers={"Cookie": made})
        assert again.status_code == 303
        assert "Clear-Site-Data" not in again.headers


def test_a_link_to_one_thing_is_bound_to_its_path() -> None:
    told = [(b"set-cookie", b"guzheng_share=x; HttpOnly; Path=/s/abc")]
    assert cookies.prefixed(told) == [
        (b"set-cookie", b"__Secure-guzheng_share=x; HttpOnly; Path=/s/abc; Secure")
    ]
    brought = b"__Secure-guzheng_share=x; other=1; guzheng_share=y; __Host-guzheng_share=z"
    assert cookies.bare([(b"cookie", brought)]) == [(b"cookie", b"guzheng_share=x; other=1")]


def test_our_own_name_without_tls_is_another_site(house: tuple[str, Face]) -> None:
    """Whoever stands in between makes such a page, and some browsers say Origin alone."""
    scheme, face = house
    host = face.address.removeprefix("http://")
    for said in ("http", "https"):
        headers = {"Origin": f"{said}://{host}"}
        answer = plain.post(f"{face.address}/logout", headers=headers, timeout=60)
        refused = (scheme, said) == ("https", "http")
        assert ("web.cross-site" in answer.text) == refused
        assert answer.status_code == (403 if refused else 303)
