"""Gathers the cosignatures of witnesses for a signed checkpoint, until there is a quorum.

    sign (ledger.integrate)  →  ask every witness at once  →  publish  →  the papers of entries

All are asked at the same time, each with a proof from the last size it is known to have seen;
none waits for another, and one that is slow is left behind once there is a quorum (after a
short while in which more may come: a monitor should see more cosignatures than a court needs;
what comes later still is added to what is published). A cosignature counts when it is true.

Below the quorum nothing is published and no paper is written: `Unavailable`, with who is
missing, and the job tries again. Many who wait share one gathering: whoever comes while one is
under way waits for the next, which is over a checkpoint that has all their entries.

The sizes that witnesses are known to have seen are kept in a file, as a hint and nothing more:
a wrong one costs a round trip, in which the witness says the right one.
"""

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from guzheng.ledger.hearing import require_continues, require_heard
from guzheng.ledger.ledger import CHECKPOINT, Ledger
from guzheng.ledger.sizes import Sizes
from guzheng.ledger.witnesses import HttpWitness, OtherSize
from guzheng.proof import policy
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note, Signature
from guzheng.proof.policy import Cosigned, LedgerPolicy
from guzheng.refusals import Problem, Refused, Unavailable

TRIES = 4  # for one witness that says another size, and for a checkpoint that was overtaken
GREEDY_SECONDS = 0.1  # after the quorum, for those who are nearly done


@dataclass(slots=True)
class _Round:
    """One checkpoint under way to all witnesses."""

    note: bytes
    checkpoint: Checkpoint
    answers: "queue.SimpleQueue[tuple[HttpWitness, Note | Problem]]" = field(
        default_factory=queue.SimpleQueue
    )
    over: bool = False  # what comes from now on is late


