"""One installation, opened: the object that every face asks.

It hands each question to the station that knows, and holds no rule of its own.
"""

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from guzheng import intake, prove, road
from guzheng.accounts.invitations import Measure
from guzheng.app import court, journaling
from guzheng.app.anchoring import open_anchoring
from guzheng.app.auditing import Accesses, Audit, copied
from guzheng.app.casework import Casework
from guzheng.app.clearing import Clearing
from guzheng.app.comparing import comparison
from guzheng.app.custody import Keeping
from guzheng.app.entitling import Entitling
from guzheng.app.entries import Entries
from guzheng.app.evidence import Evidence, Row
from guzheng.app.exports import Exports, Shared
from guzheng.app.halting import Halting
from guzheng.app.identities import open_identities
from guzheng.app.judging import Judge
from guzheng.app.looking import Looking
from guzheng.app.membership import KeyRing, Membership
from guzheng.app.naming import Naming
from guzheng.app.ordering import Ordering
from guzheng.app.originals import Originals
from guzheng.app.outside import open_further
from guzheng.app.packaging import Packaging
from guzheng.app.parts import JOBS, Parts, open_parts, roots_pem
from guzheng.app.people import People
from guzheng.app.printing import Printing
from guzheng.app.progress import Progress
from guzheng.app.receiving import Receiving
from guzheng.app.rehearsing import Rehearsing
from guzheng.app.repeating import Repeating
from guzheng.app.replaying import Replaying
from guzheng.app.selfchecking import SelfChecking
from guzheng.app.sharing import Sharing
from guzheng.app.tending import Tending
from guzheng.app.timestamping import Timestamping, open_timestamping
from guzheng.app.uploading import Uploading
from guzheng.app.vantages import Vantages
from guzheng.app.views import (
    ClockReading,
    ExhibitView,
    LedgerStanding,
    clock_facts,
    clock_reading_of,
)
from guzheng.app.walking import Walking
from guzheng.app.webhooks import Webhooks
from guzheng.app.witnessing import kept_up, open_gathering
from guzheng.config import Config
from guzheng.fix.clock import EVALUATION
from guzheng.fix.journal import Checked
from guzheng.jobs import Jobs, Patience, Work
from guzheng.ledger import Ledger, Numbered
from guzheng.ledger.ledger import FIRST
from guzheng.proof import package, policy
from guzheng.proof.digest import Digest
from guzheng.proof.policy import Trust
from guzheng.proof.report import Report
from guzheng.refusals import Refused
from guzheng.road import Road


