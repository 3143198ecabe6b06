"""What the capturer orders of the tunnel: one line of canonical JSON, read strictly."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from guzheng.addresses import Network
from guzheng.proof import canonical
from guzheng.proof.fields import Fields

MAX_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TunnelOrder:
    """`listener` and `table` are descriptors that were handed down; `table` may be missing.

    `origin_nanoseconds` is the start of the capture on the machine's monotonic clock, from
    which all milliseconds count. `uid` is whom to become; None stays as it is.
    """

    listener: int
    folder: Path
    origin_nanoseconds: int
    octets: int
    only_uid: int
    allowed: tuple[Network, ...] = ()
    page_hosts: frozenset[str] = frozenset()
    resolvers: tuple[str, ...] = ()
    bind: str = ""  # address to connect from; empty: as the kernel chooses
    socks: str = ""  # SOCKS5 proxy to connect through, ADDRESS:PORT
    table: int | None = None
    uid: int | None = None

    def encode(self) -> bytes:
        value: dict[str, object] = {
            "listener": self.listener,
            "folder": str(self.folder),
            "origin_nanoseconds": str(self.origin_nanoseconds),
            "octets": self.octets,
            "only_uid": self.only_uid,
            "allowed": [str(one) for one in self.allowed],
            "page_hosts": sorted(self.page_hosts),
            "resolvers": list(self.resolvers),
            "bind": self.bind,
            "socks": self.socks,
        }
        if self.table is not None:
            value["table"] = self.table
        if self.uid is not None:
            value["uid"] = self.uid
        return canonical.encode(value) + b"\n"

    @classmethod
    def parse(cls, octets: bytes) -> "TunnelOrder":
        fields = Fields(canonical.parse(octets), "tunnel-order")
        order = cls(
            listener=fields.count("listener"),
            folder=Path(fields.text("folder")),
            origin_nanoseconds=int(fields.text("origin_nanoseconds", longest=30)),
            octets=fields.count("octets"),
            only_uid=fields.count("only_uid"),
            allowed=tuple(ipaddress.ip_network(one) for one in fields.texts("allowed")),
            page_hosts=frozenset(fields.texts("page_hosts")),
            resolvers=fields.texts("resolvers", most=16),
            bind=fields.text("bind", longest=100),
            socks=fields.text("socks", longest=100),
            table=fields.count("table") if fields.has("table") else None,
            uid=fields.count("uid") if fields.has("uid") else None,
        )
        fields.end()
        return order
