"""A register is asked by a reviewer; its answer is bounded, kept, and decides nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.accounts import SEAT
from guzheng.accounts.realnames import Statement
from guzheng.accounts.registers import HttpRegister, open_register
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Refused, Unavailable
from tests.pictures import picture
from tests.registers import KEY, Register, register_served

PERSON = Statement("person", "张某某", "11010519491231002X")


@pytest.fixture(scope="module")
def served() -> Iterator[Register]:
    with register_served() as register:
        yield register


@pytest.fixture
def register(served: Register) -> Register:
    served.mood = "agrees"
    served.asked.clear()
    return served


def test_it_is_asked_with_its_key_and_its_answer_is_read(register: Register) -> None:
    asked = HttpRegister("某某核验", register.address, KEY)
    assert asked.compare(PERSON).agrees is True
    assert asked.compare(PERSON).reference == "R-7 〈一致〉"
    register.mood = "differs"
    assert asked.compare(PERSON).agrees is False
    said = {"kind": "person", "name": "张某某", "number": PERSON.number}
    assert register.asked == [(f"Bearer {KEY}", said)] * 3


@pytest.mark.parametrize("mood", ["garbled", "deep", "other", "endless", "moved", "fails"])
def test_whatever_goes_wrong_out_there_is_tried_again(register: Register, mood: str) -> None:
    register.mood = mood
    with pytest.raises(Unavailable, match=r"accounts\.register-unavailable") as told:
        HttpRegister("某某核验", register.address, KEY).compare(PERSON)
    assert PERSON.number not in str(told.value)
    assert KEY not in str(told.value)


def test_nobody_answers() -> None:
    with pytest.raises(Unavailable, match=r"accounts\.register-unavailable"):
        HttpRegister("某某核验", "http://127.0.0.1:1/", KEY).compare(PERSON)


def test_settings_that_would_tell_numbers_to_strangers_are_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    assert open_register("", "", "") is None
    found = open_register("某某核验", "https://register.example/", str(key))
    assert found is not None
    assert found.name == "某某核验"
    wrong = [
        ("某某核验", "http://register.example/", str(key)),
        ("某某核验", "ftp://127.0.0.1/", str(key)),
        ("", "https://register.example/", str(key)),
        ("某某核验", "https://register.example/", str(tmp_path / "none")),
    ]
    for one in wrong:
        with pytest.raises(Refused, match=r"config\.value-refused"):
            open_register(*one)
    key.chmod(0o644)
    with pytest.raises(Refused, match=r"config\.value-refused"):
        open_register("某某核验", "https://register.example/", str(key))


def test_an_answer_stands_beside_the_review(register: Register, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    config = Config(
        tmp_path / "data",
        accounts="on",
        operator="某某存证平台",
        name_register="某某核验",
        name_register_url=register.address,
        name_register_key=str(key),
    )
    names = Platform(config).names

    def decided(*moods: str) -> tuple[str, str | None]:
        asked = names.ask(SEAT, PERSON.kind, PERSON.name, PERSON.number, [picture("PNG")])
        for mood in moods:
            register.mood = mood
            names.compare(asked.request, SEAT)
        names.approve(asked.request, SEAT)
        told = len(register.asked)
        with pytest.raises(Refused, match=r"accounts\.name-decided"):
            names.compare(asked.request, SEAT)
        assert len(register.asked) == told
        found = names.view(SEAT.account).attested
        assert found is not None
        assert found.uscc is None
        assert names.review(asked.request, SEAT).request.state == "approved"
        return found.means, found.by

    assert decided() == ("review", "某某存证平台")
    assert decided("differs") == ("review", "某某存证平台")
    assert decided("differs", "agrees") == ("provider", "某某核验")
    assert decided("agrees", "differs") == ("review", "某某存证平台")
    kinds = [one.kind for one in names.latest(1)[0].events]
    assert kinds == ["asked", "viewed", "agrees", "differs", "approved"]


def test_without_one_there_is_nothing_to_ask(tmp_path: Path) -> None:
    names = Platform(Config(tmp_path, accounts="on")).names
    asked = names.ask(SEAT, PERSON.kind, PERSON.name, PERSON.number, [picture("PNG")])
    with pytest.raises(Refused, match=r"accounts\.no-register"):
        names.compare(asked.request, SEAT)
