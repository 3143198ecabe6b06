"""The composition root: from settings to a platform that faces can ask.

The only module that owns a clock and a source of chance, and the only one that knows which
implementation stands behind each port. Faces (web, cli, worker) see `Platform` and nothing
below it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from guzheng import certify, fix, intake, keep, prove, road
from guzheng.config import Config
from guzheng.intake import ExhibitIndex, Order, Upload
from guzheng.jobs import Jobs, Work
from guzheng.keep import Fault
from guzheng.ledger import FileLastSigned, Ledger, fsck, open_signer, rebuild_from_tiles
from guzheng.proof import canonical, package, policy
from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Manifest
from guzheng.proof.policy import LedgerPolicy, Trust
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.road import Road
from guzheng.store.blobs import find, read
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.records import open_engine

_BESIDE = frozenset({road.ORDER, road.REFUSED, road.ATTEMPT})
_VERIFY_SECONDS = 600
_TOLD = 50  # lines of progress kept for a page; the record holds all of them


def system_now() -> datetime:
    """The one clock of the platform; whether to believe it is `Platform.clock`'s to say."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What is known of the clock; `verified` only when a source of time was asked."""

    source: str
    offset_ms: float | None
    uncertainty_ms: float | None
    synced_at: datetime | None
    verified: bool


