"""What the face asks of the platform, and nothing more: the seam between web/ and app.

The face shows stations and hands bytes on; every decision is on the other side of this
Protocol. All of it is synchronous and may be called from several threads at once. A call
raises `Refused` or `Unavailable` (refusals.py); anything else is a bug and becomes a 500."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from guzheng.accounts import Acting
from guzheng.app.auditing import Accesses
from guzheng.app.casework import Casework
from guzheng.app.clearing import Clearing
from guzheng.app.custody import Keeping
from guzheng.app.entitling import Entitling
from guzheng.app.evidence import Evidence, Row
from guzheng.app.exports import Exports, Shared
from guzheng.app.halting import Halting
from guzheng.app.membership import KeyRing, Membership
from guzheng.app.naming import Naming
from guzheng.app.ordering import Ordering
from guzheng.app.originals import Originals
from guzheng.app.people import People
from guzheng.app.rehearsing import Rehearsing
from guzheng.app.repeating import Repeating
from guzheng.app.replaying import Replaying
from guzheng.app.sharing import Sharing
from guzheng.app.timestamping import Timestamping
from guzheng.app.uploading import Uploading
from guzheng.app.vantages import Vantages
from guzheng.app.webhooks import Webhooks
from guzheng.ledger import Numbered
from guzheng.proof.digest import Digest
from guzheng.proof.report import Report
from guzheng.prove import Answer, Question
from guzheng.refusals import Problem


class ClockReading(Protocol):
    """Where the platform's own time comes from; `verified` is False until a source is asked.

    `standing` is verified, unverified (and says so everywhere) or stopped: then the time is
    known to be doubtful and is not shown, and `problem` says why."""

    @property
    def source(self) -> str: ...
    @property
    def offset_ms(self) -> float | None: ...
    @property
    def uncertainty_ms(self) -> float | None: ...
    @property
    def synced_at(self) -> datetime | None: ...
    @property
    def verified(self) -> bool: ...
    @property
    def standing(self) -> str: ...
    @property
    def profile(self) -> str: ...
    @property
    def problem(self) -> Problem | None: ...


class PaperView(Protocol):
    """One immutable file of an exhibit: originals are papers named `items/…`."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...


class WitnessView(Protocol):
    """A witness who cosigned, and the time it stated."""

    @property
    def name(self) -> str: ...
    @property
    def attested_at(self) -> datetime: ...


