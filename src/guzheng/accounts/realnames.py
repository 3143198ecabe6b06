"""Real names (实名): who asked to be attested, what was decided, and whose name counts when.

Takes a statement (a name and a number by GB 11643 or GB 32100) with documents; gives requests
with what happened to them, and at any time the name that is attested for an account. A
decision is appended and never changed: who was approved under a wrong name asks again, and a
name that should not have been approved is withdrawn from then on. So an attested name cannot
be edited, and a certificate keeps the one that was attested when its exhibit was ordered.

May fail: `Refused` (accounts.name-…, accounts.document-…, identifier.…).
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, func, insert, select

from guzheng.accounts.documents import Document
from guzheng.accounts.name_tables import DOCUMENT, EVENT, REQUEST, create
from guzheng.proof import canonical, identifiers, instant
from guzheng.proof.errors import Malformed
from guzheng.proof.manifest import APPLICANTS, AttestedApplicant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import reading, writing

REQUEST_PREFIX: Final = "na"
FOLDER: Final = "accounts/names/"
ASKED, APPROVED, REFUSED, WITHDRAWN = "asked", "approved", "refused", "withdrawn"
VIEWED, DELETED = "viewed", "deleted"
AGREES, DIFFERS = "agrees", "differs"  # what a register said when a reviewer asked it
_BESIDE: Final = frozenset({VIEWED, DELETED, AGREES, DIFFERS})
REVIEW, PROVIDER = "review", "provider"
STATEMENT: Final = 0  # the number of the document that holds what was typed
MOST_DOCUMENTS: Final = 4
_LONGEST_NAME: Final = {"person": 60, "enterprise": 200}
_LONGEST_REASON: Final = 500
_SHOWN_HEAD, _SHOWN_TAIL = 3, 4
# What must have happened last, of what decides.
_AFTER: Final[Mapping[str, str]] = {APPROVED: ASKED, REFUSED: ASKED, WITHDRAWN: APPROVED}


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says of himself, well spelled; whether it is so, a reviewer says."""

    kind: str
    name: str
    number: str

    @classmethod
    def judged(cls, kind: str, name: str, number: str, *, on: date) -> "Statement":
        """Of what was typed. Raises Refused."""
        if kind not in APPLICANTS:
            raise Refused("accounts.name-kind", expected=", ".join(APPLICANTS), found=kind[:20])
        said = " ".join(unicodedata.normalize("NFC", name).split())
        readable = not any(
            unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co"} for one in said
        )
        if not 2 <= len(said) <= _LONGEST_NAME[kind] or not readable:
            raise Refused(
                "accounts.name-refused",
                expected=f"2 to {_LONGEST_NAME[kind]} characters, as on the document",
                found=f"{len(said)} characters",
            )
        digits = identifiers.spelled(number)
        try:
            if kind == "person":
                identifiers.require_resident(digits, on=on)
            else:
                identifiers.require_uscc(digits)
        except Malformed as error:
            raise Refused(error.code, expected=error.expected, found=error.found) from error
        return cls(kind, said, digits)

    def encode(self, salt: bytes) -> bytes:
        """As it is sealed; the salt keeps its digest from being guessed."""
        return canonical.encode(
            {"kind": self.kind, "name": self.name, "number": self.number, "salt": salt.hex()}
        )

    @classmethod
    def parse(cls, octets: bytes) -> "Statement":
        value = canonical.parse_object(octets)
        return cls(*(str(value[one]) for one in ("kind", "name", "number")))

    @property
    def masked_name(self) -> str:
        return self.name if self.kind == "enterprise" else masked_name(self.name)

    @property
    def masked_number(self) -> str:
        return masked_number(self.number)


def masked_name(name: str) -> str:
    """张某某 → 张**"""
    return name[:1] + "*" * (len(name) - 1)


def masked_number(number: str) -> str:
    hidden = len(number) - _SHOWN_HEAD - _SHOWN_TAIL
    return number[:_SHOWN_HEAD] + "*" * hidden + number[-_SHOWN_TAIL:]


@dataclass(frozen=True, slots=True)
class NameEvent:
    """One thing that happened to a request, and who did it."""

    kind: str
    observed_at: datetime
    by_person: str = ""
    reason: str = ""
    name: str = ""
    uscc: str = ""
    means: str = ""
    attested_by: str = ""


