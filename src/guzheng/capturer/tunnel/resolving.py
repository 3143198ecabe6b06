"""What a name is: asked once of the system, whose answer is used, and of others to compare.

Whoever answers for a name decides which server is captured. The system's resolver answers
first, and the connection goes to what it said and nowhere else; the other resolvers are asked
at the same time, over plain DNS (RFC 1035) with the AD bit set (RFC 6840 §5.7), and what they
say only stands on the record. Waiting for them holds nobody up.
"""

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass, field, replace

from guzheng.addresses import resolver_address
from guzheng.capturer.limits import RESOLVE_SECONDS, SECOND_RESOLVER_SECONDS
from guzheng.capturer.tunnel.connection import MOST_ALIASES, Resolution

SYSTEM = "system"
_OURS_ALONE = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".onion")
_LONGEST_FAILURE = 200
_LONGEST_NAME = 300  # 255 octets in DNS; an odd octet is spelled with four characters


class NotResolved(Exception):
    """The system has no address for it."""


@dataclass(slots=True)
class Names:
    """One memory for one capture: a second answer to the same name could be another one."""

    resolvers: tuple[str, ...]
    _system: dict[str, asyncio.Task[Resolution]] = field(default_factory=dict)
    _others: dict[str, list[asyncio.Task[Resolution]]] = field(default_factory=dict)

    async def look_up(self, host: str) -> tuple[str, ...]:
        """The system's answers. Raises NotResolved."""
        if host not in self._system:
            self._system[host] = asyncio.create_task(_ask_system(host))
            if _is_public_name(host):
                self._others[host] = [
                    asyncio.create_task(_ask(one, host)) for one in self.resolvers
                ]
        try:
            return (await asyncio.shield(self._system[host])).answers
        except TimeoutError as error:
            raise NotResolved("the resolver did not answer") from error
        except (OSError, UnicodeError) as error:
            raise NotResolved(str(error)[:_LONGEST_FAILURE]) from error

    def said(self, host: str) -> tuple[Resolution, ...]:
        """What every resolver has said so far, the system first; nothing of an address."""
        task = self._system.get(host)
        if task is None or not task.done():
            return ()
        failed = task.cancelled() or task.exception() is not None
        ours = Resolution(SYSTEM, failure="no address") if failed else task.result()
        others = tuple(
            one.result()
            if one.done() and not one.cancelled()
            else Resolution(resolver, failure="no answer in time")
            for resolver, one in zip(self.resolvers, self._others.get(host, ()), strict=False)
        )
        return (ours, *others)

    def is_asked_elsewhere(self, host: str) -> bool:
        return bool(self._others.get(host))

    async def settle(self, host: str = "") -> None:
        """Until every other resolver has answered (for one name), or has had its time."""
        names = (host,) if host else tuple(self._others)
        tasks = [task for name in names for task in self._others.get(name, ())]
        if tasks:
            await asyncio.wait(tasks, timeout=SECOND_RESOLVER_SECONDS)

    def tasks(self) -> tuple["asyncio.Task[object]", ...]:
        """Every question that was asked: whoever ends cancels what is left of them."""
        others = (task for tasks in self._others.values() for task in tasks)
        return (*self._system.values(), *others)


async def _ask_system(host: str) -> Resolution:
    """Its addresses, and the name that they are of, if that is another (AI_CANONNAME)."""
    loop = asyncio.get_running_loop()
    kind, flags = socket.SOCK_STREAM, socket.AI_CANONNAME
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await loop.getaddrinfo(host, None, type=kind, flags=flags)
    answers = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    last = next((_name(one[3]) for one in found if one[3]), "")
    is_alias = last not in {"", _name(host), *answers}
    return Resolution(SYSTEM, answers, aliases=(last,) if is_alias else ())


def _name(text: str) -> str:
    return text.lower().rstrip(".")[:_LONGEST_NAME]


async def rehearse() -> None:
    """Ask once for what needs nobody's answer, so that every part of asking is loaded."""
    with contextlib.suppress(OSError, TimeoutError):
        await _ask_system("localhost")


def _is_public_name(host: str) -> bool:
    """Names of this machine and its network are nobody else's to hear."""
    if "." not in host or host.endswith(_OURS_ALONE):
        return False
    return not host.rpartition(".")[2].isdigit()


async def _ask(resolver: str, host: str) -> Resolution:
    """Both families. What cannot be asked is said, never raised."""
    import dns.exception  # a tenth of a second, paid only where a second resolver is set

    address, port = resolver_address(resolver)
    try:
        async with asyncio.timeout(SECOND_RESOLVER_SECONDS):
            four, six = await asyncio.gather(
                _query(host, "A", str(address), port), _query(host, "AAAA", str(address), port)
            )
    except TimeoutError:
        return Resolution(resolver, failure="no answer in time")
    except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
        words = f"{type(error).__name__}: {error}"
        return Resolution(resolver, failure=words[:_LONGEST_FAILURE])
    found = tuple(dict.fromkeys(four.answers + six.answers))
    aliases = tuple(dict.fromkeys(four.aliases + six.aliases))
    kept = [one.ttl_seconds for one in (four, six) if one.ttl_seconds is not None]
    return Resolution(
        resolver,
        found,
        authenticated=bool(four.authenticated and six.authenticated),
        failure="" if found else four.failure or six.failure,
        aliases=aliases[:MOST_ALIASES],
        ttl_seconds=min(kept) if kept else None,
    )


async def _query(host: str, kind: str, address: str, port: int) -> Resolution:
    """Of one family; `failure` is the response's code if that is not 0."""
    import dns.asyncquery
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype

    question = dns.message.make_query(
        host, kind, use_edns=0, payload=1232, flags=dns.flags.RD | dns.flags.AD
    )
    answer, _ = await dns.asyncquery.udp_with_fallback(
        question, address, timeout=SECOND_RESOLVER_SECONDS, port=port
    )
    code = dns.rcode.to_text(answer.rcode())
    said = Resolution(
        address,
        authenticated=bool(answer.flags & dns.flags.AD),
        failure="" if code == "NOERROR" else code,
    )
    if code != "NOERROR" or not isinstance(answer, dns.message.QueryMessage):
        return said
    chain = answer.resolve_chaining()
    found = () if chain.answer is None else chain.answer
    return replace(
        said,
        answers=tuple(str(ipaddress.ip_address(one.to_text())) for one in found),
        aliases=tuple(_name(one[0].target.to_text()) for one in chain.cnames),
        ttl_seconds=chain.minimum_ttl if found else None,
    )
