"""SOCKS5 as far as a browser needs it: no authentication, CONNECT alone (RFC 1928)."""

import asyncio
import errno
import ipaddress
import struct

GRANTED, NOT_ALLOWED, NO_HOST, REFUSED, TIMED_OUT, NO_COMMAND = 0, 2, 4, 5, 6, 7  # §6
_VERSION, _CONNECT = 5, 1


class NotSpoken(OSError):
    """Whoever is there speaks something else, or asks for what is not offered."""


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int]:
    """Host and port that are asked for."""
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    if version != _VERSION:
        raise NotSpoken("not SOCKS5")
    writer.write(bytes((_VERSION, 0)))
    version, command, _, kind = await reader.readexactly(4)
    if version != _VERSION or command != _CONNECT:  # UDP has no business here
        writer.write(reply(NO_COMMAND))
        raise NotSpoken("not CONNECT")
    match kind:
        case 1:
            host = str(ipaddress.IPv4Address(await reader.readexactly(4)))
        case 4:
            host = str(ipaddress.IPv6Address(await reader.readexactly(16)))
        case 3:
            (size,) = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode("ascii", "replace")
        case _:
            raise NotSpoken("no such kind of address")
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    return host, port


async def ask_further(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int
) -> None:
    """Have a further proxy connect to an address that we checked. Raises OSError if not."""
    writer.write(bytes((_VERSION, 1, 0)))
    if await reader.readexactly(2) != bytes((_VERSION, 0)):
        raise NotSpoken(errno.EPROTO, "the proxy wants a password, or is none")
    packed = ipaddress.ip_address(address).packed
    kind = bytes((1 if len(packed) == 4 else 4,))
    writer.write(bytes((_VERSION, _CONNECT, 0)) + kind + packed + struct.pack(">H", port))
    version, code, _, kind_of_answer = await reader.readexactly(4)
    if version != _VERSION or code != GRANTED:
        raise NotSpoken(errno.ECONNREFUSED, f"the proxy refused it with code {code}")
    sizes = {1: 4, 4: 16}
    size = sizes.get(kind_of_answer) or (await reader.readexactly(1))[0]
    await reader.readexactly(size + 2)  # where it connected from: its word alone


def reply(code: int) -> bytes:
    return bytes((_VERSION, code, 0, 1)) + bytes(6)
