"""Numbers and vectors in octets, as TLS spells them (RFC 8446 §3): never past the end."""

from guzheng.proof.errors import Malformed


class Cursor:
    """Over octets that are wholly there; what is too short or too long is malformed."""

    def __init__(self, octets: bytes, what: str) -> None:
        self._octets = octets
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        return len(self._octets) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            found = f"{self.left} octets left"
            raise Malformed("transcript.tls-malformed", f"{size} octets of {self._what}", found)
        self._at += size
        return self._octets[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A vector whose length stands before it in `size` octets."""
        return self.take(self.number(size))

    def inner(self, size: int) -> "Cursor":
        return Cursor(self.vector(size), self._what)

    def end(self) -> None:
        if self.left:
            found = f"{self.left} octets more"
            raise Malformed("transcript.tls-malformed", f"the end of {self._what}", found)