class EntryView(Protocol):
    """How far an entry of the ledger has come, and whom it awaits."""

    @property
    def state(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def witnesses(self) -> Sequence[WitnessView]: ...
    @property
    def awaited(self) -> Sequence[str]: ...


class ShardView(Protocol):
    """A shard of the ledger: closed, open, or next."""

    @property
    def name(self) -> str: ...
    @property
    def vkey(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def size(self) -> int: ...


class LedgerStanding(Protocol):
    """The witnesses of the policy with the size each has seen; who cosigned what is public."""

    @property
    def witnesses(self) -> Sequence[tuple[str, int]]: ...
    @property
    def cosigned(self) -> Sequence[WitnessView]: ...
    @property
    def shards(self) -> Sequence[ShardView]: ...


class ExhibitView(Protocol):
    """An exhibit as its papers show it at this moment."""

    @property
    def exhibit(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def claimed_name(self) -> str | None: ...
    @property
    def observed_at(self) -> datetime: ...
    @property
    def state(self) -> str: ...
    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def papers(self) -> Sequence[PaperView]: ...
    @property
    def facts(self) -> Mapping[str, object] | None: ...
    @property
    def refusal(self) -> Mapping[str, str] | None: ...
    @property
    def progress(self) -> Sequence[Mapping[str, str]]: ...
    @property
    def entry(self) -> EntryView | None: ...
    @property
    def account(self) -> str: ...
    @property
    def person(self) -> str:
        """Who acted for the account; empty at the seat."""
        ...

    @property
    def ended(self) -> bool:
        """The operator ended its road for good."""
        ...


class Identities(Protocol):
    """Finds who asks, by what a request shows of him; None when nobody is signed in."""

    def find(
        self, cookies: Mapping[str, str], headers: Mapping[str, str], /
    ) -> Acting | None: ...


class Platform(Protocol):
    @property
    def identities(self) -> Identities: ...

    @property
    def people(self) -> People:
        """Registering, signing in, and one's own locks."""
        ...

    @property
    def names(self) -> Naming: ...

    @property
    def entitlements(self) -> Entitling: ...

    @property
    def accesses(self) -> Accesses:
        """Told of whoever is signed in and asks for what he may not have."""
        ...

    def account_of_exhibit(self, exhibit: str, /) -> str | None:
        """Whose it is; None when there is none of that name."""
        ...

    def now(self) -> datetime: ...

    def clock(self) -> ClockReading: ...

    def deposit(
        self,
        name: str,
        chunks: Iterable[bytes],
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        media_type: str | None = None,
        account: str = ...,
        person: str = ...,
    ) -> str:
        """The exhibit's id; its bytes are durable when this returns."""
        ...

    def order_capture(
        self,
        url: str,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = ...,
        person: str = ...,
    ) -> str: ...

    def require_browser(self) -> None:
        """Raises Unavailable when no capture can be made."""
        ...

    @property
    def evidence(self) -> Evidence:
        """What an account has: listed, searched, previewed."""
        ...

    @property
    def uploads(self) -> Uploading:
        """Uploads that are broken off and taken up again."""
        ...

    @property
    def keeping(self) -> Keeping:
        """Who took what away, and what was noted."""
        ...

    @property
    def clearing(self) -> Clearing:
        """What a rule deleted of captures that were given up."""
        ...

    @property
    def halting(self) -> Halting:
        """Why an exhibit does not go on, and trying it again."""
        ...

    @property
    def replaying(self) -> Replaying:
        """Films and archives, played at another origin."""
        ...

    @property
    def originals(self) -> Originals:
        """Deposits of a fingerprint alone, and their originals when they come after all."""
        ...

    @property
    def ordering(self) -> Ordering:
        """Orders of captures, from the wish to the decision."""
        ...

    @property
    def repeating(self) -> Repeating: ...

    @property
    def vantages(self) -> Vantages: ...

    @property
    def exports(self) -> Exports:
        """Court packages: checked, ordered, made, fetched."""
        ...

    @property
    def shares(self) -> Sharing:
        """Links by which others see exhibits."""
        ...

    @property
    def cases(self) -> Casework:
        """Cases of an account, with their parties, damages and guides."""
        ...

    @property
    def rehearsing(self) -> Rehearsing: ...

    def comparison(self, one: str, other: str, /) -> bytes:
        """What differs between two captures; canonical JSON."""
        ...

    def exhibit(self, exhibit: str, /) -> ExhibitView: ...

    def exhibits(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> Sequence[ExhibitView]:
        """Newest first; `before` is the id of the last one already seen."""
        ...

    def views_of(self, rows: Sequence[Row], /) -> Sequence[ExhibitView]:
        """Lines of a list, as their papers show them."""
        ...

    def open_paper(self, exhibit: str, name: str, /) -> BinaryIO: ...

    def open_picture(self, exhibit: str, name: str, /) -> BinaryIO:
        """For looking at an exhibit before it is decided whether it is wanted."""
        ...

    def package(self, exhibits: Sequence[str], /) -> Path | BinaryIO:
        """A zip; a path is the face's to remove once it was sent."""
        ...

    def packed(self, *exhibits: str) -> Shared:
        """The zip of these, as it is kept; the face closes it."""
        ...

    def verify_package(self, package: Path, /) -> Report: ...

    def verify_file(self, digest: Digest, token: bytes, /) -> Report: ...

    def court(self, question: Question, /) -> Sequence[Answer]:
        """At least one answer: consistent, absent or inconsistent."""
        ...

    def dispute(self, claims: Mapping[str, str], /) -> str:
        """Its number; kept when this returns."""
        ...

    def require_may_add(self, key_sha256: str, /) -> None:
        """Refused unless this key may add commitments."""
        ...

    def add_commitments(self, commitments: Sequence[bytes], /) -> list[Numbered]: ...

    def wait_for_checkpoint(self, entry: Numbered, seconds: float, /) -> bool: ...

    def wait_for_quorum(self, entry: Numbered, /) -> None:
        """Until the ledger's policy is met by a checkpoint that has this entry."""
        ...

    def prove_entry(self, entry: Numbered, /) -> bytes: ...

    def roots_pem(self) -> bytes: ...

    def runs_own_authority(self) -> bool:
        """Whether seals come from this installation itself, and from no third party."""
        ...

    def ledger_read(self, path: str, shard: str = "first", /) -> bytes | None:
        """Under a C2SP path of a shard of the ledger; Refused where there is no such shard."""
        ...

    def ledger_closed(self, shard: str, /) -> bool:
        """Whether this shard is closed, so that its checkpoint is the last."""
        ...

    def ledger_vkey(self) -> str: ...

    def ledger_policy(self) -> bytes:
        """Keys, witnesses and quorum, as c2sp.org/tlog-policy."""
        ...

    def ledger_standing(self) -> LedgerStanding: ...

    @property
    def timestamping(self) -> Timestamping: ...

    @property
    def members(self) -> Membership:
        """Who acts for which account."""
        ...

    @property
    def webhooks(self) -> Webhooks:
        """Which programs are told of finished work."""
        ...

    @property
    def keys(self) -> KeyRing:
        """How programs act for an account."""
        ...
