"""How a webhook is sent: signed by Standard Webhooks, to an address that was looked at first.
An identity provider is asked by the same line (`issuers`).

https://www.standardwebhooks.com: `webhook-id`, `webhook-timestamp`, and `webhook-signature`,
HMAC-SHA256 over `id.timestamp.body` under the endpoint's own secret. The host's name is
resolved once, every address of it must be one that a stranger may have us contact
(`addresses`), and the connection goes to that very address, with the certificate of the name: a
name that changes its answer between the look and the call leads nowhere. No redirect is
followed, no more than the head of the answer is read, and the whole call ends in time whatever
the other side does. Nothing is sent in clear, but to addresses that the operator allowed.
"""

import base64
import contextlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from guzheng.addresses import Address, Network, find_refusal, is_own
from guzheng.refusals import Refused, Unavailable

SECONDS: Final = 15.0
_LONGEST: Final = 2000
PORTS: Final = {"https": 443, "http": 80}


def signed(keys: Sequence[bytes], message: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers by which the receiver knows who sent this, and when: a signature by each key,
    of which he needs to know one."""
    at = str(int(now.timestamp()))
    told = f"{message}.{at}.".encode() + body
    macs = [base64.b64encode(hmac.digest(key, told, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{one}" for one in macs),
    }


@dataclass(frozen=True, slots=True)
class Line:
    """Where a call goes: the host by its name, and the one address that it is made to."""

    host: str
    port: int
    address: Address
    secure: bool
    path: str


def parse_address(text: str) -> SplitResult:
    """An http or https address without a user or a fragment. Raises Refused."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url) from error
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST
    if not plain or parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise _refused(url)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused(url)
    return parts


def looked_up(
    parts: SplitResult,
    allowed: Sequence[Network],
    resolve: Callable[[str, int], Sequence[Address]],
    own: Callable[[Address], bool] = is_own,
) -> Line:
    """Resolve once, and judge every answer. Raises Refused, or Unavailable where there is no
    answer."""
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    found = tuple(resolve(host, port))
    if not found:
        raise Unavailable("webhooks.no-address", expected="an address", found=host[:100])
    for address in found:
        reason = find_refusal(address, allowed, own)
        if reason is not None:
            raise Refused(
                "webhooks.address-refused",
                expected="a public address",
                found=f"{host[:100]}: {reason}",
                act="use another, or ask the operator to allow it (allow_private)",
            )
    secure = parts.scheme == "https"
    inside = any(found[0] in one for one in allowed if one.version == found[0].version)
    if not secure and not inside:
        raise Refused("webhooks.not-https", expected="https://…", found=parts.scheme)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Line(host, port, found[0], secure, path)


def resolved(host: str, port: int) -> tuple[Address, ...]:
    """Every address of a name, as the system's resolver says."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            "webhooks.no-address", expected="an address", found=host[:100]
        ) from error
    return tuple(ipaddress.ip_address(str(one[4][0])) for one in answers)


def post(line: Line, headers: Mapping[str, str], body: bytes, seconds: float = SECONDS) -> int:
    """The status that came back; 0 where none came in time, or the connection failed."""
    said = {"Content-Type": "application/json", "User-Agent": "guzheng-webhooks"}
    return ask(line, "POST", said | dict(headers), body, most_octets=0, seconds=seconds)[0]


def ask(
    line: Line,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    most_octets: int,
    seconds: float = SECONDS,
) -> tuple[int, bytes]:
    """The status and the whole body; 0 where they did not come in time, or are too long. With
    `most_octets` 0 the body is not read."""
    connection = _Pinned(line, seconds)
    timer = threading.Timer(seconds, connection.cut)
    timer.daemon = True
    timer.start()
    said = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "guzheng",
        "Connection": "close",
    }
    try:
        connection.request(method, line.path, body=body, headers=said | dict(headers))
        answer = connection.getresponse()
        if not most_octets:
            return answer.status, b""
        octets = answer.read(most_octets + 1)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, b""
    else:
        whole = len(octets) <= most_octets and not connection.was_cut
        return (answer.status, octets) if whole else (0, b"")
    finally:
        timer.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """To one address, under the host's name; can be cut from another thread."""

    def __init__(self, line: Line, seconds: float) -> None:
        super().__init__(line.host, line.port, timeout=seconds)
        self._line = line
        self.was_cut = False

    def connect(self) -> None:
        at = (str(self._line.address), self._line.port)
        self.sock = socket.create_connection(at, self.timeout)
        if self._line.secure:
            # In two steps, so that it can be cut while the other side draws out the handshake.
            secured = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self._line.host, do_handshake_on_connect=False
            )
            self.sock = secured
            secured.do_handshake()

    def cut(self) -> None:
        self.was_cut = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                cut_off(self.sock)


def cut_off(line: socket.socket) -> None:
    """From another thread than that which speaks. Not by the TLS of it: that would forget its
    keys first, and what is said at this very moment would go out in clear."""
    socket.socket.shutdown(line, socket.SHUT_RDWR)


def _refused(url: str) -> Refused:
    return Refused(
        "webhooks.url-refused",
        expected=f"https://… of at most {_LONGEST} characters, without user or fragment",
        found=f"{len(url)} characters",
    )
