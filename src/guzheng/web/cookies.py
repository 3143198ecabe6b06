"""Names of cookies where readers reach us by https: `__Host-`, which a browser keeps honest.

A cookie of that name is taken by a browser from this very host alone, over TLS, for the whole
host (RFC 6265bis §4.1.3): neither another machine under the same domain, nor somebody on the
line who answers plain http, can plant a session. The outer door renames, both ways; inside,
and on a machine of one's own that speaks http, names are bare. A bare name that comes in over
https is dropped. One cookie is for a path of its own, and is `__Secure-`.
"""

from collections.abc import Iterable
from typing import Final

HOST, SECURE = "__Host-", "__Secure-"
_OURS: Final = "guzheng_"
_FOR_A_PATH: Final = frozenset({"guzheng_share"})
Headers = Iterable[tuple[bytes, bytes]]


def prefixed(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Of an answer: our cookies by their prefixed names, and Secure."""
    return [
        (name, _prefixed(value) if name.lower() == b"set-cookie" else value)
        for name, value in headers
    ]


def bare(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Of a request: our cookies by their bare names, if they came by the prefixed ones."""
    return [
        (name, _bare(value) if name.lower() == b"cookie" else value) for name, value in headers
    ]


def _prefixed(value: bytes) -> bytes:
    text = value.decode("latin-1")
    name = text.partition("=")[0]
    if not name.startswith(_OURS):
        return value
    secure = any(one.strip().lower() == "secure" for one in text.split(";"))
    return f"{_prefix_of(name)}{text}{'' if secure else '; Secure'}".encode("latin-1")


def _bare(value: bytes) -> bytes:
    kept = []
    for pair in value.decode("latin-1").split(";"):
        name, equals, told = pair.strip().partition("=")
        known = name.removeprefix(HOST).removeprefix(SECURE)
        if not known.startswith(_OURS):
            kept.append(pair.strip())
        elif name == _prefix_of(known) + known:
            kept.append(f"{known}{equals}{told}")
    return "; ".join(kept).encode("latin-1")


def _prefix_of(name: str) -> str:
    return SECURE if name in _FOR_A_PATH else HOST
