"""Reads one level of EBML (RFC 8794), as far as Matroska needs it."""


def elements(octets: bytes) -> dict[int, list[bytes]]:
    """Identifier → contents, in their order. Fails on a size that leads past the end."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(octets):
        width = 9 - octets[at].bit_length()
        name = int.from_bytes(octets[at : at + width], "big")
        at += width
        width = 9 - octets[at].bit_length()
        size = int.from_bytes(octets[at : at + width], "big") - (1 << 7 * width)
        at += width
        if at + size > len(octets):
            raise ValueError(f"element {name:x} has {size} octets, {len(octets) - at} are left")
        found.setdefault(name, []).append(octets[at : at + size])
        at += size
    return found
