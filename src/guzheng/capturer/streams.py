"""What a body without end brought, as far as it is a true beginning of it.

The browser gives the octets of such a body from when it was asked for them. Those it told of
before, it gives no more (its store of bodies outside the page has only whole ones), and after
the first of the pictures that replace each other it forgets that it was asked. So every octet
it tells of is counted, given or not: what follows a gap is never passed off as a beginning, nor
is the gap filled from elsewhere. The transcript has those octets, and completeness says so.
"""

from dataclasses import dataclass, field

REPLACED = "multipart/x-mixed-replace"
ENDLESS = ("text/event-stream", REPLACED)


@dataclass(slots=True)
class Stream:
    """`take` what the browser tells of each part, `begin` with what it had kept when asked."""

    reported: int = 0  # octets that the browser told of before anybody asked
    _octets: bytearray = field(default_factory=bytearray)
    _missed: int = 0  # of these, before the first that was given
    _is_cut: bool = False
    _has_begun: bool = False

    def take(self, length: int, part: bytes) -> int:
        """How many octets are kept of a part of which `length` were told."""
        if not (self._octets or self._is_late):
            self._missed = self.reported
        self.reported += length
        self._is_cut |= bool(self._octets) and len(part) != length
        if self._is_cut or self._is_late:
            return 0
        self._octets += part
        return len(part)

    def begin(self, early: bytes) -> None:
        """The answer; parts may have been told after it was given and before it was heard."""
        if self._has_begun:  # it was asked once more, for what is still to come
            return
        self._has_begun = True
        missed = self._missed if self._octets else self.reported
        self._missed = max(0, missed - len(early))
        self._octets[:0] = early

    @property
    def _is_late(self) -> bool:
        return self._has_begun and self._missed > 0

    @property
    def beginning(self) -> bytes:
        """As much of the body as can be vouched for."""
        return b"" if self._missed else bytes(self._octets)

    @property
    def why(self) -> str:
        """What is not in it; empty if nothing is known to be missing."""
        if missed := self._missed or (0 if self._octets else self.reported):
            return (
                f"the first {missed} of {self.reported} octets came before they were asked for"
            )
        if self._is_cut:
            return f"{len(self._octets)} of {self.reported} octets were given"
        return ""
