"""Six digits (验证码) that came by letter or short message, typed into the page that waits.

The page holds 256 bits of chance in a cookie; the digits alone are nothing without it, so
nobody can try the digits of another's message. Kept are digests under the installation's key,
of both together: who reads the table cannot try a million digits against it. A code lasts ten
minutes and five tries, is taken once, and is compared in constant time. A page waits likewise
for an address that no code went to: what it is told says nothing about who has an account.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, select, update

from guzheng.accounts.letters import digest_of, new_token
from guzheng.accounts.people_tables import CODE
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

LASTS: Final = timedelta(minutes=10)
TRIES: Final = 5
DIGITS: Final = 6
_NONE: Final = "none"  # which nobody can type
PAUSE: Final = timedelta(seconds=60)  # before another is sent


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a page waits for: `kind` is that of the letter. `note`: where he wanted to go on."""

    kind: str
    purpose: str
    person: str
    address: str
    note: str
    made_at: datetime
    ends_at: datetime

    def pause_seconds(self, now: datetime) -> int:
        """Until another may be sent."""
        return max(0, int((self.made_at + PAUSE - now).total_seconds()))


class Codes:
    """The codes of an installation. `digest`: under its key, by kind and text."""

    def __init__(
        self,
        engine: Engine,
        entropy: Callable[[int], bytes],
        digest: Callable[[str, str], str],
    ) -> None:
        self._engine, self._entropy, self._digest = engine, entropy, digest

    def write(
        self,
        kind: str,
        purpose: str,
        now: datetime,
        *,
        person: str,
        address: str,
        note: str,
        is_sent: bool,
    ) -> tuple[str, str]:
        """What the page keeps, and the digits for the letter; both told this once. An earlier
        code for the same address and purpose is void. `is_sent`: else no code is right."""
        token = new_token(self._entropy)
        digits = f"{int.from_bytes(self._entropy(16)) % 10**DIGITS:0{DIGITS}}"
        row = {
            "waiting": digest_of(token),
            "code": self._code(token, digits if is_sent else _NONE),
            "kind": kind,
            "purpose": purpose,
            "person": person,
            "address": address,
            "note": note,
            "tries": 0,
            "made_at": instant.encode(now),
            "ends_at": instant.encode(now + LASTS),
        }
        with writing(self._engine) as connection:
            connection.execute(delete(CODE).where(CODE.c.ends_at < instant.encode(now)))
            same = (CODE.c.address == address) & (CODE.c.purpose == purpose)
            connection.execute(delete(CODE).where(same, CODE.c.person == person))
            insert_missing(connection, CODE, row)
        return token, digits

    def find(self, token: str, now: datetime) -> Waiting | None:
        """What the page with this cookie waits for; None once it is over."""
        wanted = select(CODE).where(CODE.c.waiting == digest_of(token))
        with reading(self._engine) as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None or _is_over(row, now) else _waiting(row)

    def take(self, token: str, typed: str, now: datetime) -> Waiting:
        """The code was right, and is used up. Each try counts before it is looked at, so that
        many at once are no more than five. Raises Refused (code-wrong, code-over)."""
        this = CODE.c.waiting == digest_of(token)
        with writing(self._engine) as connection:
            counted = connection.execute(
                update(CODE).where(this, CODE.c.tries < TRIES).values(tries=CODE.c.tries + 1)
            )
            row = connection.execute(select(CODE).where(this)).one_or_none()
            if row is None or counted.rowcount != 1 or _is_over(row, now):
                raise _over()
            is_right = hmac.compare_digest(self._code(token, only_digits(typed)), row.code)
            if is_right:
                connection.execute(delete(CODE).where(this))
        if is_right:
            return _waiting(row)
        if row.tries >= TRIES:
            raise _over()
        raise Refused(
            "accounts.code-wrong", expected="the code of the message", found="another"
        )

    def forget(self, token: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(CODE).where(CODE.c.waiting == digest_of(token)))

    def _code(self, token: str, digits: str) -> str:
        return self._digest("code", f"{token} {digits}")


def only_digits(typed: str) -> str:
    """As it is meant: full-width figures count as their digits, spaces not at all."""
    kept = (str(int(one)) for one in typed[:40] if one.isdecimal())
    return "".join(kept)


def _is_over(row: Row[Any], now: datetime) -> bool:
    return instant.parse(row.ends_at) <= now


def _waiting(row: Row[Any]) -> Waiting:
    made_at, ends_at = instant.parse(row.made_at), instant.parse(row.ends_at)
    return Waiting(row.kind, row.purpose, row.person, row.address, row.note, made_at, ends_at)


def _over() -> Refused:
    return Refused(
        "accounts.code-over",
        expected="a code that is not too old, and was not tried too often",
        found="none",
        act="ask for another",
    )
