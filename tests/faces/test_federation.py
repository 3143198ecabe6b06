"""People come in by an identity provider of others: a real one on loopback, with every way in
which it, or somebody between, could be wrong."""

import contextlib
import itertools
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from guzheng.accounts.sessions import COOKIE, Caller
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Refused
from guzheng.web import create_app
from guzheng.web.sessions import WAY
from tests import plain
from tests.faces.conftest import serving
from tests.faces.persons import CALLER, Someone, someone
from tests.mailbox import Mailbox, mailbox
from tests.providers import CLIENT, SECRET, Person, Provider, provider

SESSION = "guzheng_session"
_subjects = itertools.count(1)


@dataclass
class House:
    platform: Platform
    address: str
    box: Mailbox
    provider: Provider

    @contextlib.contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        with plain.client(base_url=self.address, timeout=60) as client:
            yield client

    def linked(self, name: str, subject: str) -> "contextlib._GeneratorContextManager[Someone]":
        """Somebody who has an account, and linked this subject."""
        return _linked(self, name, subject)

    def sessions(self, client: httpx.Client) -> Any:
        return self.platform.people.find_session(dict(client.cookies))

    def history(self, person: str) -> list[str]:
        return [one.kind for one in self.platform.people.security(person).history]


@contextlib.contextmanager
def _linked(house: House, name: str, subject: str) -> Iterator[Someone]:
    with someone(house.platform, house.address, name) as one:
        house.provider.person = Person(subject, email=f"{subject}@idp.example")
        link(house, one.client)
        yield one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with provider() as outside, opened(tmp_path_factory.mktemp("idp"), outside) as made:
        yield made


@pytest.fixture
def subject() -> str:
    return f"s-{next(_subjects)}"


@pytest.fixture(autouse=True)
def well(house: House) -> Iterator[None]:
    """Each test finds the provider well, and nobody locked out."""
    yield
    house.provider.mood, house.provider.algorithm, house.provider.key = "well", "RS256", "own"
    house.provider.twist, house.provider.person = lambda _header, _claims: None, Person()
    _forgiven(house)


@contextlib.contextmanager
def opened(folder: Path, outside: Provider, **settings: Any) -> Iterator[House]:
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listening.getsockname()[1]}"
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    with mailbox() as box:
        config = Config(
            folder / "data",
            accounts="on",
            public_url=address,
            smtp_url=f"smtp://127.0.0.1:{box.port}",
            mail_from="no-reply@guzheng.example",
            oidc_issuer=outside.issuer,
            oidc_client=CLIENT,
            oidc_secret=str(secret),
            oidc_name="统一身份",
            password_mib=19,
            password_passes=2,
        )
        platform = Platform(replace(config, **settings))
        with serving(create_app(platform), listening):
            yield House(platform, address, box, outside)


def go(client: httpx.Client, path: str) -> httpx.Response:
    """Away and back, as a browser goes: the answer to what came back."""
    away = client.get(path)
    assert away.status_code == 303, away.text
    sent = plain.get(away.headers["Location"])
    assert sent.status_code == 302
    return client.get(sent.headers["Location"])


def link(house: House, client: httpx.Client) -> None:
    shown = go(client, "/me/security/identities/new")
    assert shown.status_code == 200, shown.text
    found = re.search(r'name="token" value="([0-9a-f]+)"', shown.text)
    assert found is not None
    done = client.post("/me/security/identities", data={"token": found[1]})
    assert done.status_code == 303, done.text
    take(client, done)


def take(client: httpx.Client, answer: httpx.Response) -> None:
    """The session has another token: the one of before opens nothing."""
    token = answer.cookies[COOKIE]
    client.cookies.clear()
    client.cookies.set(COOKIE, token)


def said(answer: httpx.Response) -> str:
    """What a page tells of a refusal."""
    found = re.search(r'class="trouble".*?</div>', answer.text, re.DOTALL)
    return found[0] if found else ""


# ---- in, with a link ---------------------------------------------------------------------