class Platform:
    """One installation, opened. Every face asks this object; it may be shared by threads."""

    def __init__(self, config: Config, parts: Parts | None = None) -> None:
        """`parts`: what to stand on instead of what the data directory and settings say."""
        self.config = config
        copied(config.data, config.audit_copy)
        self.parts = parts = parts or open_parts(config)
        self.blobs, self.index, self.shards = parts.blobs, parts.index, parts.shards
        row, first = parts.shards.row, parts.shards.row.begun[0].ledger
        row.bind(lambda ledger: open_gathering(config, ledger, first, parts.now))
        self._roots = policy.parse_roots(self.roots_pem())
        self.people = People(config, parts)
        self.members = Membership(
            parts,
            config.second_step,
            Measure(config.invitations_open, config.invitations_daily),
        )
        self.keys = KeyRing(parts, self.members)
        self.identities = open_identities(config, self.people, parts)
        self.entries = Entries(config, parts)
        self.vantages = Vantages.parse(config.vantages)
        self.names = Naming(config, parts)
        self.entitlements = Entitling(config, parts, self.names, self.is_placed)
        self.road = self._road()
        self.progress = Progress()
        self.looking = Looking(parts, self.road, self.progress)
        self._open_exhibits(config, parts)
        self._open_orders(config, parts)
        self._open_packages(config, parts)
        self._open_queue(config, parts)

    def _open_exhibits(self, config: Config, parts: Parts) -> None:
        """What is kept, and how it is kept, found and shown."""
        self.cases = Casework(parts, self.account_of_exhibit, config.public_url)
        self.evidence = Evidence(parts, self.road, self.cases)
        self.keeping = Keeping(parts)
        self.clearing = Clearing(
            parts,
            self.road,
            self.keeping,
            self.cases.held,
            self.evidence.forget_preview,
            config.given_up_days,
        )
        self.replaying = Replaying(config, parts.now, parts.entropy, self.looking.open)
        self.originals = Originals(parts, self.road, lambda one: self.jobs.enqueue(one))
        self.uploads = Uploading(
            config, parts, self.road, self.originals, lambda one: self.jobs.enqueue(one)
        )

    def _open_orders(self, config: Config, parts: Parts) -> None:
        """Captures to be made, and who is told of them."""
        self.webhooks = Webhooks(config, parts, self.road, self.members, self.people)
        self.ordering = Ordering(
            config,
            parts,
            self.road,
            self.vantages,
            lambda one: self.jobs.enqueue(one),
            self.entitlements,
            self.webhooks.confirmed,
        )
        self.repeating = Repeating(parts, self.ordering)
        self.receiving = door = Receiving(
            config, self.road, self.ordering, lambda one: self.jobs.enqueue(one)
        )
        self.deposit, self.deposit_digest = door.deposit, door.deposit_digest
        self.order_capture = door.order_capture
        self.find_browser, self.require_browser = door.find_browser, door.require_browser

    def _open_packages(self, config: Config, parts: Parts) -> None:
        """What is handed out, and by which way."""
        self.rehearsing = Rehearsing(
            parts, self.road, self.cases, lambda: self.trust, config.hash_ends
        )
        self.packaging = Packaging(
            config,
            parts,
            self.road,
            self._require_packable,
            self.verify_package,
            self.entries.policy,
            self.roots_pem,
            functools.partial(self.rehearsing.of, verify=True),
        )
        self.exports = Exports(self.packaging, parts, config.verify_days)
        self.shares = Sharing(
            parts,
            exhibit=self.exhibit,
            open_paper=self.open_paper,
            pack=self.package,
            require_packable=self._require_packable,
            cases=self.cases,
            exports=self.exports,
            addresses=config.share_addresses,
            tell_opened=self.webhooks.opened,
        )

    def _open_queue(self, config: Config, parts: Parts) -> None:
        """Who walks, and what is done now and then; it asks all that was opened before."""
        self.anchoring = open_anchoring(config, parts, self.road, self.trust)
        self.tending = tending = Tending(
            config,
            parts,
            self.road,
            self.keeping,
            self.clearing,
            self.anchoring,
            lambda: self.trust,
        )
        self.selfchecking = SelfChecking(
            parts, self.keeping, self.entries.standing, tending.scrub, config.selfcheck_hours
        )
        self.rebuild, self.fsck, self.anchor = tending.rebuild, tending.fsck, tending.anchor
        self.ages, self.renew = tending.ages, tending.renew
        self.walking = Walking(
            self.road,
            self.progress,
            self.ordering,
            self.entitlements,
            self.webhooks,
            (
                self.ordering,
                self.repeating,
                self.anchoring,
                self.names,
                self.entitlements,
                self.exports,
                self.uploads,
                self.webhooks,
                self.clearing,
                self.selfchecking,
            ),
        )
        self.halting = Halting(
            parts,
            self.road,
            self.keeping,
            self.walking.step,
            lambda one: self.jobs.enqueue(one),
        )
        self.jobs = Jobs(
            config.database_url or config.data / JOBS,
            parts.leases,
            Work(
                self.walking.advance,
                self.index.unfinished,
                self.walking.tend,
                self.ordering.turn,
                self.halting.noted,
                self.halting.refused,
            ),
            at_once=config.workers,
            patience=Patience.of(config.retry_seconds),
            runner=f"runner-{parts.entropy(8).hex()}" if config.database_url else "embedded",
            queues=self.vantages.queues(config.captures_at_once),
        )

    def _road(self) -> Road:
        config, parts = self.config, self.parts
        printing = Printing(config, parts)
        return Road(
            blobs=parts.blobs,
            index=parts.index,
            shards=parts.shards,
            authority=parts.authority,
            sm2=parts.sm2,
            further=open_further(config),
            roots=self._roots,
            certify=printing.certify,
            meanwhile=printing.begin,
            capturing=intake.Capturing(
                config.data / "captures",
                config.capture_seconds,
                config.chromium,
                config.capture_trust_spki,
                self.vantages.ways(),
                lambda exhibit: self.ordering.is_cancelled(exhibit),
                config.data / "keys" / "captures",
                config.second_resolvers,
                warm=intake.Warm(config.data / "waiting", config.captures_waiting),
                clock=lambda: clock_facts(parts.gate.look()),
            ),
            leases=parts.leases,
            now=parts.now,
            entropy=parts.entropy,
            attested=self.names.attested_applicant,
            spending=self.entitlements.spending,
        )

    # ---- time ------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.parts.now()

    def clock(self) -> ClockReading:
        """How the clock stands; asks nobody. Raises nothing that a page would break on."""
        return clock_reading_of(self.parts.gate.look())

    def measure_clock(self) -> None:
        """Ask the sources of time now, unless that was just done."""
        if self.parts.gate.profile != EVALUATION:
            self.parts.gate.measure()

    def timekeeping(self) -> contextlib.AbstractContextManager[None]:
        """As long as a program runs that stays, the sources are asked from time to time."""
        return self.parts.gate.watching()

    def require_stamping(self) -> None:
        """That timestamps can be signed, where it is our own authority that is asked: else
        `Refused`, or `Unavailable` while the device that has the key is away."""
        if not self.config.timestamp_url:
            self.parts.local.require_key()

    # ---- walking ---------------------------------------------------------------------

    def walk(self, exhibit: str, tell: road.Tell) -> str:
        """Walk the road to its end in this process; gives the state. Raises Problem."""
        return self.walking.walk(exhibit, tell)

    # ---- looking ---------------------------------------------------------------------

    def exhibit(self, exhibit: str) -> ExhibitView:
        return self.looking.exhibit(exhibit)

    def exhibits(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> Sequence[ExhibitView]:
        return self.looking.exhibits(limit, before, account=account)

    def views_of(self, rows: Sequence[Row]) -> Sequence[ExhibitView]:
        return self.looking.views_of(rows)

    def open_picture(self, exhibit: str, name: str) -> BinaryIO:
        return self.looking.open_picture(exhibit, name)

    def find_picture(self, exhibit: str) -> str | None:
        return self.looking.find_picture(exhibit)

    def is_placed(self, exhibit: str) -> bool:
        """Whether an exhibit of that name came in."""
        return road.ORDER in self.road.papers(exhibit)

    def account_of_exhibit(self, exhibit: str) -> str | None:
        """Whose it is; None when there is none of that name."""
        try:
            return self.road.order(exhibit).account
        except Refused as refusal:  # its order says so; where that is damaged, the index does
            return None if refusal.code == "exhibit.not-found" else self.index.owner(exhibit)

    def open_paper(self, exhibit: str, name: str) -> BinaryIO:
        """One paper or original; never the order, which is not evidence. Refused while it is
        not decided whether it is wanted."""
        self.ordering.require_taken(exhibit)
        return self.looking.open(exhibit, name)

    def folder(self, exhibit: str) -> Path:
        """Where the papers lie on this machine."""
        return self.config.data / "blobs" / package.EXHIBITS / exhibit

    # ---- out -------------------------------------------------------------------------

    def roots_pem(self) -> bytes:
        """Roots of every authority that this installation asks, our own first."""
        return roots_pem(self.config, self.parts.keys)

    def write_package(self, exhibits: Sequence[str], out: Path) -> Report:
        return self.packaging.write_plain(exhibits, out)

    def package(self, exhibits: Sequence[str]) -> Path:
        return self.packaging.plain(exhibits)

    def ledger_policy(self) -> bytes:
        """The tlog-policy of this installation, as it goes into packages."""
        return policy.encode_ledger_policy(self.entries.policy())

    @property
    def trust(self) -> Trust:
        """What a verifier of this installation's papers demands."""
        return Trust(self._roots, self.entries.policy())

    @property
    def ledger(self) -> Ledger:
        """The shard that is open."""
        return self.entries.open

    def _require_packable(self, exhibit: str) -> None:
        self._require_finished(exhibit)
        self.ordering.require_taken(exhibit)

    def _require_finished(self, exhibit: str) -> None:
        order, papers = self.road.order(exhibit), self.road.papers(exhibit)
        state = road.state_of(order.kind, papers)
        if road.is_over(papers) or road.next_step(order.kind, papers) is not None:
            raise Refused(
                "package.not-complete",
                expected="an exhibit whose road is walked to the end",
                found=f"{exhibit}: {state}",
                act="wait for its certificate, or see why it was refused",
            )

    def packed(self, *exhibits: str) -> Shared:
        """The package of these: made once, and kept as those of links are, as long as their
        papers are the same. Raises Unavailable while another request is making it."""
        for one in exhibits:
            self._require_packable(one)
        return self.exports.shared(exhibits, self.package)

    def comparison(self, one: str, other: str) -> bytes:
        """What differs between two captures: a report derived from both, canonical JSON."""
        return comparison(self.parts, self.road, self.ordering, one, other)

    # ---- checking --------------------------------------------------------------------

    def verify_package(self, file: Path) -> Report:
        """What `guzheng-verify` says of a package or certificate that somebody brought."""
        return Judge(self.roots_pem(), self.ledger_policy()).package(file)

    def verify_file(self, digest: Digest, token: bytes) -> Report:
        """What `guzheng-verify` says of a digest and a `.tsa`."""
        return Judge(self.roots_pem(), self.ledger_policy()).file(digest, token)

    def court(self, question: prove.Question) -> Sequence[prove.Answer]:
        """Whether the ledger holds this file, certificate or entry, and the same."""
        return court.ask(self.parts, question)

    # ---- the ledger ------------------------------------------------------------------

    def require_may_add(self, key_sha256: str) -> None:
        self.entries.require_may_add(key_sha256)

    def add_commitments(self, commitments: Sequence[bytes]) -> list[Numbered]:
        return self.entries.add(commitments)

    def wait_for_checkpoint(self, entry: Numbered, seconds: float) -> bool:
        return self.entries.wait_for_checkpoint(entry, seconds)

    def wait_for_quorum(self, entry: Numbered) -> None:
        self.entries.wait_for_quorum(entry)

    def prove_entry(self, entry: Numbered) -> bytes:
        return self.entries.prove(entry)

    def ledger_read(self, path: str, shard: str = FIRST) -> bytes | None:
        return self.entries.read(path, shard)

    def ledger_closed(self, shard: str) -> bool:
        return self.entries.is_closed(shard)

    def ledger_vkey(self) -> str:
        return self.ledger.vkey

    def ledger_standing(self) -> LedgerStanding:
        return self.entries.standing()

    # ---- saying otherwise ------------------------------------------------------------

    def dispute(self, claims: Mapping[str, str]) -> str:
        """Somebody says that it does not; kept, under the number that is given."""
        return prove.receive_dispute(
            self.blobs, claims, now=self.now(), entropy=self.parts.entropy
        )

    def disputes(self) -> Iterator[prove.Dispute]:
        """Every dispute, oldest first: for the operator, and for nobody else."""
        return prove.disputes(self.blobs)

    def runs_own_authority(self) -> bool:
        """Whether timestamps come from this installation itself; a reader must be told."""
        return not self.config.timestamp_url

    @functools.cached_property
    def timestamping(self) -> Timestamping:
        """Our own authority for whoever asks over HTTP, whomever we ask ourselves."""
        return open_timestamping(self.config, self.parts, time.monotonic)

    @functools.cached_property
    def accesses(self) -> Accesses:
        """Where it is told who asked for what he may not have."""
        return Accesses(Audit(self.parts.data, self.parts.now), time.monotonic)

    def commit_journal(self) -> list[tuple[str, int, Numbered]]:
        """Put the heads of the issuance journal into the ledger: chain, lines, entry."""
        return journaling.commit_heads(self.parts, Audit(self.parts.data, self.parts.now))

    def verify_journal(self) -> Checked:
        """Every line of the issuance journal again."""
        return journaling.verify_journal(self.parts)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """What a server does besides: heads of the journal into the ledger, what nobody waits
        for under a published checkpoint, metrics."""
        from guzheng.app.metrics import TimestampMetrics, metrics_served

        metrics = TimestampMetrics(self.timestamping.counts, self.parts)
        audit = Audit(self.parts.data, self.parts.now)
        with (
            self.timekeeping(),
            metrics_served(self.config.metrics_port, metrics),
            journaling.heads_kept(self.parts, audit),
            kept_up(self.shards, self.now),
        ):
            yield

    # ---- upkeep ----------------------------------------------------------------------

    def recover(self) -> int:
        """Put right what killed programs left; who runs the queue does so first."""
        return self.road.recover()

    def interrupt(self) -> None:
        """End what a stopping program would otherwise leave running without it."""
        intake.end_captures(self.road.capturing)
