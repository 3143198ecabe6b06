"""The road as it is walked: what comes in, step after step, and what killed programs left.

Each step makes one kind of paper (making.py); the first that is missing decides which is next
(papers.py). Whoever walks holds the exhibit's lease, so no two workers make the same paper at
once.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from guzheng import fix, intake
from guzheng.intake import ExhibitIndex, Order, ReceivedItem, Upload
from guzheng.intake.rules import capture_options, distinct, item_name, stated, web_address
from guzheng.ledger import Shards
from guzheng.proof import package
from guzheng.proof.manifest import (
    AttestedApplicant,
)
from guzheng.refusals import Refused, Unavailable
from guzheng.road.folders import Folders, papers_sound
from guzheng.road.making import STEPS, Certify, Making, Tell
from guzheng.road.papers import (
    ATTEMPT,
    ENDED,
    ENDED_CODE,
    ORDER,
    REFUSED,
    Step,
    encode_refusal,
    folder_of,
    missing_from,
    next_step,
    state_of,
)
from guzheng.store import ids
from guzheng.store.blobs import Blobs, find, read
from guzheng.store.lease import Place, leased

# Account, when it orders → the real name that is attested for it, if one is.
Attested = Callable[[str, datetime], AttestedApplicant | None]
# Account, exhibit → around the coming in of a deposit: the quota before, the bill after.
Spending = Callable[[str, str], contextlib.AbstractContextManager[None]]


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
                self._folders.put(
                    folder_of(exhibit) + ENDED,
                    encode_refusal(order.exhibit, refusal, self.now()),
                )
            self._say_ended(exhibit)
            intake.clear_room(self.capturing, exhibit)
        return ENDED not in papers

    def _say_ended(self, exhibit: str) -> None:
        """As refused too: for whoever asks only that. An attempt has its own refusal."""
        folder = folder_of(exhibit)
        self._folders.put(folder + REFUSED, read(self.blobs, folder + ENDED))

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
        return self._folders.exhibits()

    def order(self, exhibit: str) -> Order:
        """Raises Refused for one that is not kept here, or whose order is damaged."""
        return self._folders.order(exhibit)

    def papers(self, exhibit: str) -> frozenset[str]:
        return self._folders.papers(exhibit)

    def listing(self, order: Order) -> bytes:
        """SHA256SUMS of the exhibit's folder."""
        return self._folders.listing(order)

    @property
    def _folders(self) -> Folders:
        return Folders(self.blobs)

    @property
    def _making(self) -> Making:
        return Making(
            self._folders,
            self.shards,
            self.authority,
            self.sm2,
            self.further,
            self.roots,
            self.certify,
            self.capturing,
            self.now,
            self.entropy,
            self.meanwhile,
        )

    # ---- walking ---------------------------------------------------------------------

    def walk(self, exhibit: str, tell: Tell) -> str:
        """Take step after step until none is left; gives the state. Raises Unavailable."""
        while self.advance(exhibit, tell) is not None:
            pass
        return state_of(self.order(exhibit).kind, self.papers(exhibit))

    def advance(self, exhibit: str, tell: Tell) -> Step | None:
        """One step, if any is left; None when the road has been walked."""
        order, making = self.order(exhibit), self._making
        with leased(self.leases, exhibit, wait=True):
            papers = self.papers(exhibit)
            enough = not self.further.required or self.further.enough(
                making.seals(exhibit, papers)
            )
            step = next_step(order.kind, papers, enough=enough)
            if step is None:
                if ENDED in papers:  # killed before it was said
                    self._say_ended(exhibit)
                self.index.finish(order, self.listing(order))
                intake.ready_next(self.capturing)
                return None
            tell(step.value, "")
            try:
                with papers_sound(folder_of(exhibit)):
                    STEPS[step](making, order, tell)
            except intake.CaptureRefused as refusal:
                self._refuse(order, refusal)
            except Unavailable:
                intake.ready_next(self.capturing)
                raise
        return step

    def _refuse(self, order: Order, refusal: intake.CaptureRefused) -> None:
        """The road ends here: the refusal is a paper too, and says who must act."""
        folder = folder_of(order.exhibit)
        if refusal.is_evidence:
            for paper, octets in refusal.moments.items():
                self._folders.put(folder + paper, octets)
            # From here on it is an attempt: killed now, the refusal is made again from it.
            self._folders.put(folder + package.CAPTURE, refusal.attempt_json)
        elif refusal.attempt_json:
            self._folders.put(folder + ATTEMPT, refusal.attempt_json)
        self._folders.put(folder + REFUSED, encode_refusal(order.exhibit, refusal, self.now()))
        intake.clear_room(self.capturing, order.exhibit)


def _texts(
    claimed_name: str | None, claimed_applicant: str | None, claimed_purpose: str | None
) -> tuple[str | None, str | None, str | None]:
    return (
        stated(claimed_name, "evidence name"),
        stated(claimed_applicant, "applicant"),
        stated(claimed_purpose, "purpose"),
    )
