"""OpenTimestamps: a checkpoint's digest goes to a calendar, and hours later into Bitcoin.

A calendar answers at once with a promise, which is pending and no receipt; it is kept here and
the calendar asked again, until its answer leads to a block of Bitcoin. Then the receipt is the
detached proof, as `ots verify` reads it. A nonce stands before the digest, so that calendars
learn nothing about a checkpoint that is public anyway but when it was anchored.
"""

from collections.abc import Callable

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.op import OpAppend, OpSHA256
from opentimestamps.core.serialize import (
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from guzheng.ledger.anchors.asking import Asker
from guzheng.ledger.anchors.book import Progress
from guzheng.proof import anchors
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint

_HEADERS = {"Accept": "application/vnd.opentimestamps.v1"}
_NONCE_OCTETS = 16
_MAX_ANSWER = 10_000


class OtsAnchor:
    """One calendar."""

    suffix = "ots"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout_seconds: float,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.name = name
        self._asker = Asker(name, url, timeout_seconds=timeout_seconds)
        self._entropy = entropy

    def advance(self, checkpoint: Checkpoint, pending: bytes | None, /) -> Progress:
        body = checkpoint.encode()
        if pending is None:
            return Progress(pending=self._submitted(body))
        proof = DetachedTimestampFile.deserialize(BytesDeserializationContext(pending))
        if not self._upgraded(proof.timestamp):
            return Progress(pending=pending)
        octets = _octets(proof)
        try:
            anchors.require_ots(octets, body)
        except ProofError as error:
            raise self._asker.away(f"{error.code}: {error.found}") from error
        return Progress(receipt=octets)

    def _submitted(self, body: bytes) -> bytes:
        proof = DetachedTimestampFile(OpSHA256(), Timestamp(OpSHA256()(body)))
        nonced = proof.timestamp.ops.add(OpAppend(self._entropy(_NONCE_OCTETS)))
        leaf = nonced.ops.add(OpSHA256())
        status, answer = self._asker.ask("POST", "/digest", content=leaf.msg, headers=_HEADERS)
        if status != 200:
            raise self._asker.away(f"HTTP {status}")
        leaf.merge(self._parsed(answer, leaf.msg))
        return _octets(proof)

    def _upgraded(self, timestamp: Timestamp) -> bool:
        """Whether there is a block now; each promise is asked after."""
        for commitment in _promised(timestamp):
            path = f"/timestamp/{commitment.msg.hex()}"
            status, answer = self._asker.ask("GET", path, headers=_HEADERS)
            if status == 404:
                continue  # not yet
            if status != 200:
                raise self._asker.away(f"HTTP {status}")
            commitment.merge(self._parsed(answer, commitment.msg))
        return any(
            isinstance(one, BitcoinBlockHeaderAttestation)
            for _, one in timestamp.all_attestations()
        )

    def _parsed(self, answer: bytes, message: bytes) -> Timestamp:
        if len(answer) > _MAX_ANSWER:
            raise self._asker.away(f"{len(answer)} octets")
        try:
            return Timestamp.deserialize(BytesDeserializationContext(answer), message)
        except (DeserializationError, ValueError) as error:
            raise self._asker.away(f"not a timestamp: {error}") from error


def _promised(timestamp: Timestamp) -> list[Timestamp]:
    """The commitments that only a calendar knows so far."""
    found = []
    for attestation in timestamp.attestations:
        if isinstance(attestation, PendingAttestation):
            found.append(timestamp)
            break
    for below in timestamp.ops.values():
        found += _promised(below)
    return found


def _octets(proof: DetachedTimestampFile) -> bytes:
    context = BytesSerializationContext()
    proof.serialize(context)
    return bytes(context.getbytes())
