"""Reading the fields of a parsed paper: the type asked for, or a refusal that names the field.

Papers are closed: a field that a schema does not know is refused, since a reader who skips
what he does not understand may be shown something other than what was sealed.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

from guzheng.proof import instant
from guzheng.proof.digest import ALGORITHMS, Digest
from guzheng.proof.errors import Malformed

_Part = TypeVar("_Part")


def to_base64(octets: bytes) -> str:
    """Standard, padded, in one line (RFC 4648 §4)."""
    return b2a_base64(octets, newline=False).decode()


_Spelling = tuple[str, Callable[[str], bytes], Callable[[bytes], str]]
_HEXADECIMAL: _Spelling = ("lower-case hexadecimal", bytes.fromhex, bytes.hex)
_BASE64: _Spelling = ("base64", a2b_base64, to_base64)


class Fields:
    """One JSON object of a paper, read field by field. `paper` names it in refusals."""

    def __init__(self, value: object, paper: str) -> None:
        self._paper = paper
        if not isinstance(value, dict):
            raise self._refusal("an object", value)
        self._left: dict[str, object] = dict(cast("dict[str, object]", value))

    def _refusal(self, expected: str, found: object, name: str = "") -> Malformed:
        where = f"{self._paper}.{name}" if name else self._paper
        return Malformed("paper.malformed", f"{where}: {expected}", repr(found)[:80])

    def has(self, name: str) -> bool:
        """Whether the field is there, and was not taken yet."""
        return name in self._left

    def take(self, name: str) -> object:
        """The value of a field that must be there, whatever its type. Raises Malformed."""
        if name not in self._left:
            raise self._refusal("a value", "nothing", name)
        return self._left.pop(name)

    def text(self, name: str, *, longest: int = 4096) -> str:
        """Of at most `longest` characters; may be empty. Raises Malformed."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > longest:
            raise self._refusal(f"text of at most {longest} characters", value, name)
        return value

    def text_or_none(self, name: str, *, longest: int = 4096) -> str | None:
        """None where there is no such field; never for another type."""
        return self.text(name, longest=longest) if self.has(name) else None

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """A text, letter for letter one of these. Raises Malformed."""
        value = self.take(name)
        if not isinstance(value, str) or value not in allowed:
            raise self._refusal(f"one of {', '.join(allowed)}", value, name)
        return value

    def count(self, name: str) -> int:
        """An integer of 0 or more; `true` is none. Raises Malformed."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._refusal("an integer of 0 or more", value, name)
        return value

    def instant(self, name: str) -> datetime:
        """In the one spelling of a time, aware and UTC. Raises Malformed."""
        return instant.parse(self.text(name, longest=24))

    def octets(self, name: str, size: int) -> bytes:
        """`size` octets in lower-case hexadecimal."""
        return self._spelled(name, size, _HEXADECIMAL)

    def base64(self, name: str, size: int) -> bytes:
        """`size` octets in base64 (RFC 4648 §4)."""
        return self._spelled(name, size, _BASE64)

    def _spelled(self, name: str, size: int, spelling: _Spelling) -> bytes:
        text = self.text(name, longest=2 * size)
        form, read, spell = spelling
        try:
            value = read(text)
        except ValueError:
            value = b""
        if len(value) != size or spell(value) != text:  # readers let blanks and more through
            raise self._refusal(f"{size} octets in {form}", text, name)
        return value

    def items(self, name: str, *, most: int) -> list[object]:
        """A list of at most `most` values of any type. Raises Malformed."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self._refusal("a list", value, name)
        listed = cast("list[object]", value)
        if len(listed) > most:
            raise self._refusal(f"a list of at most {most}", listed, name)
        return listed

    def texts(self, name: str, *, most: int = 1000) -> tuple[str, ...]:
        """A list of at most `most` texts, of any length. Raises Malformed."""
        values = self.items(name, most=most)
        found = tuple(one for one in values if isinstance(one, str))
        if len(found) != len(values):
            raise self._refusal("a list of texts", values, name)
        return found

    def digests(self, name: str = "digests") -> tuple[Digest, ...]:
        """At least SHA-256, each algorithm once, in the fixed order."""
        found = tuple(Digest.parse(text) for text in self.texts(name, most=len(ALGORITHMS)))
        if not found or tuple(one.algorithm for one in found) != ALGORITHMS[: len(found)]:
            raise self._refusal("sha256, then sm3", [str(one) for one in found], name)
        return found

    def optional(self, name: str, read: Callable[[object], _Part]) -> _Part | None:
        """What `read` makes of the field; None where there is none."""
        return read(self.take(name)) if self.has(name) else None

    def end(self) -> None:
        """Nothing may be left over."""
        if self._left:
            raise self._refusal("no further field", sorted(self._left))
