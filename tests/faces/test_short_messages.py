"""By a mobile number: registered, signed in, helped, and told, through a gateway of others."""

import base64
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from guzheng.accounts.shortmessages import SmsGateway
from guzheng.app import Platform
from guzheng.config import Config, load
from guzheng.refusals import Refused, Unavailable
from guzheng.web import create_app
from tests.faces.conftest import Face, serving
from tests.faces.persons import someone
from tests.receivers import Receiver, receiver

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
PASSWORD, ANOTHER = "两个字加一串 words 314", "另外一串 words 2718281"
NUMBER = "+8613800138000"
WAIT_SECONDS = 60.0


@pytest.fixture
def gateway() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "sms.secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


def config_of(data: Path, gateway: Receiver, secret: Path) -> Config:
    return Config(
        data,
        accounts="on",
        public_url="http://localhost",
        sms_url=f"{gateway.url}/sms",
        sms_secret=str(secret),
    )


@pytest.fixture
def face(tmp_path: Path, gateway: Receiver, secret: Path) -> Iterator[Face]:
    config = replace(
        config_of(tmp_path / "data", gateway, secret), password_mib=19, password_passes=2
    )
    with serving(create_app(Platform(config))) as served:
        yield served


def told(gateway: Receiver, count: int) -> dict[str, str]:
    """What the latest of so many messages says; each was signed."""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(gateway.heard) < count:
        assert time.monotonic() < deadline, gateway.heard
        time.sleep(0.02)
    latest = gateway.heard[count - 1]
    assert latest.is_signed(SECRET)
    value = json.loads(latest.body)
    assert value["type"] == "sms.send"
    data: dict[str, str] = value["data"]
    return data


def typed_in(client: httpx.Client, data: dict[str, str]) -> str:
    """Where the code of a message leads, typed into the page that waits for it."""
    assert data["code"] in data["text"]
    assert "link" not in data
    assert "http://localhost/" not in data["text"]
    answer = client.post("/sent", data={"code": data["code"]})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def sign_in(client: httpx.Client, number: str, password: str) -> httpx.Response:
    fields = {"address": number, "password": password, "next": "/me"}
    return client.post("/login", data=fields)


def test_a_person_is_whole_by_a_mobile_number(face: Face, gateway: Receiver) -> None:
    client = face.client
    page = client.get("/register").text
    assert "手机号" in page
    assert client.post("/register", data={"address": "138 0013 8000"}).status_code == 303
    first = told(gateway, 1)
    assert (first["to"], first["kind"], first["language"]) == (NUMBER, "confirm", "zh")
    assert len(first["text"]) < 200, "a short message"
    chosen = {"name": "王店主", "password": PASSWORD, "again": PASSWORD}
    page = client.get("/sent").text
    for wanted in ('autocomplete="one-time-code"', 'inputmode="numeric"', NUMBER):
        assert wanted in page
    answer = client.post(typed_in(client, first), data=chosen)
    assert answer.status_code == 303, answer.text
    assert "王店主" in client.get("/me").text
    client.cookies.clear()
    for typed in ("13800138000", "+86 138-0013-8000"):
        assert sign_in(client, typed, PASSWORD).status_code == 303
        assert NUMBER in client.get("/me/security").text
        client.cookies.clear()
    assert sign_in(client, NUMBER, ANOTHER).status_code == 403
    # Known already: told there, and to nobody else.
    assert client.post("/register", data={"address": NUMBER}).status_code == 303
    assert told(gateway, 2)["kind"] == "known"
    # Forgotten.
    assert client.post("/forgot", data={"address": "13800138000"}).status_code == 303
    again = told(gateway, 3)
    assert again["kind"] == "forgot"
    fields = {"password": ANOTHER, "again": ANOTHER}
    assert client.post(typed_in(client, again), data=fields).status_code == 303
    changed = told(gateway, 4)
    assert changed["kind"] == "changed"
    assert "link" not in changed
    assert sign_in(client, NUMBER, ANOTHER).status_code == 303


def test_to_one_number_go_so_many(face: Face, gateway: Receiver) -> None:
    for _ in range(3):
        assert face.client.post("/register", data={"address": NUMBER}).status_code == 303
    answer = face.client.post("/register", data={"address": NUMBER})
    assert answer.status_code == 429
    assert told(gateway, 3)["to"] == NUMBER
    assert len(gateway.heard) == 3


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_five_tries_and_no_more_and_another_code_is_another(
    face: Face, gateway: Receiver
) -> None:
    client = face.client
    assert client.post("/register", data={"address": NUMBER}).status_code == 303
    code = told(gateway, 1)["code"]
    for left in reversed(range(5)):
        answer = client.post("/sent", data={"code": wrong(code)})
        assert answer.status_code == (422 if left else 410), answer.text
    # The right one comes too late, and the number has to wait as well.
    late = client.post("/sent", data={"code": code})
    assert late.status_code in {410, 429}
    # Another is not sent within the minute.
    assert client.post("/sent/again").status_code == 429


def test_a_code_is_nothing_without_the_page_that_waits_for_it(
    face: Face, gateway: Receiver
) -> None:
    client = face.client
    assert client.post("/register", data={"address": NUMBER}).status_code == 303
    kept = client.cookies["guzheng_waiting"]
    code = told(gateway, 1)["code"]
    client.cookies.clear()
    assert client.post("/sent", data={"code": code}).status_code == 410
    client.cookies["guzheng_waiting"] = kept
    spaced = " ".join(code)  # as an input method may write it
    assert client.post("/sent", data={"code": spaced}).status_code == 303
    # Used up.
    client.cookies["guzheng_waiting"] = kept
    assert client.post("/sent", data={"code": code}).status_code == 410


