"""A real NTP server on loopback, which drifts and lies as it is told to.

Its `mood`: well, silent, kiss-RATE (or another kiss), forged (answers another question),
unsynchronised, wrong-mode, short. It counts how often it was asked.
"""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_PACKET = struct.Struct(">BBbbII4sQQQQ")
_UNIX = 2_208_988_800


def wire(seconds: float) -> int:
    """A time of NTP, of whichever era."""
    return int((seconds + _UNIX) * (1 << 32)) % (1 << 64)


@dataclass
class NtpServer:
    """`offset_seconds`: how far its time is ahead of this machine's."""

    address: str = ""
    offset_seconds: float = 0.0
    mood: str = "well"
    leap: int = 0
    stratum: int = 2
    root_delay: float = 0.001
    root_dispersion: float = 0.001
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, octets: bytes) -> bytes | None:
        *_, cookie = _PACKET.unpack_from(octets)
        self.asked += 1
        if self.mood == "silent":
            return None
        now = time.time() + self.offset_seconds
        leap, stratum, identity = self.leap, self.stratum, b"\x7f\x00\x00\x02"
        if self.mood.startswith("kiss-"):
            leap, stratum, identity = 3, 0, self.mood.removeprefix("kiss-").encode()
        if self.mood == "unsynchronised":
            leap = 3
        packet = _PACKET.pack(
            leap << 6 | 4 << 3 | (5 if self.mood == "wrong-mode" else 4),
            stratum,
            6,
            -20,
            int(self.root_delay * 65536),
            int(self.root_dispersion * 65536),
            identity,
            wire(now - 10),
            cookie ^ 1 if self.mood == "forged" else cookie,
            wire(now),
            wire(time.time() + self.offset_seconds),
        )
        return packet[:20] if self.mood == "short" else packet


@contextlib.contextmanager
def ntp_server(**mood: object) -> Iterator[NtpServer]:
    server = NtpServer(**mood)  # type: ignore[arg-type]  # the fields above, by name
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.setblocking(False)
        server.address = f"127.0.0.1:{door.getsockname()[1]}"

        def serve() -> None:
            with selectors.DefaultSelector() as waiting:
                waiting.register(door, selectors.EVENT_READ)
                while not server.released.is_set():
                    if not waiting.select(0.05):
                        continue
                    octets, whom = door.recvfrom(1024)
                    if (answer := server.answer(octets)) is not None:
                        with contextlib.suppress(OSError):  # who asked may have gone
                            door.sendto(answer, whom)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            thread.join()
