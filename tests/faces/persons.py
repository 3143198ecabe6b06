"""Persons who are signed in, each with a client of his own, at a face with accounts."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import httpx

from guzheng.accounts import Acting
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import COOKIE, Caller, Sessions
from guzheng.app import Platform
from tests import plain

_numbers = itertools.count()
CALLER = Caller("a browser", "192.0.2.1")


@dataclass(frozen=True)
class Someone:
    """A person with a session, and his browser."""

    person: str
    account: str
    client: httpx.Client

    def acting(self, platform: Platform) -> Acting:
        found = platform.members.acting(self.person)
        assert found is not None
        return found

    def text(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, status: int = 303
    ) -> httpx.Response:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.client.post(path, content=urlencode(fields or {}), headers=form)
        assert answer.status_code == status, answer.text
        return answer


@contextlib.contextmanager
def someone(
    platform: Platform,
    address: str,
    name: str,
    account: str | None = None,
    *,
    signed_in_at: datetime | None = None,
) -> Iterator[Someone]:
    """Registered, with an account of his own, and signed in."""
    parts, now = platform.parts, platform.now()
    persons = Persons(parts.accounts, parts.entropy)
    person = persons.add(name, f"{name}{next(_numbers)}@example.com", "", now).person
    own = platform.members.rows.found(person, now, account)
    sessions = Sessions(parts.accounts, parts.entropy)
    token = sessions.begin(person, "password", CALLER, signed_in_at or now)
    with plain.client(base_url=address, cookies={COOKIE: token}, timeout=60) as client:
        yield Someone(person, own, client)
