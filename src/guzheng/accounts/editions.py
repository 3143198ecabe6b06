"""Editions (会员版本) as data: a table of functions by editions, read from TOML, strictly.

What an edition lacks is only the beginning of new things: what was captured, deposited or
packed stays readable and downloadable under every edition.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, cast

from guzheng.refusals import Refused

CAPTURE, DEPOSIT = "capture", "deposit"
# What an edition may or may not have. `programs`: keys for programs, and what they do.
FUNCTIONS: Final = (
    CAPTURE,
    DEPOSIT,
    "share",
    "cases",
    "package",
    "batch",
    "schedule",
    "members",
    "programs",
)
_ALL: Final = "*"
_FIELDS: Final = frozenset({"edition", "name", "functions", "units"})


@dataclass(frozen=True, slots=True)
class Edition:
    """`rank`: of two, the higher one is shown as the account's own. `units` None: no limit."""

    edition: str
    names: Mapping[str, str]
    functions: frozenset[str]
    units: int | None
    rank: int

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names["zh"]


def parse(text: str, source: str) -> tuple[Edition, ...]:
    """Every edition, lowest first. Raises Refused, which names what is wrong."""
    try:
        listed = cast("list[object]", tomllib.loads(text).get("edition", []))
        found = tuple(_edition(one, rank) for rank, one in enumerate(listed))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _wrong(source, f"{type(error).__name__}: {error}") from error
    if not found or len({one.edition for one in found}) != len(found):
        raise _wrong(source, "none, or two of one name")
    return found


def _edition(value: object, rank: int) -> Edition:
    row = cast("dict[str, object]", value)
    if row.keys() - _FIELDS:
        raise ValueError(f"unknown: {sorted(row.keys() - _FIELDS)}")
    names = {str(one): str(said) for one, said in cast("dict[str, str]", row["name"]).items()}
    functions = frozenset(str(one) for one in cast("list[object]", row["functions"]))
    if _ALL in functions:
        functions = frozenset(FUNCTIONS)
    units = row.get("units")
    wrong = functions - frozenset(FUNCTIONS)
    if wrong or "zh" not in names or not (units is None or (type(units) is int and units >= 0)):
        raise ValueError(f"{row['edition']}: {sorted(wrong) or units or 'name.zh'}")
    return Edition(str(row["edition"]), names, functions, units, rank)


def _wrong(source: str, found: str) -> Refused:
    return Refused(
        "accounts.editions-file",
        expected=f"[[edition]] with edition, name.zh, functions of {', '.join(FUNCTIONS)}",
        found=f"{source}: {found}"[:300],
        act="the operator mends the file",
    )


def load(file: str) -> tuple[Edition, ...]:
    """Those of this file; of the package, when none is named."""
    if not file:
        packaged = files("guzheng.accounts") / "editions.toml"
        return parse(packaged.read_text("utf-8"), "editions.toml")
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, type(error).__name__) from error
    return parse(text, file)
