"""Which addresses a stranger may have us contact: global unicast ones, and what is allowed.

A page, a redirect or a DNS answer must not be able to lead a capture's browser, nor an address
that somebody typed for a webhook, to the machines beside us (server-side request forgery). The
registries are IANA's special-purpose address registries (RFC 6890); what is not listed there
but is a way around them (IPv4 inside IPv6) is listed here. Deciding is pure; whether an address
is our own is asked of the kernel by `is_own`.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_DNS_PORT = 53

_REFUSED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this-network"),  # RFC 791; Linux takes 0.0.0.0 for itself
    ("10.0.0.0/8", "private"),  # RFC 1918
    ("100.64.0.0/10", "carrier-nat"),  # RFC 6598
    ("127.0.0.0/8", "loopback"),  # RFC 1122
    ("169.254.0.0/16", "link-local"),  # RFC 3927; the cloud's metadata lives here
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol-assignments"),  # RFC 6890
    ("192.0.2.0/24", "documentation"),  # RFC 5737
    ("192.88.99.0/24", "6to4-relay"),  # RFC 7526
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),  # RFC 2544
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),  # with 255.255.255.255
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "ipv4-mapped"),  # the kernel would connect to the IPv4 address
    ("::/96", "ipv4-compatible"),
    ("64:ff9b::/96", "nat64"),  # RFC 6052: an IPv4 address behind a translator
    ("64:ff9b:1::/48", "nat64"),  # RFC 8215
    ("100::/64", "discard"),  # RFC 6666
    ("2001::/32", "teredo"),  # RFC 4380
    ("2001::/23", "protocol-assignments"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),  # RFC 9637
    ("2002::/16", "6to4"),  # RFC 3056
    ("5f00::/16", "segment-routing"),  # RFC 9602
    ("fc00::/7", "private"),  # RFC 4193
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
_NETWORKS: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), reason) for text, reason in _REFUSED
)
_GLOBAL_UNICAST_6 = ipaddress.ip_network("2000::/3")  # all that IANA has opened (RFC 4291 §2.4)


def find_refusal(
    address: Address, allowed: Iterable[Network], is_own: Callable[[Address], bool]
) -> str | None:
    """Why this address may not be contacted, or None. An allowance covers the exact family."""
    if any(address in network for network in allowed if network.version == address.version):
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "link-local"
    for network, reason in _NETWORKS:
        if network.version == address.version and address in network:
            return reason
    if address.version == 6 and address not in _GLOBAL_UNICAST_6:
        return "not-global-unicast"
    return "own-address" if is_own(address) else None


def is_own(address: Address) -> bool:
    """Only an address of this machine can be bound to (a public one of ours is ours too)."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def resolver_address(text: str) -> tuple[Address, int]:
    """`1.1.1.1`, `127.0.0.1:5300`, `[::1]:53` or `::1`. Raises ValueError for anything else."""
    host, port = text, ""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError(f"not an address with a port: {text!r}")
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
        port = colon + port
    number = _DNS_PORT
    if port:
        digits = port[1:]
        number = int(digits) if digits.isascii() and digits.isdigit() else 0
    if not 0 < number < 65536:
        raise ValueError(f"not a port: {text!r}")
    return ipaddress.ip_address(host), number
