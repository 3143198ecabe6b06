"""What a font can draw, read from tables made by hand as ISO/IEC 14496-22 describes them."""

import struct
from pathlib import Path

from guzheng.certify.glyphs import drawn_by

Segment = tuple[int, int, int, list[int]]  # first, last, delta, glyphs (none: by the delta)


def form_4(*segments: Segment) -> bytes:
    count = len(segments)
    columns: list[list[int]] = [[], [], [], []]
    array: list[int] = []
    for number, (first, last, delta, glyphs) in enumerate(segments):
        within = 2 * (count - number + len(array)) if glyphs else 0
        array += glyphs
        for column, value in zip(columns, (last, first, delta, within), strict=True):
            column.append(value)
    ends, *others = columns
    body = struct.pack(f">4H{count}HH", 2 * count, 0, 0, 0, *ends, 0)
    for column in others:
        body += struct.pack(f">{count}H", *column)
    body += struct.pack(f">{len(array)}H", *array)
    return struct.pack(">3H", 4, 6 + len(body), 0) + body


def form_12(*groups: tuple[int, int, int]) -> bytes:
    body = b"".join(struct.pack(">3I", *one) for one in groups)
    return struct.pack(">2H3I", 12, 0, 16 + len(body), 0, len(groups)) + body


def cmap(*forms: bytes) -> bytes:
    at, records = 4 + 8 * len(forms), b""
    for number, form in enumerate(forms):
        records += struct.pack(">2HI", 0, number, at)
        at += len(form)
    return struct.pack(">2H", 0, len(forms)) + records + b"".join(forms)


def font(table: bytes, at: int = 0) -> bytes:
    head = struct.pack(">I4H", 0x00010000, 1, 0, 0, 0)
    return head + struct.pack(">4s3I", b"cmap", 0, at + 28, len(table)) + table


def drawn(tmp_path: Path, octets: bytes) -> set[int]:
    path = tmp_path / "one.otf"
    path.write_bytes(octets)
    return set(drawn_by(path))


LAST: Segment = (0xFFFF, 0xFFFF, 1, [])


def test_segments_by_delta_and_by_glyphs(tmp_path: Path) -> None:
    by_delta: Segment = (0x41, 0x45, 0x10000 - 0x43, [])  # glyph 0 at 0x43
    whole: Segment = (0x50, 0x52, 7, [])
    by_glyph = (0x61, 0x65, 0, [1, 0, 2, 0, 3])
    more = (0x70, 0x71, 0, [0, 9])
    found = drawn(tmp_path, font(cmap(form_4(by_delta, whole, by_glyph, more, LAST))))
    by_hand = {0x41, 0x42, 0x44, 0x45} | {0x50, 0x51, 0x52} | {0x61, 0x63, 0x65} | {0x71}
    assert found == by_hand


def test_groups_beyond_the_first_plane(tmp_path: Path) -> None:
    groups = form_12((0x20, 0x22, 0), (0x20000, 0x20002, 5))
    assert drawn(tmp_path, font(cmap(groups))) == {0x21, 0x22, 0x20000, 0x20001, 0x20002}


def test_tables_of_one_font_add_up(tmp_path: Path) -> None:
    both = cmap(form_4((0x41, 0x41, 1, []), LAST), form_12((0x1F600, 0x1F600, 3)))
    assert drawn(tmp_path, font(both)) == {0x41, 0x1F600}


def test_of_a_collection_what_each_member_can(tmp_path: Path) -> None:
    head, members = struct.pack(">4s2I2I", b"ttcf", 0x00010000, 2, 20, 100), b""
    for at, last in ((20, 0x45), (100, 0x43)):
        members += font(cmap(form_12((0x41, last, 1))), at).ljust(80, b"\0")
    assert drawn(tmp_path, head + members) == {0x41, 0x42, 0x43}
