"""Orders as a table (CSV, RFC 4180), read strictly, and what became of them, written safely.

Every line that cannot be taken is named with the reason; nothing is guessed. UTF-8, with or
without a mark, else GB18030, as spreadsheets in China write it. What is written back is for a
spreadsheet that strangers' words must not steer: a cell that one would take for a formula gets
an apostrophe before it (CWE-1236).
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from guzheng.refusals import Refused

MAX_OCTETS = 1024 * 1024
MAX_LINES = 1000
URL, NAME, APPLICANT, PURPOSE = "url", "claimed_name", "claimed_applicant", "claimed_purpose"
_HEADS = {
    URL: ("url", "address", "link", "网址", "链接", "地址", "网页地址"),
    NAME: ("name", "evidence name", "名称", "证据名称"),
    APPLICANT: ("applicant", "申请人"),
    PURPOSE: ("purpose", "用途", "证明目的", "取证目的"),
}
_COLUMN_OF = {head: column for column, heads in _HEADS.items() for head in heads}
# Full-width ones too: some spreadsheets fold them.
_STEERING = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Row:
    """A line that can be ordered; `number` as a spreadsheet counts, the heads being 1."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that cannot, and why."""

    number: int
    code: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    encoding: str


def parse(octets: bytes, judge: Callable[[Mapping[str, str]], None]) -> Sheet:
    """`judge` raises Refused for a line that breaks a rule. Raises Refused for what is no
    table of orders at all."""
    text, encoding = _text_of(octets)
    lines = _lines_of(text)
    heads = _heads_of(lines)
    rows: list[Row] = []
    bad: list[BadRow] = []
    seen: dict[str, int] = {}
    for number, cells in lines[1:]:
        if not any(one.strip() for one in cells):
            continue
        try:
            row = _row_of(number, cells, heads)
            judge(row.cells)
            if (first := seen.setdefault(row.cells[URL], number)) != number:
                raise Refused("commission.line-twice", found=str(first))
        except Refused as refusal:
            bad.append(BadRow(number, refusal.code, refusal.found[:200]))
        else:
            rows.append(row)
    if not rows and not bad:
        raise _refused("commission.table-empty", "at least one line with an address", "none")
    return Sheet(tuple(rows), tuple(bad), encoding)


def _text_of(octets: bytes) -> tuple[str, str]:
    if len(octets) > MAX_OCTETS:
        raise _refused(
            "commission.table-too-large", f"at most {MAX_OCTETS:,} octets", f"{len(octets):,}"
        )
    if b"\0" in octets:
        raise _refused(
            "commission.table-unreadable",
            "text (CSV) in UTF-8 or GB18030",
            "octets that are no text: a workbook, or UTF-16",
        )
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return octets.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise _refused("commission.table-unreadable", "text in UTF-8 or GB18030", "neither")


def _lines_of(text: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            lines.append((len(lines) + 1, cells))
            if len(lines) > MAX_LINES + 1:
                raise _refused(
                    "commission.table-too-large", f"at most {MAX_LINES} lines", "more"
                )
    except csv.Error as error:
        found = f"line {len(lines) + 1}: {error}"
        raise _refused("commission.table-unreadable", "CSV (RFC 4180)", found) from error
    if not lines:
        raise _refused("commission.table-empty", "a line of heads and one of orders", "none")
    return lines


def _heads_of(lines: Sequence[tuple[int, list[str]]]) -> list[str]:
    heads = []
    for cell in lines[0][1]:
        column = _COLUMN_OF.get(cell.strip().lower())
        if column is None or column in heads:
            raise _refused(
                "commission.heads-unknown",
                "网址 url, 名称 name, 申请人 applicant, 用途 purpose; each once, url always",
                repr(cell[:80]),
            )
        heads.append(column)
    if URL not in heads:
        raise _refused("commission.heads-unknown", "网址 url", "no such head")
    return heads


def _row_of(number: int, cells: list[str], heads: list[str]) -> Row:
    if len(cells) != len(heads):
        raise Refused("commission.line-ragged", found=f"{len(cells)} ≠ {len(heads)}")
    named = {head: cell.strip() for head, cell in zip(heads, cells, strict=True)}
    return Row(number, {head: cell for head, cell in named.items() if cell or head == URL})


def _refused(code: str, expected: str, found: str) -> Refused:
    return Refused(code, expected=expected, found=found, act="mend the file, and send it again")


def encode(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """For a spreadsheet: UTF-8 with a mark, every cell quoted, none a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe_cell(one) for one in heads])
    for row in rows:
        writer.writerow([safe_cell(one) for one in row])
    return text.getvalue().encode("utf-8-sig")


def safe_cell(text: str) -> str:
    """The text, unless a spreadsheet would run it: then with an apostrophe before it."""
    return f"'{text}" if text.lstrip(" \u00a0\u3000").startswith(_STEERING) else text
