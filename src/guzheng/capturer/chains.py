"""The certificate chains of the hosts that answered over TLS, by the browser's own word.

Asked for while it runs, once for each host, and into the record by digest; the report of the
environment has them whole, and what the browser says of the logs of certificates (RFC 6962).
A chain that the browser does not give is a note and no failure.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    as_object,
    listing,
    number,
    text,
)
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.journal import Journal, cut

_LOOK_SECONDS = 10
_TIMESTAMPS = 100  # of one certificate; they have two to five


@dataclass(slots=True)
class Chains:
    """Host → DER of its certificates, its own first; empty where the browser gave none."""

    journal: Journal
    of_host: dict[str, list[bytes]] = field(default_factory=dict)
    _security: dict[str, Values] = field(default_factory=dict)

    async def keep(
        self, devtools: Devtools, session: str, exchanges: Iterable[Exchange]
    ) -> None:
        for one in exchanges:
            host = urlsplit(one.url).netloc
            if one.security and host not in self.of_host:
                self._security[host] = one.security
                self.of_host[host] = await self._ask(devtools, session, host)

    async def _ask(self, devtools: Devtools, session: str, host: str) -> list[bytes]:
        try:
            answer = await devtools.call(
                "Network.getCertificate",
                {"origin": f"https://{host}"},
                session,
                seconds=_LOOK_SECONDS,
            )
            return [
                base64.b64decode(one)
                for one in listing(answer, "tableNames")
                if isinstance(one, str)
            ]
        except (CommandRefused, TimeoutError, binascii.Error):
            self.journal.note("capture.certificate-chain-missing")
            return []

    def value(self) -> dict[str, list[str]]:
        """For the report of the environment."""
        return {
            host: [base64.b64encode(der).decode() for der in chain]
            for host, chain in self.of_host.items()
        }

    def transparency(self) -> dict[str, object]:
        """Likewise: the browser's verdict, and every timestamp of a log that came along."""
        return {
            host: {
                "compliance": text(one, "certificateTransparencyCompliance") or "unknown",
                "timestamps": [
                    _timestamp(as_object(each))
                    for each in listing(one, "signedCertificateTimestampList")[:_TIMESTAMPS]
                ],
            }
            for host, one in self._security.items()
        }


def _timestamp(one: Values) -> dict[str, object]:
    named = ("origin", "status", "logDescription", "logId")
    said: dict[str, object] = {name: cut(text(one, name))[:200] for name in named}
    return said | {"unix_milliseconds": int(number(one, "timestamp"))}
