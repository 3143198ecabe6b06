"""The door of the tunnel: its listening socket, in a network where nothing else is.

Where the kernel lets us, the browser lives in a network namespace of its own that has loopback
alone and, on it, this one socket: whatever it tries, no packet leaves otherwise
(network_namespaces(7)). The namespace is never named: it lives as long as a descriptor or a
process holds it, so nothing is left after a kill. Where the kernel does not, the socket is on
this machine's loopback, and `because` says why.
"""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, sched(7)
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # netdevice(7)
_BACKLOG = 256


@dataclass(slots=True)
class Door:
    """`table` is the kernel's list of sockets there; `namespace` a descriptor, or None."""

    listener: socket.socket
    table: int | None
    namespace: int | None
    because: str = ""

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def network(self) -> str:
        """The kernel's name for it; empty: it is this machine's."""
        held = self.namespace
        return "" if held is None else str(Path(f"/proc/self/fd/{held}").readlink())

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before a command so that it runs inside."""
        if self.namespace is None:
            return ()
        program = shutil.which("nsenter") or "nsenter"
        return (program, f"--net=/proc/{os.getpid()}/fd/{self.namespace}", "--")

    def hand_over(self) -> None:
        """The tunnel has its own descriptors now: when it dies, nobody listens."""
        self.listener.close()
        if self.table is not None:
            os.close(self.table)
            self.table = None

    def close(self) -> None:
        self.hand_over()
        if self.namespace is not None:
            os.close(self.namespace)
            self.namespace = None


def open_door() -> Door:
    """In a namespace of its own if that can be, else on this machine's loopback."""
    if shutil.which("nsenter") is None:
        return _listen(None, "no nsenter on this machine")
    made: list[Door] = []
    faults: list[str] = []
    # A thread of its own: the namespace is left with it, and is no other thread's.
    maker = threading.Thread(target=_open_inside, args=(made, faults))
    maker.start()
    maker.join()
    return made[0] if made else _listen(None, faults[0] if faults else "")


def _open_inside(made: list[Door], faults: list[str]) -> None:
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        _raise_loopback()
        made.append(_listen(os.open("/proc/thread-self/ns/net", os.O_RDONLY), ""))
    except OSError as error:
        faults.append(f"no network namespace: {error.strerror}")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _GET_FLAGS, request), 16)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH22x", b"lo", flags | _UP))


def _listen(namespace: int | None, because: str) -> Door:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        if namespace is not None:
            os.close(namespace)
        raise
    try:
        table = os.open("/proc/thread-self/net/tcp", os.O_RDONLY)
    except OSError:
        return Door(listener, None, namespace, because)
    return Door(listener, table, namespace, because)
