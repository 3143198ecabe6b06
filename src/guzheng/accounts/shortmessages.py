"""Short messages (短信) by a gateway of the operator's choice: one POST of JSON for each.

Suppliers of short messages speak as many languages as there are suppliers, and most want texts
that were approved before. So this speaks one: the message goes to the operator's own address
(`sms_url`), signed by Standard Webhooks as any webhook of ours is, with its kind, its link and
a text; ten lines there hand it to whatever supplier he has. docs/operate/short-messages.md.

The gateway's answer decides: 2xx it took it; 408, 425, 429, 5xx or none is tried again after a
pause, under the same `webhook-id`, so that it can leave out what it has sent already; anything
else is its refusal, and final. Nothing goes in clear but to this machine itself.
"""

import base64
import binascii
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from guzheng.accounts import calling
from guzheng.accounts.hooks import SECRET_PREFIX
from guzheng.accounts.letters import NO_FACTS
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused, Unavailable
from guzheng.store import ids

PAUSES: Final = (1.0, 5.0, 20.0)  # seconds, between one try and the next
PREFIX: Final = "sm"
_AGAIN: Final = frozenset({0, 408, 425, 429})
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SHORTEST_KEY: Final = 24  # octets, as Standard Webhooks asks
# Whom the operator named himself may be anywhere; what strangers name may not.
_ANYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class SmsGateway:
    """Hands short messages to one address. May be used by threads."""

    def __init__(
        self,
        url: str,
        secret_file: str,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Raises Refused for settings that cannot be."""
        try:
            self._parts = calling.parse_address(url)
        except Refused as error:
            raise _unusable("sms_url: an https:// address") from error
        if self._parts.scheme != "https" and self._parts.hostname not in _HERE:
            raise _unusable("sms_url: https://, or http:// on this very machine")
        self._key = _key_in(secret_file)
        self._now, self._entropy, self._pauses = now, entropy, tuple(pauses)

    def reaches(self, address: str) -> bool:
        return address.startswith("+")

    def send(
        self, address: str, subject: str, text: str, facts: Mapping[str, str] = NO_FACTS
    ) -> None:
        del subject
        at = self._now()
        message = ids.new(PREFIX, at, self._entropy)
        body = canonical.encode(
            {
                "type": "sms.send",
                "timestamp": instant.encode(at),
                "data": {"to": address, "text": text, **facts},
            }
        )
        status = 0
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            status = self._tried(message, body)
            if 200 <= status < 300:
                return
            if status not in _AGAIN and status < 500:
                raise Refused(
                    "accounts.sms-refused",
                    expected="2xx",
                    found=f"HTTP {status}",
                    act="the operator looks at what stands behind sms_url",
                )
        raise Unavailable(
            "accounts.sms-failed",
            expected="2xx from the gateway",
            found=f"HTTP {status}" if status else "no answer",
            act="the operator looks at what stands behind sms_url",
        )

    def _tried(self, message: str, body: bytes) -> int:
        try:
            line = calling.looked_up(self._parts, _ANYWHERE, calling.resolved)
        except Unavailable:
            return 0
        return calling.post(line, calling.signed([self._key], message, body, self._now()), body)


def _key_in(secret_file: str) -> bytes:
    """The key as Standard Webhooks spells it, of a file that only its owner can read."""
    path = Path(secret_file)
    try:
        exposed, text = path.stat().st_mode & 0o077, path.read_text("ascii").strip()
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise _unusable("sms_secret: a file with whsec_ and base64") from error
    if exposed or not text.startswith(SECRET_PREFIX) or len(key) < _SHORTEST_KEY:
        raise _unusable("sms_secret: mode 600, whsec_ and base64 of 24 octets or more")
    return key


def _unusable(expected: str) -> Refused:
    return Refused(
        "config.value-refused", expected=expected, found="another", act="mend the setting"
    )
