"""The browser's key log: NSS Key Log Format (RFC 9850), read line by line and strictly.

A secret is known by its label and the client's random of the handshake. Whoever has it can read
that connection, and could also have made octets that decrypt: see docs/spec/completeness.md §1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from guzheng.proof.errors import Malformed
from guzheng.transcript.limits import KEY_LOG_LINES, KEY_LOG_OCTETS

_LINE = re.compile(rb"([A-Z][A-Z0-9_]{0,63}) ([0-9a-fA-F]{64}) ([0-9a-fA-F]{32,192})")


@dataclass(frozen=True, slots=True)
class KeyLog:
    """`secrets` by label and client random."""

    secrets: Mapping[tuple[str, bytes], bytes]
    is_cut_off: bool = False  # the last line has no end: the browser was killed while writing

    @classmethod
    def parse(cls, octets: bytes) -> "KeyLog":
        if len(octets) > KEY_LOG_OCTETS:
            wanted = f"at most {KEY_LOG_OCTETS} octets"
            raise Malformed("transcript.key-log-malformed", wanted, str(len(octets)))
        *lines, rest = octets.replace(b"\r\n", b"\n").split(b"\n")
        if len(lines) > KEY_LOG_LINES:
            wanted = f"at most {KEY_LOG_LINES} lines"
            raise Malformed("transcript.key-log-malformed", wanted, str(len(lines)))
        secrets: dict[tuple[str, bytes], bytes] = {}
        for number, line in enumerate(lines, 1):
            if not line or line.startswith(b"#"):
                continue
            form = _LINE.fullmatch(line)
            if form is None or len(form[3]) % 2:
                wanted = "LABEL CLIENT-RANDOM SECRET"  # never the line: it may be a secret
                raise Malformed("transcript.key-log-malformed", wanted, f"line {number}")
            name = (form[1].decode(), bytes.fromhex(form[2].decode()))
            secret = bytes.fromhex(form[3].decode())
            if secrets.setdefault(name, secret) != secret:
                wanted = "one secret for one handshake"
                raise Malformed("transcript.key-log-malformed", wanted, f"line {number}")
        return cls(secrets, bool(rest))

    def find(self, label: str, client_random: bytes) -> bytes | None:
        return self.secrets.get((label, client_random))
