"""A DNS server on loopback that can flip: what it answers, and what it was asked."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Answers = Callable[[str, int], tuple[str, ...] | None]  # name, how often asked before; None: no


@dataclass
class Nameserver:
    """`asked` holds each question for an IPv4 address, in order."""

    address: str
    port: int
    alias: str = ""  # every name leads to this one, which has the addresses
    asked: list[str] = field(default_factory=list)

    @property
    def spelled(self) -> str:
        return f"{self.address}:{self.port}"


@contextlib.contextmanager
def answering(
    answers: Answers,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    authenticated: bool = False,
    alias: str = "",
) -> Iterator[Nameserver]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind((address, port))
        door.settimeout(0.2)
        server = Nameserver(address, door.getsockname()[1], alias)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    octets, whence = door.recvfrom(4096)
                    reply = _reply(octets, answers, server, authenticated=authenticated)
                    door.sendto(reply, whence)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            thread.join()


def _reply(
    octets: bytes, answers: Answers, server: Nameserver, *, authenticated: bool
) -> bytes:
    question = dns.message.from_wire(octets)
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.RA | (dns.flags.AD if authenticated else 0)
    (asked,) = question.question
    name = asked.name.to_text(omit_final_dot=True)
    found = answers(name, server.asked.count(name))
    if asked.rdtype == dns.rdatatype.A:
        server.asked.append(name)
    if found is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()
    version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(asked.rdtype, 0)
    fitting = [one for one in found if ipaddress.ip_address(one).version == version]
    if fitting:
        owner = asked.name
        if server.alias:
            owner = dns.name.from_text(server.alias)
            led = dns.rrset.from_text(asked.name, 300, "IN", "CNAME", owner.to_text())
            reply.answer.append(led)
        reply.answer.append(dns.rrset.from_text(owner, 1, "IN", asked.rdtype, *fitting))
    return reply.to_wire()