def test_who_linked_it_comes_in_by_it_and_is_told(house: House, subject: str) -> None:
    with house.linked("jane", subject) as jane, house.browser() as fresh:
        assert "统一身份" in fresh.get("/login?next=/me").text
        came = go(fresh, "/login/identity?next=/me/sessions")
        assert (came.status_code, came.headers["Location"]) == (303, "/me/sessions")
        session = house.sessions(fresh)
        assert (session.person, session.means) == (jane.person, "identity")
        assert WAY not in fresh.cookies, "what was under way is over"
        assert house.history(jane.person)[:2] == ["entered.identity", "identity-linked"]
        address = house.platform.people.security(jane.person).person.address
        assert "统一登录" in str(house.box.letter(address).get_content())
        assert f"{subject}@idp.example" in jane.text("/me/security")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_every_algorithm_that_is_taken(house: House, subject: str, algorithm: str) -> None:
    house.provider.algorithm = algorithm
    with house.linked("jane", subject), house.browser() as fresh:
        assert go(fresh, "/login/identity").status_code == 303
        assert house.sessions(fresh) is not None


def test_a_second_step_is_asked_for_after_it(house: House, subject: str) -> None:
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    people = house.platform.people
    with house.linked("jane", subject) as jane, house.browser() as fresh:
        import base64

        session = people.require_session(dict(jane.client.cookies))
        typed = people.propose_totp(session).typed.replace(" ", "")
        totp = TOTP(base64.b32decode(typed), 6, SHA1(), 30)  # noqa: S303
        _, codes = people.confirm_totp(
            session, totp.generate(int(time.time())).decode(), CALLER
        )
        came = go(fresh, "/login/identity?next=/me")
        assert came.headers["Location"] == "/login/second?next=%2Fme"
        assert house.sessions(fresh) is None
        done = fresh.post("/login/second", data={"code": codes[0], "next": "/me"})
        assert done.headers["Location"] == "/me"
        assert house.sessions(fresh).means == "identity+recovery"


def test_linking_is_shown_first_and_wants_a_fresh_proof(house: House) -> None:
    with someone(house.platform, house.address, "jane") as jane:
        shown = go(jane.client, "/me/security/identities/new")
        assert "jane@example.com" in shown.text
        assert house.platform.people.federation.of(jane.person) == ()
        token = re.search(r'name="token" value="([0-9a-f]+)"', shown.text)
        assert token is not None
        with someone(house.platform, house.address, "mallory") as mallory:
            stolen = mallory.post("/me/security/identities", {"token": token[1]}, status=410)
            assert "accounts.identity-over" in stolen.text
        jane.post("/me/security/identities", {"token": token[1]})
        again = jane.post("/me/security/identities", {"token": token[1]}, status=410)
        assert "accounts.identity-over" in again.text
    early = house.platform.now() - timedelta(minutes=30)
    with someone(house.platform, house.address, "late", signed_in_at=early) as late:
        away = late.client.get("/me/security/identities/new")
        assert away.headers["Location"].startswith("/me/prove?next=")


def test_one_identity_is_one_persons(house: House, subject: str) -> None:
    with (
        house.linked("jane", subject),
        someone(house.platform, house.address, "other") as other,
    ):
        shown = go(other.client, "/me/security/identities/new")
        token = re.search(r'name="token" value="([0-9a-f]+)"', shown.text)
        assert token is not None
        refused = other.post("/me/security/identities", {"token": token[1]}, status=409)
        assert "accounts.identity-taken" in refused.text


def test_it_is_unlinked_and_opens_nothing_then(house: House, subject: str) -> None:
    fields = {"issuer": house.provider.issuer, "subject": subject}
    with house.linked("jane", subject) as jane, house.browser() as fresh:
        with someone(house.platform, house.address, "other") as other:
            other.post("/me/security/identities/remove", fields, status=404)
        take(jane.client, jane.post("/me/security/identities/remove", fields))
        assert house.history(jane.person)[0] == "identity-unlinked"
        assert go(fresh, "/login/identity").status_code == 403
        assert house.sessions(fresh) is None


