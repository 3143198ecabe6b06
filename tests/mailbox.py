"""A mail server of an outside party, on loopback: it speaks SMTP and keeps what it is given."""

import contextlib
import email
import email.policy
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

WAIT_SECONDS = 60.0


@dataclass
class Mailbox:
    """Its address, every letter, and every line it was told: a password would stand there."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    refuses: bool = False

    def letter(self, address: str, saying: str = "") -> EmailMessage:
        """The latest letter to this address that says so, when it has come."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            for one in reversed(self.letters):
                if one["To"] == address and saying in str(one.get_content()):
                    found: EmailMessage = one
                    return found
            assert time.monotonic() < deadline, (address, saying, self.lines)
            time.sleep(0.02)

    def link(self, address: str, place: str) -> str:
        """The link in it, such as one to `/confirm/`."""
        text = str(self.letter(address, place).get_content())
        return next(one for one in text.split() if place in one)


@contextlib.contextmanager
def mailbox(certificate: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """In clear, or under TLS from the first octet."""
    box = Mailbox()

    class Door(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if certificate is not None:
                try:
                    self.request = certificate.wrap_socket(self.request, server_side=True)
                except OSError:
                    return  # the client did not believe us
                self.setup()
            self._say("220 mailbox")
            while line := self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n"):
                box.lines.append(line)
                if not self._answered(line):
                    return

        def _answered(self, line: str) -> bool:
            match line.split(maxsplit=1)[0].upper():
                case "EHLO":
                    self._say("250-mailbox\r\n250 AUTH PLAIN LOGIN")
                case "DATA" if box.refuses:
                    self._say("554 not today")
                case "DATA":
                    self._say("354 go on")
                    octets = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        octets += part.removeprefix(b".") if part.startswith(b"..") else part
                    letter = email.message_from_bytes(octets, policy=email.policy.default)
                    assert isinstance(letter, EmailMessage)
                    box.letters.append(letter)
                    self._say("250 kept")
                case "AUTH":
                    self._say("235 welcome")
                case "QUIT":
                    self._say("221 bye")
                    return False
                case _:
                    self._say("250 fine")
            return True

        def _say(self, text: str) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(f"{text}\r\n".encode())
                self.wfile.flush()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    # On every address of loopback: 127.0.0.2 stands for a machine that is not this one.
    with Server(("0.0.0.0", 0), Door) as server:  # noqa: S104
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