@dataclass(frozen=True, slots=True)
class PaperView:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ExhibitView:
    """An exhibit as its papers show it at this moment."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime
    state: str
    missing: tuple[str, ...]
    papers: tuple[PaperView, ...]
    facts: Mapping[str, object] | None
    refusal: Mapping[str, str] | None
    progress: tuple[Mapping[str, str], ...]
    url: str | None = None


class Platform:
    """One installation, opened. Every face asks this object; it may be shared by threads."""

    def __init__(self, config: Config) -> None:
        self.config = config
        data = config.data
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys_folder = data / "keys"
        keys_folder.mkdir(mode=0o700, exist_ok=True)
        operator = {"operator": config.operator} if config.operator else {}
        self._keys = fix.load_or_make(
            keys_folder, now=system_now, entropy=os.urandom, **operator
        )
        self._local = fix.local_authority(self._keys, now=system_now, entropy=os.urandom)
        self._authority: fix.TimestampAuthority = self._local
        if config.timestamp_url:
            self._authority = fix.HttpAuthority(
                config.timestamp_url, timeout_seconds=config.timestamp_seconds
            )
        self.blobs = DirectoryBlobs(data / "blobs")
        self.index = ExhibitIndex(open_engine(data / "index.sqlite"))
        self.ledger = Ledger(
            open_engine(data / "ledger.sqlite"),
            self.blobs,
            open_signer(keys_folder, None, os.urandom),
            FileLastSigned(keys_folder / "last-signed.checkpoint"),
        )
        self.trust = Trust(
            policy.parse_roots(self.roots_pem()), LedgerPolicy((self.ledger.vkey,), "none")
        )
        self.road = self._road(data)
        self._told: dict[str, deque[Mapping[str, str]]] = {}
        self._telling = threading.Lock()
        self.jobs = Jobs(
            data / "jobs.sqlite",
            data / "leases",
            Work(self._advance, self.index.unfinished),
            at_once=config.workers,
        )

    def _road(self, data: Path) -> Road:
        config = self.config
        signer = certify.DocumentSigner(
            self._keys.signer_key,
            self._keys.signer_der,
            self._authority.respond,
            (self._keys.root_der,),
        )

        def certified(
            facts: Mapping[str, object], papers: Mapping[str, bytes], at: datetime
        ) -> bytes:
            return certify.certify(
                facts,
                papers,
                signer,
                signed_at=at,
                public_url=config.public_url or None,
                operator_runs_authority=not config.timestamp_url,
            )

        return Road(
            blobs=self.blobs,
            index=self.index,
            ledger=self.ledger,
            authority=self._authority,
            roots=self.trust.roots or (),
            certify=certified,
            capturing=intake.Capturing(
                data / "captures",
                config.capture_seconds,
                config.chromium,
                config.capture_trust_spki,
            ),
            leases=data / "leases",
            now=system_now,
            entropy=os.urandom,
        )

    # ---- time ------------------------------------------------------------------------

    def now(self) -> datetime:
        return system_now()

    def clock(self) -> ClockReading:
        """Nobody has been asked yet whether the machine's clock is right, and it is said."""
        return ClockReading("system clock", None, None, None, verified=False)

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
    ) -> str:
        """One file; durable when this returns, and queued."""
        upload = Upload(name, chunks, media_type or intake.media_type_of(name))
        order = self.road.deposit(
            (upload,),
            largest=self.config.largest_upload,
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
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
    ) -> str:
        """A file that stays with its owner: hashed here, and nothing of it kept."""
        with file.open("rb") as stream:
            size, digests = intake.digests_of_stream(stream)
        order = self.road.deposit_digests(
            (intake.by_digest(name, size, digests, intake.media_type_of(name)),),
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
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
    ) -> str:
        """A page; queued. Raises Unavailable at once when there is no browser."""
        self.require_browser()
        order = self.road.order_capture(
            url,
            allow_private=self.config.allow_private,
            claimed_name=claimed_name,
            claimed_applicant=claimed_applicant,
            claimed_purpose=claimed_purpose,
        )
        self.jobs.enqueue(order.exhibit)
        return order.exhibit

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
        return self.road.walk(exhibit, tell)

    def _advance(self, exhibit: str) -> bool:
        def tell(step: str, detail: str) -> None:
            with self._telling:
                lines = self._told.setdefault(exhibit, deque(maxlen=_TOLD))
                lines.append({"step": step, "detail": detail})

        if self.road.advance(exhibit, tell) is not None:
            return True
        with self._telling:
            self._told.pop(exhibit, None)
        return False

    # ---- looking ---------------------------------------------------------------------

    def exhibit(self, exhibit: str) -> ExhibitView:
        order = self.road.order(exhibit)
        names = self.road.papers(exhibit)
        folder = road.folder_of(exhibit)
        facts = find(self.blobs, folder + package.CERTIFICATE_JSON)
        refused = find(self.blobs, folder + road.REFUSED)
        with self._telling:
            progress = tuple(self._told.get(exhibit, ()))
        return ExhibitView(
            exhibit=exhibit,
            kind=order.kind,
            claimed_name=order.claimed_name,
            observed_at=order.observed_at,
            state=road.state_of(order.kind, names),
            missing=road.missing_from(order.kind, names),
            papers=tuple(
                PaperView(one, self._size(folder + one)) for one in sorted(names - _BESIDE)
            ),
            facts=_object(facts) if facts is not None else None,
            refusal=_refusal(refused) if refused is not None else None,
            progress=progress,
            url=order.url,
        )

    def exhibits(self, limit: int, before: str | None = None) -> Sequence[ExhibitView]:
        return tuple(self.exhibit(line.exhibit) for line in self.index.page(limit, before))

    def _size(self, name: str) -> int:
        with self.blobs.open(name) as stream:
            return stream.seek(0, os.SEEK_END)

    def open_paper(self, exhibit: str, name: str) -> BinaryIO:
        """One paper or original; never the order, which is not evidence."""
        folder = road.folder_of(self.road.order(exhibit).exhibit)
        if name not in self.road.papers(exhibit) - _BESIDE:
            raise Refused(
                "exhibit.no-such-paper",
                expected="a paper of this exhibit",
                found=repr(name[:120]),
            )
        return self.blobs.open(folder + name)

    def folder(self, exhibit: str) -> Path:
        """Where the papers lie on this machine."""
        return self.config.data / "blobs" / package.EXHIBITS / exhibit

    # ---- out -------------------------------------------------------------------------

    def roots_pem(self) -> bytes:
        """Roots of every authority that this installation asks, our own first."""
        pem = fix.roots_pem(self._keys)
        if not self.config.timestamp_roots:
            return pem
        try:
            return pem + Path(self.config.timestamp_roots).read_bytes()
        except OSError as error:
            raise Refused(
                "config.value-refused",
                expected="timestamp_roots: a PEM file",
                found=f"{self.config.timestamp_roots}: {error.strerror}",
                act="mend the setting",
            ) from error

    def write_package(self, exhibits: Sequence[str], out: Path) -> None:
        """The court package of these exhibits, as one zip at `out`."""
        for one in exhibits:
            self._require_finished(one)
        manifests = [
            Manifest.parse(read(self.blobs, road.folder_of(one) + package.MANIFEST))
            for one in exhibits
        ]
        prove.write_package(
            self.blobs,
            [prove.Exhibit(one, road.folder_of(one)) for one in exhibits],
            recipe_md=prove.recipe(manifests, out.name),
            roots_pem=self.roots_pem(),
            ledger_policy=policy.encode_ledger_policy(
                LedgerPolicy((self.ledger.vkey,), "none")
            ),
            out=out,
        )

    def _require_finished(self, exhibit: str) -> None:
        order = self.road.order(exhibit)
        state = road.state_of(order.kind, self.road.papers(exhibit))
        if state != "certified":
            raise Refused(
                "package.not-complete",
                expected="an exhibit whose road is walked to the end",
                found=f"{exhibit}: {state}",
                act="wait for its certificate, or see why it was refused",
            )

    def package(self, exhibits: Sequence[str]) -> Path:
        """A package in a temporary file, which the caller removes."""
        staging = self.config.data / "staging"
        staging.mkdir(mode=0o700, exist_ok=True)
        name = f"{exhibits[0]}.zip" if len(exhibits) == 1 else "guzheng-exhibits.zip"
        out = Path(tempfile.mkdtemp(dir=staging)) / name
        try:
            self.write_package(exhibits, out)
        except Problem:
            shutil.rmtree(out.parent, ignore_errors=True)
            raise
        return out

    # ---- checking --------------------------------------------------------------------

    def verify_package(self, file: Path) -> Report:
        """What `guzheng-verify` says of a package or certificate that somebody brought."""
        return self._verified([str(file)])

    def verify_file(self, digest: Digest, token: bytes) -> Report:
        """What `guzheng-verify` says of a digest and a `.tsa`."""
        with tempfile.NamedTemporaryFile(suffix=".tsa") as file:
            file.write(token)
            file.flush()
            return self._verified([file.name, "--digest", str(digest)])

    def _verified(self, arguments: list[str]) -> Report:
        """The verifier is a program that does not believe us; it is run, never imported.

        Its own process also means that a hostile archive meets nothing of the platform.
        """
        with tempfile.TemporaryDirectory() as room:
            roots, ledger = Path(room) / "roots.pem", Path(room) / "ledger.policy"
            roots.write_bytes(self.roots_pem())
            ledger.write_bytes(
                policy.encode_ledger_policy(LedgerPolicy((self.ledger.vkey,), "none"))
            )
            command = [
                *(sys.executable, "-m", "guzheng.verifier", "--json"),
                *("--roots", str(roots), "--policy", str(ledger)),
                *arguments,
            ]
            try:
                done = subprocess.run(
                    command, capture_output=True, timeout=_VERIFY_SECONDS, check=False
                )
                return _report_of(json.loads(done.stdout))
            except (subprocess.TimeoutExpired, ValueError) as error:
                raise Unavailable(
                    "verify.not-finished",
                    expected=f"a report within {_VERIFY_SECONDS} s",
                    found=type(error).__name__,
                    act="check it with guzheng-verify on your own machine",
                ) from error

    def runs_own_authority(self) -> bool:
        """Whether timestamps come from this installation itself; a reader must be told."""
        return not self.config.timestamp_url

    def ledger_read(self, path: str) -> bytes | None:
        return self.ledger.read(path)

    def ledger_vkey(self) -> str:
        return self.ledger.vkey

    def tsa_respond(self, request_der: bytes) -> bytes:
        """Our own authority's answer to an RFC 3161 request, whoever we ask ourselves."""
        return self._local.respond(request_der)

    # ---- upkeep ----------------------------------------------------------------------

    def rebuild(self) -> int:
        """Make index and ledger table again from the papers; gives the number of exhibits."""
        rebuild_from_tiles(self.ledger)
        orders: list[Order] = []
        finished: list[str] = []
        for exhibit in self.road.exhibits():
            if find(self.blobs, road.folder_of(exhibit) + road.ORDER) is None:
                continue
            order = self.road.order(exhibit)
            orders.append(order)
            papers = self.road.papers(exhibit)
            if road.next_step(order.kind, papers) is None:
                finished.append(exhibit)
            leaf = find(self.blobs, road.folder_of(exhibit) + package.LEAF)
            if leaf is not None:  # gives the entry its exhibit back; it keeps its number
                self.ledger.append(leaf, exhibit)
        self.index.rebuild(orders, finished)
        return len(orders)

    def fsck(self, tell: Callable[[str], None]) -> list[Fault]:
        """Every damaged, missing or extra byte, by name; empty when all is well."""
        faults: list[Fault] = []
        found: set[str] = set()
        for exhibit in self.road.exhibits():
            tell(exhibit)
            faults += self._scrubbed(exhibit)
            found.add(exhibit)
        faults += [
            Fault(
                f"{road.folder_of(one)}",
                "keep.exhibit-lost",
                "its papers",
                "only a line in the index",
            )
            for one in sorted(self.index.names() - found)
        ]
        faults += [
            Fault(one.name, one.code, one.expected, one.found) for one in fsck(self.ledger)
        ]
        known = (package.EXHIBITS, "ledger/")
        faults += [
            Fault(name, "keep.extra", "nothing", "a file")
            for name in self.blobs.names()
            if not name.startswith(known)
        ]
        return faults

    def _scrubbed(self, exhibit: str) -> list[Fault]:
        folder = road.folder_of(exhibit)
        try:
            order = self.road.order(exhibit)
        except Refused as refusal:
            return [Fault(folder + road.ORDER, refusal.code, refusal.expected, refusal.found)]
        faults = []
        if exhibit not in self.index.names():
            faults.append(
                Fault(folder, "keep.not-indexed", "a line in the index", "none: run rebuild")
            )
        if road.state_of(order.kind, self.road.papers(exhibit)) == "refused":
            return faults
        # What the index no longer waits for must be complete, or a paper was lost since.
        finished = exhibit not in self.index.unfinished()
        found = keep.scrub_exhibit(
            self.blobs, folder, self.trust, beside=_BESIDE, finished=finished
        )
        return faults + list(found)

    def fonts(self) -> tuple[bool, str]:
        """Whether certificates are printed with Debian's fonts, and which face is used."""
        face = certify.find_face()
        return face != certify.packaged_face(), face.sans


def _object(octets: bytes) -> Mapping[str, object] | None:
    """A paper for showing; a damaged one is fsck's to name, not a page's to break on."""
    try:
        return canonical.parse_object(octets)
    except ProofError:
        return None


def _refusal(octets: bytes) -> Mapping[str, str]:
    value = _object(octets) or {}
    return {name: str(value.get(name, "")) for name in ("code", "expected", "found", "act")}


def _report_of(value: object) -> Report:
    fields = Fields(value, "report")
    findings = []
    for one in fields.items("findings", most=100_000):
        finding = Fields(one, "report.findings")
        findings.append(
            Finding(
                step=finding.text("step"),
                rule=finding.text("rule"),
                outcome=Outcome(finding.text("outcome")),
                code=finding.text("code"),
                subject=finding.text("subject"),
                expected=finding.text("expected", longest=100_000),
                found=finding.text("found", longest=100_000),
            )
        )
    return Report(tuple(findings))