class Gathering:
    """The witnesses of one ledger, asked for one checkpoint at a time; shared by threads."""

    def __init__(
        self,
        ledger: Ledger,
        demanded: LedgerPolicy,
        witnesses: Iterable[HttpWitness],
        sizes: Sizes,
        *,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = demanded
        self._ledger = ledger
        self._witnesses = tuple(witnesses)
        self._sizes = sizes
        self._seconds = seconds
        self._monotonic = monotonic
        self._busy = {one.name: threading.Lock() for one in self._witnesses}
        self._state = threading.Lock()  # of the four below
        self._heard = False
        self._next: Future[bytes] | None = None
        self._wanted = -1  # the greatest number that those wait for who share the next
        self._gathering = threading.Lock()
        if self._witnesses:
            ledger.heed(self.ask)

    @property
    def witnesses(self) -> tuple[HttpWitness, ...]:
        """Those who are asked; none where there is no policy."""
        return self._witnesses

    # -- before anything is signed ---------------------------------------------------------

    def ask(self) -> None:
        """Ask the witnesses once what they have seen; see hearing."""
        if not self._heard:
            require_heard(self._ledger, self.policy, self._witnesses)
            self._heard = True

    # -- what counts -----------------------------------------------------------------------

    def cosigned_over(self, index: int) -> bytes | None:
        """The published checkpoint, if it has this entry and the quorum."""
        note = self._ledger.read(CHECKPOINT)
        if note is None or self._ledger.require_ours(note).size <= index:
            return None
        try:
            policy.require_quorum(self.policy, Note.parse(note))
        except ProofError:  # published under another policy
            return None
        return note

    def cosign(self, index: int) -> bytes:
        """A published checkpoint that has this entry and the quorum; gathers it if need be."""
        return self.cosigned_over(index) or self._shared(index)

    def cosign_newest(self) -> bytes:
        """Whatever there is, signed, cosigned and published; an empty tree, too."""
        return self._shared()

    def is_cosigned(self) -> bool:
        """Whether what is published, were it the empty tree, has the quorum."""
        return self.cosigned_over(-1) is not None

    def catch_up(self) -> None:
        """Bring every entry that has a number under a published checkpoint, with the quorum."""
        size = self._ledger.entries.size()
        if size and self.cosigned_over(size - 1) is None:
            self._shared()

    def witnessed(self, note: Note) -> tuple[Cosigned, ...]:
        """Who of the policy's witnesses cosigned, and when; whether they are enough or not."""
        times = note.find_signed(one.key for one in self.policy.witnesses)
        return tuple(
            Cosigned(one, at)
            for one in self.policy.witnesses
            if (at := times.get(one.key)) is not None
        )

    def awaited(self, index: int) -> tuple[str, ...]:
        """The witnesses that are not known to have seen this entry under a checkpoint."""
        known = self._sizes.read()
        return tuple(
            one.name for one in self.policy.witnesses if known.get(one.name, 0) <= index
        )

    def known_sizes(self) -> Mapping[str, int]:
        return self._sizes.read()

    # -- gathering -------------------------------------------------------------------------

    def _shared(self, index: int | None = None) -> bytes:
        """The outcome of a gathering that began after this call, whoever runs it: over this
        entry, or over every one that has a number by then."""
        with self._state:
            self._wanted = max(self._wanted, sys.maxsize if index is None else index)
            shared, leads = self._next, self._next is None
            if shared is None:
                shared = self._next = Future()
        if not leads:
            return shared.result()
        with self._gathering:
            with self._state:
                self._next = None  # who comes now comes too late for this checkpoint
                wanted, self._wanted = self._wanted, -1
            try:
                shared.set_result(self._gathered(wanted))
            except BaseException as error:
                shared.set_exception(error)
                raise
        return shared.result()

    def _gathered(self, wanted: int) -> bytes:
        for left in reversed(range(TRIES)):
            # Without witnesses whoever signs publishes: killed between, he left it to us.
            known = self._ledger.signed() if self._witnesses else self._ledger.published()
            if known is None or known.size <= wanted:
                self._ledger.integrate()
            else:
                self.ask()  # as whoever signs does
            note = self._ledger.checkpoint()
            if not self._witnesses:
                return note
            try:
                cosigned = self.gather(note)
            except Unavailable:
                if not left or self._ledger.checkpoint() == note:
                    raise
                continue  # another process signed a larger one meanwhile
            finally:
                self._sizes.save()
            return self._ledger.publish(cosigned)
        raise AssertionError("the last try returns or raises")

    def gather(self, note: bytes) -> bytes:
        """The note with the cosignatures that came: a quorum, or Unavailable."""
        held = _Round(note, self._ledger.require_ours(note))
        failed: dict[str, Problem] = {}
        for witness in self._witnesses:
            if self._busy[witness.name].acquire(blocking=False):
                threading.Thread(
                    target=self._work, args=(witness, held), name="witness", daemon=True
                ).start()
            else:
                failed[witness.name] = Unavailable(
                    "ledger.witness-unreachable",
                    expected="an answer to the checkpoint before",
                    found=f"{witness.name}: none yet",
                )
        came = self._collect(held, failed)
        own = Note.parse(note)
        added = [line for one in came.values() for line in one.signatures]
        cosigned = Note(own.text, (*own.signatures, *added))
        try:
            policy.require_quorum(self.policy, cosigned)
        except ProofError as error:
            missing = [one.found or one.code for one in failed.values()]
            missing += [
                f"{one.name}: no answer in {self._seconds:g} s"
                for one in self._witnesses
                if one.name not in failed and one.name not in came
            ]
            raise Unavailable(
                "ledger.no-quorum",
                expected=f"{error.expected} for size {held.checkpoint.size}",
                found="; ".join(missing) or error.found,
                act="nothing to do if this passes: the job asks again; nothing is lost",
            ) from error
        return cosigned.encode()

    def _collect(self, held: _Round, failed: dict[str, Problem]) -> dict[str, Note]:
        came: dict[str, Note] = {}
        now = self._monotonic()
        end, greedy = now + self._seconds, False
        while len(came) + len(failed) < len(self._witnesses) and now < end:
            if not greedy and self.policy.quorum in policy.met_by(self.policy, came):
                end, greedy = min(end, now + GREEDY_SECONDS), True
            with suppress(queue.Empty):
                witness, answer = held.answers.get(timeout=end - now)
                if isinstance(answer, Note):
                    came[witness.name] = answer
                else:
                    failed[witness.name] = answer
            now = self._monotonic()
        with self._state:
            held.over = True
        for problem in failed.values():
            if isinstance(problem, Refused):  # shown by our own signature: we must not go on
                self._heard = False
                raise problem
        return came

    def _work(self, witness: HttpWitness, held: _Round) -> None:
        """In a thread of its own, so that nobody waits for a witness but itself."""
        answer: Note | Problem
        try:
            answer = self._cosigned_by(witness, held)
            self._sizes.learn(witness.name, held.checkpoint.size)
        except Problem as problem:
            answer = problem
        finally:
            self._busy[witness.name].release()
        with self._state:
            if not held.over:
                held.answers.put((witness, answer))
                return
        if isinstance(answer, Note):  # late, but true
            with suppress(Problem):
                self._add_late(held, answer.signatures)

    def _add_late(self, held: _Round, late: tuple[Signature, ...]) -> None:
        """Only beside a quorum: late ones alone publish nothing."""
        published = self._ledger.read(CHECKPOINT)
        if published is not None and self._ledger.require_ours(published) == held.checkpoint:
            note = Note.parse(published)
            self._ledger.publish(Note(note.text, (*note.signatures, *late)).encode())

    def _cosigned_by(self, witness: HttpWitness, held: _Round) -> Note:
        size = held.checkpoint.size
        old = min(self._sizes.read().get(witness.name, 0), size)
        for _ in range(TRIES):
            proof = self._ledger.prove_consistency(old, size)
            try:
                return witness.add_checkpoint(old, proof, held.note)
            except OtherSize as other:
                if other.size > size:
                    self._require_not_ahead(witness, other.size)
                else:
                    self._sizes.learn(witness.name, other.size)
                if other.size == old or other.size > size:
                    raise _will_not(witness, f"size {other.size}, asked from {old}") from other
                old = other.size
        raise _will_not(witness, "another size at each try")

    def _require_not_ahead(self, witness: HttpWitness, size: int) -> None:
        """It says that it has seen more than this: from another of our processes, or before
        this ledger was set back? Only our own signature proves the latter."""
        signed = self._ledger.signed()
        if signed is not None and signed.size >= size:
            return
        newest = witness.newest(self._ledger.signer.key)
        if newest is not None:
            require_continues(self._ledger, newest[0], witness.name)


def _will_not(witness: HttpWitness, found: str) -> Unavailable:
    return Unavailable(
        "ledger.witness-declined",
        expected="a cosignature from the size that it says it knows",
        found=f"{witness.name}: {found}",
        act=f"nothing to do if this passes; else ask who runs {witness.name}",
    )
