"""What a certificate can show of a hostile name, and how it shows the rest.

PDF/A forbids a reference to a glyph that the font lacks, and a certificate must not let a name
turn the text around it: so every character that the certificate's font cannot draw, and every
control, invisible or direction-changing one, is written out as ‹U+202E›. The opening mark ‹ is
itself written out, so a name that contains the letters «‹U+202E›» cannot pass for the real
thing. Reads the `cmap` of OpenType fonts and collections (ISO/IEC 14496-22 §5.3.4, formats 4
and 12: the two that Unicode fonts use); keeps nothing.
"""

import struct
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import compress, groupby
from pathlib import Path

OPEN, CLOSE = "‹", "›"
# Cc controls, Cf invisible or turning, Cs halves, Co private, Cn unassigned, Zl and Zp breaks.
_NEVER_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Longer runs than this without a blank get places to break; shorter ones are left as they are.
_LONGEST_RUN = 24
_PIECE = 4
_IDEOGRAPHS = 0x2E80  # CJK Radicals Supplement: the first block of East Asian script


def visible(text: str, drawn: frozenset[int]) -> str:
    """The text with everything that cannot be seen written out as ‹U+…›."""
    return "".join(
        character
        if ord(character) in drawn
        and character != OPEN
        and unicodedata.category(character) not in _NEVER_SHOWN
        else f"{OPEN}U+{ord(character):04X}{CLOSE}"
        for character in text
    )


def pieces(text: str) -> list[str]:
    """The text in parts, between which a line may break: joined they are the text again."""
    parts: list[str] = []
    for _, characters in groupby(text, key=_breaks_by_itself):
        run = "".join(characters)
        start = 0
        while len(run) - start > _LONGEST_RUN or (start and start < len(run)):
            end = start + _PIECE
            while end < len(run) and unicodedata.combining(run[end]):
                end += 1  # a mark stays with the letter that bears it
            parts.append(run[start:end])
            start = end
        if start < len(run):
            parts.append(run[start:])
    return parts


def _breaks_by_itself(character: str) -> bool:
    """Blanks and ideographs: typesetting knows where such lines may break."""
    return character == " " or ord(character) >= _IDEOGRAPHS


def drawn_by(font: Path) -> frozenset[int]:
    """The code points that a font file can draw; of a collection, what each member can."""
    octets = font.read_bytes()
    if octets[:4] == b"ttcf":
        (count,) = struct.unpack_from(">I", octets, 8)
        members: tuple[int, ...] = struct.unpack_from(f">{count}I", octets, 12)
    else:
        members = (0,)
    # Members share their cmap more often than not: read each place once.
    places = {_table(octets, member, b"cmap") for member in members}
    return frozenset(set.intersection(*(_code_points(octets, at) for at in places)))


def _table(octets: bytes, font_at: int, wanted: bytes) -> int:
    (count,) = struct.unpack_from(">H", octets, font_at + 4)
    for number in range(count):
        tag, _, at, _ = struct.unpack_from(">4sIII", octets, font_at + 12 + 16 * number)
        if tag == wanted:
            return int(at)
    raise ValueError(f"a font without the table {wanted!r}")


def _code_points(octets: bytes, cmap_at: int) -> set[int]:
    (count,) = struct.unpack_from(">H", octets, cmap_at + 2)
    records = struct.iter_unpack(">HHI", octets[cmap_at + 4 : cmap_at + 4 + 8 * count])
    found: set[int] = set()
    for at in {cmap_at + within for _, _, within in records}:
        (form,) = struct.unpack_from(">H", octets, at)
        if form == 12:
            found.update(*_form_12(octets, at))
        elif form == 4:
            found.update(*_form_4(octets, at))
            found.discard(0xFFFF)  # the end of its segments, and no character
    return found


def _form_12(octets: bytes, at: int) -> Iterator[Iterable[int]]:
    (groups,) = struct.unpack_from(">I", octets, at + 12)
    for first, last, glyph in struct.iter_unpack(
        ">III", octets[at + 16 : at + 16 + 12 * groups]
    ):
        yield range(first if glyph else first + 1, last + 1)


def _form_4(octets: bytes, at: int) -> Iterator[Iterable[int]]:
    (twice,) = struct.unpack_from(">H", octets, at + 6)
    count = twice // 2
    ends = struct.unpack_from(f">{count}H", octets, at + 14)
    starts = struct.unpack_from(f">{count}H", octets, at + 16 + twice)
    deltas = struct.unpack_from(f">{count}H", octets, at + 16 + 2 * twice)
    offsets_at = at + 16 + 3 * twice
    offsets = struct.unpack_from(f">{count}H", octets, offsets_at)
    for number, (first, last) in enumerate(zip(starts, ends, strict=True)):
        if offsets[number]:
            place = offsets_at + 2 * number + offsets[number]
            glyphs = struct.unpack_from(f">{last + 1 - first}H", octets, place)
            yield compress(range(first, last + 1), glyphs)  # glyph 0 is none
        else:
            none = -deltas[number] & 0xFFFF
            yield range(first, min(none, last + 1))
            yield range(max(none + 1, first), last + 1)
