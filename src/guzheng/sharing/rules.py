"""What a share is and what it allows: decided here, and nothing is kept here.

A link has 256 bits of chance; its SHA-256 is kept, so nobody who reads the database can open
it. A code is short, so it is kept as scrypt, each wrong one counts, and the count ends it:
`PER_TIME` within `TIME`, and `IN_ALL` ever. What is over stays over: nothing is undone, a link
is made anew.
"""

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from guzheng.refusals import Refused

MOST_EXHIBITS: Final = 50
LONGEST: Final = timedelta(days=365)
SHORTEST_CODE, LONGEST_CODE = 6, 64
TIME: Final = timedelta(minutes=15)
PER_TIME, IN_ALL = 5, 20
PACKAGES, PACKAGES_WITHIN = 20, timedelta(hours=1)  # of one link: each may be gigabytes
PACKAGE: Final = "package.zip"
PASS_LASTS: Final = timedelta(hours=12)
LONGEST_AGENT, LONGEST_TITLE = 200, 120
ADDRESSES: Final = ("truncated", "whole", "none")

ACTIVE, EXPIRED, REVOKED, CLOSED = "active", "expired", "revoked", "closed"
# What an access can be. The first three fetch nothing.
OPENED, WRONG_CODE, RIGHT_CODE, FETCHED, TURNED_AWAY = (
    "opened",
    "wrong-code",
    "right-code",
    "fetched",
    "turned-away",
)
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MiB, some 50 ms


@dataclass(frozen=True, slots=True)
class Share:
    """What was shared, by whom, for how long. `claimed_title`: what the owner calls it."""

    share: str
    account: str
    person: str
    exhibits: tuple[str, ...]
    claimed_title: str
    with_package: bool
    link_sha256: str
    code_scrypt: str  # `<salt>$<digest>` in hexadecimal; empty: no code is asked for
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    @property
    def asks_code(self) -> bool:
        return bool(self.code_scrypt)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who opens a link, as far as the policy of the installation writes it down."""

    observed_address: str
    claimed_agent: str


@dataclass(frozen=True, slots=True)
class Access:
    """One line of the log."""

    observed_at: datetime
    kind: str
    what: str
    visitor: Visitor


def state_of(share: Share, now: datetime, wrong: Sequence[datetime]) -> str:
    if share.revoked_at is not None:
        return REVOKED
    if now >= share.expires_at:
        return EXPIRED
    return CLOSED if len(wrong) >= IN_ALL else ACTIVE


def require_open(share: Share, now: datetime, wrong: Sequence[datetime]) -> None:
    """Raises Refused with why it is over: 410, for good."""
    state = state_of(share, now, wrong)
    if state != ACTIVE:
        raise Refused(f"sharing.{state}", act="ask whoever sent it for a new link")


def require_tries_left(now: datetime, wrong: Sequence[datetime]) -> None:
    """Raises Refused, with how long to wait, when too many codes were wrong just now."""
    recent = [one for one in wrong if now - one < TIME]
    if len(recent) >= PER_TIME:
        waits = TIME - (now - recent[-PER_TIME])
        refused = Refused(
            "sharing.too-many-codes",
            expected=f"at most {PER_TIME} wrong codes in {TIME // timedelta(minutes=1)} min",
            found=str(len(recent)),
            act="wait, and ask whoever sent the link for the code",
        )
        refused.retry_seconds = max(1, int(waits.total_seconds()) + 1)
        raise refused


def require_packages_left(now: datetime, fetched: Sequence[datetime]) -> None:
    """Raises Refused, with how long to wait. `fetched`: the last ones, oldest first."""
    recent = [one for one in fetched if now - one < PACKAGES_WITHIN]
    if len(recent) >= PACKAGES:
        refused = Refused(
            "sharing.too-many-packages",
            expected=f"at most {PACKAGES} packages an hour by one link",
            found=str(len(recent)),
            act="wait, or fetch single files",
        )
        waits = PACKAGES_WITHIN - (now - recent[-PACKAGES])
        refused.retry_seconds = max(1, int(waits.total_seconds()) + 1)
        raise refused


def require_wanted(exhibits: Sequence[str], title: str, code: str, lasts: timedelta) -> None:
    """Raises Refused for what cannot be shared so."""
    if not 1 <= len(exhibits) <= MOST_EXHIBITS or len(set(exhibits)) != len(exhibits):
        raise Refused(
            "sharing.exhibits-refused",
            expected=f"1 to {MOST_EXHIBITS} exhibits, each once",
            found=str(len(exhibits)),
            act="choose the exhibits again",
        )
    if not timedelta(0) < lasts <= LONGEST:
        raise Refused(
            "sharing.validity-refused",
            expected=f"an end within {LONGEST.days} days from now",
            found=f"{lasts.days} days",
            act="choose another end",
        )
    if code and not SHORTEST_CODE <= len(code) <= LONGEST_CODE:
        raise Refused(
            "sharing.code-refused",
            expected=f"{SHORTEST_CODE} to {LONGEST_CODE} characters, or none",
            found=str(len(code)),
            act="choose another code",
        )
    if len(title) > LONGEST_TITLE:
        raise Refused(
            "sharing.title-refused",
            expected=f"at most {LONGEST_TITLE} characters",
            found=str(len(title)),
            act="shorten it",
        )


def new_secret(entropy: Callable[[int], bytes]) -> str:
    """256 bits as 43 letters that an address may hold."""
    return base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def hidden(code: str, salt: bytes) -> str:
    """A code as it is kept."""
    digest = hashlib.scrypt(_plain(code), salt=salt, dklen=32, **_SCRYPT)
    return f"{salt.hex()}${digest.hex()}"


def is_code(code: str, kept: str) -> bool:
    if len(code) > LONGEST_CODE * 2:
        return False
    salt = bytes.fromhex(kept.partition("$")[0])
    return hmac.compare_digest(hidden(code, salt), kept)


def _plain(code: str) -> bytes:
    """As it is read out on a telephone: without blanks, in either case."""
    return "".join(code.split()).casefold().encode("utf-8", "replace")


def shown_address(address: str, policy: str) -> str:
    """What of an address is written down: the network it is from, all of it, or nothing."""
    if policy == "none":
        return ""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    if policy == "whole":
        return str(parsed)
    width = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network(f"{parsed}/{width}", strict=False))