def test_what_is_linked_or_unlinked_ends_the_other_sessions(house: House) -> None:
    people, caller, subject = house.platform.people, Caller("another browser"), "s-alone"

    def alone(jane: Someone) -> bool:
        own = people.require_session(dict(jane.client.cookies))
        return [one.session for one in people.sessions(jane.person)] == [own.session]

    with someone(house.platform, house.address, "jane") as jane:
        sessions, now = people._rooms.sessions, house.platform.now()
        sessions.begin(jane.person, "password", caller, now)
        assert not alone(jane)
        before = jane.client.cookies[COOKIE]
        house.provider.person = Person(subject, email=f"{subject}@idp.example")
        link(house, jane.client)
        assert alone(jane)
        assert jane.client.cookies[COOKIE] != before, "the token of before opens nothing"
        sessions.begin(jane.person, "password", caller, now)
        fields = {"issuer": house.provider.issuer, "subject": subject}
        take(jane.client, jane.post("/me/security/identities/remove", fields))
        assert alone(jane)
        address = people.security(jane.person).person.address
        for told in ("关联了统一登录身份", "解除了统一登录身份的关联"):
            assert house.box.letter(address, told)


def test_who_has_no_password_shows_by_it_that_it_is_he(house: House, subject: str) -> None:
    with house.linked("jane", subject) as jane:
        assert "/me/prove/identity" in jane.text("/me/prove")
        before = jane.client.cookies[SESSION]
        came = go(jane.client, "/me/prove/identity?next=/me/security")
        assert came.headers["Location"] == "/me/security"
        after = came.cookies[SESSION]
        assert after != before, "another token with every proof"
        jane.client.cookies.clear()
        jane.client.cookies.set(SESSION, after)
        house.provider.person = Person("s-2")
        assert go(jane.client, "/me/prove/identity").status_code == 403
        house.provider.person = Person(subject)

        def long_ago(_header: Any, claims: dict[str, Any]) -> None:
            claims["auth_time"] -= 3600

        house.provider.twist = long_ago
        refused = go(jane.client, "/me/prove/identity")
        assert (refused.status_code, "不能证明身份" in refused.text) == (403, True)


# ---- who is not linked -------------------------------------------------------------------


def test_an_address_alone_opens_nothing(house: House) -> None:
    with someone(house.platform, house.address, "jane") as jane, house.browser() as fresh:
        address = house.platform.people.security(jane.person).person.address
        house.provider.person = Person("s-9", email=address)
        refused = go(fresh, "/login/identity?next=/me")
        assert refused.status_code == 403
        assert "登录与安全" in said(refused)
        assert house.sessions(fresh) is None
        assert house.platform.people.federation.of(jane.person) == ()


@pytest.mark.parametrize(
    ("verified", "in_by_it"), [(True, True), (False, False), ("true", False)]
)
def test_an_address_that_the_operator_trusts_opens_if_it_is_verified(
    tmp_path: Path, verified: bool | str, in_by_it: bool
) -> None:
    with (
        provider() as outside,
        opened(tmp_path, outside, oidc_trust_address="yes") as house,
        someone(house.platform, house.address, "jane") as jane,
        house.browser() as fresh,
    ):
        address = house.platform.people.security(jane.person).person.address
        outside.person = Person("s-9", email=address, verified=verified)
        came = go(fresh, "/login/identity?next=/me")
        assert (came.status_code == 303) is in_by_it
        if in_by_it:
            assert house.sessions(fresh).person == jane.person
            assert "统一登录" in str(house.box.letter(address).get_content())


def test_who_was_invited_becomes_a_person_and_nobody_else(house: House, subject: str) -> None:
    house.provider.person = Person("s-new", email="New.Person@idp.example", name="新 人")
    with house.browser() as stranger:
        assert go(stranger, "/login/identity?next=/invitation/guessed").status_code == 403
    with someone(house.platform, house.address, "owner") as owner, house.browser() as fresh:
        acting = owner.acting(house.platform)
        _, secret = house.platform.members.invite(acting)
        came = go(fresh, f"/login/identity?next=/invitation/{secret}")
        assert came.headers["Location"] == f"/invitation/{secret}"
        session = house.sessions(fresh)
        person = house.platform.people.find_person(session.person)
        assert person is not None
        assert (person.name, person.address, person.password) == (
            "新 人",
            "new.person@idp.example",
            "",
        )
        assert fresh.post(f"/invitation/{secret}").status_code == 303
        joined = house.platform.members.rows.people(owner.account)
        assert {one.person: one.permissions for one in joined}[person.person] == frozenset()
        wrong = fresh.post("/login", data={"address": person.address, "password": ""})
        assert wrong.status_code == 403, "no password is no empty password"
        last = {"issuer": house.provider.issuer, "subject": "s-new"}
        assert fresh.post("/me/security/identities/remove", data=last).status_code == 303


