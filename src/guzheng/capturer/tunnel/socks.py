"""SOCKS5 as far as a browser needs it: no authentication, CONNECT alone (RFC 1928)."""

import asyncio
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


def reply(code: int) -> bytes:
    return bytes((_VERSION, code, 0, 1)) + bytes(6)
