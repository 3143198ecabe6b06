"""One installation, opened: the object that every face asks.

It hands each question to the station that knows, and holds no rule of its own.
"""

import contextlib
import functools
import hmac
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from guzheng import intake, prove, road
from guzheng.accounts.invitations import Measure
from guzheng.app import court, journaling, renewal, signing, upkeep
from guzheng.app.anchoring import AnchorView, open_anchoring
from guzheng.app.auditing import Accesses, Audit, copied
from guzheng.app.casework import Casework
from guzheng.app.clearing import Clearing
from guzheng.app.comparing import comparison
from guzheng.app.custody import Keeping
from guzheng.app.entitling import Entitling
from guzheng.app.evidence import Evidence, Row
from guzheng.app.exports import Exports
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
from guzheng.app.rehearsing import Rehearsing
from guzheng.app.repeating import Repeating
from guzheng.app.replaying import Replaying
from guzheng.app.sharing import Sharing
from guzheng.app.timestamping import Timestamping, open_timestamping
from guzheng.app.uploading import Uploading
from guzheng.app.vantages import Vantages
from guzheng.app.views import (
    ClockReading,
    ExhibitView,
    LedgerStanding,
    ShardView,
    clock_facts,
    clock_reading_of,
)
from guzheng.app.walking import Walking
from guzheng.app.webhooks import Webhooks
from guzheng.app.wishes import Wanted
from guzheng.app.witnessing import (
    kept_up,
    ledger_policy,
    monitored,
    open_gathering,
    standing_of,
)
from guzheng.config import Config
from guzheng.fix.clock import EVALUATION
from guzheng.fix.journal import Checked
from guzheng.intake import Upload
from guzheng.jobs import Jobs, Patience, Work
from guzheng.keep import Fault, Judged
from guzheng.ledger import Adding, Ledger, Numbered, turning
from guzheng.ledger.chained import chain_findings
from guzheng.ledger.ledger import FIRST
from guzheng.proof import package, policy
from guzheng.proof.digest import Digest
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.policy import Trust
from guzheng.proof.report import Report
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.road import Road
from guzheng.store.ids import LOCAL


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
        self._adding: dict[str, Adding] = {}
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
            self._policy,
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

    # ---- in --------------------------------------------------------------------------

    def deposit(
        self,
        name: str,
        chunks: Iterable[bytes],
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        media_type: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """One file; durable when this returns, and queued."""
        upload = Upload(name, chunks, media_type or intake.media_type_of(name))
        order = self.road.deposit(
            (upload,),
            largest=self.config.largest_upload,
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
            account=account,
            person=person,
        )
        self.jobs.enqueue(order.exhibit)
        return order.exhibit

    def deposit_digest(
        self,
        file: Path,
        name: str,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """A file that stays with its owner: hashed here, and nothing of it kept."""
        try:
            with file.open("rb") as stream:
                size, digests = intake.digests_of_stream(stream)
        except OSError as error:
            raise intake.unreadable(file, error) from error
        order = self.road.deposit_digests(
            (intake.by_digest(name, size, digests, intake.media_type_of(name)),),
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
            account=account,
            person=person,
        )
        self.jobs.enqueue(order.exhibit)
        return order.exhibit

    def order_capture(
        self,
        url: str,
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = LOCAL,
        person: str = "",
    ) -> str:
        """A page, confirmed as soon as it is captured; `ordering` has the whole flow. Raises
        Unavailable at once when there is no browser."""
        self.require_browser()
        wanted = Wanted(
            url,
            claimed_name or "",
            claimed_applicant or "",
            claimed_purpose or "",
            automatic=True,
            account=account,
            person=person,
        )
        return self.ordering.order(wanted)[0].commission.exhibit

    def find_browser(self) -> str | None:
        """Path of the browser that captures would use."""
        if self.config.chromium:
            return self.config.chromium if Path(self.config.chromium).is_file() else None
        return shutil.which("chromium") or shutil.which("chromium-browser")

    def require_browser(self) -> None:
        if self.find_browser() is None:
            raise Unavailable(
                "capture.no-browser",
                expected="Chromium on this machine",
                found="none",
                act="the operator installs it: apt-get install chromium fonts-noto-cjk",
            )

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
        return policy.encode_ledger_policy(self._policy())

    def _policy(self) -> policy.LedgerPolicy:
        """With the keys of every shard there is at this moment."""
        return ledger_policy(self.config, [one.ledger for one in self.shards.row.all])

    @property
    def trust(self) -> Trust:
        """What a verifier of this installation's papers demands."""
        return Trust(self._roots, self._policy())

    @property
    def ledger(self) -> Ledger:
        """The shard that is open."""
        return self.shards.open

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

    def packed(self, *exhibits: str) -> BinaryIO:
        """The package of these: made once, and kept as those of links are, as long as their
        papers are the same. Raises Unavailable while another request is making it."""
        for one in exhibits:
            self._require_packable(one)
        return self.exports.shared(exhibits, self.package)[0]

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

    def require_may_add(self, key_sha256: str) -> None:
        """Refused unless the settings name this key, by its SHA-256."""
        known = [one.strip().lower() for one in self.config.ledger_keys]
        if not any(hmac.compare_digest(key_sha256, one) for one in known):
            raise Refused(
                "ledger.may-not-add",
                expected="a key that the operator has named in ledger_keys",
                found="none, or another" if known else "no key is named: nobody may add",
                act="ask the operator for a key and send it as Authorization: Bearer",
            )

    def add_commitments(self, commitments: Sequence[bytes]) -> list[Numbered]:
        """Entries of others, in the order given; durable when this returns.

        They are numbered in the order of their octets, so that the index by which each is known
        is met page after page and not at random: a third less for ten thousand."""
        sorted_once = sorted(set(commitments))
        numbers = self.shards.append_all([(LEAF_LABEL + one, None) for one in sorted_once])
        of_each = dict(zip(sorted_once, numbers, strict=True))
        return [of_each[one] for one in commitments]

    def wait_for_checkpoint(self, entry: Numbered, seconds: float) -> bool:
        """Whether this entry is under a signed checkpoint within the time."""
        ledger = self.shards.shard(entry.shard).ledger
        return self._adding.setdefault(entry.shard, Adding(ledger)).wait(entry.number, seconds)

    def wait_for_quorum(self, entry: Numbered) -> None:
        """Until the policy is met by a published checkpoint that has this entry."""
        self.shards.cosign(entry)

    def prove_entry(self, entry: Numbered) -> bytes:
        """The `.tlog-proof` of any entry."""
        size = self.shards.shard(entry.shard).ledger.entries.size()
        if entry.number >= size:
            raise Refused("ledger.not-found", expected=f"below {size}", found=str(entry))
        return self.shards.prove(entry, note=self.shards.cosign(entry))

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

    def ledger_read(self, path: str, shard: str = FIRST) -> bytes | None:
        """What is served under a C2SP path of a shard; the first has the plain paths."""
        return self.shards.shard(shard).ledger.read(path)

    def ledger_closed(self, shard: str) -> bool:
        return self.shards.shard(shard).end is not None

    def ledger_vkey(self) -> str:
        return self.ledger.vkey

    def ledger_standing(self) -> LedgerStanding:
        return standing_of(self.shards)

    def chained(self) -> Report:
        """Whether each shard begins with the last checkpoint of the one before."""
        self.shards.row.refresh()
        return Report(tuple(chain_findings(self.shards.row)))

    def turn(self) -> ShardView:
        """Close the open shard, and go on with the next; prepares it if need be."""
        turning.turn(self.shards.row, self.now().year)
        return next(one for one in self.ledger_standing().shards if one.state == "open")

    def prepare_shard(self) -> ShardView:
        """Make the next shard's keys, and have its empty tree cosigned."""
        self.shards.row.refresh()
        turning.prepare(self.shards.row, (self.now() + turning.LEAD).year)
        return next(one for one in self.ledger_standing().shards if one.state == "next")

    def monitor(self, served: Sequence[str], mirrors: Sequence[str]) -> Report:
        """Compare every place that says something of the ledger."""
        return monitored(self.config, self.shards, self.blobs, served, mirrors)

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

    def rebuild(self) -> upkeep.Rebuilt:
        """Make index and ledger table again from the papers."""
        return upkeep.rebuild(self.parts, self.road)

    def fsck(self, tell: Callable[[str], None]) -> list[Fault]:
        """Every damaged, missing or extra byte, by name; empty when all is well."""
        faults = upkeep.fsck(self.parts, self.road, self.trust, tell, self.clearing.gone)
        with contextlib.suppress(Problem):  # a damaged table is among the faults already
            self.keeping.read_again(len(faults))
        return faults

    def anchor(self) -> tuple[tuple[AnchorView, ...], tuple[Problem, ...]]:
        """Anchor the newest checkpoint now; gives what is anchored, and what failed."""
        problems = self.anchoring.round(at_once=True)
        return self.anchoring.views(), problems

    def ages(self, months: int | None = None) -> renewal.Ages:
        """Until when each finished exhibit is vouched for, and what ages."""
        within = self.config.renew_months if months is None else months
        return renewal.ages_of(
            self.parts, self.road, self._judged(), within, self.clearing.gone
        )

    def renew(self, months: int | None = None) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
        """Renew what ages; gives the exhibits that have a new record, and what is damaged."""
        within, leases = (
            (self.config.renew_months if months is None else months),
            self.parts.leases,
        )
        gone = self.clearing.gone
        return renewal.renew(self.parts, self.road, self._judged(), within, leases, gone)

    def _judged(self) -> Judged:
        return renewal.judged_by(self.trust, self.config.hash_ends)

    def keys_ending(self) -> tuple[bool, str]:
        """Whether every certificate that signs lasts, and which ends when."""
        soon = signing.ending(self.config.data, self.now(), self.config.tsa_warn_days)
        return not soon, ", ".join(f"{one.role} {one.ends_at:%Y-%m-%d}" for one in soon)

    def sm2(self) -> tuple[bool, str]:
        """Whether manifests are sealed under SM2 too, and by whom or why not."""
        if self.parts.sm2 is not None:
            return True, self.parts.sm2.name
        return self.config.sm2 == "off", "sm2 = off" if self.config.sm2 == "off" else "OpenSSL"

    def fonts(self) -> tuple[bool, str]:
        """Whether certificates are printed with Debian's fonts, and which face is used."""
        from guzheng import certify

        face = certify.find_face()
        return face != certify.packaged_face(), face.sans
