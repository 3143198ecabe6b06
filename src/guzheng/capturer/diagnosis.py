"""Why the main document is not there: the browser's error and the egress's log, put together.

The browser only knows that its proxy said no; the egress knows which address and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from guzheng.capturer.devtools import text
from guzheng.capturer.egress import Egress
from guzheng.capturer.exchange import Exchange, find_header
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.journal import cut
from guzheng.capturer.targets import Targets
from guzheng.capturer.tunnel.connection import Connection

_PUBLIC = "an address of the public internet, or one that the operator allowed"
_BY_EGRESS: dict[str, tuple[str, str, str]] = {
    "refused-address": ("capture.address-refused", _PUBLIC, "the applicant, or the operator"),
    "refused-browser-noise": (
        "capture.address-refused",
        "a host that Chromium does not call by itself",
        "the applicant",
    ),
    "not-resolved": ("capture.name-not-resolved", "a name with an address", "the applicant"),
    "not-connected": (
        "capture.connection-refused",
        "a server that accepts connections",
        "the site; try again later",
    ),
    "timed-out": ("capture.timed-out", "a server that answers", "the site; try again later"),
}
_BY_BROWSER: tuple[tuple[str, str, str], ...] = (
    ("net::ERR_CERT_", "capture.tls-refused", "a certificate that browsers trust"),
    ("net::ERR_SSL_", "capture.tls-refused", "TLS as browsers speak it"),
    ("net::ERR_BAD_SSL_", "capture.tls-refused", "TLS as browsers speak it"),
    ("net::ERR_TOO_MANY_REDIRECTS", "capture.too-many-redirects", "at most 20 redirects"),
    ("net::ERR_UNSAFE_PORT", "capture.port-refused", "a port that browsers may use"),
    ("net::ERR_EMPTY_RESPONSE", "capture.no-answer", "an HTTP answer"),
    ("net::ERR_CONNECTION_", "capture.no-answer", "an HTTP answer"),
    ("net::ERR_TIMED_OUT", "capture.timed-out", "a server that answers"),
    ("net::ERR_INVALID_", "capture.answer-malformed", "an HTTP answer"),
    ("net::ERR_RESPONSE_HEADERS_", "capture.answer-malformed", "an HTTP answer"),
    ("net::ERR_CONTENT_", "capture.answer-malformed", "a body in the announced coding"),
    ("net::ERR_INCOMPLETE_", "capture.answer-malformed", "the whole body"),
    ("net::ERR_HTTP2_", "capture.answer-malformed", "an HTTP answer"),
)


# What the browser means by it (net/base/net_error_list.h), for whoever reads the refusal.
_CAUSES = {
    "net::ERR_CERT_AUTHORITY_INVALID": "no authority that browsers trust vouches for it",
    "net::ERR_CERT_COMMON_NAME_INVALID": "the certificate is for another name",
    "net::ERR_CERT_DATE_INVALID": "the certificate is expired, or not valid yet",
    "net::ERR_CERT_INVALID": "the certificate is malformed, or signed with SHA-1",
    "net::ERR_CERT_REVOKED": "the certificate was revoked",
    "net::ERR_CERT_WEAK_KEY": "the certificate's key is too short",
    "net::ERR_CERT_WEAK_SIGNATURE_ALGORITHM": "the certificate is signed with a broken hash",
    "net::ERR_SSL_PROTOCOL_ERROR": "what the server says is not TLS",
    "net::ERR_SSL_VERSION_OR_CIPHER_MISMATCH": "the server offers only old TLS or ciphers",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`frame` may be empty: the browser has not named the main frame yet."""

    url: str
    frame: str
    exchanges: Sequence[Exchange]
    egress: Egress
    targets: Targets

    @property
    def documents(self) -> list[Exchange]:
        """What the main frame asked for, in order."""
        documents = [one for one in self.exchanges if one.kind == "document"]
        frame = self.frame or (documents[0].frame if documents else "")
        return [one for one in documents if one.frame == frame]

    @property
    def shown(self) -> list[Exchange]:
        """Without the downloads that were denied: the page before them stayed."""
        return [one for one in self.documents if one.url not in self.targets.downloads]

    def of_error(self, error: str) -> CaptureFailed:
        documents = self.documents
        if documents and self.targets.download:
            return self._download(documents[-1])
        url = documents[-1].url if documents else self.url
        if not documents or not documents[-1].status:
            connection = self._connection_to(url)
            if connection is not None and connection.outcome in _BY_EGRESS:
                code, expected, act = _BY_EGRESS[connection.outcome]
                return CaptureFailed(
                    code,
                    expected=expected,
                    found=f"{connection.host} ({connection.because}) for {cut(url, 200)}",
                    act=act,
                )
        if self.egress.octets_spent.is_set():
            return self._too_large()
        if documents and documents[-1].failed_because:
            error = documents[-1].failed_because
        for beginning, code, expected in _BY_BROWSER:
            if error.startswith(beginning):
                cause = _CAUSES.get(error)
                found = f"{error}{f' ({cause})' if cause else ''} at {cut(url, 200)}"
                return CaptureFailed(code, expected=expected, found=found, act="the site")
        status = documents[-1].status if documents else 0
        if error == "net::ERR_ABORTED" and status in {204, 205}:
            return CaptureFailed(
                "capture.no-content",
                expected="a page",
                found=f"status {status}",
                act="the site",
            )
        return CaptureFailed(
            "capture.not-loaded",
            expected="a page",
            found=f"{error or 'nothing'} at {cut(url, 200)}",
            act="the site",
        )

    def of_slow_document(self) -> CaptureFailed:
        if self.egress.octets_spent.is_set():
            return self._too_large()
        url = self.shown[-1].url if self.shown else self.url
        connection = self._connection_to(url)
        if connection is not None and connection.outcome in _BY_EGRESS:
            return self.of_error("")
        return CaptureFailed(
            "capture.timed-out",
            expected="the whole main document within the seconds ordered",
            found=f"it had not ended: {cut(url, 200)}",
            act="the site; try again later",
        )

    def of_crash(self) -> CaptureFailed:
        return CaptureFailed(
            "capture.browser-died",
            expected="a page that the browser can show",
            found="the page's process ended",
            act="nobody; try again",
        )

    def _too_large(self) -> CaptureFailed:
        return CaptureFailed(
            "capture.too-large",
            expected=f"at most {self.egress.octets_allowed} octets",
            found=f"{self.egress.octets} octets, and the main document had not ended",
            act="the operator, who may raise the limit",
        )

    def _download(self, document: Exchange) -> CaptureFailed:
        announced = find_header(document.response_headers, "content-length")
        size = announced or "an unknown number of"
        name = text(self.targets.download, "suggestedFilename")
        return CaptureFailed(
            "capture.is-a-download",
            expected="a page that a browser shows",
            found=f"{document.mime or 'a file'}, {size} octets, {cut(name, 120)!r}",
            act="the applicant: download it and deposit the file",
        )

    def _connection_to(self, url: str) -> Connection | None:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        host = (parts.hostname or "").rstrip(".")
        for connection in reversed(self.egress.connections):
            if (connection.host.lower().rstrip("."), connection.port) == (host, port):
                return connection
        return None
