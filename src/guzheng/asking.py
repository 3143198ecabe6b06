"""HTTP to parties that owe us nothing: a question ends in time, however its answer comes.

httpx bounds each wait, and not their sum: who drips his answer, its head or the handshake
before it, could hold us for as long as he likes. Here the timeout of a request is what it has
in all: to connect, by whichever address, to send, and to read to the last octet. Only how long
a name is looked up is the system's resolver's to bound.

Redirects are not followed and proxies are not guessed from the environment: whom we ask is what
the configuration says. Imported where it is needed: most commands ask nobody.
"""

import contextlib
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

_PIECE: Final = 1 << 16  # octets sent under one bound: a long body has many
_MOST_ADDRESSES: Final = 8  # of one name; a hostile zone may have thousands
_KEPT_SECONDS: Final = 5.0  # a connection that nobody uses
_END: ContextVar[float] = ContextVar("_END", default=math.inf)


def trusting(*, secure: bool) -> ssl.SSLContext:
    """The system's roots, which operators can add to; none where nothing is asked by TLS."""
    if secure:
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # costs nothing


def client(
    tls: ssl.SSLContext,
    *,
    seconds: float,
    headers: dict[str, str] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> httpx.Client:
    """`seconds`: for a whole question and its answer, unless the question names others."""
    return httpx.Client(
        transport=_Whole(tls, monotonic),
        timeout=seconds,
        headers=headers,
        trust_env=False,
        follow_redirects=False,
    )


class _Whole(httpx.BaseTransport):
    """httpx's own, but that what a request waits for has one end."""

    def __init__(self, tls: ssl.SSLContext, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=_Network(self._left),
        )

    def _left(self, late: type[httpcore.TimeoutException]) -> float:
        left = _END.get() - self._monotonic()
        if left <= 0:
            raise late("no whole answer in time")
        return left

    @contextlib.contextmanager
    def _until(self, end: float) -> Iterator[None]:
        """What happens within must be over by then; errors are those of httpx."""
        before = _END.set(end)
        try:
            yield
        except (
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
        ) as error:
            named = getattr(httpx, type(error).__name__, httpx.TransportError)
            raise named(str(error)) from error
        finally:
            _END.reset(before)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        end = self._monotonic() + request.extensions["timeout"]["read"]
        with self._until(end):
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=_url(request.url),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, lambda: self._until(end)),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(
        self,
        answer: httpcore.Response,
        in_time: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._answer, self._in_time = answer, in_time

    def __iter__(self) -> Iterator[bytes]:
        parts = self._answer.iter_stream()
        while True:
            with self._in_time():
                part = next(parts, None)
            if part is None:
                return
            yield part

    def close(self) -> None:
        self._answer.close()


class _Network(httpcore.NetworkBackend):
    """TCP, of which each wait ends when the question does."""

    def __init__(self, left: Callable[[type[httpcore.TimeoutException]], float]) -> None:
        self._left, self._real = left, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - of one wait; the question's end is nearer
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """By each address of the name in its turn; none has the time of those after it."""
        addresses = _addresses(host, port)
        failed: httpcore.TimeoutException | httpcore.NetworkError | None = None
        for at, address in enumerate(addresses):
            share = self._left(httpcore.ConnectTimeout) / (len(addresses) - at)
            try:
                stream = self._real.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectTimeout, httpcore.ConnectError) as error:
                failed = error
            else:
                return _Stream(stream, self._left)
        raise failed or httpcore.ConnectError(f"{host} has no address")


class _Stream(httpcore.NetworkStream):
    def __init__(
        self,
        inner: httpcore.NetworkStream,
        left: Callable[[type[httpcore.TimeoutException]], float],
    ) -> None:
        self._inner, self._left = inner, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._inner.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        for start in range(0, len(buffer), _PIECE):
            piece = buffer[start : start + _PIECE]
            self._inner.write(piece, self._left(httpcore.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Python bounds a handshake as a whole by the socket's timeout."""
        left = self._left(httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._left)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:_MOST_ADDRESSES]


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