@dataclass(frozen=True, slots=True)
class NameRequest:
    """A request as it stands."""

    request: str
    account: str
    person: str
    kind: str
    masked_name: str
    masked_number: str
    number_mark: str
    asked_at: datetime
    documents: tuple[Document, ...]
    events: tuple[NameEvent, ...]

    @property
    def state(self) -> str:
        """asked, approved, refused or withdrawn."""
        kinds = [one.kind for one in self.events if one.kind not in _BESIDE]
        return kinds[-1]

    @property
    def decision(self) -> NameEvent | None:
        """The last one that decided anything."""
        decided = [one for one in self.events if one.kind in _AFTER]
        return decided[-1] if decided else None

    @property
    def compared(self) -> NameEvent | None:
        """What a register said last, if one was asked."""
        asked = [one for one in self.events if one.kind in {AGREES, DIFFERS}]
        return asked[-1] if asked else None

    @property
    def is_deleted(self) -> bool:
        return any(one.kind == DELETED for one in self.events)


class RealNames:
    """The requests and attested names of an installation; may be shared by threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            create(connection)

    # ---- in --------------------------------------------------------------------------

    def add(
        self,
        request: str,
        account: str,
        person: str,
        statement: Statement,
        documents: Sequence[Document],
        *,
        number_mark: str,
        now: datetime,
    ) -> None:
        """One request of an account at a time: the next one after a decision."""
        at = instant.encode(now)
        with writing(self._engine) as connection:
            _require_none_pending(connection, account)
            row = {
                "request": request,
                "account": account,
                "person": person,
                "kind": statement.kind,
                "masked_name": statement.masked_name,
                "masked_number": statement.masked_number,
                "number_mark": number_mark,
                "asked_at": at,
            }
            connection.execute(insert(REQUEST), row)
            for one in documents:
                named = {
                    "request": request,
                    "number": one.number,
                    "media_type": one.media_type,
                    "size": one.size,
                    "sha256": one.sha256,
                }
                connection.execute(insert(DOCUMENT), named)
            _append(connection, request, 0, NameEvent(ASKED, now, person))

    def require_none_pending(self, account: str) -> None:
        with reading(self._engine) as connection:
            _require_none_pending(connection, account)

    def decide(self, request: str, event: NameEvent) -> NameRequest:
        """The first decision counts. Raises Refused for a second, or one without a reason."""
        if event.kind != APPROVED:
            _require_reason(event.reason)
        with writing(self._engine) as connection:
            one = _require(connection, request)
            if one.state != _AFTER[event.kind]:
                raise Refused(
                    "accounts.name-decided",
                    expected=_AFTER[event.kind],
                    found=one.state,
                    act="look at the request again: somebody has decided it",
                )
            _append(connection, request, len(one.events), event)
            return _require(connection, request)

    def note(self, request: str, event: NameEvent) -> None:
        """That documents were looked at, or deleted; once for each person and request."""
        with writing(self._engine) as connection:
            one = _require(connection, request)
            known = {(each.kind, each.by_person) for each in one.events}
            if (event.kind, event.by_person) not in known:
                _append(connection, request, len(one.events), event)

    def add_answer(self, request: str, event: NameEvent) -> None:
        """What a register said, while nothing is decided."""
        with writing(self._engine) as connection:
            one = _require(connection, request)
            if one.state == ASKED:
                _append(connection, request, len(one.events), event)

    # ---- out -------------------------------------------------------------------------

    def attested(self, account: str, at: datetime) -> AttestedApplicant | None:
        """The name that counts for an account at that time: the one approved last, unless it
        was withdrawn."""
        wanted = (
            select(EVENT, REQUEST.c.kind.label("applicant"))
            .join(REQUEST, REQUEST.c.request == EVENT.c.request)
            .where(
                REQUEST.c.account == account,
                EVENT.c.kind.in_((APPROVED, WITHDRAWN)),
                EVENT.c.observed_at <= instant.encode(at),
            )
            .order_by(EVENT.c.observed_at, EVENT.c.request, EVENT.c.number)
        )
        current: Row[Any] | None = None
        with reading(self._engine) as connection:
            for row in connection.execute(wanted).all():
                if row.kind == APPROVED:
                    current = row
                elif current is not None and row.request == current.request:
                    current = None
        if current is None:
            return None
        return AttestedApplicant(
            name=current.name,
            kind=current.applicant,
            means=current.means,
            at=instant.parse(current.observed_at),
            by=current.attested_by or None,
            uscc=current.uscc or None,
        )

    def require(self, request: str) -> NameRequest:
        with reading(self._engine) as connection:
            return _require(connection, request)

    def of_account(self, account: str) -> tuple[NameRequest, ...]:
        """Newest first."""
        return self._all(REQUEST.c.account == account)

    def with_number(self, number_mark: str) -> tuple[NameRequest, ...]:
        """Every request that had this number, whatever account it is of."""
        return self._all(REQUEST.c.number_mark == number_mark)

    def page(self, limit: int) -> tuple[NameRequest, ...]:
        """The latest, newest first."""
        return self._all(None, limit)

    def decided(self, limit: int, before: str | None = None) -> tuple[NameRequest, ...]:
        """Newest first; `before`: the last one already seen."""
        decided = select(EVENT.c.request).where(EVENT.c.kind.in_(_AFTER))
        where = REQUEST.c.request.in_(decided)
        return self._all(
            where if before is None else where & (REQUEST.c.request < before), limit
        )

    def pending(self) -> tuple[NameRequest, ...]:
        """Those that wait for a decision, oldest first: who asked first is heard first."""
        decided = select(EVENT.c.request).where(EVENT.c.kind.in_(_AFTER))
        return self._all(REQUEST.c.request.not_in(decided))[::-1]

    def deletable(self, before: datetime) -> tuple[NameRequest, ...]:
        """Decided before then, with documents that are still there."""
        deleted = select(EVENT.c.request).where(EVENT.c.kind == DELETED)
        decided = (
            select(EVENT.c.request)
            .where(EVENT.c.kind.in_(_AFTER))
            .group_by(EVENT.c.request)
            .having(func.max(EVENT.c.observed_at) < instant.encode(before))
        )
        return self._all(REQUEST.c.request.in_(decided) & REQUEST.c.request.not_in(deleted))

    def is_known(self, request: str) -> bool:
        wanted = select(REQUEST.c.request).where(REQUEST.c.request == request)
        with reading(self._engine) as connection:
            return connection.execute(wanted).first() is not None

    def _all(self, where: Any, limit: int | None = None) -> tuple[NameRequest, ...]:
        wanted = select(REQUEST).order_by(REQUEST.c.request.desc()).limit(limit)
        if where is not None:
            wanted = wanted.where(where)
        with reading(self._engine) as connection:
            return tuple(_whole(connection, row) for row in connection.execute(wanted).all())


def _require_none_pending(connection: Connection, account: str) -> None:
    decided = select(EVENT.c.request).where(EVENT.c.kind.in_(_AFTER))
    wanted = select(REQUEST.c.request).where(
        REQUEST.c.account == account, REQUEST.c.request.not_in(decided)
    )
    if connection.execute(wanted).first() is not None:
        raise Refused(
            "accounts.name-pending",
            expected="no request that waits for a decision",
            found="one",
            act="wait for the decision",
        )


def _require_reason(reason: str) -> None:
    if not 2 <= len(reason.strip()) <= _LONGEST_REASON:
        raise Refused(
            "accounts.reason-wanted",
            expected=f"a reason, 2 to {_LONGEST_REASON} characters",
            found=f"{len(reason.strip())}",
        )


def _require(connection: Connection, request: str) -> NameRequest:
    wanted = select(REQUEST).where(REQUEST.c.request == (request if ids.is_id(request) else ""))
    row = connection.execute(wanted).one_or_none()
    if row is None:
        raise Refused(
            "accounts.name-not-found",
            expected="the number of a request kept here",
            found=repr(request[:40]),
        )
    return _whole(connection, row)


def _whole(connection: Connection, row: Row[Any]) -> NameRequest:
    listed = select(DOCUMENT).where(DOCUMENT.c.request == row.request)
    told = select(EVENT).where(EVENT.c.request == row.request).order_by(EVENT.c.number)
    return NameRequest(
        request=row.request,
        account=row.account,
        person=row.person,
        kind=row.kind,
        masked_name=row.masked_name,
        masked_number=row.masked_number,
        number_mark=row.number_mark,
        asked_at=instant.parse(row.asked_at),
        documents=tuple(
            Document(one.number, one.media_type, one.size, one.sha256)
            for one in connection.execute(listed.order_by(DOCUMENT.c.number)).all()
        ),
        events=tuple(_event(one) for one in connection.execute(told).all()),
    )


def _event(row: Row[Any]) -> NameEvent:
    texts = ("by_person", "reason", "name", "uscc", "means", "attested_by")
    said = {name: getattr(row, name) for name in texts}
    return NameEvent(row.kind, instant.parse(row.observed_at), **said)


def _append(connection: Connection, request: str, number: int, event: NameEvent) -> None:
    texts = ("kind", "by_person", "reason", "name", "uscc", "means", "attested_by")
    row: dict[str, object] = {name: getattr(event, name) for name in texts}
    row |= {
        "request": request,
        "number": number,
        "observed_at": instant.encode(event.observed_at),
    }
    connection.execute(insert(EVENT), row)


def new_request(now: datetime, entropy: Callable[[int], bytes]) -> str:
    return ids.new(REQUEST_PREFIX, now, entropy)


def place_of(request: str, number: int) -> str:
    """Where a document of a request is kept."""
    return f"{FOLDER}{request}/{number}"
