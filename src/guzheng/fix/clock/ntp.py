"""One question to one NTP server, and what may be concluded from its answer (RFC 5905 §14).

The question carries a random number where the time would be: the answer must repeat it, so only
who saw the question can answer, and the question tells nobody our time. Believed is only an
answer of mode 4 from a server that says it is synchronised, at stratum 1 to 15, not too far
from its reference. `Kissed` when it wants to be left alone (§7.4); the caller must heed that.

No authentication: an attacker on the path can answer in the server's place. Who needs more runs
chronyd with NTS, which is read beside this.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from guzheng.fix.clock.rules import Claim, Tick
from guzheng.refusals import Unavailable

PORT = 123
LARGEST_DISTANCE = 1_500_000  # microseconds to the reference clock: RFC 5905, MAXDIST
KISSES = frozenset({"DENY", "RSTR", "RATE"})
_PACKET = struct.Struct(">BBbbII4sQQQQ")  # ends with reference, origin, receive, transmit
_ASK = 4 << 3 | 3  # leap 0, version 4, mode 3: client
_UNIX = 2_208_988_800  # seconds from 1900 to 1970
_ERA = 1 << 64
_MILLION = 1_000_000


class Kissed(Unavailable):
    """The server asks for fewer questions (RATE), or for none at all (DENY, RSTR)."""

    def __init__(self, server: str, kiss: str) -> None:
        super().__init__("clock.kissed", expected="an answer", found=f"{server}: {kiss}")
        self.kiss = kiss


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, its times in units of 2**-32 s and modulo 2**64, as on the wire."""

    leap: int
    version: int
    mode: int
    stratum: int
    precision: int
    root_delay: int  # microseconds, as the two that follow it are
    root_dispersion: int
    reference_id: bytes
    reference: int
    origin: int
    received: int
    sent: int

    @classmethod
    def parse(cls, octets: bytes) -> "Answer":
        """Raises ValueError for what is no answer; extensions after it are left unread."""
        if len(octets) < _PACKET.size:
            raise ValueError(f"{len(octets)} octets")
        bits, stratum, _, precision, delay, dispersion, identity, *times = _PACKET.unpack_from(
            octets
        )
        reference, origin, received, sent = times
        return cls(
            leap=bits >> 6,
            version=bits >> 3 & 7,
            mode=bits & 7,
            stratum=stratum,
            precision=precision,
            root_delay=-(-delay * _MILLION >> 16),
            root_dispersion=-(-dispersion * _MILLION >> 16),
            reference_id=identity,
            reference=reference,
            origin=origin,
            received=received,
            sent=sent,
        )


def question(cookie: int) -> bytes:
    """`cookie`: 64 random bits, which the answer repeats as its origin."""
    return _PACKET.pack(_ASK, 0, 0, 0, 0, 0, bytes(4), 0, 0, 0, cookie)


def conclude(server: str, octets: bytes, *, cookie: int, asked: Tick, came: Tick) -> Claim:
    """What the answer says of our clock. Raises `Kissed`, or `Unavailable` with the reason."""
    try:
        answer = Answer.parse(octets)
    except ValueError as error:
        raise silent(server, str(error)) from error
    # The origin first: a kiss from who did not see our question must not silence a server.
    if answer.mode != 4 or answer.version not in {3, 4} or answer.origin != cookie:
        raise silent(server, "an answer to another question")
    if answer.stratum == 0:
        kiss = answer.reference_id.decode("ascii", "replace")
        raise Kissed(server, kiss) if kiss in KISSES else silent(server, f"kiss {kiss!r}")
    if answer.leap == 3 or answer.stratum > 15:
        raise silent(server, "it says that it is not synchronised")
    if not answer.received or not answer.sent or not answer.reference:
        raise silent(server, "an answer without times")
    if _apart(answer.sent, answer.reference) < 0:
        raise silent(server, "a reference from the future")
    elapsed = came.boottime - asked.boottime
    there = _apart(answer.sent, answer.received)
    if there < 0:
        raise silent(server, "sent before it was received")
    round_trip = elapsed - there
    if round_trip < -1000:
        raise silent(server, "longer with the server than on the way")
    uncertainty = (
        -(-max(round_trip, 0) // 2)
        + -(-answer.root_delay // 2)
        + answer.root_dispersion
        + (_MILLION >> min(-answer.precision, 20) if answer.precision < 0 else _MILLION)
        + asked.gap
        + came.gap
        + 1
    )
    if uncertainty > LARGEST_DISTANCE:
        raise silent(server, f"it may be wrong by {uncertainty / 1e6:.3f} s")
    first, last = _wire(asked.realtime), _wire(asked.realtime + elapsed)
    offset = (_apart(answer.received, first) + _apart(answer.sent, last)) // 2
    return Claim(server, offset, uncertainty, leap=answer.leap in {1, 2})


def ask(
    server: str,
    *,
    timeout_seconds: float,
    ticks: Callable[[], Tick],
    entropy: Callable[[int], bytes],
) -> Claim:
    """One exchange over UDP. Raises `Kissed` or `Unavailable`."""
    host, port = address_of(server)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as wire:
            wire.settimeout(timeout_seconds)
            wire.connect(address)  # the kernel then drops what comes from anybody else
            cookie = int.from_bytes(entropy(8), "big")
            asked = ticks()
            wire.send(question(cookie))
            octets = wire.recv(1024)
            came = ticks()
    except (OSError, UnicodeError) as error:  # UnicodeError: a name no server can have
        raise silent(server, str(error) or type(error).__name__) from error
    return conclude(server, octets, cookie=cookie, asked=asked, came=came)


def address_of(server: str) -> tuple[str, int]:
    """`name`, `name:port`, `[2001:db8::1]:port` or a bare address of either kind."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        port = port.removeprefix(":")
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    else:
        host, port = server, ""
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"not a server: {server!r}")
    return host, int(port or PORT)


def _wire(realtime: int) -> int:
    return (realtime * (1 << 32) // _MILLION + (_UNIX << 32)) % _ERA


def _apart(later: int, earlier: int) -> int:
    """Microseconds between two times on the wire, right as long as they are 68 years apart at
    most: the era that begins in 2036 needs no other care (RFC 5905 §6)."""
    difference = (later - earlier) % _ERA
    if difference >= _ERA >> 1:
        difference -= _ERA
    return difference * _MILLION >> 32


def silent(server: str, found: str) -> Unavailable:
    return Unavailable(
        "clock.source-silent",
        expected="an answer of NTP that can be believed",
        found=f"{server}: {found}",
        act="see whether UDP port 123 is open, or choose other time_servers",
    )
