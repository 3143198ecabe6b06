"""Every connection of a transcript opened: what it was, what was said on it, what does not fit.

One connection's fault never hides another's exchanges. What could not be opened is listed with
its reason, since a figure of completeness is worth no more than what it could look at.
"""

import hashlib
from dataclasses import dataclass, field

from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.transcript import http1, http2
from guzheng.transcript.container import Transcript
from guzheng.transcript.exchanges import Exchange
from guzheng.transcript.http1 import Side
from guzheng.transcript.index import Told
from guzheng.transcript.keylog import KeyLog
from guzheng.transcript.tls.opening import Session, looks_like_tls, open_session

CLEAR = "clear"  # no TLS: the octets say themselves what was said


@dataclass(slots=True)
class Opened:
    """One connection. `faults` by the step in which each was found."""

    told: Told
    session: Session | None = None  # of TLS
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    faults: list[tuple[str, ProofError]] = field(default_factory=list[tuple[str, ProofError]])
    resumed_of: int | None = None  # the connection that the site had signed

    @property
    def is_empty(self) -> bool:
        return not self.told.sent.octets

    @property
    def is_unfinished(self) -> bool:
        """The handshake was never over, so that nothing could be said."""
        return any(error.code == "transcript.handshake-unfinished" for _, error in self.faults)

    @property
    def is_opened(self) -> bool:
        """Whether everything that was said could be read, as far as it came."""
        return self.is_unfinished or not any(
            step in ("wire.stream", "tls.handshake", "tls.records", "http")
            for step, _ in self.faults
        )

    @property
    def chain(self) -> tuple[Digest, ...]:
        if self.session is None:
            return ()
        ders = self.session.certificates
        return tuple(Digest("sha256", hashlib.sha256(one).digest()) for one in ders)


def open_all(transcript: Transcript, keys: KeyLog) -> list[Opened]:
    """Every connection that has streams, in order of number."""
    opened = [
        _open(transcript, one, keys) for one in transcript.index.connections if one.has_streams
    ]
    given = {
        hashlib.sha256(ticket).digest(): one.told.number
        for one in opened
        if one.session is not None
        for ticket in one.session.gives
    }
    for one in opened:
        if one.session is not None and one.session.resumes:
            one.resumed_of = given.get(hashlib.sha256(one.session.resumes).digest())
    return opened


def _open(transcript: Transcript, told: Told, keys: KeyLog) -> Opened:
    opened = Opened(told)
    try:
        sent, received = transcript.stream(told, "sent"), transcript.stream(told, "received")
        for _ in transcript.times(told):
            pass
    except ProofError as error:
        opened.faults.append(("wire.stream", error))
        return opened
    if not looks_like_tls(sent):
        asked = Side(sent, [], ended_well=True)
        _read(opened, "http", asked, Side(received, [], ended_well=True))
        return opened
    opened.session = session = open_session(sent, received, keys)
    opened.faults += session.faults
    asked, answered = (
        Side(bytes(one.octets), one.marks, ended_well=one.closed)
        for one in (session.sent, session.received)
    )
    session.sent.octets.clear()
    session.received.octets.clear()
    _read(opened, "https", asked, answered)
    return opened


def _read(opened: Opened, scheme: str, sent: Side, received: Side) -> None:
    number, found = opened.told.number, opened.exchanges
    protocol = opened.session.alpn if opened.session else ""
    try:
        if protocol == "h2" or (not protocol and sent.octets[:24] == http2.PREFACE):
            http2.exchanges_of(number, sent, received, found)
        else:
            http1.exchanges_of(number, scheme, sent, received, found)
    except ProofError as error:
        opened.faults.append(("http", error))