def test_everybody_or_nobody_as_the_operator_says(tmp_path: Path) -> None:
    for allowed, status in (("yes", 303), ("no", 403)):
        folder = tmp_path / allowed
        folder.mkdir()
        with provider() as outside, opened(folder, outside, oidc_new_persons=allowed) as house:
            with house.browser() as fresh:
                assert go(fresh, "/login/identity").status_code == status
            outside.person = Person("s-2", verified=False)
            with house.browser() as fresh:
                assert go(fresh, "/login/identity").status_code in {403, 422}
                assert house.sessions(fresh) is None


# ---- what is refused ---------------------------------------------------------------------


def _set(name: str, value: Any) -> Any:
    def twist(_header: dict[str, Any], claims: dict[str, Any]) -> None:
        claims[name] = value(claims.get(name)) if callable(value) else value

    return twist


def _without(name: str) -> Any:
    return lambda _header, claims: claims.pop(name)


def _head(name: str, value: Any) -> Any:
    return lambda header, _claims: header.update({name: value})


WRONG = {
    "another issuer": _set("iss", "https://evil.example"),
    "no issuer": _without("iss"),
    "another audience": _set("aud", "somebody-else"),
    "one audience too many": _set("aud", [CLIENT, "somebody-else"]),
    "no audience": _without("aud"),
    "made for another": _set("azp", "somebody-else"),
    "too old": _set("exp", lambda at: at - 3600),
    "no end": _without("exp"),
    "an end that is no number": _set("exp", "tomorrow"),
    "issued long ago": _set("iat", lambda at: at - 3600),
    "issued tomorrow": _set("iat", lambda at: at + 86400),
    "no time of issue": _without("iat"),
    "not yet": _set("nbf", lambda _: int(time.time()) + 3600),
    "another sign-in's": _set("nonce", "guessed"),
    "nobody's sign-in": _without("nonce"),
    "no subject": _without("sub"),
    "an empty subject": _set("sub", ""),
    "a subject too long": _set("sub", "s" * 256),
    "another access token": _set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
    "no signature": _head("alg", "none"),
    "the public key as a secret": _head("alg", "HS256"),
    "an algorithm for another key": _head("alg", "ES256"),
    "an unknown algorithm": _head("alg", "RS1"),
    "an unknown key": _head("kid", "r2"),
    "another key's name": _head("kid", "e1"),
    "an extension that must be understood": _head("crit", ["exp"]),
}


def test_whatever_is_wrong_with_a_token_is_refused(house: House, subject: str) -> None:
    with house.linked("jane", subject) as jane:
        for wrong, twist in WRONG.items():
            house.provider.twist = twist
            with house.browser() as fresh:
                refused = go(fresh, "/login/identity")
                assert refused.status_code == 403, wrong
                assert "不能证明身份" in said(refused), wrong
                assert house.sessions(fresh) is None, wrong
            _forgiven(house)
        house.provider.twist = lambda _header, _claims: None
        house.provider.key = "other"
        with house.browser() as fresh:
            assert go(fresh, "/login/identity").status_code == 403
        assert house.history(jane.person)[0] == "identity-linked", "nobody came in"


def _forgiven(house: House) -> None:
    """Each counts against the place; the walk is no flood."""
    from sqlalchemy import delete

    from guzheng.accounts.people_tables import TRY
    from guzheng.store.records import writing

    with writing(house.platform.parts.accounts) as connection:
        connection.execute(delete(TRY))


