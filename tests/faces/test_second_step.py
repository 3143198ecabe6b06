"""A second step, demanded: whoever has none is led to set it up, and can do nothing else."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guzheng.accounts import Acting, Permission
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.store.ids import LOCAL
from guzheng.web import create_app
from tests import plain
from tests.faces.conftest import Face, serving
from tests.faces.persons import CALLER, Someone, someone
from tests.faces.test_people import code_of

PROGRAM = {"Accept": "application/json"}


@contextlib.contextmanager
def opened(folder: Path, policy: str) -> Iterator[tuple[Platform, Face]]:
    platform = Platform(Config(folder, accounts="on", second_step=policy))
    with serving(create_app(platform)) as face:
        yield platform, face


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Face]]:
    with opened(tmp_path_factory.mktemp("steps"), "offered") as made:
        yield made


def is_led(answer: httpx.Response) -> bool:
    led = answer.headers.get("Location", "").startswith("/me/security?next=")
    return answer.status_code == 303 and led


def set_up(one: Someone) -> tuple[str, str]:
    """By the pages alone; gives the key to type, and the session that follows."""
    assert one.client.post("/me/security/totp").status_code == 303
    typed = re.search(r"data-typed>([^<]+)<", one.text("/me/security"))
    assert typed is not None
    answer = one.client.post("/me/security/totp/confirm", data={"code": code_of(typed[1])})
    assert answer.status_code == 200, answer.text
    token = answer.cookies["guzheng_session"]
    one.client.cookies.clear()
    one.client.cookies.set("guzheng_session", token)
    return typed[1], token


def test_an_owner_demands_it_and_whoever_has_none_is_led_to_it(
    house: tuple[Platform, Face],
) -> None:
    platform, face = house
    with (
        someone(platform, face.address, "owner") as owner,
        someone(platform, face.address, "staff") as staff,
    ):
        _, secret = platform.members.invite(owner.acting(platform))
        platform.members.accept(secret, staff.person)
        platform.members.change(
            owner.acting(platform), staff.person, frozenset({Permission.READ})
        )
        assert staff.client.get("/exhibits").status_code == 200
        assert owner.text("/members?lang=zh").count("仅一步登录") == 2
        owner.post("/members/second-step", {"demanded": "1"})
        for one in (owner, staff):
            for path in ("/exhibits", "/", "/members", "/me/name", "/orders"):
                assert is_led(one.client.get(path)), path
            refused = one.client.get("/api/exhibits", headers=PROGRAM)
            assert refused.status_code == 403
            assert refused.json()["code"] == "accounts.second-step-wanted"
            for path in ("/me", "/me/security", "/me/sessions", "/me/account", "/verify"):
                assert one.client.get(path).status_code == 200, path
        assert "data-wanted" in staff.text("/me/security?next=/exhibits")
        set_up(staff)
        assert staff.client.get("/exhibits").status_code == 200
        assert "data-wanted" not in staff.text("/me/security")
        # A later sign-in by one step is led there too, and needs nothing but its code.
        set_up(owner)
        assert owner.text("/members?lang=zh").count("仅一步登录") == 0
        audit = platform.members.audit(owner.account, 50)
        assert sum(one.happening.kind == "second-step-demanded" for one in audit) == 1
        assert "要求所有人两步登录" in owner.text("/members/audit?lang=zh")
        # Switched off again, one is led to it again at once, and not locked out.
        answer = staff.client.post("/me/security/totp/remove")
        staff.client.cookies.clear()
        staff.client.cookies.set("guzheng_session", answer.cookies["guzheng_session"])
        assert is_led(staff.client.get("/exhibits"))
        owner.post("/members/second-step", {})
        assert staff.client.get("/exhibits").status_code == 200


def test_only_an_owner_demands_it(house: tuple[Platform, Face]) -> None:
    platform, face = house
    with (
        someone(platform, face.address, "owner") as owner,
        someone(platform, face.address, "staff") as staff,
    ):
        _, secret = platform.members.invite(owner.acting(platform))
        platform.members.accept(secret, staff.person)
        platform.members.change(
            owner.acting(platform), staff.person, frozenset({Permission.MEMBERS})
        )
        answer = staff.client.post("/members/second-step", data={"demanded": "1"})
        assert answer.status_code == 403
        assert owner.client.get("/exhibits").status_code == 200


def test_keys_and_passkeys_are_not_asked_for_a_step(house: tuple[Platform, Face]) -> None:
    platform, face = house
    with someone(platform, face.address, "owner") as owner:
        by = owner.acting(platform)
        _, key = platform.keys.make(by, frozenset({Permission.READ}), days=30, note="x")
        owner.post("/members/second-step", {"demanded": "1"})
        answer = plain.get(
            f"{face.address}/api/exhibits", headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 200
        from guzheng.accounts.sessions import Sessions

        sessions = Sessions(platform.parts.accounts, platform.parts.entropy)
        for means, led in (("passkey", False), ("password+totp", False), ("identity", True)):
            token = sessions.begin(owner.person, means, CALLER, platform.now())
            cookie = {"Cookie": f"guzheng_session={token}"}
            answer = plain.get(f"{face.address}/exhibits", headers=cookie)
            assert is_led(answer) is led, means


@pytest.mark.parametrize(
    ("policy", "operator_led", "other_led"),
    [("operators", True, False), ("everybody", True, True)],
)
def test_the_operator_demands_it_of_operators_or_of_everybody(
    tmp_path: Path, policy: str, operator_led: bool, other_led: bool
) -> None:
    with (
        opened(tmp_path, policy) as (platform, face),
        someone(platform, face.address, "operator", LOCAL) as operator,
        someone(platform, face.address, "other") as other,
    ):
        assert is_led(operator.client.get("/operator/accounts")) is operator_led
        assert is_led(other.client.get("/exhibits")) is other_led
        set_up(operator)
        assert operator.client.get("/operator/accounts").status_code == 200
        waived = operator.text("/members?lang=zh")
        assert ("平台运营者要求所有人" in waived) is (policy == "everybody")


def test_nothing_is_permitted_meanwhile(house: tuple[Platform, Face]) -> None:
    """Not by the gate alone: whoever asks carries no permission until then."""
    platform, face = house
    with someone(platform, face.address, "owner") as owner:
        owner.post("/members/second-step", {"demanded": "1"})
        found = platform.identities.find(dict(owner.client.cookies), {})
        assert isinstance(found, Acting)
        assert (found.wants_second_step, found.permissions, found.operator) == (
            True,
            frozenset(),
            False,
        )
