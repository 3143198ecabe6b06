"""Frames of a WebSocket (RFC 6455 §5.2), counted; what they say is not undone."""

from guzheng.proof.errors import Malformed
from guzheng.transcript.exchanges import Frames


def frames_of(sent: bytes, received: bytes) -> Frames:
    """Data messages by direction. A frame that was cut off is not counted."""
    frames = Frames()
    frames.sent, mine = _count(sent, "client")
    frames.received, theirs = _count(received, "server")
    frames.control = mine + theirs
    return frames


def _count(octets: bytes, who: str) -> tuple[int, int]:
    at = messages = control = 0
    while len(octets) - at >= 2:
        first, second = octets[at], octets[at + 1]
        size, head = second & 0x7F, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(octets[at + 2 : at + 2 + wide], "big")
            head += wide
        if second & 0x80:
            head += 4
        if at + head + size > len(octets):
            break
        kind = first & 0x0F
        if kind >= 8:
            control += 1
        elif kind in (1, 2):
            messages += 1
        elif kind != 0:
            wanted = f"{who}: a frame of RFC 6455"
            raise Malformed("transcript.http-malformed", wanted, f"opcode {kind}")
        at += head + size
    return messages, control
