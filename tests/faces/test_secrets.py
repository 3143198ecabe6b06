"""No secret is written down: not in a log, not in a file of the data directory, not in a fault.

Somebody lives here for a while: becomes the operator, mistypes a password, signs in, sets up a
second step, invites, makes a key and uses it. Then everything that was written is searched for
what he typed and for what he was told once."""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode

import httpx
import pytest

from guzheng.accounts import Acting, Permission
from guzheng.accounts.sessions import COOKIE
from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from tests import plain
from tests.faces.conftest import serving

PASSWORD, MISTYPED = "korrekt-pferd-batterie-7", "korrekt-pferd-batterie-8"
_ADDRESS = "anne@example.com"


@dataclass(frozen=True)
class Lived:
    """What must be nowhere, by what it is; and everything that was logged meanwhile."""

    secrets: dict[str, str]
    logged: str
    data: Path


@contextlib.contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Every record of every logger, with its arguments and its traceback."""
    lines: list[str] = []
    root, form = logging.getLogger(), logging.Formatter("%(name)s %(message)s")

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.startswith("http"):  # the client of this test, which knows them all
                return
            lines.append(f"{form.format(record)} {record.args!r}")

    keeping, level = Keeping(), root.level
    root.addHandler(keeping)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(keeping)


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.post(path, content=urlencode(fields), headers=form)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    data = tmp_path_factory.mktemp("secrets")
    secrets = {"password": PASSWORD, "mistyped password": MISTYPED}
    with everything_logged() as lines:
        platform = Platform(Config(data, accounts="on"))
        with serving(create_app(platform)) as face:
            client = face.client
            link = platform.people.operator_link(face.address)
            secrets["link of the operator"] = link.rpartition("/")[2]
            answer = post(
                client,
                f"/welcome/{secrets['link of the operator']}",
                name="Anne",
                address=_ADDRESS,
                password=PASSWORD,
                again=PASSWORD,
            )
            assert answer.status_code == 303, answer.text
            first = client.cookies[COOKIE]
            assert post(client, "/logout").status_code == 303
            client.cookies.clear()
            wrong = post(client, "/login", address=_ADDRESS, password=MISTYPED)
            assert wrong.status_code in (403, 422), wrong.text
            assert MISTYPED not in wrong.text, "a password is not given back"
            right = post(client, "/login", address=_ADDRESS, password=PASSWORD)
            assert right.status_code == 303, right.text
            secrets |= {"session": first, "second session": client.cookies[COOKIE]}
            shown = post(client, "/me/security/totp")
            totp = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", client.get("/me/security").text)
            assert shown.status_code == 303
            assert totp is not None
            secrets["seed of the second step"] = totp[0].replace(" ", "")
            acting = _acting(platform, client)
            scopes = frozenset({Permission.READ})
            secrets["key"] = platform.keys.make(acting, scopes, days=30, note="n")[1]
            secrets["invitation"] = platform.members.invite(acting)[1]
            _use(face.address, secrets)
    return Lived(secrets, "\n".join(lines), data)


def _acting(platform: Platform, client: httpx.Client) -> Acting:
    acting = platform.identities.find({COOKIE: client.cookies[COOKIE]}, {})
    assert acting is not None
    return acting


def _use(address: str, secrets: dict[str, str]) -> None:
    with plain.client(base_url=address, timeout=60) as program:
        key = {"Authorization": f"Bearer {secrets['key']}"}
        assert program.get("/api/exhibits", headers=key).status_code == 200
        assert program.get(f"/api/exhibits/{secrets['key']}", headers=key).status_code == 404
        assert program.get(f"/invitation/{secrets['invitation']}").status_code == 200
        assert program.get(f"/reset/{secrets['session']}").status_code == 410
        assert program.get(f"/no-such/{secrets['invitation']}").status_code == 404


def test_no_log_has_a_secret(lived: Lived) -> None:
    for what, secret in lived.secrets.items():
        assert secret not in lived.logged, what


def test_no_file_has_a_secret(lived: Lived) -> None:
    """Passwords lie as Argon2id, tokens and keys as digests, seeds sealed."""
    files = [one for one in lived.data.rglob("*") if one.is_file()]
    assert any(one.name == "accounts.sqlite" for one in files)
    for file in files:
        octets = file.read_bytes()
        for what, secret in lived.secrets.items():
            assert secret.encode() not in octets, f"{what} in {file.relative_to(lived.data)}"


def test_what_stays_here_is_for_its_owner_alone(lived: Lived) -> None:
    for name in ("accounts.sqlite", "commissions.sqlite", "keys"):
        assert (lived.data / name).stat().st_mode & 0o077 == 0, name


class _Falling(Platform):
    def exhibit(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("fallen")


def test_a_fault_names_the_address_and_not_what_was_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    platform = _Falling(Config(tmp_path))
    exhibit = platform.deposit("a.txt", [b"words"])
    with serving(create_app(platform)) as face:
        assert face.client.get(f"/exhibits/{exhibit}?secret=told").status_code == 500
    assert "/exhibits/{exhibit}" in caplog.text
    assert exhibit not in caplog.records[-1].getMessage()
    assert "told" not in caplog.text
