"""Writes what was seen: the archive, the lists of the record, the record itself."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from guzheng.capturer import wacz
from guzheng.capturer.artefacts import media_type_of, role_of
from guzheng.capturer.devtools import number, text
from guzheng.capturer.egress import Egress
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.journal import cut
from guzheng.capturer.record import Connection, Lookup, Redirect, Request, TlsSession
from guzheng.capturer.tunnel.connection import Resolution
from guzheng.capturer.warc import Entropy, WarcWriter
from guzheng.proof import instant
from guzheng.proof.digest import ALGORITHMS, Algorithm, Digest, new_hasher
from guzheng.proof.manifest import Item

_URL = 8000  # of a URL in the record; the archive has it whole
_PART = 256 * 1024  # larger ones are fresh memory each time, which costs more than they do


def write_archive(
    out: Path,
    scratch: Path,
    exchanges: Sequence[Exchange],
    *,
    page: wacz.PageEntry,
    software: str,
    browser: str,
    entropy: Entropy,
) -> int:
    """Write the WACZ; how many exchanges stand in it."""
    warc = scratch / wacz.WARC_NAME
    with warc.open("wb") as stream:
        writer = WarcWriter(stream, entropy, wacz.WARC_NAME)
        writer.begin(page.at, software, {"http-header-user-agent": browser})
        count = sum(writer.write(exchange) for exchange in exchanges)
    wacz.write(out, warc=warc, index=writer.index, page=page, software=software)
    warc.unlink()
    return count


def name_peers(exchanges: Iterable[Exchange], egress: Egress) -> None:
    """To which address each exchange went, by the word of the egress that connected to it.

    The browser would name the egress itself. A name has one pinned answer per capture.
    """
    peers = {(one.host.lower(), one.port): one.peer for one in egress.connections if one.peer}
    for one in exchanges:
        if not one.status or one.from_cache or one.from_worker:
            continue
        parts = urlsplit(one.url)
        port = parts.port or (443 if parts.scheme in {"https", "wss"} else 80)
        one.peer = peers.get((parts.hostname or "", port), "")


class Digesting:
    """Takes both digests of artefacts while others are still being made.

    `begin` names that are written and will not change; `items` waits for them all. SM3 takes
    eight times as long as SHA-256, so each has a thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hands = ThreadPoolExecutor(2)
        self._begun: dict[str, list[Future[Digest]]] = {}

    def begin(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._begun:
                path = self._folder / name
                self._begun[name] = [
                    self._hands.submit(_digest, path, one) for one in ALGORITHMS
                ]

    def items(self, names: Sequence[str]) -> tuple[Item, ...]:
        """The artefacts by digest, originals and derivatives named apart."""
        self.begin(names)
        return tuple(
            Item(
                name,
                role_of(name),
                media_type_of(name),
                (self._folder / name).stat().st_size,
                tuple(one.result() for one in self._begun[name]),
            )
            for name in names
        )

    def end(self) -> None:
        self._hands.shutdown(cancel_futures=True)


def _digest(path: Path, algorithm: Algorithm) -> Digest:
    hasher = new_hasher(algorithm)
    with path.open("rb") as stream:
        while part := stream.read(_PART):
            hasher.update(part)
    return Digest(algorithm, hasher.digest())


def requests_of(exchanges: Iterable[Exchange]) -> tuple[Request, ...]:
    return tuple(
        Request(
            number=one.number,
            method=one.method,
            url=cut(one.url, _URL),
            kind=one.kind,
            outcome=one.outcome,
            why=cut(one.why),
            status=one.status or None,
            octets=None if one.body is None else len(one.body),
        )
        for one in exchanges
    )


def redirects_of(documents: Sequence[Exchange]) -> tuple[Redirect, ...]:
    """How the main frame came to where it is."""
    redirects = []
    for here, there in pairwise(documents):
        by_http = bool(here.redirected_to)
        redirects.append(
            Redirect(
                url=cut(here.url, _URL),
                to=cut(here.redirected_to or there.url, _URL),
                means="http" if by_http else "page",
                status=(here.status or None) if by_http else None,
            )
        )
    return tuple(redirects)


def connections_of(egress: Egress, exchanges: Iterable[Exchange]) -> tuple[Connection, ...]:
    """The egress's log. A host that no request of the page names is the browser's own."""
    hosts = {urlsplit(one.url).hostname for one in exchanges}
    return tuple(
        Connection(
            number=one.number,
            host=cut(one.host),
            port=one.port,
            kind="page" if one.host.lower() in hosts else "browser",
            outcome=one.outcome,
            answers=one.answers,
            peer=one.peer,
            because=cut(one.because),
            sent=one.sent.octets,
            received=one.received.octets,
            began_milliseconds=one.began_milliseconds,
            ended_milliseconds=one.ended_milliseconds,
            agreement=one.agreement,
            resolvers=tuple(map(_lookup_of, one.resolvers)),
        )
        for one in egress.connections
    )


def _lookup_of(one: Resolution) -> Lookup:
    said: Literal["yes", "no"] | None = None
    if one.authenticated is not None:
        said = "yes" if one.authenticated else "no"
    return Lookup(one.resolver, one.answers, cut(one.failure), said)


def tls_of(
    exchanges: Iterable[Exchange], chains: dict[str, list[bytes]]
) -> tuple[TlsSession, ...]:
    """One entry per host: what the browser said of the first answer that came over TLS."""
    seen: dict[str, TlsSession] = {}
    for one in exchanges:
        host = urlsplit(one.url).netloc
        if not one.security or host in seen:
            continue
        seen[host] = TlsSession(
            host=host,
            protocol=text(one.security, "protocol"),
            cipher=text(one.security, "cipher"),
            group=text(one.security, "keyExchangeGroup"),
            subject=cut(text(one.security, "subjectName")),
            issuer=cut(text(one.security, "issuer")),
            valid_from=_at(number(one.security, "validFrom")),
            valid_to=_at(number(one.security, "validTo")),
            chain=tuple(
                Digest("sha256", hashlib.sha256(der).digest()) for der in chains.get(host, ())
            ),
        )
    return tuple(seen.values())


def _at(seconds: float) -> datetime:
    try:
        at = datetime.fromtimestamp(seconds, UTC)
        instant.parse(instant.encode(at))
    except (ValueError, OverflowError, OSError):
        return datetime(1, 1, 1, tzinfo=UTC)
    return at
