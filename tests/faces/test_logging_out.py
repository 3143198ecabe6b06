"""Who signs out at the provider is signed out here: OpenID Connect Back-Channel Logout 1.0."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from guzheng.accounts.loggingout import EVENT
from tests import plain
from tests.faces.persons import CALLER
from tests.faces.test_federation import House, _forgiven, go, opened
from tests.providers import CLIENT, Person, provider, signed

PLACE = "/login/identity/logout"
_numbers = itertools.count(1)
Claims = dict[str, Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with provider() as outside, opened(tmp_path_factory.mktemp("out"), outside) as made:
        yield made


@pytest.fixture(autouse=True)
def well(house: House) -> Iterator[None]:
    yield
    house.provider.twist, house.provider.person = lambda _header, _claims: None, Person()
    _forgiven(house)


@pytest.fixture
def subject() -> str:
    return f"out-{next(_numbers)}"


def claims_of(house: House, **claims: object) -> Claims:
    now = int(time.time())
    said: Claims = {
        "iss": house.provider.issuer,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 120,
        "jti": f"jti-{next(_numbers)}",
        "events": {EVENT: {}},
    }
    return said | claims


def brought(house: House, claims: Claims, *, by: str = "own", **header: str) -> httpx.Response:
    """By the provider, who has no cookie of anybody's."""
    token = signed({"alg": "RS256", "kid": "r1", "typ": "logout+jwt"} | header, claims, by=by)
    return plain.post(f"{house.address}{PLACE}", data={"logout_token": token})


def with_sid(sid: str) -> Callable[[Claims, Claims], None]:
    def twist(_header: Claims, claims: Claims) -> None:
        claims["sid"] = sid

    return twist


def test_who_signs_out_there_is_signed_out_here(house: House, subject: str) -> None:
    with (
        house.linked("jane", subject) as jane,
        house.linked("wang", f"{subject}-other") as wang,
        house.browser() as first,
        house.browser() as second,
        house.browser() as others,
    ):
        house.provider.person = Person(subject)
        for client in (first, second):
            assert go(client, "/login/identity").status_code == 303
        house.provider.person = Person(f"{subject}-other")
        assert go(others, "/login/identity").status_code == 303
        answer = brought(house, claims_of(house, sub=subject))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert house.sessions(first) is house.sessions(second) is None
        assert house.sessions(others) is not None
        assert house.sessions(wang.client) is not None
        assert house.sessions(jane.client) is not None, "begun otherwise: not the provider's"
        assert house.history(jane.person).count("left-by-provider") == 1
        assert first.get("/me").status_code == 303
        assert "统一登录处退出" in jane.text("/me/security")
        again = brought(house, claims_of(house, sub=subject))
        assert again.status_code == 200, "signed out already is signed out"
        assert house.history(jane.person).count("left-by-provider") == 1


def test_one_session_there_is_one_session_here(house: House, subject: str) -> None:
    with (
        house.linked("jane", subject),
        house.browser() as first,
        house.browser() as second,
    ):
        house.provider.person = Person(subject)
        for client, sid in ((first, "sid-1"), (second, "sid-2")):
            house.provider.twist = with_sid(f"{subject}-{sid}")
            assert go(client, "/login/identity").status_code == 303
        session = house.sessions(second)
        house.platform.people.end_session(session, "se_none", CALLER)
        assert brought(house, claims_of(house, sid=f"{subject}-sid-1")).status_code == 200
        assert house.sessions(first) is None
        assert house.sessions(second) is not None
        both = claims_of(house, sub="another", sid=f"{subject}-sid-2")
        assert brought(house, both).status_code == 200
        assert house.sessions(second) is not None, "both must fit"
        both = claims_of(house, sub=subject, sid=f"{subject}-sid-2")
        assert brought(house, both).status_code == 200
        assert house.sessions(second) is None


def test_a_sign_in_in_two_steps_ends_too(house: House, subject: str) -> None:
    import base64

    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    people = house.platform.people
    with house.linked("jane", subject) as jane, house.browser() as client:
        session = people.require_session(dict(jane.client.cookies))
        typed = people.propose_totp(session).typed.replace(" ", "")
        totp = TOTP(base64.b32decode(typed), 6, SHA1(), 30)  # noqa: S303
        _, codes = people.confirm_totp(
            session, totp.generate(int(time.time())).decode(), CALLER
        )
        house.provider.person = Person(subject)
        go(client, "/login/identity")
        assert brought(house, claims_of(house, sub=subject)).status_code == 200
        done = client.post("/login/second", data={"code": codes[0], "next": "/me"})
        assert done.status_code == 410, "what waited is over"
        go(client, "/login/identity")
        done = client.post("/login/second", data={"code": codes[0], "next": "/me"})
        assert done.status_code == 303
        assert house.sessions(client) is not None
        assert brought(house, claims_of(house, sub=subject)).status_code == 200
        assert house.sessions(client) is None


WRONG: dict[str, Claims] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "another audience": {"aud": "another"},
    "an audience beside us": {"aud": [CLIENT, "another"]},
    "issued long ago": {"iat": int(time.time()) - 3600},
    "issued tomorrow": {"iat": int(time.time()) + 86_400},
    "over": {"exp": int(time.time()) - 3600},
    "no end": {"exp": None},
    "nobody": {"sub": None},
    "no number": {"jti": None},
    "no events": {"events": None},
    "another event": {"events": {"http://schemas.example/other": {}}},
    "an event that is no object": {"events": {EVENT: True}},
    "a nonce": {"nonce": "n"},
    "a subject that is no text": {"sub": 7},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_logout_token_ends_nothing(house: House, subject: str, case: str) -> None:
    with house.linked("jane", subject), house.browser() as client:
        house.provider.person = Person(subject)
        assert go(client, "/login/identity").status_code == 303
        said = claims_of(house, sub=subject) | WRONG[case]
        said = {name: value for name, value in said.items() if value is not None}
        answer = brought(house, said)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"] == "invalid_request"
        assert house.sessions(client) is not None


def test_neither_another_key_nor_a_token_of_another_kind_nor_one_twice(
    house: House, subject: str
) -> None:
    with house.linked("jane", subject), house.browser() as client:
        house.provider.person = Person(subject)
        assert go(client, "/login/identity").status_code == 303
        said = claims_of(house, sub=subject)
        assert brought(house, said, by="other").status_code == 400
        assert brought(house, said, alg="none").status_code == 400
        assert brought(house, said, alg="HS256").status_code == 400
        assert brought(house, said, typ="at+jwt").status_code == 400
        for body in ({}, {"logout_token": ""}, {"logout_token": "a.b.c"}):
            answer = plain.post(f"{house.address}{PLACE}", data=body)
            assert answer.status_code in {400, 415}, answer.text
        assert house.sessions(client) is not None
        assert brought(house, said).status_code == 200
        assert go(client, "/login/identity").status_code == 303
        assert brought(house, said).status_code == 400, "it was brought before"
        assert house.sessions(client) is not None
