"""The certificate chains of the hosts that answered over TLS, by the browser's own word.

Asked for while it runs, once for each host, and into the record by digest; the report of the
environment has them whole. A chain that the browser does not give is a note and no failure.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from guzheng.capturer.devtools import CommandRefused, Devtools, listing
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.journal import Journal

_LOOK_SECONDS = 10


@dataclass(slots=True)
class Chains:
    """Host → DER of its certificates, its own first; empty where the browser gave none."""

    journal: Journal
    of_host: dict[str, list[bytes]] = field(default_factory=dict)

    async def keep(
        self, devtools: Devtools, session: str, exchanges: Iterable[Exchange]
    ) -> None:
        for one in exchanges:
            host = urlsplit(one.url).netloc
            if one.security and host not in self.of_host:
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
