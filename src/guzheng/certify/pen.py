"""Text on its way to the page: made visible, cut where lines may break, and given a style.

One Pen writes one certificate, and remembers whether anything had to be written out, so that
the certificate can explain the marks it shows. What comes out are strings in lists and
mappings: the template puts them on paper and never reads them as markup.
"""

from typing import Literal, TypeAlias

from guzheng.certify import glyphs
from guzheng.certify.wording import Phrase
from guzheng.proof.digest import Digest

Printed: TypeAlias = dict[str, object]
Style: TypeAlias = Literal["plain", "strong", "mute", "mono", "warn", "en"]

_GROUP = 8  # hexadecimal digits that an eye compares at once
_ALGORITHM_NAMES = {"sha256": "SHA-256", "sm3": "SM3"}


class Pen:
    """Writes with the glyphs that the fonts of this certificate have."""

    def __init__(self, drawn: frozenset[int]) -> None:
        self._drawn = drawn
        self.wrote_out = False

    def parts(self, text: str) -> list[str]:
        shown = glyphs.visible(text, self._drawn)
        self.wrote_out = self.wrote_out or shown != text
        return glyphs.pieces(shown)

    def line(self, text: str, style: Style = "plain") -> Printed:
        return {"style": style, "parts": self.parts(text)}

    def phrase(self, phrase: Phrase) -> Printed:
        return {"zh": self.parts(phrase.zh), "en": self.parts(phrase.en)}

    def both(self, phrase: Phrase, style: Style = "mute") -> list[Printed]:
        return [self.line(phrase.zh, style), self.line(phrase.en, "en")]

    def row(self, label: Phrase, *lines: Printed) -> Printed:
        return {"label": label.value(), "lines": list(lines)}

    def digest(self, digest: Digest) -> Printed:
        digits = digest.hex
        return {
            "style": "digest",
            "name": _ALGORITHM_NAMES.get(digest.algorithm, digest.algorithm),
            "parts": [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)],
        }
