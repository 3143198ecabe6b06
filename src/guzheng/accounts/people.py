"""Persons (个人): who they are, how each of them signs in, and what happened to that.

A person comes into being when somebody who reads an address chooses a name and a password for
it, so nobody can prepare an account for another's address. Rows in, frozen values out; who may
do what for an account is `members`, and what a sign-in asks for is `signing`.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from guzheng.accounts.passkeys import Passkey
from guzheng.accounts.people_tables import (
    EVENT,
    PASSKEY,
    PERSON,
    RECOVERY,
    TOTP,
    create,
)
from guzheng.accounts.sessions import DEVICE, Caller, legible
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing

PREFIX: Final = "pe"
_EVENT_PREFIX: Final = "pv"
NAME_LIMIT: Final = 60
ADDRESS_LIMIT: Final = 254
_MAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)
_PHONE = re.compile(r"\+?[0-9]{5,15}", re.ASCII)
_MAINLAND = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
PASSKEYS_LIMIT: Final = 20
_PASSKEY_LIMIT: Final = 2000  # a credential's id has at most 1,023 octets


@dataclass(frozen=True, slots=True)
class Person:
    person: str
    name: str
    address: str
    password: str  # Argon2id; empty: none
    password_at: datetime | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Totp:
    secret: str  # sealed
    confirmed: bool
    last_step: int


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a person's history: what, when, and from where."""

    kind: str
    device: str
    address: str
    detail: str
    observed_at: datetime


def parse_address(text: str) -> str:
    """The one spelling of an e-mail address (lower case) or telephone number (E.164)."""
    typed = text.strip().lower()
    if len(typed) <= ADDRESS_LIMIT and _MAIL.fullmatch(typed):
        return typed
    digits = re.sub(r"[\s()-]", "", typed)
    if _MAINLAND.fullmatch(digits):
        return f"+86{digits}"
    if digits.startswith("+") and _PHONE.fullmatch(digits):
        return digits
    raise Refused(
        "accounts.address-refused",
        expected="name@example.com, 13800138000, +44…",
        found=f"{len(typed)}",
    )


def parse_name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Refused(
            "accounts.person-name-refused", expected=f"1–{NAME_LIMIT}", found=f"{len(name)}"
        )
    return name


def address_taken() -> Refused:
    return Refused(
        "accounts.address-taken",
        expected="an address without an account",
        found="one with an account",
        act="sign in, or ask for another password",
    )