def test_an_answer_is_good_once_and_in_the_browser_that_asked(
    house: House, subject: str
) -> None:
    with house.linked("jane", subject), house.browser() as fresh, house.browser() as other:
        before = house.provider.asked.count("/token")
        away = fresh.get("/login/identity")
        kept = fresh.cookies[WAY]
        back = plain.get(away.headers["Location"]).headers["Location"]
        # Another browser has nothing under way, or something else.
        assert other.get(back).status_code == 410
        other.get("/login/identity")
        assert other.get(back).status_code == 403
        assert house.sessions(other) is None
        # A state that was guessed, or none, and an answer of another issuer (RFC 9207).
        state = parse_qs(urlsplit(back).query)["state"][0]
        assert fresh.get(back.replace(state, "guessed")).status_code == 403
        assert fresh.get(back.partition("?")[0]).status_code == 403
        assert fresh.get(back).status_code == 303
        # The very same again, in the very same browser.
        fresh.cookies.set(WAY, kept)
        replayed = fresh.get(back)
        assert replayed.status_code in {403, 410}
        assert house.provider.asked.count("/token") == before + 1, "not asked again"
        away = fresh.get("/login/identity")
        back = plain.get(away.headers["Location"]).headers["Location"]
        mixed = back.replace("iss=", "iss=https%3A%2F%2Fevil.example&was=")
        assert fresh.get(mixed).status_code == 403


def test_a_code_that_was_used_elsewhere_is_refused(house: House, subject: str) -> None:
    with house.linked("jane", subject), house.browser() as fresh:
        away = fresh.get("/login/identity")
        back = plain.get(away.headers["Location"]).headers["Location"]
        house.provider.codes.clear()
        assert fresh.get(back).status_code == 403
        assert house.sessions(fresh) is None


def test_who_declines_there_is_told_so_here(house: House) -> None:
    house.provider.mood = "declines"
    with house.browser() as fresh:
        refused = go(fresh, "/login/identity")
        assert refused.status_code == 403
        assert "没有放行" in said(refused)
        assert 'name="password"' in refused.text, "the other ways stand beside it"


# ---- a provider that is not well ---------------------------------------------------------


@pytest.mark.parametrize("mood", ["dead", "dawdles", "garbled", "redirects"])
def test_a_provider_that_is_not_well_is_said_in_words(tmp_path: Path, mood: str) -> None:
    with provider() as outside, opened(tmp_path, outside) as house, house.browser() as fresh:
        outside.mood = mood
        federating = house.platform.people.federation._federating
        assert federating is not None
        federating.issuer._seconds = 0.5
        began = time.monotonic()
        answer = fresh.get("/login/identity")
        assert answer.status_code == 503
        assert "其他登录方式照常可用" in said(answer)
        again = fresh.get("/login/identity")
        assert again.status_code == 503
        assert house.provider.asked.count("/.well-known/openid-configuration") == 1
        assert time.monotonic() - began < 30
        assert fresh.get("/login").status_code == 200


def test_a_provider_that_leads_inside_is_not_followed(tmp_path: Path) -> None:
    with provider() as outside, opened(tmp_path, outside) as house, house.browser() as fresh:
        outside.mood = "elsewhere"
        assert fresh.get("/login/identity").status_code == 503
        assert house.sessions(fresh) is None


def test_without_a_provider_there_is_no_way_to_it(tmp_path: Path) -> None:
    with (
        provider() as outside,
        opened(tmp_path, outside, oidc_issuer="") as house,
        house.browser() as fresh,
    ):
        assert "/login/identity" not in fresh.get("/login").text
        assert fresh.get("/login/identity").status_code == 404
        assert fresh.get("/login/identity/back?code=1&state=2").status_code == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc_issuer": "http://idp.example"},
        {"oidc_issuer": "https://idp.example/?a=b"},
        {"oidc_issuer": "ftp://idp.example"},
        {"oidc_client": ""},
        {"oidc_secret": "/nowhere"},
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    given = {"oidc_issuer": "https://idp.example", "oidc_client": "us"} | settings
    config = Config(tmp_path, accounts="on", public_url="http://localhost:1", **given)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"config\.value-refused"):
        Platform(config)
