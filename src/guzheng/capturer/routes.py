"""Which ways lead out of this machine, from the kernel's tables: facts for the report.

Names and kinds, never secrets: an interface's kind, whether there is a default route, and the
address from which a site would be spoken to. Nothing is sent: connecting a datagram socket only
asks the kernel for its choice.
"""

import ipaddress
import socket
from pathlib import Path

_NET = Path("/sys/class/net")
# include/uapi/linux/if_arp.h
_KINDS = {1: "ethernet", 772: "loopback", 65534: "none", 512: "ppp", 776: "tunnel"}
_ROUTE_UP, _ROUTE_GATEWAY = 0x1, 0x2
_MOST = 64
_DISCARD = 9  # the port is never spoken to


def interfaces(folder: Path = _NET) -> list[dict[str, object]]:
    """Name, kind and state of each, in the order of their names."""
    found: list[dict[str, object]] = []
    try:
        entries = sorted(folder.iterdir())[:_MOST]
    except OSError:
        return found
    for entry in entries:
        number = _read(entry / "type")
        found.append(
            {
                "name": entry.name,
                "kind": _KINDS.get(int(number), number) if number.isdigit() else "",
                "state": _read(entry / "operstate"),
            }
        )
    return found


def default_routes(proc: Path = Path("/proc/net")) -> list[dict[str, object]]:
    """Interface and gateway of each way to everywhere, IPv4 and IPv6."""
    found: list[dict[str, object]] = []
    for line in _read(proc / "route").splitlines()[1:]:
        columns = line.split()
        if len(columns) >= 8 and columns[1] == columns[7] == "00000000":
            gateway = ipaddress.IPv4Address(int(columns[2], 16).to_bytes(4, "little"))
            found.append({"interface": columns[0], "gateway": str(gateway)})
    for line in _read(proc / "ipv6_route").splitlines():
        columns = line.split()
        if len(columns) >= 10 and columns[0] == "0" * 32 and columns[1] == "00":
            flags = int(columns[8], 16)
            if flags & _ROUTE_UP and flags & _ROUTE_GATEWAY:
                gateway6 = ipaddress.IPv6Address(bytes.fromhex(columns[4]))
                found.append({"interface": columns[9], "gateway": str(gateway6)})
    return found[:_MOST]


def local_address_towards(peer: str) -> str:
    """From which address this machine would speak to that one; empty if it cannot."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(peer).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((peer, _DISCARD))
            return str(asked.getsockname()[0])
    except (OSError, ValueError):
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