class Persons:
    """Every person of an installation."""

    def __init__(self, engine: Engine, entropy: Callable[[int], bytes]) -> None:
        self._engine, self._entropy = engine, entropy
        with writing(engine) as connection:
            create(connection)

    # ---- persons ---------------------------------------------------------------------

    def add(self, name: str, address: str, password: str, now: datetime) -> Person:
        """Refused when the address has somebody: of two who come at once, one is added."""
        at = instant.encode(now)
        row = {
            "person": ids.new(PREFIX, now, self._entropy),
            "name": name,
            "address": address,
            "password": password,
            "password_at": at,
            "made_at": at,
        }
        with writing(self._engine) as connection:
            if _of_address(connection, address) or not insert_missing(connection, PERSON, row):
                raise address_taken()
        return Person(row["person"], name, address, password, now, now)

    def find(self, person: str) -> Person | None:
        with reading(self._engine) as connection:
            return _find(connection, PERSON.c.person == person)

    def names_of(self, persons: Collection[str]) -> dict[str, str]:
        """As each of them calls himself; who is not known is left out."""
        wanted = select(PERSON.c.person, PERSON.c.name).where(PERSON.c.person.in_(persons))
        with reading(self._engine) as connection:
            return {row.person: row.name for row in connection.execute(wanted).all()}

    def find_by_address(self, address: str) -> Person | None:
        with reading(self._engine) as connection:
            return _find(connection, PERSON.c.address == address)

    def require(self, person: str) -> Person:
        found = self.find(person)
        if found is None:
            raise Refused("accounts.person-not-found", expected="a person", found=person[:40])
        return found

    def rename(self, person: str, name: str) -> None:
        self._change(person, name=name)

    def move(self, person: str, address: str) -> None:
        """Another address; Refused when it has somebody."""
        with writing(self._engine) as connection:
            if _of_address(connection, address):
                raise address_taken()
            connection.execute(
                update(PERSON).where(PERSON.c.person == person).values(address=address)
            )

    def set_password(self, person: str, password: str, now: datetime) -> None:
        self._change(person, password=password, password_at=instant.encode(now))

    def _change(self, person: str, **values: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(PERSON).where(PERSON.c.person == person).values(**values))

    # ---- passkeys --------------------------------------------------------------------

    def passkeys(self, person: str) -> tuple[Passkey, ...]:
        wanted = select(PASSKEY).where(PASSKEY.c.person == person)
        with reading(self._engine) as connection:
            return tuple(map(_passkey, connection.execute(wanted.order_by(PASSKEY.c.made_at))))

    def find_passkey(self, passkey: str) -> Passkey | None:
        with reading(self._engine) as connection:
            row = connection.execute(
                select(PASSKEY).where(PASSKEY.c.passkey == passkey)
            ).one_or_none()
        return None if row is None else _passkey(row)

    def add_passkey(self, passkey: Passkey) -> None:
        row = {
            "passkey": passkey.passkey,
            "person": passkey.person,
            "name": passkey.name,
            "public": passkey.public,
            "counter": passkey.counter,
            "backed_up": int(passkey.backed_up),
            "made_at": instant.encode(passkey.made_at),
            "used_at": "",
        }
        own = select(func.count()).where(PASSKEY.c.person == passkey.person)
        with writing(self._engine) as connection:
            if connection.execute(own).scalar_one() >= PASSKEYS_LIMIT:
                raise Refused("accounts.passkeys-many", expected=f"≤ {PASSKEYS_LIMIT}")
            if not insert_missing(connection, PASSKEY, row):
                raise Refused("accounts.passkey-refused", expected="another", found="known")

    def passkey_used(self, passkey: Passkey, counter: int, now: datetime) -> None:
        """The counter rises; Refused when somebody else raised it meanwhile: two have it."""
        raised = (
            update(PASSKEY)
            .where(PASSKEY.c.passkey == passkey.passkey, PASSKEY.c.counter == passkey.counter)
            .values(counter=counter, used_at=instant.encode(now))
        )
        with writing(self._engine) as connection:
            if connection.execute(raised).rowcount != 1:
                raise Refused("accounts.passkey-copied", found=str(counter))

    def remove_passkey(self, person: str, passkey: str) -> bool:
        own = PASSKEY.c.person == person
        own &= PASSKEY.c.passkey == legible(passkey, _PASSKEY_LIMIT)
        with writing(self._engine) as connection:
            return connection.execute(delete(PASSKEY).where(own)).rowcount == 1

    # ---- the second step -------------------------------------------------------------

    def find_totp(self, person: str) -> Totp | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(TOTP).where(TOTP.c.person == person)).one_or_none()
        return None if row is None else Totp(row.secret, bool(row.confirmed_at), row.last_step)

    def propose_totp(self, person: str, secret: str) -> None:
        """Shown to the person, and without effect until a code proves that it arrived."""
        row = {"person": person, "secret": secret, "confirmed_at": "", "last_step": 0}
        with writing(self._engine) as connection:
            unproved = (TOTP.c.person == person) & (TOTP.c.confirmed_at == "")
            connection.execute(delete(TOTP).where(unproved))
            if not insert_missing(connection, TOTP, row):
                raise Refused("accounts.totp-on", expected="none yet", found="one that is on")

    def take_step(self, person: str, step: int, now: datetime) -> bool:
        """Use up a code's step; of two who use it at once, one succeeds. The first confirms."""
        wanted = (TOTP.c.person == person) & (TOTP.c.last_step < step)
        with writing(self._engine) as connection:
            unproved = (TOTP.c.person == person) & (TOTP.c.confirmed_at == "")
            used = connection.execute(update(TOTP).where(wanted).values(last_step=step))
            proved = {"confirmed_at": instant.encode(now)}
            connection.execute(update(TOTP).where(unproved).values(**proved))
            return used.rowcount == 1

    def remove_totp(self, person: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(TOTP).where(TOTP.c.person == person))
            connection.execute(delete(RECOVERY).where(RECOVERY.c.person == person))

    def set_recovery(self, person: str, digests: tuple[str, ...]) -> None:
        rows = [{"person": person, "digest": one, "used_at": ""} for one in digests]
        with writing(self._engine) as connection:
            connection.execute(delete(RECOVERY).where(RECOVERY.c.person == person))
            connection.execute(insert(RECOVERY), rows)

    def take_recovery(self, person: str, digest: str, now: datetime) -> bool:
        unused = (RECOVERY.c.digest == digest) & (RECOVERY.c.used_at == "")
        used = update(RECOVERY).where(RECOVERY.c.person == person, unused)
        with writing(self._engine) as connection:
            done = connection.execute(used.values(used_at=instant.encode(now)))
            return done.rowcount == 1

    def recovery_left(self, person: str) -> int:
        unused = (RECOVERY.c.person == person) & (RECOVERY.c.used_at == "")
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).where(unused)).scalar_one()

    # ---- history ---------------------------------------------------------------------

    def tell(
        self, person: str, kind: str, caller: Caller, now: datetime, detail: str = ""
    ) -> None:
        row = {
            "event": ids.new(_EVENT_PREFIX, now, self._entropy),
            "person": person,
            "kind": kind,
            "device": legible(caller.device, DEVICE),
            "address": caller.address,
            "detail": detail,
            "observed_at": instant.encode(now),
        }
        with writing(self._engine) as connection:
            connection.execute(insert(EVENT), row)

    def has_happened(self, person: str, kind: str) -> bool:
        wanted = select(EVENT.c.event).where(EVENT.c.person == person, EVENT.c.kind == kind)
        with reading(self._engine) as connection:
            return connection.execute(wanted.limit(1)).first() is not None

    def history(self, person: str, limit: int) -> tuple[Happened, ...]:
        wanted = select(EVENT).where(EVENT.c.person == person)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted.order_by(EVENT.c.event.desc()).limit(limit))
            return tuple(
                Happened(
                    row.kind,
                    row.device,
                    row.address,
                    row.detail,
                    instant.parse(row.observed_at),
                )
                for row in rows
            )


def _of_address(connection: Connection, address: str) -> bool:
    return _find(connection, PERSON.c.address == address) is not None


def _find(connection: Connection, which: Any) -> Person | None:
    row = connection.execute(select(PERSON).where(which)).one_or_none()
    if row is None:
        return None
    return Person(
        row.person,
        row.name,
        row.address,
        row.password,
        instant.parse(row.password_at) if row.password_at else None,
        instant.parse(row.made_at),
    )


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        row.passkey,
        row.person,
        row.name,
        row.public,
        row.counter,
        bool(row.backed_up),
        instant.parse(row.made_at),
        instant.parse(row.used_at) if row.used_at else None,
    )
