"""The road: the order of the stations, and the only place that knows it.

    order → (capture) → manifest → tokens, seal → leaf, entry → certificate

Each step makes one kind of paper, and the first paper that is missing decides which step is
next: there is no status that could disagree with the folder. Every step may run twice: what is
kept under a name never changes, so «it failed» and «it succeeded but we did not hear» take the
same path. A paper never refers to bytes that are not durable yet.

Whoever walks holds the exhibit's lease, so no two workers make the same paper at once.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509

from guzheng import fix, intake
from guzheng.intake import ExhibitIndex, Order, ReceivedItem, Upload
from guzheng.intake.rules import capture_options, distinct, item_name, stated, web_address
from guzheng.ledger import Shards
from guzheng.proof import canonical, certificate, instant, moments, package, timestamp
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.exhibit import CLOCKS_APART
from guzheng.proof.manifest import (
    AttestedApplicant,
    Manifest,
    SeenCheckpoint,
    leaf_of,
    require_exhibit_name,
)
from guzheng.proof.note import Note
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused, Unavailable
from guzheng.store import ids
from guzheng.store.blobs import AlreadyKept, Blobs, NotKept, find, read
from guzheng.store.lease import Place, leased

ORDER, REFUSED, ATTEMPT = intake.ORDER, "refused.json", "attempt.json"
ENDED = "ended.json"  # by the operator: no step follows, whatever is missing
# What may lie in an exhibit's folder and is no evidence.
BESIDE = frozenset({ORDER, REFUSED, ATTEMPT, ENDED, "deleted.json"})  # that: keep/deletion.py
ENDED_CODE = "road.ended"
Tell = Callable[[str, str], None]
# Facts, papers to attach, when it is signed → the signed PDF.
Certify = Callable[[Mapping[str, object], Mapping[str, bytes], datetime], bytes]
# Account, when it orders → the real name that is attested for it, if one is.
Attested = Callable[[str, datetime], AttestedApplicant | None]
# Account, exhibit → around the coming in of a deposit: the quota before, the bill after.
Spending = Callable[[str, str], contextlib.AbstractContextManager[None]]


class Step(Enum):
    """What can be next; the value is the name that progress and pages use."""

    CAPTURE = "capture"
    MANIFEST = "manifest"
    FIX = "fix"
    LOG = "log"
    CERTIFY = "certify"


_STATES = {
    Step.CAPTURE: "received",
    Step.MANIFEST: "received",
    Step.FIX: "manifested",
    Step.LOG: "fixed",
    Step.CERTIFY: "logged",
    None: "certified",
}


def next_step(kind: str, papers: frozenset[str], *, enough: bool = True) -> Step | None:
    """The first paper that is missing decides; `enough`: of the further seals, if demanded."""
    if is_over(papers):
        return None
    if kind == "web" and package.CAPTURE not in papers:
        return Step.CAPTURE
    if package.MANIFEST not in papers:
        return Step.MANIFEST
    if package.SEAL not in papers:  # written after every token: it stands for them all
        return Step.FIX
    if package.ENTRY not in papers:
        return Step.LOG if enough else Step.FIX
    if not {package.CERTIFICATE_JSON, package.CERTIFICATE_PDF} <= papers:
        return Step.CERTIFY
    return None


def is_over(papers: frozenset[str]) -> bool:
    """Refused, and no step follows; after a capture that failed the attempt is evidence, and is
    sealed like any other."""
    return ENDED in papers or (REFUSED in papers and package.CAPTURE not in papers)


def state_of(kind: str, papers: frozenset[str]) -> str:
    """received, captured, manifested, fixed, logged, certified or refused."""
    if REFUSED in papers or ENDED in papers:
        return "refused"
    step = next_step(kind, papers)
    return "captured" if step is Step.MANIFEST and kind == "web" else _STATES[step]


def missing_from(kind: str, papers: frozenset[str]) -> tuple[str, ...]:
    """The papers still to come, in the order of the road; none once refused, unless it was an
    attempt that is certified as one."""
    if is_over(papers):
        return ()
    wanted = (
        *([package.CAPTURE] if kind == "web" else []),
        package.MANIFEST,
        package.SEAL,
        package.LEAF,
        package.ENTRY,
        package.CERTIFICATE_JSON,
        package.CERTIFICATE_PDF,
    )
    return tuple(one for one in wanted if one not in papers)


def folder_of(exhibit: str) -> str:
    return f"{package.EXHIBITS}{exhibit}/"


@dataclass(frozen=True, slots=True)
class Road:
    """The stations that an installation has, and the walk between them."""

    blobs: Blobs
    index: ExhibitIndex
    shards: Shards
    authority: fix.TimestampAuthority
    sm2: fix.TimestampAuthority | None
    further: fix.FurtherAuthorities
    roots: tuple[x509.Certificate, ...]
    certify: Certify
    capturing: intake.Capturing
    leases: Place
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    meanwhile: Callable[[], None] = lambda: None  # begins what can be done beside a capture
    attested: Attested = lambda _account, _at: None  # the real name of an account, then
    spending: Spending = lambda _account, _exhibit: contextlib.nullcontext()

    # ---- doors -----------------------------------------------------------------------

    def deposit(
        self,
        uploads: Iterable[Upload],
        *,
        largest: int,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = ids.LOCAL,
        person: str = "",
        exhibit: str | None = None,
    ) -> Order:
        """Files come in; everything is durable when this returns, and nothing if it raises.
        `exhibit`: the name it was promised, by who sees to it that nobody else has it in
        hand; then it is there once, however often asked."""
        texts = _texts(claimed_name, claimed_applicant, claimed_purpose)
        if exhibit and find(self.blobs, folder_of(exhibit) + ORDER) is not None:
            return self.order(exhibit)
        exhibit = exhibit or ids.new("ex", self.now(), self.entropy)
        folder = folder_of(exhibit)
        with (
            leased(self.leases, exhibit, wait=True),
            self.spending(account, exhibit),
            self._unless_acknowledged(exhibit),
        ):
            items: list[ReceivedItem] = []
            for upload in uploads:
                item_name(upload.name)
                distinct([*(one.name for one in items), upload.name])
                # 1. the bytes
                items.append(intake.keep(self.blobs, folder, upload, largest=largest))
            if not items:
                raise Refused(
                    "intake.no-files",
                    expected="at least one file",
                    found="none",
                    act="choose a file",
                )
            # 2. what refers to them
            return self._order(
                exhibit, "deposit", texts, items=tuple(items), account=account, person=person
            )

    def deposit_digests(
        self,
        items: tuple[ReceivedItem, ...],
        *,
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        account: str = ids.LOCAL,
        person: str = "",
    ) -> Order:
        """Files that stay with their owner: only their digests come in."""
        distinct(item_name(one.name) for one in items)
        texts = _texts(claimed_name, claimed_applicant, claimed_purpose)
        exhibit = ids.new("ex", self.now(), self.entropy)
        with self.spending(account, exhibit), self._unless_acknowledged(exhibit):
            return self._order(
                exhibit, "hash-only", texts, items=items, account=account, person=person
            )

    def order_capture(
        self,
        url: str,
        *,
        allow_private: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
        claimed_name: str | None = None,
        claimed_applicant: str | None = None,
        claimed_purpose: str | None = None,
        exhibit: str | None = None,
        vantage: str | None = None,
        retry_of: str | None = None,
        account: str = ids.LOCAL,
        person: str = "",
    ) -> Order:
        """`exhibit`: the name it was promised; then it is there once, however often asked."""
        address = web_address(url)
        options = capture_options(options)
        texts = _texts(claimed_name, claimed_applicant, claimed_purpose)
        exhibit = exhibit or ids.new("ex", self.now(), self.entropy)
        with leased(self.leases, exhibit, wait=True):
            if find(self.blobs, folder_of(exhibit) + ORDER) is not None:
                return self.order(exhibit)
            with self._unless_acknowledged(exhibit):
                return self._order(
                    exhibit,
                    "web",
                    texts,
                    url=address,
                    allow_private=allow_private,
                    options=options,
                    vantage=vantage,
                    retry_of=retry_of,
                    account=account,
                    person=person,
                )

    def cancel(self, exhibit: str, *, begun: bool = False) -> bool:
        """End the road of a capture that nobody is at; False when somebody is, or the page is
        captured already."""
        order = self.order(exhibit)
        with leased(self.leases, exhibit, wait=False) as held:
            if not held or self._next(exhibit) is not Step.CAPTURE:
                return False
            self._refuse(order, intake.CaptureCancelled(begun=begun))
        return True

    def end(self, exhibit: str, reason: str) -> bool:
        """End the road for good, by the operator: for what an outside party will never let go
        on. Whatever is kept stays. False when it was ended before; Refused when it is walked.
        """
        order = self.order(exhibit)
        with leased(self.leases, exhibit, wait=True):
            papers = self.papers(exhibit)
            missing = missing_from(order.kind, papers)
            if ENDED not in papers and not missing:
                raise Refused(
                    "road.walked",
                    expected="an exhibit that lacks a paper",
                    found=state_of(order.kind, papers),
                    act="nothing: its road is over already",
                )
            if ENDED not in papers:
                refusal = Refused(ENDED_CODE, expected=", ".join(missing), found=reason)
                self._put(folder_of(exhibit) + ENDED, self._refusal(order, refusal))
            self._say_ended(exhibit)
            intake.clear_room(self.capturing, exhibit)
        return ENDED not in papers

    def _say_ended(self, exhibit: str) -> None:
        """As refused too: for whoever asks only that. An attempt has its own refusal."""
        folder = folder_of(exhibit)
        self._put(folder + REFUSED, read(self.blobs, folder + ENDED))

    def _order(
        self,
        exhibit: str,
        kind: str,
        texts: tuple[str | None, str | None, str | None],
        *,
        items: tuple[ReceivedItem, ...] = (),
        url: str | None = None,
        allow_private: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
        vantage: str | None = None,
        retry_of: str | None = None,
        account: str,
        person: str,
    ) -> Order:
        name, applicant, purpose = texts
        observed_at = self.now()
        order = Order(
            exhibit=exhibit,
            kind=kind,
            claimed_name=name or (items[0].name if items else url or exhibit)[:1000],
            observed_at=observed_at,
            salt=self.entropy(32),
            items=items,
            url=url,
            allow_private=allow_private,
            options=options,
            claimed_applicant=applicant,
            claimed_purpose=purpose,
            attested_applicant=self.attested(account, observed_at),
            vantage=vantage,
            retry_of=retry_of,
            account=account,
            person=person,
        )
        self.blobs.put(folder_of(exhibit) + ORDER, [order.encode()])
        self.index.add(order)  # derived: lost here, `rebuild` finds the order again
        return order

    @contextlib.contextmanager
    def _unless_acknowledged(self, exhibit: str) -> Iterator[None]:
        """Whatever is raised inside, nothing of the exhibit stays."""
        try:
            yield
        except BaseException:
            self._forget(exhibit)
            raise

    def _forget(self, exhibit: str) -> None:
        """An intake that nobody was told of. What cannot be removed now, `recover` removes."""
        folder = folder_of(exhibit)
        with contextlib.suppress(Unavailable):
            self.blobs.remove(folder + ORDER)  # first: an order must never lack its items
            for name in list(self.blobs.names(folder)):
                self.blobs.remove(name)
        with contextlib.suppress(Unavailable):
            self.index.forget(exhibit)

    def recover(self) -> int:
        """Put right what killed programs left; gives the number of intakes forgotten.

        Items without an order were never acknowledged; an order that the index missed is
        entered; a room of a capture that is kept, or was refused, is cleared."""
        forgotten, indexed = 0, self.index.names()
        for exhibit in self.exhibits():
            if exhibit in indexed:
                continue
            with leased(self.leases, exhibit, wait=False) as held:
                if not held:
                    continue  # it is coming in at this moment
                if find(self.blobs, folder_of(exhibit) + ORDER) is None:
                    self._forget(exhibit)
                    forgotten += 1
                else:
                    with contextlib.suppress(Refused):  # a damaged order is fsck's to name
                        self.index.add(self.order(exhibit))
        for exhibit in intake.rooms(self.capturing):
            with leased(self.leases, exhibit, wait=False) as held:
                if held and self._next(exhibit) is not Step.CAPTURE:
                    intake.clear_room(self.capturing, exhibit)
        return forgotten

    def _next(self, exhibit: str) -> Step | None:
        with contextlib.suppress(Refused):
            return next_step(self.order(exhibit).kind, self.papers(exhibit))
        return None

    # ---- looking ---------------------------------------------------------------------

    def exhibits(self) -> Iterator[str]:
        """Every exhibit that has a folder, from the papers themselves."""
        last = ""
        for name in self.blobs.names(package.EXHIBITS):
            exhibit = name.removeprefix(package.EXHIBITS).partition("/")[0]
            if exhibit != last:
                last = exhibit
                yield exhibit

    def order(self, exhibit: str) -> Order:
        try:
            folder = folder_of(require_exhibit_name(exhibit))
            octets = read(self.blobs, folder + ORDER)
        except (NotKept, ProofError) as error:
            raise Refused(
                "exhibit.not-found",
                expected="the name of an exhibit kept here",
                found=f"none named {exhibit[:40]!r}",
                act="check the name",
            ) from error
        with _papers_sound(folder + ORDER):
            return Order.parse(octets)

    def papers(self, exhibit: str) -> frozenset[str]:
        folder = folder_of(exhibit)
        return frozenset(name.removeprefix(folder) for name in self.blobs.names(folder))

    def listing(self, order: Order) -> bytes:
        """SHA256SUMS of the exhibit's folder; what a manifest names is not read again."""
        folder = folder_of(order.exhibit)
        wanted: set[str] = set(BESIDE)
        digests: dict[str, Digest] = {}
        manifest_json = find(self.blobs, folder + package.MANIFEST)
        if manifest_json is not None:
            manifest = Manifest.parse(manifest_json)
            wanted |= set(package.papers_of(manifest))
            wanted |= set(filter(package.is_optional, self.papers(order.exhibit)))
            named = {package.ITEMS + item.name: item.sha256 for item in manifest.items}
            digests = {name: digest for name, digest in named.items() if name in wanted}
        for name in (self.papers(order.exhibit) & wanted) - digests.keys():
            digests[name] = sha256(read(self.blobs, folder + name))
        return package.encode_listing(digests)

    # ---- walking ---------------------------------------------------------------------

    def walk(self, exhibit: str, tell: Tell) -> str:
        """Take step after step until none is left; gives the state. Raises Unavailable."""
        while self.advance(exhibit, tell) is not None:
            pass
        return state_of(self.order(exhibit).kind, self.papers(exhibit))

    def advance(self, exhibit: str, tell: Tell) -> Step | None:
        """One step, if any is left; None when the road has been walked."""
        order = self.order(exhibit)
        with leased(self.leases, exhibit, wait=True):
            papers = self.papers(exhibit)
            enough = not self.further.required or self.further.enough(
                self._seals(exhibit, papers)
            )
            step = next_step(order.kind, papers, enough=enough)
            if step is None:
                if ENDED in papers:  # killed before it was said
                    self._say_ended(exhibit)
                self.index.finish(order, self.listing(order))
                return None
            tell(step.value, "")
            try:
                with _papers_sound(folder_of(exhibit)):
                    _STEPS[step](self, order, tell)
            except intake.CaptureRefused as refusal:
                self._refuse(order, refusal)
        return step

    def _refuse(self, order: Order, refusal: intake.CaptureRefused) -> None:
        """The road ends here: the refusal is a paper too, and says who must act."""
        folder = folder_of(order.exhibit)
        if refusal.is_evidence:
            for paper, octets in refusal.moments.items():
                self._put(folder + paper, octets)
            # From here on it is an attempt: killed now, the refusal is made again from it.
            self._put(folder + package.CAPTURE, refusal.attempt_json)
        elif refusal.attempt_json:
            self._put(folder + ATTEMPT, refusal.attempt_json)
        self._put(folder + REFUSED, self._refusal(order, refusal))
        intake.clear_room(self.capturing, order.exhibit)

    def _refusal(self, order: Order, refusal: Refused) -> bytes:
        value = {
            "schema": "guzheng.refusal/1",
            "exhibit": order.exhibit,
            "observed_at": instant.encode(self.now()),
            "code": refusal.code,
            "expected": refusal.expected,
            "found": refusal.found,
            "act": refusal.act,
        }
        return canonical.encode(value)

    def _put(self, name: str, octets: bytes) -> bytes:
        """Keep a paper; gives the one that is kept, which is another walk's if it was first."""
        try:
            self.blobs.put(name, [octets])
        except AlreadyKept:
            return read(self.blobs, name)
        return octets

    def _capture(self, order: Order, tell: Tell) -> None:
        # A capture cannot be older than a checkpoint that it names, nor than a token.
        may_ask = intake.Moments(self._stamp, self.shards.gathering.cosigned_over(0))
        folder = folder_of(order.exhibit)
        self.meanwhile()
        intake.capture(order, self.blobs, folder, self.capturing, tell, may_ask)

    def _stamp(self, digest: Digest) -> bytes:
        nonce = int.from_bytes(self.entropy(8), "big")
        return fix.stamp(self.authority, digest, nonce=nonce, roots=self.roots)

    def _manifest(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        record_json = find(self.blobs, folder + package.CAPTURE)
        items, roles = order.items, dict[str, str]({})
        if record_json is not None:
            items, roles = intake.captured_items(record_json)
            refusal = intake.refusal_in(record_json)
            if refusal is not None:
                self._put(folder + REFUSED, self._refusal(order, refusal))
        manifest = intake.manifest_of(
            order,
            self.blobs,
            folder,
            items,
            roles=roles,
            capture_json=record_json,
            seen=self._seen(),
        )
        self._put(folder + package.MANIFEST, manifest.encode())

    def _seen(self) -> SeenCheckpoint | None:
        newest = self.shards.published()  # with witnesses: what they have cosigned
        return SeenCheckpoint(newest.origin, newest.size, newest.root) if newest else None

    def _fix(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        manifest_json = read(self.blobs, folder + package.MANIFEST)  # durable before we ask
        papers = fix.fix(
            manifest_json,
            self.authority,
            roots=self.roots,
            entropy=self.entropy,
            kept=self.papers(order.exhibit),
            sm2=self.sm2,
        )
        for paper, octets in papers:  # each token costs one if we are killed here; no more
            if paper in {package.SEAL, package.SEAL_SM2}:
                _require_clocks_agree(order, octets)
            self._put(folder + paper, octets)
        # After the seal, which says earliest that the exhibit existed, whoever else is away.
        further = self.further.seal(
            manifest_json,
            self._seals(order.exhibit, self.papers(order.exhibit)),
            entropy=self.entropy,
            accept=lambda octets: _require_clocks_agree(order, octets),
        )
        for paper, octets in further:
            self._put(folder + paper, octets)

    def _seals(self, exhibit: str, papers: frozenset[str]) -> dict[str, bytes]:
        """The seals that are there: the first one, and those of outside authorities."""
        wanted = papers.intersection((package.SEAL, *self.further.papers))
        return {one: read(self.blobs, folder_of(exhibit) + one) for one in sorted(wanted)}

    def _log(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        leaf = leaf_of(
            read(self.blobs, folder + package.MANIFEST), read(self.blobs, folder + package.SEAL)
        )
        self.blobs.put(folder + package.LEAF, [leaf])  # there is one: another is damage
        # Cannot be undone: a ledger does not forget. Twice is harmless, the leaf is unique.
        entry = self.shards.append(leaf, order.exhibit)
        # Signed, cosigned by the quorum and published, by this walk or another one; below the
        # quorum there is no paper. What is published is never withdrawn: killed here, the next
        # walk finds it.
        note = self.shards.cosign(entry)
        self._put(folder + package.ENTRY, self.shards.prove(entry, leaf, note))

    def _certify(self, order: Order, _tell: Tell) -> None:
        folder = folder_of(order.exhibit)
        manifest_json = read(self.blobs, folder + package.MANIFEST)
        record_json = find(self.blobs, folder + package.CAPTURE)
        seal = timestamp.parse(read(self.blobs, folder + package.SEAL))
        entry = TlogProof.parse(read(self.blobs, folder + package.ENTRY))
        signer = timestamp.require_signature(seal)
        witnesses = {
            one.witness.key.name for one in self.shards.gathering.witnessed(entry.note)
        }
        named = tuple(sorted(witnesses))
        further = {one: self._sealed(folder + one) for one in self._further(order.exhibit)}
        asked = self._moments(folder, record_json)
        facts = certificate.derive(
            manifest_json, record_json, seal, signer, entry, named, further, asked
        )
        facts_json = self._put(folder + package.CERTIFICATE_JSON, certificate.encode(facts))
        wanted = package.papers_of(Manifest.parse(manifest_json))
        names = [
            one
            for one in wanted
            if package.is_paper(one) and not one.startswith("certificate.")
        ]
        names += [*further, *(moments.papers_of(record_json) if record_json else ())]
        attached = {name: read(self.blobs, folder + name) for name in names}
        attached[package.CERTIFICATE_JSON] = facts_json
        self._put(folder + package.CERTIFICATE_PDF, self.certify(facts, attached, self.now()))

    def _further(self, exhibit: str) -> tuple[str, ...]:
        """Every seal besides the first one, whether or not its authority is still asked."""
        return package.seals_of(self.papers(exhibit))[1:]

    def _moments(self, folder: str, record_json: bytes | None) -> certificate.Moments:
        """The stamps that the record names, and who had cosigned what the opening names."""
        named = moments.papers_of(record_json) if record_json else ()
        stamps = {one: self._sealed(folder + one) for one in named if one != moments.BEFORE}
        if moments.BEFORE not in named:
            return certificate.Moments(stamps)
        note = Note.parse(read(self.blobs, folder + moments.BEFORE))
        witnesses = {one.witness.key.name for one in self.shards.gathering.witnessed(note)}
        return certificate.Moments(stamps, note, tuple(sorted(witnesses)))

    def _sealed(self, name: str) -> tuple[timestamp.TimestampToken, x509.Certificate]:
        token = timestamp.parse(read(self.blobs, name))
        return token, timestamp.require_signature(token)


_STEPS: dict[Step, Callable[[Road, Order, Tell], None]] = {
    Step.CAPTURE: Road._capture,  # noqa: SLF001 - the table of the steps
    Step.MANIFEST: Road._manifest,  # noqa: SLF001
    Step.FIX: Road._fix,  # noqa: SLF001
    Step.LOG: Road._log,  # noqa: SLF001
    Step.CERTIFY: Road._certify,  # noqa: SLF001
}


def _require_clocks_agree(order: Order, seal: bytes) -> None:
    """A seal from before the exhibit came in would refute itself, and could not be replaced."""
    attested_at = timestamp.parse(seal).attested_at
    if attested_at + CLOCKS_APART < order.observed_at:
        raise Unavailable(
            "fix.clocks-apart",
            expected=f"a time after {instant.encode(order.observed_at)}, when it came in",
            found=instant.encode(attested_at),
            act="the operator sets the clock right; the seal is asked for again",
        )


@contextlib.contextmanager
def _papers_sound(place: str) -> Iterator[None]:
    """A paper of ours that cannot be read is damage, whoever trips over it."""
    try:
        yield
    except ProofError as error:
        raise Refused(
            "keep.damaged",
            expected=error.expected or "a paper as it was written",
            found=f"{place}: {error.code} {error.found}",
            act="the operator runs fsck, which names what is damaged, and restores it",
        ) from error


def _texts(
    claimed_name: str | None, claimed_applicant: str | None, claimed_purpose: str | None
) -> tuple[str | None, str | None, str | None]:
    return (
        stated(claimed_name, "evidence name"),
        stated(claimed_applicant, "applicant"),
        stated(claimed_purpose, "purpose"),
    )
