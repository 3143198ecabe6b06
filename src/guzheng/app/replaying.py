"""Playing exhibits: who may see which file, for how long, at an origin that is only for that.

Captured pages bring scripts of strangers. They are played at another origin than ours, which
has no session, no form and nothing of anybody but the one file that a ticket names. A ticket is
signed with a key of this process alone, and ends after an hour. The player is ReplayWeb.page
(AGPL-3.0), unmodified, from a folder that the operator names, else from where setting up laid
it; without it, films, sounds and pictures are played all the same."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from guzheng.config import Config
from guzheng.proof import canonical, instant
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused

LASTS: Final = timedelta(hours=1)
ARCHIVE: Final = "archive"
PLAYER_FILES: Final = ("ui.js", "sw.js")
# What is played, as what: nothing that a browser would run.
TYPES: Final = {
    ".wacz": "application/wacz",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """One file of one exhibit, shown within pages of `within`, until then. `address`: the page
    of an archive to open, where it is known."""

    exhibit: str
    name: str
    within: str
    ends_at: datetime
    address: str = ""

    @property
    def media_type(self) -> str:
        return TYPES[PurePosixPath(self.name).suffix.lower()]

    @property
    def manner(self) -> str:
        """archive, video, audio or image."""
        kind = self.media_type.partition("/")[0]
        return ARCHIVE if kind == "application" else kind


class Replaying:
    """May be shared by threads."""

    def __init__(
        self,
        config: Config,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        open_item: Callable[[str, str], BinaryIO],
    ) -> None:
        self._config, self._now, self._open = config, now, open_item
        self._key = entropy(32)
        self._port = config.replay_port
        self._player = Path(config.replay_player or Path(sys.prefix, "share/guzheng/player"))

    @property
    def port(self) -> int:
        """Of the listener that plays; 0: there is none."""
        return self._port

    def listens_at(self, port: int) -> None:
        """Where a listener was given a free port: readers on this machine are sent there."""
        self._port = port

    def origin(self, host: str) -> str | None:
        """Where a reader who reached us under `host` plays things; None: nowhere.

        Never our own name: a page there could set cookies for it. On this machine alone there
        are two names; elsewhere the operator gives one (`replay_url`)."""
        if not self.port:
            return None
        if self._config.replay_url:
            parts = urlsplit(self._config.replay_url)
            return f"{parts.scheme}://{parts.netloc}"
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost":
            return f"http://127.0.0.1:{self.port}"
        if _is_loopback(name):
            return f"http://localhost:{self.port}"
        return None

    def playable(self, names: Iterable[str]) -> tuple[str, ...]:
        """The originals among these papers that can be played here, archives first."""
        shown = [
            one
            for one in names
            if one.startswith("items/")
            and (suffix := PurePosixPath(one).suffix.lower()) in TYPES
            and (suffix != ".wacz" or self.find_player("ui.js") is not None)
        ]
        return tuple(sorted(shown, key=lambda one: (not one.endswith(".wacz"), one)))

    def ticket(self, exhibit: str, name: str, *, within: str, address: str = "") -> str:
        """For whoever was judged to be allowed to see this file."""
        said = canonical.encode(
            {
                "exhibit": exhibit,
                "name": name,
                "within": within,
                "address": address,
                "ends_at": instant.encode(self._now() + LASTS),
            }
        )
        return f"{_text(said)}.{_text(self._mac(said))}"

    def redeem(self, text: str) -> Ticket:
        """The ticket, if it is ours and has not ended."""
        said, _, mac = text.partition(".")
        octets = _octets(said)
        if not hmac.compare_digest(self._mac(octets), _octets(mac)):
            raise Refused("replay.no-ticket", expected="a ticket of this server", found="none")
        try:
            value = canonical.parse_object(octets)
            ticket = Ticket(
                str(value["exhibit"]),
                str(value["name"]),
                str(value["within"]),
                instant.parse(str(value["ends_at"])),
                str(value["address"]),
            )
        except (ProofError, KeyError) as error:
            raise Refused("replay.no-ticket", expected="a ticket", found="other") from error
        if ticket.ends_at < self._now():
            raise Refused("replay.ticket-ended", expected="a ticket that lasts", found="ended")
        return ticket

    def open(self, ticket: Ticket) -> BinaryIO:
        return self._open(ticket.exhibit, ticket.name)

    def find_player(self, name: str) -> bytes | None:
        """A file of the player as its makers published it."""
        if name not in PLAYER_FILES:
            return None
        file = self._player / name
        return file.read_bytes() if file.is_file() else None

    def _mac(self, octets: bytes) -> bytes:
        return hmac.digest(self._key, octets, hashlib.sha256)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _octets(text: str) -> bytes:
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
