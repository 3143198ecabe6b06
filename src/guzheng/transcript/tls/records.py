"""One direction of a connection: records, decrypted in order, and handshake messages in them.

RFC 8446 §5 and RFC 5246 §6. A record is opened only if its tag fits, so a stream from which
somebody took, added or exchanged a record ends there with `transcript.record-not-authentic`.
Where the stream stops before a record is whole, it was cut off, and that is said, not mended.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag

from guzheng.proof.errors import Malformed, Refuted, Undecided
from guzheng.transcript.tls.schedule import Keys, updated
from guzheng.transcript.tls.suites import Suite

CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
CLOSE_NOTIFY = 0
_LARGEST = (1 << 14) + 2048  # RFC 5246 §6.2.3; TLS 1.3 allows less
_LARGEST_MESSAGE = 1 << 20
_NEW_TICKET, _CERTIFICATE_REQUEST, _KEY_UPDATE = 4, 13, 24


class Ended(Exception):
    """The stream has no further record, or an alert closed it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(slots=True)
class Plaintext:
    """What the application said; `marks` lead from an offset in it to one in the stream."""

    octets: bytearray = field(default_factory=bytearray)
    marks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    closed: bool = False  # by close_notify: nobody cut it off
    ended: str = ""  # otherwise why it ended