def test_a_page_waits_alike_where_no_code_was_sent(face: Face, gateway: Receiver) -> None:
    client = face.client
    assert client.post("/forgot", data={"address": NUMBER}).status_code == 303
    assert told(gateway, 1)["kind"] == "unknown"
    assert "one-time-code" in client.get("/sent").text
    for code in ("none", "", "000000"):
        assert client.post("/sent", data={"code": code}).status_code == 422


def test_what_is_kept_of_a_code_opens_nothing(
    face: Face, gateway: Receiver, tmp_path: Path
) -> None:
    assert face.client.post("/register", data={"address": NUMBER}).status_code == 303
    code = told(gateway, 1)["code"]
    with sqlite3.connect(tmp_path / "data" / "accounts.sqlite") as rows:
        kept = rows.execute("SELECT waiting, code FROM person_code").fetchall()
    assert len(kept) == 1
    token = face.client.cookies["guzheng_waiting"]
    for guessed in (code, f"{token} {code}", token):
        assert sha256(guessed.encode()).hexdigest() not in str(kept[0][1])
    assert token not in str(kept) and code not in str(kept)


def test_another_country_and_a_day_that_is_full(
    tmp_path: Path, gateway: Receiver, secret: Path
) -> None:
    config = replace(config_of(tmp_path / "data", gateway, secret), sms_daily=2)
    platform = Platform(config)
    with serving(create_app(platform)) as face:
        client = face.client
        abroad = client.post("/register?lang=zh", data={"address": "+882 1300 0000"})
        assert abroad.status_code == 422
        assert "本平台不向这个国家或地区的号码发短信" in abroad.text
        for last in (1, 2):
            number = f"1380013800{last}"
            assert client.post("/register", data={"address": number}).status_code == 303
        full = client.post("/register?lang=zh", data={"address": "13800138003"})
        assert full.status_code == 429
        assert "今天的短信已发完" in full.text
        told(gateway, 2)
        # E-mail is not held up by it.
        assert client.post("/register", data={"address": "li@example.com"}).status_code == 303
        audit = (tmp_path / "data" / "audit.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in audit]
        full_events = [one for one in events if one["event"] == "sms.budget"]
        assert [(one["prefix"], one["sent"]) for one in full_events] == [("+86", 2)]
        assert platform.people.short_messages() == (("+86", 2, 2),)
        with someone(platform, face.address, "operator", "local") as operator:
            assert "+86：2 / 2 条 · 已发完" in operator.text("/me?lang=zh")
    assert len(gateway.heard) == 2


def carrier(gateway: Receiver, secret: Path) -> SmsGateway:
    return SmsGateway(
        gateway.url, str(secret), lambda: datetime.now(UTC), os.urandom, (0.0, 0.0, 0.0)
    )


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_who_cannot_now_is_asked_again_under_one_number(
    gateway: Receiver, secret: Path, status: int
) -> None:
    gateway.status = status
    with pytest.raises(Unavailable, match=r"accounts\.sms-failed"):
        carrier(gateway, secret).send(NUMBER, "", "text")
    assert len(gateway.heard) == 4
    assert len({one.headers["webhook-id"] for one in gateway.heard}) == 1
    assert all(one.is_signed(SECRET) for one in gateway.heard)


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_who_refuses_is_not_asked_again(gateway: Receiver, secret: Path, status: int) -> None:
    gateway.status = status
    with pytest.raises(Refused, match=r"accounts\.sms-refused") as refused:
        carrier(gateway, secret).send(NUMBER, "", "text")
    assert len(gateway.heard) == 1
    assert NUMBER not in str(refused.value)


def test_a_redirect_is_not_followed_and_nobody_home_is_said(
    gateway: Receiver, secret: Path
) -> None:
    one = carrier(gateway, secret)
    gateway.mood = "redirects"
    with pytest.raises(Refused, match="302"):
        one.send(NUMBER, "", "text")
    assert one.reaches(NUMBER)
    assert not one.reaches("li@example.com")


def test_settings_that_cannot_be(tmp_path: Path, secret: Path) -> None:
    def made(url: str, file: Path) -> SmsGateway:
        return SmsGateway(url, str(file), lambda: datetime.now(UTC), os.urandom)

    for url in ("http://sms.example/", "ftp://sms.example", "", "https://u:p@sms.example/"):
        with pytest.raises(Refused, match="sms_url") as refused:
            made(url, secret)
        assert not re.search("sms.example", str(refused.value)), "it may have a key in it"
    weak = tmp_path / "weak"
    for text, mode in (("whsec_AAAA", 0o600), ("no secret", 0o600), (SECRET, 0o644)):
        weak.write_text(text)
        weak.chmod(mode)
        with pytest.raises(Refused, match="sms_secret"):
            made("https://sms.example/", weak)
    with pytest.raises(Refused, match="sms_secret"):
        made("https://sms.example/", tmp_path / "none")
    environment = {"GUZHENG_SMS_URL": "https://sms.example/key"}
    with pytest.raises(Refused, match="sms_secret and public_url") as refused:
        load(tmp_path / "data", environment=environment)
    assert "sms.example" not in str(refused.value)
