"""Real names, joined with what the installation has: where documents lie, who decides, when.

The order of writes: the documents are sealed and durable, then the request is entered; what a
kill leaves without a request is removed after a day. A decision of the operator is a row with
who, when and why, and so is each look of an operator at documents. Days after the decision the
documents are deleted (`name_document_days`); their digests and the decision stay.

Nothing here is asked with accounts switched off: the seat has no name to attest.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial

from guzheng.accounts import Acting, Permission
from guzheng.accounts.documents import Document, Vault, media_type_of, open_vault, preview
from guzheng.accounts.generations import DOCUMENTS
from guzheng.accounts.realnames import (
    AGREES,
    APPROVED,
    ASKED,
    DELETED,
    DIFFERS,
    FOLDER,
    MOST_DOCUMENTS,
    PROVIDER,
    REFUSED,
    REQUEST_PREFIX,
    REVIEW,
    STATEMENT,
    VIEWED,
    WITHDRAWN,
    NameEvent,
    NameRequest,
    RealNames,
    Statement,
    new_request,
    place_of,
)
from guzheng.accounts.registers import open_register
from guzheng.app.parts import Parts
from guzheng.app.turning import Lying, Turning
from guzheng.config import Config
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import AttestedApplicant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.lease import leased

_BEIJING = timezone(timedelta(hours=8))
_ORPHANED = timedelta(days=1)  # no form takes so long to arrive
_SWEPT = timedelta(hours=1)  # how often a whole folder is looked through
_LEASE = "documents"  # whoever deletes documents, or seals them anew, does so alone


@dataclass(frozen=True, slots=True)
class NameView:
    """How the real name of an account stands; `requests` newest first."""

    attested: AttestedApplicant | None
    requests: tuple[NameRequest, ...]

    @property
    def pending(self) -> NameRequest | None:
        return next((one for one in self.requests if one.state == "asked"), None)


@dataclass(frozen=True, slots=True)
class ReviewView:
    """What a reviewer decides on. `others`: requests of any account with the same number;
    `is_own`: the reviewer asked himself."""

    request: NameRequest
    statement: Statement | None  # None: deleted
    earlier: tuple[NameRequest, ...]
    others: tuple[NameRequest, ...]
    is_own: bool


class Naming:
    """The real names of an installation; may be shared by threads."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config, self._parts = config, parts
        self._rows = RealNames(parts.accounts)
        self._register = open_register(
            config.name_register, config.name_register_url, config.name_register_key
        )
        self._opened: Vault | None = None
        self._opening = threading.Lock()
        self._swept_at: datetime | None = None

    @property
    def is_on(self) -> bool:
        return self._config.accounts == "on"

    @property
    def is_required(self) -> bool:
        """Whether anything new is taken of an account without a real name."""
        return self.is_on and self._config.real_names == "required"

    def _vault(self) -> Vault:
        """Opened when first needed: an installation without documents has no key for them."""
        with self._opening:
            if self._opened is None:
                parts = self._parts
                self._opened = open_vault(
                    parts.data / "keys",
                    parts.accounts,
                    parts.blobs,
                    parts.now,
                    parts.entropy,
                )
            return self._opened

    # ---- the account's side ----------------------------------------------------------

    def ask(
        self, acting: Acting, kind: str, name: str, number: str, papers: Sequence[bytes]
    ) -> NameRequest:
        """Hand in a statement and documents; durable when this returns."""
        acting.require(Permission.MEMBERS)
        if not self.is_on:
            raise Refused(
                "accounts.switched-off", expected="accounts = on", found="accounts = off"
            )
        now, entropy = self._parts.now(), self._parts.entropy
        statement = Statement.judged(kind, name, number, on=now.astimezone(_BEIJING).date())
        if not 1 <= len(papers) <= MOST_DOCUMENTS:
            raise Refused(
                "accounts.documents-wanted",
                expected=f"1 to {MOST_DOCUMENTS} documents",
                found=str(len(papers)),
            )
        types = [media_type_of(one) for one in papers]
        self._rows.require_none_pending(acting.account)
        vault, request = self._vault(), new_request(now, entropy)
        held = [("application/json", statement.encode(entropy(32)))]
        held += list(zip(types, papers, strict=True))
        documents = []
        for place, (media_type, octets) in enumerate(held):
            vault.put(place_of(request, place), octets)
            documents.append(Document(place, media_type, len(octets), sha256(octets).hex))
        self._rows.add(
            request,
            acting.account,
            acting.person,
            statement,
            documents,
            number_mark=vault.mark(f"{statement.kind}\0{statement.number}"),
            now=now,
        )
        return self._rows.require(request)

    def view(self, account: str) -> NameView:
        now = self._parts.now()
        return NameView(self._rows.attested(account, now), self._rows.of_account(account))

    def attested_name(self, account: str) -> str:
        """Empty: 未实名."""
        found = self._rows.attested(account, self._parts.now())
        return found.name if found else ""

    def attested_applicant(self, account: str, at: datetime) -> AttestedApplicant | None:
        """What the order of an exhibit carries; nothing with accounts switched off."""
        return self._rows.attested(account, at) if self.is_on else None

    def require(self, account: str) -> None:
        """Refused where nothing new is taken without a real name (`real_names`)."""
        if self.is_required and not self.attested_name(account):
            raise Refused(
                "accounts.name-wanted",
                expected="an account whose real name is attested",
                found="none is",
                act="ask for it at /me/name",
            )

    # ---- the reviewer's side ---------------------------------------------------------

    def pending(self) -> tuple[NameRequest, ...]:
        return self._rows.pending()

    def latest(self, limit: int) -> tuple[NameRequest, ...]:
        return self._rows.page(limit)

    def decided(self, limit: int, before: str | None = None) -> tuple[NameRequest, ...]:
        """Newest first; `before`: the last one already seen."""
        return self._rows.decided(limit, before)

    def review(self, request: str, acting: Acting) -> ReviewView:
        """The whole request, opened; that it was looked at is written down first."""
        _require_operator(acting)
        one = self._rows.require(request)
        statement = None
        if not one.is_deleted:
            self._note_view(one, acting)
            statement = self._statement(request)
        same = self._rows.with_number(one.number_mark)
        earlier = self._rows.of_account(one.account)
        return ReviewView(
            self._rows.require(request),
            statement,
            tuple(each for each in earlier if each.request != request),
            tuple(each for each in same if each.account != one.account),
            is_own=bool(acting.person) and acting.person == one.person,
        )

    def _statement(self, request: str) -> Statement:
        return Statement.parse(self._vault().read(place_of(request, STATEMENT)))

    @property
    def register_name(self) -> str:
        """Who can be asked to compare a name with a register; empty: nobody."""
        return self._register.name if self._register else ""

    def compare(self, request: str, acting: Acting) -> None:
        """Ask the register; its answer is written down, and decides nothing."""
        _require_operator(acting)
        if self._register is None:
            raise Refused("accounts.no-register", expected="name_register_url", found="none")
        one = self._rows.require(request)
        if one.state != ASKED:  # nobody's number leaves for nothing
            raise Refused("accounts.name-decided", expected=ASKED, found=one.state)
        self._note_view(one, acting)
        said = self._register.compare(self._statement(request))
        event = NameEvent(
            AGREES if said.agrees else DIFFERS,
            self._parts.now(),
            acting.person,
            said.reference,
            attested_by=self._register.name,
        )
        self._rows.add_answer(request, event)

    def approve(self, request: str, acting: Acting) -> NameRequest:
        """The name as it was stated is attested from now on."""
        _require_operator(acting)
        statement = self._statement(request)
        compared = self._rows.require(request).compared
        agreed = compared is not None and compared.kind == AGREES
        event = NameEvent(
            APPROVED,
            self._parts.now(),
            acting.person,
            name=statement.name,
            uscc=statement.number if statement.kind == "enterprise" else "",
            means=PROVIDER if agreed else REVIEW,
            attested_by=compared.attested_by if compared and agreed else self._config.operator,
        )
        return self._rows.decide(request, event)

    def refuse(self, request: str, acting: Acting, reason: str) -> NameRequest:
        """The account is told why, and may ask again."""
        return self._end(request, acting, REFUSED, reason)

    def withdraw(self, request: str, acting: Acting, reason: str) -> NameRequest:
        """From now on the account is unverified; certificates that were issued stay."""
        return self._end(request, acting, WITHDRAWN, reason)

    def _end(self, request: str, acting: Acting, kind: str, reason: str) -> NameRequest:
        _require_operator(acting)
        event = NameEvent(kind, self._parts.now(), acting.person, reason.strip())
        return self._rows.decide(request, event)

    def document(self, request: str, number: int, acting: Acting) -> tuple[str, bytes]:
        """A document as it came in, with its type by its octets."""
        _require_operator(acting)
        one = self._rows.require(request)
        wanted = [each for each in one.documents if each.number == number != STATEMENT]
        if not wanted:
            raise Refused(
                "accounts.document-not-found", expected="a document", found=str(number)
            )
        self._note_view(one, acting)
        return wanted[0].media_type, self._vault().read(place_of(request, number))

    def picture(self, request: str, number: int, acting: Acting) -> bytes:
        """A document drawn anew, as JPEG; a PDF is refused."""
        media_type, octets = self.document(request, number, acting)
        if not media_type.startswith("image/"):
            raise Refused("web.no-preview", expected="JPEG or PNG", found=media_type)
        return preview(octets, media_type)

    def _note_view(self, one: NameRequest, acting: Acting) -> None:
        self._rows.note(one.request, NameEvent(VIEWED, self._parts.now(), acting.person))

    # ---- the key ---------------------------------------------------------------------

    @property
    def key(self) -> Turning:
        """The key that documents are sealed under, and what lies under those before."""
        return Turning(self._parts, DOCUMENTS, _LEASE, self._lying)

    def _lying(self) -> Iterator[Lying]:
        vault = self._vault()
        for name in list(self._parts.blobs.names(FOLDER)):
            yield Lying(name, partial(vault.generation, name), partial(vault.reseal, name))

    # ---- now and then ----------------------------------------------------------------

    def round(self) -> int:
        """Delete what is kept no longer; gives the number of requests that had documents."""
        with leased(self._parts.leases, _LEASE, wait=False) as mine:
            return self._delete() if mine else 0

    def _delete(self) -> int:
        now, days = self._parts.now(), self._config.name_document_days
        over = self._rows.deletable(now - timedelta(days=days)) if days else ()
        for one in over:
            for document in one.documents:
                self._parts.blobs.remove(place_of(one.request, document.number))
            self._rows.note(one.request, NameEvent(DELETED, self._parts.now()))
        return len(over) + self._remove_orphans(now)

    def _remove_orphans(self, now: datetime) -> int:
        """Documents whose request was never entered: the program was killed in between."""
        if self._swept_at is not None and now - self._swept_at < _SWEPT:
            return 0
        self._swept_at = now
        oldest = ids.new(REQUEST_PREFIX, now - _ORPHANED, bytes)
        removed = 0
        for name in list(self._parts.blobs.names(FOLDER)):
            request = name.removeprefix(FOLDER).partition("/")[0]
            if ids.is_id(request) and request < oldest and not self._rows.is_known(request):
                self._parts.blobs.remove(name)
                removed += 1
        return removed


def _require_operator(acting: Acting) -> None:
    if not acting.operator:
        raise Refused("accounts.operator-only", expected="the operator", found="another")