@dataclass(slots=True)
class Direction:
    """Read handshake messages with `message`, then all the rest with `drain`."""

    name: str
    stream: bytes
    at: int = 0
    keys: Keys | None = None
    modern: bool = False  # TLS 1.3, under keys: the true type stands inside
    retried: bool = False  # TLS 1.3, not yet under keys
    record_at: int = 0
    tickets: list[bytes] = field(default_factory=list[bytes])
    plain: Plaintext = field(default_factory=Plaintext)
    _messages: bytearray = field(default_factory=bytearray)

    def message(self) -> tuple[int, bytes]:
        """The next handshake message: its type, and the whole of it with its head."""
        while (found := self._whole_message()) is None:
            kind, octets = self.record()
            spare = kind == CHANGE_CIPHER and octets == b"\x01"
            if spare and (self.modern or self.retried):
                continue  # RFC 8446 §5: for middleboxes, and without meaning
            if kind != HANDSHAKE:
                wanted = f"{self.name}: a handshake message"
                raise Malformed("transcript.tls-malformed", wanted, f"a record of type {kind}")
            self._messages += octets
        return found

    def next_kind(self) -> int:
        """The type of what comes next, where TLS 1.2 is not yet under keys."""
        if self._messages:
            return HANDSHAKE
        return self.stream[self.at] if self.at < len(self.stream) else -1

    def change_cipher(self, keys: Keys) -> None:
        """TLS 1.2: the record that says so, then everything is under keys."""
        kind, octets = self.record()
        if kind != CHANGE_CIPHER or octets != b"\x01" or self._messages:
            wanted = f"{self.name}: ChangeCipherSpec"
            raise Malformed("transcript.tls-malformed", wanted, f"a record of type {kind}")
        self.keys = keys

    def rekey(self, keys: Keys) -> None:
        """TLS 1.3: no message may span a change of keys (RFC 8446 §5.1)."""
        if self._messages:
            found = f"{len(self._messages)} octets of a message"
            raise Malformed("transcript.tls-malformed", f"{self.name}: none before keys", found)
        self.keys, self.modern = keys, True

    def drain(self, suite: Suite) -> None:
        """Everything after the handshake, into `plain`; a fault is raised after what came."""
        try:
            while True:
                kind, octets = self.record()
                if kind == APPLICATION:
                    self.plain.marks.append((len(self.plain.octets), self.record_at))
                    self.plain.octets += octets
                elif kind == HANDSHAKE:
                    self._messages += octets
                    self._after_handshake(suite)
                elif not (kind == CHANGE_CIPHER and self.modern):
                    wanted = f"{self.name}: application data"
                    raise Malformed("transcript.tls-malformed", wanted, f"type {kind}")
        except Ended as ended:
            self.plain.ended = ended.why

    def _after_handshake(self, suite: Suite) -> None:
        while (found := self._whole_message()) is not None:
            kind, message = found
            if not self.modern:
                raise Undecided("transcript.renegotiated", "one handshake", f"type {kind}")
            if kind == _NEW_TICKET:
                self.tickets.append(message[4:])
            elif kind == _KEY_UPDATE and self.keys is not None:
                self.rekey(updated(suite, self.keys))
            elif kind == _CERTIFICATE_REQUEST or self.name == "client":
                raise Undecided("transcript.renegotiated", "one handshake", f"type {kind}")
            else:
                wanted = f"{self.name}: a ticket or a key update"
                raise Malformed("transcript.tls-malformed", wanted, f"type {kind}")

    def _whole_message(self) -> tuple[int, bytes] | None:
        if len(self._messages) < 4:
            return None
        size = int.from_bytes(self._messages[1:4], "big")
        if size > _LARGEST_MESSAGE:
            wanted = f"a message of at most {_LARGEST_MESSAGE} octets"
            raise Malformed("transcript.tls-malformed", wanted, str(size))
        if len(self._messages) < 4 + size:
            return None
        message = bytes(self._messages[: 4 + size])
        del self._messages[: 4 + size]
        return message[0], message

    def record(self) -> tuple[int, bytes]:
        """The next record: its true type, its content. Raises Ended at an alert or the end."""
        self.record_at = self.at
        head = self.stream[self.at : self.at + 5]
        if not head:
            raise Ended("the connection ended without close_notify")
        size = int.from_bytes(head[3:5], "big")
        if len(head) == 5 and (head[0] not in (20, 21, 22, 23) or head[1] != 3):
            wanted = f"{self.name}: a TLS record"
            raise Malformed("transcript.tls-malformed", wanted, head.hex())
        if size > _LARGEST:
            wanted = f"{self.name}: a record of at most {_LARGEST} octets"
            raise Malformed("transcript.tls-malformed", wanted, str(size))
        content = self.stream[self.at + 5 : self.at + 5 + size]
        if len(head) < 5 or len(content) < size:
            raise Ended("the connection was cut off within a record")
        self.at += 5 + size
        kind = head[0]
        if self.keys is not None and not (self.modern and kind == CHANGE_CIPHER):
            kind, content = self._opened(self.keys, head, content)
        if kind == ALERT:
            self._alert(content)
        return kind, content

    def _opened(self, keys: Keys, head: bytes, content: bytes) -> tuple[int, bytes]:
        if self.modern and head[0] == ALERT and len(content) == 2:
            return ALERT, content  # sent before its sender had keys (RFC 8446 §6)
        number = keys.count.to_bytes(8, "big")
        if keys.explicit:
            nonce, sealed = keys.iv + content[: keys.explicit], content[keys.explicit :]
        else:
            padded = number.rjust(len(keys.iv), b"\0")
            nonce = bytes(a ^ b for a, b in zip(keys.iv, padded, strict=True))
            sealed = content
        size = (len(sealed) - 16).to_bytes(2, "big") if len(sealed) >= 16 else b"\0\0"
        about = head if self.modern else number + head[:3] + size
        try:
            inside = keys.aead.decrypt(nonce, sealed, about)
        except (InvalidTag, ValueError) as error:
            found = f"record {keys.count} at octet {self.record_at}"
            wanted = f"{self.name}: a record under the key of this handshake"
            raise Refuted("transcript.record-not-authentic", wanted, found) from error
        keys.count += 1
        if not self.modern:
            return head[0], inside
        text = inside.rstrip(b"\0")
        if not text:
            wanted = f"{self.name}: a record with a type"
            raise Malformed("transcript.tls-malformed", wanted, "zeros alone")
        return text[-1], text[:-1]

    def _alert(self, content: bytes) -> None:
        if len(content) != 2:
            wanted = f"{self.name}: an alert of two octets"
            raise Malformed("transcript.tls-malformed", wanted, str(len(content)))
        if content[1] == CLOSE_NOTIFY:
            self.plain.closed = True
            raise Ended("")
        raise Ended(f"alert {content[1]}")
